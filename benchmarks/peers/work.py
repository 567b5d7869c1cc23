"""What every server of the occupancy benchmark does for a picture: hold the device, encode PNG, answer with base64.

Run by the peers' own interpreter, which has numpy and Pillow and nothing of garret.
"""

import base64
import io
import os
import pathlib
import time

import numpy
from PIL import Image

SIDE = int(os.environ["BENCH_SIDE"])
SECONDS = float(os.environ["BENCH_SECONDS"])
_RGB = pathlib.Path(os.environ["BENCH_PICTURE"]).read_bytes()


def on_device(seed):
    """Hold the accelerator, without Python's lock, and return the pixels."""
    over = time.monotonic() + SECONDS
    at = seed % SIDE * SIDE * 3
    pixels = numpy.frombuffer(_RGB[at:] + _RGB[:at], numpy.uint8).reshape(SIDE, SIDE, 3)
    time.sleep(max(0.0, over - time.monotonic()))
    return pixels


def encoded(pixels):
    """Return the picture as these servers' examples do: Pillow's PNG at its usual settings, in base64."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
