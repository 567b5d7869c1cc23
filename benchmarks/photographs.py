"""Six photographs of 1024 x 1024, from the wheel of scikit-image, which is installed for as long as it takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SIDE = 1024
NAMES = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left", "hubble_deep_field")
_CUT = """
import pathlib, sys, skimage, PIL.Image
side, out, *names = sys.argv[1:]
data = pathlib.Path(skimage.__file__).parent / "data"
with open(out, "wb") as file:
    for name in names:
        picture = PIL.Image.open(next(data.glob(name + ".*"))).convert("RGB")
        short = min(picture.size)
        left, top = (picture.width - short) // 2, (picture.height - short) // 2
        square = picture.crop((left, top, left + short, top + short))
        file.write(square.resize((int(side), int(side)), PIL.Image.Resampling.LANCZOS).tobytes())
"""


def photographs(folder: Path) -> Path:
    """Write them one after the other as rows of RGB into a file of the folder, and return it."""
    subprocess.run([sys.executable, "-m", "venv", folder / "photographs"], check=True)
    python, out = folder / "photographs/bin/python", folder / "photographs.rgb"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "scikit-image>=0.25,<1"], check=True)
    subprocess.run([python, "-c", _CUT, str(SIDE), out, *NAMES], check=True)
    return out
