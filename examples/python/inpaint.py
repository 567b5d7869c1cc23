"""Repaint what is white in a mask: python examples/python/inpaint.py photo.jpg mask.png "a red balloon" out.png"""

from __future__ import annotations

import sys
from pathlib import Path

from garret.client import Client


def main(photo: Path, mask: Path, prompt: str, file: str) -> None:
    """Send both files as they are; the service keeps them by their digests for an hour."""
    start = {"image": photo, "denoise": 0.8, "mask": {"image": mask, "only_masked": True}}
    with Client() as client:
        (picture,) = client.generate(prompt, start=start)
    print(picture.save(file))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4])
