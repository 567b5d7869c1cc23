"""Make pictures by garret's client: GARRET_URL and GARRET_TOKEN say where and as whom.

python examples/python/generate.py "a red circle on a blue background" circle.png
"""

from __future__ import annotations

import sys

from garret.client import Client, ClientError, Job


def main(prompt: str = "a red circle on a blue background", file: str = "picture.png") -> int:
    """Make one picture and say how far it is."""
    try:
        with Client() as client:
            (picture,) = client.generate(prompt, seed=7, told=show, look_s=1)
    except ClientError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\n{picture.save(file)}: {picture.media_type}, seed {picture.seed}")
    return 0


def show(job: Job) -> None:
    """Say where the job is."""
    print(f"\r{job.share:4.0%} {job.where}    ", end="", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
