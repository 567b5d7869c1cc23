"""A client of garret's native API: `Client` blocks, `AsyncClient` is awaited, and both are one definition.

with Client("https://HOST", "TOKEN") as client:
    for picture in client.generate("a red circle on a blue background", seed=7):
        picture.save("circle.png")
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from garret.client.client import AsyncClient, Client
    from garret.client.errors import (
        BadRequest,
        Busy,
        ClientError,
        Conflict,
        DownloadFailed,
        Forbidden,
        Gone,
        InsufficientStorage,
        JobCancelled,
        JobExpired,
        JobFailed,
        Later,
        Misused,
        NotBuilt,
        NotFound,
        Refused,
        Stalled,
        TooLarge,
        Unauthorized,
        Unavailable,
        Unreachable,
        Unreadable,
        Untrusted,
        WrongCertificate,
    )
    from garret.client.manners import Manners
    from garret.client.records import Download, Image, Job, Model, Picture, PictureFacts, Progress
    from garret.client.trust import Trust

__all__ = [
    "AsyncClient",
    "BadRequest",
    "Busy",
    "Client",
    "ClientError",
    "Conflict",
    "Download",
    "DownloadFailed",
    "Forbidden",
    "Gone",
    "Image",
    "InsufficientStorage",
    "Job",
    "JobCancelled",
    "JobExpired",
    "JobFailed",
    "Later",
    "Manners",
    "Misused",
    "Model",
    "NotBuilt",
    "NotFound",
    "Picture",
    "PictureFacts",
    "Progress",
    "Refused",
    "Stalled",
    "TooLarge",
    "Trust",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
    "Unreadable",
    "Untrusted",
    "WrongCertificate",
]

_PLACES = {
    "client": ("AsyncClient", "Client"),
    "manners": ("Manners",),
    "records": ("Download", "Image", "Job", "Model", "Picture", "PictureFacts", "Progress"),
    "trust": ("Trust",),
}


def __getattr__(name: str) -> object:
    """Load what was named."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    place = next((place for place, names in _PLACES.items() if name in names), "errors")
    value: object = getattr(import_module(f"{__name__}.{place}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Name what there is."""
    return sorted({*globals(), *__all__})
