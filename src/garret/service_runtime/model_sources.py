"""Where a model comes from, as text, and the addresses that this means; pure, nothing is asked of anybody.

A checkpoint of one's own: `https://HOST/…/FILE.safetensors`, `hf:OWNER/REPO[@REVISION]/PATH`,
`modelscope:OWNER/NAME[@REVISION]/PATH`, `oss://BUCKET/KEY`. A source of the known models: `modelscope`, `huggingface`,
`mirror:https://HOST` (answers like Hugging Face), `https://HOST/FOLDER` and `oss://BUCKET/FOLDER` (the files lie there
under the names of `known_models`). A bucket of another region: `oss://BUCKET.oss-REGION.aliyuncs.com/…`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from garret.service_runtime.known_models import CHECKPOINT, DEMO, SDXL, Home, ModelFile, known_files

HUGGINGFACE, MODELSCOPE, FOLDER, OSS, URL = "huggingface", "modelscope", "folder", "oss", "url"
SUFFIX = ".safetensors"
LONGEST = 240
"""User-data has 8 KB in all, and these texts travel in it."""
_MAINLAND = re.compile(r"cn-(?!hongkong)")
_OWNER = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_HUB = re.compile(
    rf"(?P<hub>hf|modelscope):(?P<repository>{_OWNER}/{_OWNER})(?:@(?P<revision>[\w.-]{{1,64}}))?/(?P<path>.+)"
)
_BUCKET = re.compile(
    r"(?P<bucket>[a-z0-9][a-z0-9-]{1,61}[a-z0-9])(?:\.oss-(?P<region>[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com)?"
)
_KEY = re.compile(r"[A-Za-z0-9._~!$&'()+,;=:@/ %-]+")
# What an address may ask for beside its path. Anything else may be a key to a private file, and would be kept for all
# to see: in the deployment's file, in user-data, in the journal.
_HARMLESS = ("download", "revision", "filepath", "type", "format", "size", "fp")


class WrongSource(ValueError):
    """A text that names no source; `hint` says what to type."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


@dataclass(frozen=True)
class Endpoints:
    """Where the hubs answer; `oss` is empty for the vendor's own names, else a server with buckets as first folders."""

    huggingface: str = "https://huggingface.co"
    modelscope: str = "https://www.modelscope.cn"
    oss: str = ""
    civitai: str = "https://civitai.com"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Endpoints:
        """GARRET_ENDPOINT_HUGGINGFACE, _MODELSCOPE, _OSS and _CIVITAI, where they are set."""
        found = {one.name: environment.get(f"GARRET_ENDPOINT_{one.name.upper()}", "") for one in fields(cls)}
        return cls(**{name: value.rstrip("/") for name, value in found.items() if value})


@dataclass(frozen=True)
class Object:
    """An object in OSS, as its signature names it."""

    bucket: str
    key: str
    region: str


@dataclass(frozen=True)
class Address:
    """One address of a file, who a person is told it is from, and which object it is when it lies in OSS."""

    url: str
    said: str
    object: Object | None = None


@dataclass(frozen=True)
class Source:
    """Where files are; `place` is a hub's repository, a bucket or an address, `endpoint` a mirror of the hub."""

    kind: str
    place: str = ""
    path: str = ""
    region: str = ""
    revision: str = ""
    endpoint: str = ""

    @property
    def said(self) -> str:
        """What a person is told."""
        if self.kind == OSS:
            return f"oss://{self.place}"
        if self.endpoint:
            return f"the mirror {urlsplit(self.endpoint).hostname}"
        if self.kind in (HUGGINGFACE, MODELSCOPE):
            return {HUGGINGFACE: "Hugging Face", MODELSCOPE: "ModelScope"}[self.kind]
        return urlsplit(self.place).hostname or self.place


@dataclass(frozen=True)
class Reference:
    """A checkpoint of one's own: the file, and the source that holds it."""

    file: ModelFile
    source: Source


def is_mainland(region: str) -> bool:
    """Say whether a region lies where Hugging Face is out of reach and ModelScope is near."""
    return bool(_MAINLAND.match(region))


def default_sources(region: str) -> tuple[str, ...]:
    """The sources of the known models in a region, in the order in which they are tried."""
    return (MODELSCOPE, HUGGINGFACE) if is_mainland(region) else (HUGGINGFACE, MODELSCOPE)


def parse_model(text: str) -> Reference | None:
    """A checkpoint of one's own; None for a model that is known by name.

    Raises:
        WrongSource: it is neither.
    """
    if text in (DEMO, SDXL):
        return None
    if len(text) > LONGEST:
        raise WrongSource(f"{len(text)} characters, and {LONGEST} are the most", "a shorter address")
    return parse_place(text)


def parse_place(text: str, suffixes: tuple[str, ...] = (SUFFIX,)) -> Reference:
    """A file of one's own, by its address, of whatever length, with one of these endings.

    Raises:
        WrongSource: it names no such file.
    """
    hub = _HUB.fullmatch(text)
    if hub:
        kind = HUGGINGFACE if hub["hub"] == "hf" else MODELSCOPE
        path = _clean(hub["path"])
        return Reference(
            _own_file(path, suffixes), Source(kind, hub["repository"], path, revision=hub["revision"] or "")
        )
    if text.startswith("oss://"):
        bucket, region, key = _bucket(text)
        return Reference(_own_file(key, suffixes), Source(OSS, bucket, key, region))
    if text.startswith("https://"):
        return Reference(_own_file(unquote(_checked_url(text).path), suffixes), Source(URL, text))
    raise WrongSource(
        f"{text[:80]!r} is not known",
        "Give a file: https://…/x.safetensors, hf:owner/repo/x.safetensors, modelscope:owner/name/x.safetensors, "
        "oss://bucket/x.safetensors; a deployment also begins with sdxl or demo",
    )


def parse_source(text: str) -> Source:
    """A source of the known models.

    Raises:
        WrongSource: it is none.
    """
    if len(text) > LONGEST:
        raise WrongSource(f"{len(text)} characters, and {LONGEST} are the most", "a shorter address")
    if text in (HUGGINGFACE, MODELSCOPE):
        return Source(text)
    if text.startswith("mirror:"):
        address = text[len("mirror:") :].rstrip("/")
        _checked_url(address)
        return Source(HUGGINGFACE, endpoint=address)
    if text.startswith("oss://"):
        bucket, region, folder = _bucket(text)
        return Source(OSS, bucket, folder, region)
    if text.startswith("https://"):
        if _checked_url(text).query:
            raise WrongSource("a folder's address has no `?`", "https://host/folder")
        return Source(FOLDER, text.rstrip("/"))
    raise WrongSource(
        f"{text[:80]!r} is no source",
        "modelscope, huggingface, mirror:https://…, https://host/folder, or oss://bucket/folder",
    )


def addresses(file: ModelFile, source: Source, region: str, endpoints: Endpoints) -> tuple[Address, ...]:
    """The addresses of a file at a source, in the order in which they are tried; none when it lacks the file."""
    if source.kind in (HUGGINGFACE, MODELSCOPE):
        home = _home(file, source)
        return (Address(_hub_url(home, source, endpoints), source.said),) if home else ()
    if source.kind == OSS:
        return _oss_addresses(file, source, region, endpoints)
    if source.kind == FOLDER:
        return (Address(f"{source.place}/{quote(file.name)}", source.said),)
    return (Address(source.place, source.said),)


def wanted_files(model: str, sha256: str, refiner: bool) -> tuple[ModelFile, ...]:
    """The files of whatever `--model` may say, the checkpoint that pictures are made with first."""
    own = parse_model(model)
    if own is None:
        return known_files(model, refiner)
    return (ModelFile(own.file.role, own.file.type, own.file.name, 0, sha256.lower()),)


def default_checkpoint(model: str) -> str:
    """The name under which the service finds the model that a deployment begins with."""
    if model == DEMO:
        return DEMO
    return wanted_files(model, "", False)[0].stem


def readable_objects(model: str, sources: tuple[str, ...]) -> tuple[str, ...]:
    """The objects in OSS that a node must be able to read, as RAM's resources end: bucket/key, or bucket/folder/*."""
    own = parse_model(model)
    if own is not None:
        return (f"{own.source.place}/{own.source.path}",) if own.source.kind == OSS else ()
    found = [source for source in map(parse_source, sources) if source.kind == OSS]
    return tuple(f"{source.place}/{source.path}/*" if source.path else f"{source.place}/*" for source in found)


def _own_file(path: str, suffixes: tuple[str, ...]) -> ModelFile:
    name = path.rsplit("/", 1)[-1]
    if not any(name.lower().endswith(suffix) and len(name) > len(suffix) for suffix in suffixes):
        raise WrongSource(
            f"{name[:80]!r} does not end in {' or '.join(suffixes)}",
            "a .safetensors file; other formats can hold programs, and an address without a file's name goes by "
            "`garret ops download-model --name …` once the service is up",
        )
    if not re.fullmatch(r"[\w .()\[\]+=,@!-]{1,200}", name) or name.startswith("."):
        raise WrongSource(f"{name[:80]!r} is no name for a model", "letters, digits, dots, dashes and brackets")
    return ModelFile("checkpoint", CHECKPOINT, name)


def _clean(path: str) -> str:
    if ".." in path.split("/") or "//" in path or path.startswith("/") or "?" in path or "#" in path:
        raise WrongSource(f"{path[:80]!r} is no path in a repository", "for example hf:owner/repo/x.safetensors")
    return path


def _checked_url(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises on a wrong one
    except ValueError as error:
        raise WrongSource(f"the address cannot be read: {error}", "https://host/…") from None
    if parts.scheme != "https" or not parts.hostname or any(ord(one) <= 32 or ord(one) == 127 for one in text):
        raise WrongSource("only whole https:// addresses are fetched", "https://host/…")
    if parts.username or parts.password:
        raise WrongSource("the address holds a login, which would be kept for all to see", "leave it out")
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        if name.lower() not in _HARMLESS:
            raise WrongSource(
                f"the address holds {name[:40]!r}, which may be a key, and would be kept for all to see; "
                "oss://bucket/… is read by a role of the node's own",
                "leave it out of the address",
            )
    return parts


def _bucket(text: str) -> tuple[str, str, str]:
    """Bucket, region when it was said, and key without slashes at its ends."""
    place, _, key = text[len("oss://") :].partition("/")
    found, key = _BUCKET.fullmatch(place), key.strip("/")
    if found is None:
        raise WrongSource(
            f"{place[:80]!r} is not a bucket", "oss://bucket/folder, or oss://bucket.oss-cn-beijing.aliyuncs.com/folder"
        )
    if key and (not _KEY.fullmatch(key) or ".." in key.split("/") or "//" in key or "?" in key):
        raise WrongSource(f"{key[:80]!r} is no key in a bucket", "oss://bucket/folder/x.safetensors")
    return found["bucket"], found["region"] or "", key


def _home(file: ModelFile, source: Source) -> Home | None:
    if source.place:
        return Home(source.place, source.revision, source.path)
    return file.huggingface if source.kind == HUGGINGFACE else file.modelscope


def _hub_url(home: Home, source: Source, endpoints: Endpoints) -> str:
    if source.kind == HUGGINGFACE:
        base = source.endpoint or endpoints.huggingface
        return f"{base}/{home.repository}/resolve/{quote(home.revision or 'main')}/{quote(home.path)}"
    query = f"Revision={quote(home.revision or 'master')}&FilePath={quote(home.path)}"
    return f"{endpoints.modelscope}/api/v1/models/{home.repository}/repo?{query}"


def _oss_addresses(file: ModelFile, source: Source, region: str, endpoints: Endpoints) -> tuple[Address, ...]:
    """Inside the region first, where neither traffic is paid nor the public address a limit."""
    is_file = source.path.lower().endswith(SUFFIX) or source.path.rpartition("/")[2] == file.name
    key = source.path if is_file else "/".join(filter(None, (source.path, file.name)))
    there = source.region or region
    one = Object(source.place, key, there)
    if endpoints.oss:
        return (Address(f"{endpoints.oss}/{source.place}/{quote(key)}", source.said, one),)
    public = Address(f"https://{source.place}.oss-{there}.aliyuncs.com/{quote(key)}", source.said, one)
    inside = Address(
        f"https://{source.place}.oss-{there}-internal.aliyuncs.com/{quote(key)}", f"{source.said}, inside", one
    )
    return (inside, public) if there == region else (public,)
