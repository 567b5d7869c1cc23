"""File names from strangers: one component, or refused."""

from __future__ import annotations

import re
import unicodedata
from email.message import Message
from urllib.parse import unquote, urlsplit

SUFFIX = ".safetensors"
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MAXIMUM_BYTES = 200
# Names that mean a device on Windows, where a person may copy the folder to.
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")


class BadName(ValueError):
    """A file name that could leave its folder or that no system keeps as it is."""


def check_name(name: str) -> str:
    """Return the name in its composed form, or raise BadName with the reason."""
    try:
        composed = unicodedata.normalize("NFC", name)
        size = len(composed.encode("utf-8"))
    except UnicodeEncodeError:
        raise BadName("holds half of a surrogate pair") from None
    if not composed.strip() or size > MAXIMUM_BYTES:
        raise BadName(f"must have 1 to {MAXIMUM_BYTES} bytes")
    if any(character in '/\\:*?"<>|' for character in composed):
        raise BadName('holds a character that separates or means something else in paths: / \\ : * ? " < > |')
    # Control, format (also the ones that turn text around), private and unassigned characters.
    if any(unicodedata.category(character)[0] == "C" for character in composed):
        raise BadName("holds a control or invisible character")
    if composed[0] in ".-~ " or composed[-1] in ". ":
        raise BadName("begins with a dot, dash, tilde or space, or ends with a dot or space")
    if _DEVICES.fullmatch(composed):
        raise BadName("is the name of a device on some systems")
    return composed


def model_file_name(name: str, suffixes: tuple[str, ...] = (SUFFIX,)) -> str:
    """Return a model's file name, with .safetensors added where it has none of the suffixes that its type may have."""
    checked = check_name(name)
    return checked if checked.lower().endswith(suffixes) else check_name(checked + SUFFIX)


def upscaler_file_name(name: str) -> str:
    """Return an upscaler's file name as it is; its suffix follows when its bytes are known."""
    return check_name(name)


def preview_file_name(name: str) -> str:
    """Return a preview's file name without a picture's suffix, which is added when its bytes are known."""
    checked = check_name(name)
    stem, dot, suffix = checked.rpartition(".")
    return check_name(stem) if (dot + suffix).lower() in PICTURE_SUFFIXES and stem else checked


def name_from_reply(content_disposition: str, url: str) -> str:
    """Return the file name that a server's reply suggests, else the address's last part; unchecked."""
    message = Message()
    message["content-disposition"] = content_disposition.replace("\r", " ").replace("\n", " ") or "attachment"
    try:
        suggested = message.get_filename()
    except (LookupError, UnicodeError, ValueError, TypeError):
        suggested = None
    return suggested or unquote(urlsplit(url).path.rpartition("/")[2])
