"""What the service answers when it cannot make a picture, drawn as a tree with each one's HTTP status.

ServiceError              500   message, hint, status, retry_after
├── ExtensionFailed       500   an extension did not do what it should; the message names it
├── KeyTaken              422   an Idempotency-Key that has made another request
├── BadRequest            422   a field is wrong: field, reason
│   └── UnknownChoice     400   a name that is none of those there are: field, reason
├── ModelError            422   a model file that cannot be used: reason
├── Unauthorized          401   nobody says who calls: code
│   ├── WrongLogin        401   not truly
│   └── SessionExpired    401   not any more
├── Forbidden             403
├── NotFound              404
│   └── NoRoute           404   a path that is none of the service's
├── TooSlow               408   the body did not arrive in time
├── Cancelled             409   the job was cancelled before it was done
├── InUse                 409   it cannot be had away now: something still needs it
├── Gone                  410   it was there, and is not kept any more
├── OutOfStep             409   a chunk that is not the next one
├── TooLarge              413
├── Busy                  429   the queue is full, or too many failed logins; Retry-After
├── NotBuilt              501   asked for, and not there yet
├── Unavailable           503   no worker, or the service stops; Retry-After
│   └── OutOfMemory       503   the device's memory did not suffice
├── TimedOut              504   the job ran past its time
└── InsufficientStorage   507   no room on the disk
"""

from __future__ import annotations


class ServiceError(Exception):
    """Anything the service tells a caller instead of a picture."""

    status = 500
    usually_after: int | None = None
    """In how many seconds to ask again where an error of this kind does not say so itself."""

    def __init__(self, message: str, hint: str = "", *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retry_after = self.usually_after if retry_after is None else retry_after

    def to_dict(self) -> dict[str, object]:
        """Return the JSON body; its four keys are those that clients of A1111 look for."""
        text = f"{self.message}. {self.hint}" if self.hint else self.message
        return {"error": type(self).__name__, "detail": text, "body": "", "errors": self.message}


class BadRequest(ServiceError):
    """A field of the request is wrong; `field` is its name in the caller's dialect."""

    status = 422

    def __init__(self, field: str, reason: str, hint: str = "") -> None:
        super().__init__(f"{field}: {reason}", hint)
        self.field = field
        self.reason = reason

    def to_dict(self) -> dict[str, object]:
        """Return the body with `detail` as the list of places that FastAPI's clients know."""
        text = f"{self.reason}. {self.hint}" if self.hint else self.reason
        detail = [{"loc": ["body", self.field], "msg": text, "type": "value_error"}]
        return {**super().to_dict(), "detail": detail, "field": self.field}


class UnknownChoice(BadRequest):
    """A name that is none of those there are."""

    status = 400

    def to_dict(self) -> dict[str, object]:
        """Return the body with `detail` as one text."""
        return {**super().to_dict(), "detail": f"{self.message}. {self.hint}" if self.hint else self.message}


class Unauthorized(ServiceError):
    """The caller did not say who they are, or not truly; `condition` tells a page which of them it is, as `code`.

    `invites`: the answer says how to log in, upon which a browser opens a box of its own for a password.
    """

    status = 401
    condition = "login_required"
    invites = True

    def to_dict(self) -> dict[str, object]:
        """Return the body with the code."""
        return {**super().to_dict(), "code": self.condition}


class WrongLogin(Unauthorized):
    """What should open the service does not."""

    condition = "login_wrong"


class SessionExpired(Unauthorized):
    """Whoever calls was logged in on the page, and is not any more."""

    condition = "session_expired"


class Forbidden(ServiceError):
    """The caller may not do this from where they are."""

    status = 403


class NotFound(ServiceError):
    """What was named is not there."""

    status = 404


class NoRoute(NotFound):
    """No route has this path."""


class Cancelled(ServiceError):
    """The job was cancelled before it was done."""

    status = 409


class InUse(ServiceError):
    """Something still needs what was to be taken away."""

    status = 409


class Gone(ServiceError):
    """What was named was there, and is not kept any more."""

    status = 410


class KeyTaken(ServiceError):
    """An Idempotency-Key comes with another request than the first time."""

    status = 422


class OutOfStep(ServiceError):
    """A part of an upload that is not the next one, or that somebody else is sending."""

    status = 409


class TooSlow(ServiceError):
    """The request's body did not arrive in time."""

    status = 408


class TooLarge(ServiceError):
    """The request's body is larger than the service reads."""

    status = 413


class Busy(ServiceError):
    """No room for one more now; `retry_after` says when to ask again."""

    status = 429
    usually_after = 5


class NotBuilt(ServiceError):
    """Asked for, and not there yet."""

    status = 501


class Unavailable(ServiceError):
    """The service cannot work now: no worker is up, or it is stopping."""

    status = 503
    usually_after = 10


class OutOfMemory(Unavailable):
    """The device's memory did not suffice for this picture."""


class TimedOut(ServiceError):
    """The job ran past its time."""

    status = 504


class InsufficientStorage(ServiceError):
    """There is no room on the disk."""

    status = 507
    usually_after = 60


class ExtensionFailed(ServiceError):
    """An extension did not do what it should; the service itself is well."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint or "The service goes on without it after `garret ops extensions disable NAME`")


class ModelError(ServiceError):
    """A model file cannot be used; the caller may choose another one."""

    status = 422


def from_record(name: str, message: str) -> ServiceError:
    """Make the error of a stored job again; an unknown name becomes a ServiceError."""
    kinds: dict[str, type[ServiceError]] = {
        kind.__name__: kind
        for kind in (
            NotFound,
            Cancelled,
            Unavailable,
            OutOfMemory,
            TimedOut,
            InsufficientStorage,
            ModelError,
            ExtensionFailed,
        )
    }
    return kinds.get(name, ServiceError)(message)
