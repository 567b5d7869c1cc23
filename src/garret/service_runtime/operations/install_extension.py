"""The operation that installs an extension: fetched, examined, tried with the service, and taken back if that fails."""

from __future__ import annotations

import compileall
import fcntl
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from garret.service_runtime.executions import now
from garret.service_runtime.extensions import git, pip
from garret.service_runtime.extensions.archive_download import FetchFailed, fetch_archive
from garret.service_runtime.extensions.archives import BadArchive, project_folder, unpack
from garret.service_runtime.extensions.programs import ProgramFailed, run_program
from garret.service_runtime.extensions.project import NotAnExtension, Project, normalized, read_package, read_project
from garret.service_runtime.extensions.registry import Extension, Registry
from garret.service_runtime.extensions.sent import SentFailed, put_together
from garret.service_runtime.extensions.sources import Source, WrongSource, parse_source
from garret.service_runtime.extensions.watching import START_S, NotReady, try_with
from garret.service_runtime.fetching import Policy, Refused
from garret.service_runtime.life import look
from garret.service_runtime.operations.run import Run, WrongParameter
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.transfer import DownloadCancelled, DownloadError

PROBE_S = 60.0
_PARAMETERS = {"source", "mirror", "sha256", "patience_s", "pieces"}


class NotInstalled(DownloadError):
    """The extension is not installed, or not on; the service is as it was."""


@dataclass(frozen=True)
class Brought:
    """What came: its project, the SHA-256 or commit that names it, and the folders below the staging one to keep."""

    project: Project
    digest: str
    paths: tuple[str, ...]


def install_extension(run: Run, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Install an extension and have the service use it."""
    with run.task("check"):
        source, limit_s = parse(parameters)
    with reasons(), alone(run), staging_folder(run) as staging:
        with run.task("fetch"):
            brought = bring(run, source, staging, parameters)
        brought = with_dependencies(run, source, brought, staging)
        with run.task("examine"):
            extension = settle(run, source, brought, staging)
        return try_it(run, extension, limit_s)


def parse(parameters: Mapping[str, Any]) -> tuple[Source, float]:
    """Return the source, and how long the service's start may take."""
    unknown = set(parameters) - _PARAMETERS
    if unknown:
        raise WrongParameter(sorted(unknown)[0], "is not a parameter of install-extension")
    texts = {name: parameters.get(name) or "" for name in ("source", "mirror", "sha256")}
    for name, value in texts.items():
        if not isinstance(value, str) or len(value) > 4096:
            raise WrongParameter(name, "must be text of at most 4096 characters")
    if not texts["source"]:
        raise WrongParameter("source", "is missing", "Name a package, a git repository or an archive")
    limit_s = parameters.get("patience_s") or START_S
    if isinstance(limit_s, bool) or not isinstance(limit_s, (int, float)) or not 1 <= limit_s <= 3600:
        raise WrongParameter("patience_s", "must be 1 to 3600 seconds")
    try:
        return parse_source(texts["source"], texts["mirror"], texts["sha256"]), float(limit_s)
    except WrongSource as error:
        raise WrongParameter(error.field, error.reason, error.hint) from None


def bring(run: Run, source: Source, staging: Path, parameters: Mapping[str, Any]) -> Brought:
    """Have the extension's files in the staging folder."""
    private = run.settings.allow_private_download
    policy = replace(run.around.policy, allow_private=private, allow_plain_http=private or bool(source.sha256))
    if source.kind == "pip":
        return bring_package(run, source, staging)
    if source.kind == "git":
        commit = git.clone(source, staging / "code", policy, lambda: _look(run))
        return Brought(read_project(staging / "code"), commit, ())
    digest = _archive(run, source, staging / "archive", policy, parameters)
    if source.sha256 and digest != source.sha256:
        raise NotInstalled(
            f"the archive has the SHA-256 {digest} and {source.sha256} was wanted", "Check the address and --sha256"
        )
    unpack(staging / "archive", staging / "unpacked")
    project_folder(staging / "unpacked").rename(staging / "code")
    return Brought(read_project(staging / "code"), digest, ())


def _archive(run: Run, source: Source, target: Path, policy: Policy, parameters: Mapping[str, Any]) -> str:
    if source.kind == "sent":
        return put_together(run.settings, source.sha256, parameters.get("pieces"), target)
    return fetch_archive(source.url, target, policy, run.progress)


def bring_package(run: Run, source: Source, staging: Path) -> Brought:
    """Have a package of the index in the staging folder, with what it needs beside the service's own packages."""
    found = pip.choose([source.address], staging, source.mirror, lambda: _look(run))
    asked = next((one for one in found if one.asked_for), None)
    if asked is None:
        name = source.address.partition("[")[0]
        raise NotInstalled(f"{name} is a package of the service's own, not an extension", "See docs/extensions.md")
    if source.sha256 and asked.sha256 != source.sha256:
        text = f"{asked.name} {asked.version} has the SHA-256 {asked.sha256} and {source.sha256} was wanted"
        raise NotInstalled(text, "Check --sha256, and say the version: name==1.2")
    pip.install(found, staging, staging / "code", source.mirror, lambda: _look(run))
    return Brought(read_package(staging / "code", normalized(asked.name)), asked.sha256, ())


def with_dependencies(run: Run, source: Source, brought: Brought, staging: Path) -> Brought:
    """Have what a source tree asks for beside it, unless the service has it; a package's is there already."""
    code = ("code/" + brought.project.path).rstrip("/")
    if not brought.project.requires:
        return replace(brought, paths=(code,))
    with run.task("dependencies"):
        mirror = source.mirror if source.kind == "pip" else ""
        found = pip.choose(brought.project.requires, staging, mirror, lambda: _look(run))
        if not found:
            return replace(brought, paths=(code,))
        pip.install(found, staging, staging / "packages", mirror, lambda: _look(run))
    return replace(brought, paths=(code, "packages"))


def settle(run: Run, source: Source, brought: Brought, staging: Path) -> Extension:
    """Put the files into their own folder, and see in a process of its own which hooks they have."""
    registry, project = Registry(run.settings), brought.project
    folder = f"{project.name}/{brought.digest[:12]}-{run.execution.id[:6]}"
    final = registry.code / folder
    final.parent.mkdir(parents=True, exist_ok=True)
    for path in sorted({path.partition("/")[0] for path in brought.paths}):
        # Compiled here, for the service itself cannot write there.
        compileall.compile_dir(staging / path, quiet=2, stripdir=str(staging), prependdir=str(final))
        final.mkdir(exist_ok=True)
        (staging / path).rename(final / path)
    extension = Extension(
        project.name, project.version, source.shown, brought.digest, folder, brought.paths, project.entry_points, (),
        now(), requires=project.requires,
    )  # fmt: skip
    try:
        return replace(extension, hooks=probe(run.settings, extension, staging))
    except BaseException:
        shutil.rmtree(final, ignore_errors=True)
        raise


def probe(settings: ServiceSettings, extension: Extension, staging: Path) -> tuple[str, ...]:
    """Return the hooks that an extension has, or say what is wrong with it."""
    command = [sys.executable, "-m", "garret.service_runtime.extensions.probe"]
    record = json.dumps(extension.to_dict()).encode()
    try:
        return tuple(json.loads(run_program(command, staging, settings.to_env(), PROBE_S, given=record)))
    except ProgramFailed as failed:
        last = failed.said.splitlines()[-1:] or [str(failed)]
        said = f"{extension.name} cannot be loaded: {last[0][:300]}"
        raise NotInstalled(said, f"Nothing was changed. It said:\n{failed.said[-1500:]}") from None


def try_it(run: Run, extension: Extension, limit_s: float) -> dict[str, Any]:
    """Have the service begin anew with an extension; what was before is put back when it is not ready then."""
    registry = Registry(run.settings)
    with registry.locked():
        known = registry.find(extension.name)
        if known is not None and known.is_on and known.digest != extension.digest:
            before = known.previous if known.trial else {**known.to_dict(), "previous": None}
            extension = replace(extension, previous=before)
        registry.save(extension)
    with run.task("restart and watch"):
        try:
            reason = try_with(run.settings, extension, limit_s)
        except NotReady as error:
            raise NotInstalled(str(error), "garret logs shows why; garret ops restart-service") from None
        finally:
            if (left := registry.find(extension.name)) is not None:
                registry.prune(left)
        if reason:
            raise NotInstalled(*_rolled_back(registry, extension, reason))
    return facts(registry.get(extension.name), runs=look(run.settings.state_dir) is not None)


def _rolled_back(registry: Registry, extension: Extension, reason: str) -> tuple[str, str]:
    left = registry.find(extension.name)
    now_on = left is not None and left.is_on
    state = f"version {left.version} is on again" if left and now_on else "it is off, and the service runs without it"
    first, _, rest = reason.partition("\n")
    last = reason.strip().splitlines()[-1]
    short = last if "Traceback" in first else first.partition(". Its last words:")[0]
    return f"{extension.name} was rolled back: {short[:400]}; {state}", f"It said:\n{(rest or reason)[-1500:]}"


def facts(extension: Extension, runs: bool = True) -> dict[str, Any]:
    """Return what is told of an extension."""
    shown = {key: value for key, value in extension.to_dict().items() if key not in ("previous", "entry_points")}
    return {**shown, "service_runs": runs}


@contextmanager
def alone(run: Run) -> Iterator[None]:
    """Change extensions one operation at a time: each of them restarts the service."""
    registry = Registry(run.settings)
    with registry.locked():
        pass  # the folder is there now
    with (registry.folder / ".operation").open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                _look(run)
                time.sleep(0.2)
        yield


@contextmanager
def staging_folder(run: Run) -> Iterator[Path]:
    """Have an empty folder; what killed operations left goes first."""
    for left in run.settings.extensions_dir.glob(".staging-*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = run.settings.extensions_dir / f".staging-{run.execution.id}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def reasons() -> Iterator[None]:
    """Turn what went wrong into what a person reads."""
    try:
        yield
    except (BadArchive, SentFailed) as error:
        raise NotInstalled(f"the archive {error}", "Nothing of it was kept") from None
    except (NotAnExtension, FetchFailed) as error:
        raise NotInstalled(error.reason, error.hint) from None
    except Refused as error:
        raise NotInstalled(error.message, error.hint) from None
    except ProgramFailed as failed:
        raise NotInstalled(*(git.why if str(failed).startswith("git") else pip.why)(failed)) from None


def _look(run: Run) -> None:
    if run.store.asked_to_cancel(run.execution.id):
        raise DownloadCancelled
