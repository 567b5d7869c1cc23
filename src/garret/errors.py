"""Every error garret shows, drawn as a tree.

GarretError                 message, hint, exit_code
├── NothingToDo             0    what was asked for is so already
├── UsageError              2    the request cannot be carried out as written; nothing was changed
│   ├── SpecError                a field of the deployment: `field: reason`
│   ├── TemplateError            a template that does not pass its checks
│   └── SettingsError            cloud, profile, region, endpoints, state folder
├── OperationError          1    it was tried, and something went wrong
│   ├── CloudError               the cloud's answer: action, code, request id
│   ├── StackFailed              a stack that did not come up: resource, reason
│   ├── BootstrapFailed          a node that did not come up: step, tail of its log
│   ├── NodeSilent               a node that never signalled: the step it was last seen in, tail of its log
│   ├── NodeFailed               a command on a node that did not end well
│   └── NotReady                 waited long enough
├── Cancelled               1    somebody asked for that
└── Interrupted             130  Ctrl-C; says what goes on without us

Errors carry fields; `garret.console` makes the text: what failed and on which thing · why, in the cloud's words
with its request id · what is billed now · what to type next.
"""

from __future__ import annotations


class GarretError(Exception):
    """Anything garret tells a person: `message` says what and why, `hint` what to type next."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "", *, billed: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.billed = billed

    def to_dict(self) -> dict[str, object]:
        """The `--json` form; keys that have nothing to say are left out."""
        fields = {"error": type(self).__name__, **vars(self), "exit_code": self.exit_code}
        return {key: value for key, value in fields.items() if value not in ("", None)}


class NothingToDo(GarretError):
    """What was asked for is so already."""

    exit_code = 0


class UsageError(GarretError):
    """The request cannot be carried out as written; nothing was changed."""

    exit_code = 2


class SpecError(UsageError):
    """A field of the deployment is wrong; `field` is its path."""

    def __init__(self, field: str, reason: str, hint: str = "") -> None:
        super().__init__(f"{field}: {reason}", hint)
        self.field = field


class TemplateError(UsageError):
    """A template does not pass its checks."""


class SettingsError(UsageError):
    """Cloud, profile, region, endpoints or state folder are not usable."""


class OperationError(GarretError):
    """It was tried, and something went wrong."""


class CloudError(OperationError):
    """The cloud refused a call or did not answer it; `kind` is the class of its code: retry, wait, user, fatal, …"""

    def __init__(
        self,
        action: str,
        code: str,
        message: str,
        *,
        request_id: str = "",
        retryable: bool = False,
        hint: str = "",
        kind: str = "",
    ) -> None:
        text = f"{action}: {code}: {message}" + (f" (request id {request_id})" if request_id else "")
        super().__init__(text, hint)
        self.action = action
        self.code = code
        self.request_id = request_id
        self.retryable = retryable
        self.kind = kind


class StackFailed(OperationError):
    """A stack did not come up, or go: the first resource that failed, the cloud's reason, its code and class."""

    def __init__(
        self,
        resource: str,
        reason: str,
        hint: str = "",
        *,
        billed: str = "",
        code: str = "",
        kind: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(f"{resource}: {reason}", hint, billed=billed)
        self.resource = resource
        self.reason = reason
        self.code = code
        self.kind = kind
        self.request_id = request_id


class BootstrapFailed(OperationError):
    """A node did not come up: the step that failed, and the tail of its log."""

    def __init__(self, step: str, reason: str, hint: str = "", *, log_tail: str = "", billed: str = "") -> None:
        super().__init__(f"the node stopped at step {step}: {reason}", hint, billed=billed)
        self.step = step
        self.log_tail = log_tail


class NodeSilent(OperationError):
    """A node did not come up and never said so; `step` is where it was last seen, empty if it never was."""

    def __init__(self, message: str, hint: str = "", *, step: str = "", log_tail: str = "", billed: str = "") -> None:
        super().__init__(message, hint, billed=billed)
        self.step = step
        self.log_tail = log_tail


class NodeFailed(OperationError):
    """A command on a node did not end well."""


class NotReady(OperationError):
    """Waited long enough."""


class Cancelled(GarretError):
    """It did not go on, since somebody asked for that."""


class Interrupted(GarretError):
    """Ctrl-C; the message says what goes on without us."""

    exit_code = 130
