"""The invisible watermark of SDXL's own code: 48 bits in the pixels, read by the library `invisible-watermark`.

The method that library calls dwtDct: of the U channel's Haar approximation, each 4 x 4 block carries one bit in its
largest coefficient, as the part of a step of 36 that is left over (a quarter: 0, three quarters: 1); the bits repeat
over the picture and are read as the majority. https://github.com/ShieldMnt/invisible-watermark
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy

BITS = tuple(int(digit) for digit in f"{0b101100111110110010010000011110111011000110011110:048b}")
"""The message of SDXL's own code and of diffusers: whoever looks for one of theirs finds ours."""
FEWEST_PIXELS = 256 * 256
"""The library reads no smaller picture."""
_STEP = 36.0
# U = 0.492 (B - Y) and Y = 0.299 R + 0.587 G + 0.114 B, the constants of ITU-R BT.601.
_OF_U = (-0.492 * 0.299, -0.492 * 0.587, 0.492 * (1 - 0.114))
_BLUE_OF_U = 1 / 0.492
_GREEN_OF_BLUE = -0.114 / 0.587


def is_large_enough(width: int, height: int) -> bool:
    """Say whether a picture of these sides can carry the mark."""
    return width * height >= FEWEST_PIXELS


def watermarked(rgb: bytes, width: int, height: int) -> bytes:
    """Return the pixels (rows of RGB bytes) with the mark in them; brightness stays, blue changes a little."""
    import numpy

    pixels = numpy.frombuffer(rgb, dtype=numpy.uint8).reshape(height, width, 3).copy()
    blocks = _blocks(pixels)
    sizes = numpy.abs(blocks)
    sizes[:, 0] = 0
    numbers = numpy.arange(len(blocks))
    largest = sizes.argmax(axis=1)
    value = sizes[numbers, largest]
    sizes[numbers, largest] = 0
    bits = numpy.asarray(BITS)[numbers % len(BITS)]
    wanted = (value // _STEP + 0.25 + 0.5 * bits) * _STEP
    # Where the next one would then be the largest and say the other bit, a step higher: the library's own mark is lost
    # there, and all over a flat picture.
    following = sizes.max(axis=1)
    wanted += _STEP * ((wanted < following) & (_read(following) != bits))
    change = (wanted - value) * numpy.sign(blocks[numbers, largest]) / 2
    _shift(pixels, largest, change)
    return pixels.tobytes()


def bits_in(rgb: bytes, width: int, height: int) -> tuple[int, ...]:
    """Return the 48 bits that a picture's pixels say; those of a picture without the mark are any."""
    import numpy

    blocks = _blocks(numpy.frombuffer(rgb, dtype=numpy.uint8).reshape(height, width, 3))
    sizes = numpy.abs(blocks)
    sizes[:, 0] = 0
    read = _read(sizes.max(axis=1))
    return tuple(int(read[start :: len(BITS)].mean() > 0.5) for start in range(len(BITS)))


def _read(sizes: Any) -> Any:
    return sizes % _STEP > _STEP / 2


def _blocks(pixels: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
    """Return U's Haar approximation as one row of 16 for each 8 x 8 pixels."""
    import numpy

    rows, columns = pixels.shape[0] // 8, pixels.shape[1] // 8
    part = pixels[: rows * 8, : columns * 8].astype(numpy.float32)
    u = part @ numpy.asarray(_OF_U, dtype=numpy.float32)
    half = (u[0::2, 0::2] + u[0::2, 1::2] + u[1::2, 0::2] + u[1::2, 1::2]) / 2 + 256
    return half.reshape(rows, 4, columns, 4).transpose(0, 2, 1, 3).reshape(-1, 16)


def _shift(pixels: numpy.ndarray[Any, Any], largest: Any, change: Any) -> None:
    """Change U of the four pixels behind each block's largest coefficient, leaving Y and V as they are."""
    import numpy

    columns = pixels.shape[1] // 8
    numbers = numpy.arange(len(largest))
    top = (numbers // columns * 4 + largest // 4) * 2
    left = (numbers % columns * 4 + largest % 4) * 2
    down, right = (axis.ravel()[:, None] for axis in numpy.indices((2, 2)))
    where = (top + down, left + right)
    blue = change * _BLUE_OF_U
    for channel, amount in ((2, blue), (1, blue * _GREEN_OF_BLUE)):
        found = pixels[(*where, channel)] + amount
        pixels[(*where, channel)] = numpy.clip(numpy.rint(found), 0, 255).astype(numpy.uint8)
