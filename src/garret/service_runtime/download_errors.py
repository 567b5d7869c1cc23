"""How a download ends otherwise than well, and which of that passes."""

from __future__ import annotations

import errno
import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class DownloadError(Exception):
    """A download that will not come to its end; `hint` says what to do, `passing` that it may go better later.

    `bytes_fetched` is what went over the network nevertheless.
    """

    bytes_fetched = 0

    def __init__(self, message: str, hint: str = "", *, passing: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.passing = passing


class Unusable(DownloadError):
    """What came is not what was wanted, or has no room: none of it is kept."""


class DownloadCancelled(Exception):
    """Somebody asked for the end of this download; raised by the progress callback."""


class Interrupted(Exception):
    """The connection broke; what came is kept, and it is tried again after a pause."""

    def __init__(self, message: str, pause_s: float | None = None) -> None:
        super().__init__(message)
        self.pause_s = pause_s


class RangesRefused(Interrupted):
    """The server does not give the part that was asked for, or gives another one."""


class StartOver(Exception):
    """What is there and what the server has now are not one file."""


@contextmanager
def network() -> Iterator[None]:
    """Turn what goes wrong between two machines into Interrupted, which is tried again."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise DownloadError(f"the server's certificate is not valid: {error.verify_message}") from None
    except (TimeoutError, http.client.HTTPException, OSError) as error:
        broke = isinstance(error, TimeoutError | http.client.HTTPException | ConnectionError | ssl.SSLError)
        what = "the connection broke" if broke else "no connection"
        raise Interrupted(f"{what}: {error or type(error).__name__}") from None
