"""A finished picture as a file: PNG by our own quick encoder, JPEG and WebP by Pillow, with its words and its label."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from garret.service_runtime.asked import Output
from garret.service_runtime.pictures.exif import LONGEST_IN_JPEG, user_comment
from garret.service_runtime.pictures.label import KEY, xmp_packet
from garret.service_runtime.png import encode_png

MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
ENDINGS = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


@dataclass(frozen=True)
class Texts:
    """What a file says of its picture: the infotext, and the label that law asks for; empty: nothing."""

    infotext: str = ""
    label: str = ""


def encode_picture(rgb: bytes, width: int, height: int, output: Output, texts: Texts) -> bytes:
    """Return the file of height x width x 3 bytes of RGB."""
    if output.format == "png":
        chunks = {"parameters": texts.infotext, KEY: texts.label}
        return encode_png(rgb, width, height, {key: text for key, text in chunks.items() if text})
    # Only who asks for these formats pays for Pillow.
    import PIL.Image

    picture = PIL.Image.frombuffer("RGB", (width, height), rgb, "raw", "RGB", 0, 1)
    options: dict[str, Any] = {"quality": output.quality}
    if texts.infotext and fits(output, texts.infotext):
        options["exif"] = user_comment(texts.infotext)
    if texts.label:
        options["xmp"] = xmp_packet(texts.label)
    file = io.BytesIO()
    picture.save(file, output.format.upper(), **options)
    return file.getvalue()


def fits(output: Output, infotext: str) -> bool:
    """Say whether a file of this format has room for the words: a JPEG has not for some 32,000 characters."""
    return output.format != "jpeg" or len(user_comment(infotext)) <= LONGEST_IN_JPEG
