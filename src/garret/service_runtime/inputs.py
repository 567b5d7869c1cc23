"""Pictures that requests begin from, kept by their digests: really decoded once, upright, bounded, plain PNG inside."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import shutil
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from garret.service_runtime.errors import BadRequest, InsufficientStorage, NotFound
from garret.service_runtime.files import sweep, write_atomically
from garret.service_runtime.limits import MAXIMUM_SIDE as MAXIMUM_REQUEST_SIDE
from garret.service_runtime.limits import MINIMUM_SIDE, SIDE_STEP
from garret.service_runtime.picture_header import NotAPicture, refuse_many_parts, refuse_no_picture
from garret.service_runtime.png import encode_png

if TYPE_CHECKING:
    import PIL.Image

MAXIMUM_PIXELS = 64_000_000
"""More than any camera's picture that is sent in earnest; checked before a pixel is decoded."""
MAXIMUM_SIDE = 4096
"""A larger picture is reduced to this, as no result is larger."""
MAXIMUM_RATIO = 64
# A progressive JPEG has about ten scans; each costs the decoder all pixels once more.
_MAXIMUM_SCANS = 100
MINIMUM_FREE_BYTES = 64 << 20
_FORMATS = ("PNG", "JPEG", "WEBP")
_NAME = re.compile(r"[0-9a-f]{64}")
# What was put and is not a job's yet must not be taken away under its sender.
SPARED_S = 3600.0


class InputStore:
    """A folder of PNG files named by the SHA-256 of their bytes; the same picture is there once."""

    def __init__(self, folder: Path, pixels: int = MAXIMUM_PIXELS) -> None:
        self._folder = folder
        self._pixels = pixels
        # A large picture takes hundreds of megabytes while it is decoded.
        self._decoders = threading.Semaphore(2)
        # The same picture may come twice at once, and its file has one name while it is written.
        self._writing = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        sweep(folder)

    def put(self, data: bytes, field: str = "image") -> str:
        """Keep a PNG, JPEG or WebP file's picture as RGB, transparency over white, and return its SHA-256.

        Raises:
            BadRequest: names the field, and why it is no picture to begin from.
        """
        with self._decoders:
            return self._keep(_opaque(_bounded(_decode(data, field, self._pixels))))

    def put_mask(self, data: bytes, field: str = "mask", *, transparent: bool = False, inverted: bool = False) -> str:
        """Keep a mask in shades of grey, white being what is repainted; `transparent`: what is transparent is.

        `inverted` is a mask that will be used the other way round: it is kept as it is, and must have something black.

        Raises:
            BadRequest: names the field; also for a mask that would repaint nothing.
        """
        with self._decoders:
            decoded = _decode(data, field, self._pixels)
            mask = _bounded(_transparency(decoded) if transparent else _whiteness(decoded))
        darkest, lightest = mask.getextrema()
        if (darkest == 255) if inverted else (lightest == 0):
            what = "transparent" if transparent else "black" if inverted else "white"
            hint = f"What is {what} is repainted; without a mask the whole picture is"
            raise BadRequest(field, f"holds nothing {what}: nothing would be repainted", hint)
        return self._keep(mask)

    def path(self, sha256: str, field: str = "image") -> Path:
        """Return where an input lies.

        Raises:
            BadRequest: it is no digest.
            NotFound: nobody put it here, or not lately.
        """
        if not isinstance(sha256, str) or not _NAME.fullmatch(sha256):
            raise BadRequest(field, "is not the SHA-256 of an input", "Send the picture itself")
        path = self._path(sha256)
        try:
            # Whoever names it is about to become a job: it must not be swept away before that is written down.
            os.utime(path)
        except FileNotFoundError:
            raise NotFound(f"{field}: there is no input {sha256[:12]}…", "Send the picture again") from None
        return path

    def size(self, sha256: str) -> tuple[int, int]:
        """Return an input's width and height in pixels."""
        with self.path(sha256).open("rb") as file:
            start = file.read(24)
        return int.from_bytes(start[16:20]), int.from_bytes(start[20:24])

    def keep_only(self, hashes: Collection[str], spared_s: float = SPARED_S) -> int:
        """Delete every other input that was not put in the last `spared_s` seconds; return how many were."""
        before, gone = time.time() - spared_s, 0
        for path in self._folder.glob("*.png"):
            if path.stem not in hashes and path.stat().st_mtime < before:
                path.unlink(missing_ok=True)
                gone += 1
        return gone

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.png"

    def _keep(self, picture: PIL.Image.Image) -> str:
        png = encode_png(picture.tobytes(), *picture.size) if picture.mode == "RGB" else _grey_png(picture)
        sha256 = hashlib.sha256(png).hexdigest()
        path = self._path(sha256)
        with self._writing:
            try:
                os.utime(path)
            except FileNotFoundError:
                _write(path, png)
        return sha256


def sized_like(
    size: tuple[int, int],
    native_side: int,
    width: int | None = None,
    height: int | None = None,
    *,
    outpaint: bool = False,
) -> tuple[int, int]:
    """Return the sides to take where a request that begins from a picture leaves them, or one of them, open.

    The picture's own, where that is half to twice as many pixels as the model was made for; else its proportions at as
    many as that. One side that was said keeps its place, and the other follows in proportion. Outpainting adds to the
    picture's own size, so what is not said stays as it is.
    """
    own_width, own_height = size
    if outpaint:
        scale = 1.0
    elif width is not None or height is not None:
        scale = width / own_width if width is not None else (height or 0) / own_height
    else:
        share = own_width * own_height / native_side**2
        scale = 1.0 if 0.5 <= share <= 2 else share**-0.5
    return (
        _side(own_width * scale) if width is None else width,
        _side(own_height * scale) if height is None else height,
    )


def _side(pixels: float) -> int:
    return min(MAXIMUM_REQUEST_SIDE, max(MINIMUM_SIDE, round(pixels / SIDE_STEP) * SIDE_STEP))


def _grey_png(mask: PIL.Image.Image) -> bytes:
    file = io.BytesIO()
    mask.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _write(path: Path, png: bytes) -> None:
    if shutil.disk_usage(path.parent).free < MINIMUM_FREE_BYTES + len(png):
        raise InsufficientStorage("there is no room for another picture", "Delete models or pictures")
    try:
        write_atomically(path, png, 0o640)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InsufficientStorage("the disk is full", "Delete models or pictures") from None
        raise


def _decode(data: bytes, field: str, pixels: int) -> PIL.Image.Image:
    """Return a file's only picture the right way up, in any of Pillow's modes."""
    import PIL.Image
    import PIL.ImageOps

    try:
        refuse_no_picture(data[:64])
        if data.count(b"\xff\xda") > _MAXIMUM_SCANS and data.startswith(b"\xff\xd8"):
            raise NotAPicture(f"is a JPEG picture of more than {_MAXIMUM_SCANS} scans")
        refuse_many_parts(data)
        # Only these: Pillow reads dozens of formats, some of them by other programs.
        with PIL.Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            _check(picture, pixels)
            picture.load()
            return PIL.ImageOps.exif_transpose(picture)
    except NotAPicture as error:
        raise BadRequest(field, str(error), "Send one PNG, JPEG or WebP picture") from None
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        raise BadRequest(field, f"has more than {pixels} pixels", "Make it smaller first") from None
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  (a decoder's complaint about bytes from outside may be any exception)
        reason = f"cannot be decoded: {str(error)[:100] or type(error).__name__}"
        raise BadRequest(field, reason, "Send one PNG, JPEG or WebP picture") from None


def _check(picture: PIL.Image.Image, pixels: int) -> None:
    """Refuse by the header alone what must not be decoded."""
    width, height = picture.size
    if width * height > pixels:
        raise NotAPicture(f"has {width} x {height} pixels, more than {pixels}")
    if not min(width, height) or max(width, height) > MAXIMUM_RATIO * min(width, height):
        raise NotAPicture(f"has {width} x {height} pixels, which is a line rather than a picture")
    # A camera's MPO holds a JPEG picture and smaller copies of it; only the first is meant.
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
        raise NotAPicture("is animated")


def _bounded(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Return the picture with no side above MAXIMUM_SIDE."""
    import PIL.Image

    longest = max(picture.size)
    if longest <= MAXIMUM_SIDE:
        return picture
    width, height = (max(1, round(side * MAXIMUM_SIDE / longest)) for side in picture.size)
    return picture.resize((width, height), PIL.Image.Resampling.LANCZOS)


def _eight_bits(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Return a picture of 16-bit greys in 8 bits, which Pillow itself would clip; others as they are."""
    if not picture.mode.startswith("I"):
        return picture
    import numpy
    import PIL.Image

    greys = numpy.asarray(picture).astype(numpy.int64).clip(0, 65_535)
    return PIL.Image.fromarray(((greys + 128) // 257).astype(numpy.uint8))


def _opaque(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Return RGB; what is transparent shows white, as A1111 has it."""
    import PIL.Image

    picture = _eight_bits(picture)
    if not picture.has_transparency_data:
        return _bare(picture.convert("RGB"))
    seen = picture.convert("RGBA")
    white = PIL.Image.new("RGBA", seen.size, (255, 255, 255, 255))
    return _bare(PIL.Image.alpha_composite(white, seen).convert("RGB"))


def _whiteness(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Return how white each pixel is; what is transparent is black."""
    import PIL.Image

    picture = _eight_bits(picture)
    if not picture.has_transparency_data:
        return _bare(picture.convert("L"))
    seen = picture.convert("RGBA")
    black = PIL.Image.new("RGBA", seen.size, (0, 0, 0, 255))
    return _bare(PIL.Image.alpha_composite(black, seen).convert("L"))


def _transparency(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Return how transparent each pixel is."""
    import PIL.ImageOps

    return _bare(PIL.ImageOps.invert(_eight_bits(picture).convert("RGBA").getchannel("A")))


def _bare(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Take away what else the file said, so that the same pixels make the same file."""
    picture.info = {}
    return picture
