"""A git repository's files at one commit, and nothing of its history, hooks, links or submodules."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from garret.service_runtime.extensions.archives import BadArchive
from garret.service_runtime.extensions.programs import ProgramFailed, run_program
from garret.service_runtime.extensions.sources import Source
from garret.service_runtime.fetching import Policy, Refused, check_url

LIMIT_S = 600.0
_LINK = "120000"
# Neither the caller's settings nor the repository's may have anything run here, or lead anywhere else.
_SETTINGS = (
    *("-c", "core.hooksPath=/dev/null", "-c", "core.symlinks=false", "-c", "core.fsmonitor=false"),
    *("-c", "http.followRedirects=false", "-c", "protocol.allow=never", "-c", "credential.helper="),
    *("-c", "protocol.https.allow=always", "-c", "submodule.recurse=false", "-c", "advice.detachedHead=false"),
)
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_LFS_SKIP_SMUDGE": "1", "LC_ALL": "C",
}  # fmt: skip


def clone(source: Source, folder: Path, policy: Policy, look: Callable[[], None]) -> str:
    """Fetch the repository's files into a folder that is made here, and return the commit's id.

    Raises:
        Refused: the address is not one to fetch from.
        ProgramFailed: git says why not.
        BadArchive: the repository holds links.
    """
    parts = check_url(source.url, policy)
    host = parts.hostname or ""
    try:
        addresses = policy.resolver(host, parts.port or (443 if parts.scheme == "https" else 80))
    except OSError:
        raise Refused(
            f"the node knows no host {host}", "Check the address; is there a way out of the network?"
        ) from None
    if not policy.allow_private and not all(policy.public(address) for address in addresses):
        raise Refused(f"{host} is not a public address", "Deploy with --allow-private-download to fetch from it")
    folder.mkdir()
    plain = ["-c", "protocol.http.allow=always"] if parts.scheme == "http" else []

    def git(*words: str) -> str:
        return run_program(["git", *_SETTINGS, *plain, *words], folder, _ENVIRONMENT, LIMIT_S, look=look)

    git("init", "--quiet", "--template=")
    git("fetch", "--quiet", "--depth=1", "--no-tags", "--", source.url, source.ref or "HEAD")
    commit = git("rev-parse", "FETCH_HEAD^{commit}").strip()
    for line in git("ls-tree", "-r", "--full-tree", commit).splitlines():
        if line.startswith(_LINK):
            raise BadArchive(f"holds a link, {line.partition(chr(9))[2][:100]!r}: only files and folders are taken")
    git("checkout", "--quiet", "--detach", commit)
    shutil.rmtree(folder / ".git")
    shutil.rmtree(folder / ".home", ignore_errors=True)
    return commit


def why(failed: ProgramFailed) -> tuple[str, str]:
    """Return what git's words mean, and what to do."""
    said = failed.said
    if "is not on this node" in str(failed):
        return "git is not on this node", "Name the repository's .zip or .tar.gz instead, or install git there"
    if "couldn't find remote ref" in said or "not our ref" in said:
        return "the repository has no such branch, tag or commit", "git ls-remote shows what it has"
    if "Authentication failed" in said or "could not read Username" in said or "returned error: 403" in said:
        return "the repository asks for a login", "Only public ones are fetched; or send an archive of it"
    if "not found" in said or "returned error: 404" in said:
        return "there is no such repository", "Check the address"
    if "redirect" in said:
        return "the repository has moved", "Give its new address"
    last = said.splitlines()[-1:] or [str(failed)]
    return f"git: {last[0][:300]}", "Check the address, or give a --mirror"
