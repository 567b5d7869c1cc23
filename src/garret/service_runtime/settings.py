"""What the service on a node is told at start: one record, written by the bootstrap and read by the service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

PREFIX = "GARRET_SERVICE_"
ENGINES = ("sdxl", "fake")
LOG_FORMATS = ("text", "json")
DIALECTS = ("a1111", "openai", "sagemaker", "stability", "dstack", "cog")
"""The APIs that `dialects_off` may name."""
COMPILES = ("auto", "on", "off")
PAGES = ("on", "early", "off")
UNKNOWN_MODELS = ("use", "refuse")
PRECISIONS = ("auto", "fp32", "fp16", "bf16")
MAXIMUM_BODY_BYTES = 1_000_000
"""The largest body of a request that the service reads; a front before it has the same limit."""
MAXIMUM_LOGIN_BYTES = 8192
"""The largest form with a login and a password."""
MAXIMUM_PICTURE_BODY_BYTES = 32_000_000
"""The largest body where pictures may come inside it; a front has this limit for all APIs that know such routes."""
CHUNK_BYTES = 8 << 20
"""The most that one request of an upload brings; a front before the service lets as much through there."""
# What systemd and a reader that knows nothing of quotes read alike.
_PLAIN = re.compile(r"[A-Za-z0-9_./:$,@%+=-]*")
# What GB 45438-2025 lets a producer's name or code consist of.
_LABEL_NAME = re.compile(r"[!#-\[\]-~]{1,200}")
_OSS = re.compile(r"oss://[a-z0-9][a-z0-9-]{1,61}[a-z0-9](/[^?#\s]*)?")
_SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{32,88}={0,2}")
# The lowest and the highest that an owner's bound may be.
_BOUNDS = {
    "most_pictures": (1, 16),
    "most_steps": (1, 150),
    "longest_side": (64, 2048),
    "longest_prompt": (1, 16_000),
    "picture_body_bytes": (MAXIMUM_BODY_BYTES, 256_000_000),
    "picture_pixels": (1_000_000, 64_000_000),
}
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("", "0", "false", "no", "off")


class SettingsError(ValueError):
    """A setting of the service is wrong; `name` is its environment variable."""

    def __init__(self, name: str, reason: str, hint: str = "") -> None:
        super().__init__(f"{name}: {reason}" + (f". {hint}" if hint else ""))
        self.name = name
        self.reason = reason
        self.hint = hint


@dataclass(frozen=True)
class ServiceSettings:
    """Everything the service needs to know; a path is absolute, a time is in seconds."""

    host: str = "127.0.0.1"
    port: int = 7860
    state_dir: Path = Path("/var/lib/garret/service")
    models_dir: Path = Path("/home/models")
    embeddings_dir: Path = Path("/home/embeddings")
    extensions_dir: Path = Path("/home/extensions")
    config_dir: Path = Path("/usr/share/garret/configs")
    login: str = "admin"
    password_hash: str = ""
    token_hashes: tuple[str, ...] = ()
    # The node's own token, for its bootstrap; and the file whose login, once it is there, counts instead of this one.
    node_token_hash: str = ""
    login_file: str = ""
    # A login on the page ends when nobody used it for so long, and after so long in any case.
    session_idle_s: float = 43_200.0
    session_s: float = 604_800.0
    tls_certificate: str = ""
    tls_key: str = ""
    # A front on this machine passes requests on, and says in X-Forwarded-For and -Proto whose they are.
    trusted_proxy: bool = False
    engine: str = "sdxl"
    device: str = "auto"
    # The type of weights: fp32, fp16 or bf16; auto is fp16 on a GPU and fp32 on a CPU.
    precision: str = "auto"
    # Compile the model's blocks at start: on, off, or auto for on a GPU; and a baked image's own compiled code.
    compile: str = "auto"
    compiled_seed_dir: Path = Path("/usr/share/garret/compiled")
    # How many bytes of a device's memory the engine may use, 0 for as many as there are.
    memory_bytes: int = 0
    workers: int = 0
    # Dialects that are not spoken, by the names in docs/api.md.
    dialects_off: tuple[str, ...] = ()
    # The web page: loaded when it is first visited, as soon as a worker is ready ("early"), or not there.
    page: str = "on"
    # What OpenAI's clients get that name a model which is not here, as most do: "use" the node's own, or "refuse".
    openai_unknown_model: str = "use"
    # What one request may ask and bring at most; limits.py has what any engine is asked for. Bodies with pictures are
    # bounded by a front before the service as well.
    most_pictures: int = 16
    most_steps: int = 150
    longest_side: int = 2048
    longest_prompt: int = 16_000
    picture_body_bytes: int = MAXIMUM_PICTURE_BODY_BYTES
    picture_pixels: int = 64_000_000
    queue_limit: int = 64
    max_batch: int = 4
    job_timeout_s: float = 600.0
    # Silence between two steps of a batch that means a hang; and idle models leave the device after so long, 0: never.
    step_timeout_s: float = 120.0
    idle_unload_s: float = 0.0
    client_timeout_s: float = 20.0
    # Finished jobs and their pictures are kept for so long, and all their pictures up to so many bytes, 0 for any.
    keep_finished_s: float = 86_400.0
    keep_bytes: int = 20 << 30
    # A job that no worker has begun after so long is given up; 0 for never.
    queue_expiry_s: float = 86_400.0
    # Where finished pictures lie; empty for a folder of the state's.
    results_dir: str = ""
    # A folder in OSS that finished pictures are brought to as well, as oss://bucket/folder; empty for none. Its region,
    # empty for the node's own, and where OSS is asked instead of that region's own door.
    results_oss: str = ""
    results_oss_region: str = ""
    oss_endpoint: str = ""
    # What webhooks are signed with, whsec_ and base64; empty for one that the service makes once and keeps.
    webhook_secret: str = ""
    allow_private_webhook: bool = False
    # A signed link opens one picture without a login for so long.
    link_s: float = 3600.0
    default_checkpoint: str = ""
    # The marks of what is generated: the invisible one in the pixels, and the label of GB 45438-2025 with the name or
    # code of who answers for it; without one there is no label. Who spreads the pictures first is the same by default.
    watermark: bool = False
    # The extension whose hook `judge` looks at each picture before anybody gets it.
    safety: str = "off"
    aigc_producer: str = ""
    aigc_propagator: str = ""
    # How the log is written, and where traces are sent, as http://host:4318 (OTLP over HTTP); empty: nowhere.
    log_format: str = "text"
    otel_endpoint: str = ""
    deployment: str = ""
    allow_private_download: bool = False
    # Where the node says how far its trusted certificate is; empty when none was asked for.
    certificate_state: str = ""
    # Autostop after so long without a sign of life, 0 for never; where the node asks who it is and has itself stopped.
    autostop_s: float = 0.0
    metadata_url: str = "http://100.100.100.200/latest"
    ecs_endpoint: str = ""
    # The fake engine's behaviour, for tests and rehearsals: seconds per picture, faults as "oom@3,fatal@5", seconds to
    # load a checkpoint, seconds to finish a batch beside the next one, and a file of raw RGB that its pictures show.
    fake_seconds: float = 0.0
    fake_faults: str = ""
    fake_load_seconds: float = 0.0
    fake_finish_seconds: float = 0.0
    fake_picture: str = ""

    def __post_init__(self) -> None:
        """Refuse values that no service could run with, naming the variable."""
        _require(0 <= self.port <= 65_535, "port", f"{self.port} is not a port", "Give 1 to 65535")
        _require(self.engine in ENGINES, "engine", f"{self.engine!r} is not an engine", f"Give one of {ENGINES}")
        _require(
            self.precision in PRECISIONS,
            "precision",
            f"{self.precision!r} is not a precision",
            f"Give one of {PRECISIONS}",
        )
        _require(self.compile in COMPILES, "compile", f"{self.compile!r} is not a choice", f"Give one of {COMPILES}")
        _require(self.page in PAGES, "page", f"{self.page!r} is not a choice", f"Give one of {PAGES}")
        _require(
            self.openai_unknown_model in UNKNOWN_MODELS,
            "openai_unknown_model",
            f"{self.openai_unknown_model!r} is not a choice",
            f"Give one of {UNKNOWN_MODELS}",
        )
        _require(self.memory_bytes >= 0, "memory_bytes", "must be 0 (all there is) or more")
        _require(
            0 <= self.workers <= 64, "workers", f"{self.workers} is not a number of workers", "Give 0 (auto) to 64"
        )
        _require(
            self.log_format in LOG_FORMATS, "log_format", f"{self.log_format!r} is not known", f"Give {LOG_FORMATS}"
        )
        _require(
            not self.otel_endpoint or self.otel_endpoint.startswith(("http://", "https://")),
            "otel_endpoint",
            f"{self.otel_endpoint!r} is no address",
            "Give it as http://127.0.0.1:4318",
        )
        _require(1 <= self.queue_limit <= 10_000, "queue_limit", "must be 1 to 10000")
        for name, (low, high) in _BOUNDS.items():
            _require(low <= getattr(self, name) <= high, name, f"must be {low} to {high}")
        for name in self.dialects_off:
            _require(name in DIALECTS, "dialects_off", f"{name[:40]!r} is no API", f"Known: {', '.join(DIALECTS)}")
        _require(1 <= self.max_batch <= 16, "max_batch", "must be 1 to 16")
        _require(1 <= self.job_timeout_s <= 86_400, "job_timeout_s", "must be 1 to 86400 seconds")
        _require(0.1 <= self.step_timeout_s <= 86_400, "step_timeout_s", "must be 0.1 to 86400 seconds")
        _require(0 <= self.idle_unload_s <= 604_800, "idle_unload_s", "must be 0 (never) to 604800 seconds")
        _require(self.keep_bytes >= 0, "keep_bytes", "must be a number of bytes, 0 for no bound")
        _require(
            not self.results_oss or bool(_OSS.fullmatch(self.results_oss)),
            "results_oss",
            f"{self.results_oss!r} is no folder in OSS",
            "Give oss://bucket/folder",
        )
        _require(
            not self.webhook_secret or bool(_SECRET.fullmatch(self.webhook_secret)),
            "webhook_secret",
            "must be whsec_ and 24 to 64 bytes in base64",
        )
        _require(1 <= self.session_s <= 2_592_000, "session_s", "must be 1 to 2592000 seconds")
        _require(1 <= self.session_idle_s <= 2_592_000, "session_idle_s", "must be 1 to 2592000 seconds")
        _require(1 <= self.link_s <= 604_800, "link_s", "must be 1 to 604800 seconds")
        _require(self.queue_expiry_s >= 0, "queue_expiry_s", "must be a number of seconds, 0 for never")
        _require(0.1 <= self.client_timeout_s <= 600, "client_timeout_s", "must be 0.1 to 600 seconds")
        _require(
            self.autostop_s == 0 or 1 <= self.autostop_s <= 604_800, "autostop_s", "must be 0 (never) or 1 to 604800"
        )
        for name in ("aigc_producer", "aigc_propagator"):
            value = getattr(self, name)
            hint = "Give letters, digits and marks, without space, quote and backslash"
            _require(
                not value or _LABEL_NAME.fullmatch(value) is not None, name, f"{value!r} is no name in a label", hint
            )
        _require(bool(self.tls_certificate) == bool(self.tls_key), "tls_key", "certificate and key come together")

    @property
    def has_login(self) -> bool:
        """Say whether any credential is set, so that a caller can be told from a stranger."""
        return bool(self.password_hash or self.token_hashes or self.node_token_hash or self.login_file)

    @property
    def has_tls(self) -> bool:
        """Say whether the service speaks TLS itself."""
        return bool(self.tls_certificate and self.tls_key)

    def to_env(self) -> dict[str, str]:
        """Return the settings as environment variables, each on one line, defaults included."""
        return {PREFIX + field.name.upper(): _text(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> ServiceSettings:
        """Read the settings from environment variables; what is absent keeps its default."""
        known = {PREFIX + field.name.upper(): field.name for field in fields(cls)}
        for name in environment:
            if name.startswith(PREFIX) and name not in known:
                raise SettingsError(name, "is not a setting of the service", f"Known: {', '.join(sorted(known))}")
        defaults = cls()
        values = {
            field: _parse(name, environment[name], getattr(defaults, field))
            for name, field in known.items()
            if name in environment
        }
        return cls(**values)  # type: ignore[arg-type]


def read_env_file(text: str) -> dict[str, str]:
    """Read systemd's EnvironmentFile format: NAME=value lines, optional double quotes, comments."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped[0] in "#;" or "=" not in stripped:
            continue
        name, _, value = stripped.partition("=")
        values[name.strip()] = _unquote(value.strip())
    return values


def write_env_file(values: Mapping[str, str]) -> str:
    """Return text that both systemd's EnvironmentFile and `read_env_file` read back to the same values."""
    return "".join(f"{name}={_quote(name, value)}\n" for name, value in values.items())


def _quote(name: str, value: str) -> str:
    if any(character in value for character in "\n\r\0"):
        raise SettingsError(name, "may not hold a line break")
    if _PLAIN.fullmatch(value):
        return value
    escaped = "".join("\\" + character if character in '\\"$`' else character for character in value)
    return f'"{escaped}"'


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        parts, rest = [], iter(value[1:-1])
        for character in rest:
            parts.append(next(rest, "") if character == "\\" else character)
        return "".join(parts)
    if len(value) >= 2 and value[0] == value[-1] == "'":
        return value[1:-1]
    return value


def _require(condition: bool, field: str, reason: str, hint: str = "") -> None:
    if not condition:
        raise SettingsError(PREFIX + field.upper(), reason, hint)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)


def _parse(name: str, text: str, default: object) -> object:
    """Turn one variable into the type its default has."""
    if isinstance(default, bool):
        lowered = text.strip().lower()
        if lowered in _TRUE or lowered in _FALSE:
            return lowered in _TRUE
        raise SettingsError(name, f"{text!r} is neither yes nor no", "Give 1 or 0")
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if isinstance(default, Path):
        return Path(text)
    if isinstance(default, (int, float)):
        try:
            return type(default)(text)
        except ValueError:
            raise SettingsError(name, f"{text!r} is not a number") from None
    return text
