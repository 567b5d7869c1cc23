"""Make many pictures at once by the awaiting client: the service batches what fits together.

python examples/python/many.py FOLDER "a red circle" "a green star" "a blue square"
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from garret.client import AsyncClient, JobFailed


async def main(folder: Path, prompts: list[str]) -> int:
    """Make one picture of each prompt, and write each as soon as it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    async with AsyncClient() as client:

        async def make(number: int, prompt: str) -> bool:
            try:
                (picture,) = await client.generate(prompt, seed=number)
            except JobFailed as error:
                print(f"{prompt}: {error}", file=sys.stderr)
                return False
            print(picture.save(folder / f"{number}.png"))
            return True

        made = await asyncio.gather(*(make(number, prompt) for number, prompt in enumerate(prompts)))
    return 0 if all(made) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]), sys.argv[2:])))
