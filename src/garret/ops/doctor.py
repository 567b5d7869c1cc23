"""Doctor: is everything there that a deployment needs? One check per thing, with what mends it; changes nothing."""

from __future__ import annotations

import re
import shutil
import stat
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from garret.errors import CloudError, GarretError
from garret.ops import policy
from garret.ops.cloud import Cloud
from garret.ops.own_images import AVAILABLE, BASE
from garret.ops.records import Quota
from garret.settings import credential_files, credential_source
from garret.spec.fields import FAMILY

OK, WARNING, FAILED, SKIPPED = "ok", "warning", "failed", "skipped"
SKEW_WARN_S, SKEW_LIMIT_S = 60, 900
ROOM_BYTES = 1 << 30
AT_ONCE = 8
_NOT_THERE = "InvalidAction.NotFound"
_ATTACH = "garret doctor --policy > policy.json; attach it to the user in the RAM console"


@dataclass(frozen=True)
class Check:
    """One check: its name, how it ended (ok, warning, failed, skipped), what was found, and what mends it."""

    name: str
    state: str
    text: str
    fix: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The `--json` form."""
        return asdict(self)


@dataclass(frozen=True)
class Wanted:
    """What a deployment would need: where, and which machine and image."""

    region: str
    instance_type: str
    image_family: str
    image_id: str = ""


def local_checks(home: Path) -> list[Check]:
    """What can be told without any cloud."""
    return [_python(), _home(home), _room(home)]


def credential_check(environment: Mapping[str, str], kind: str) -> Check:
    """Where the keys come from; they themselves are never shown."""
    if kind == "local":
        return Check("credentials", OK, "the local cloud's own")
    source = credential_source(environment)
    if not source:
        return Check(
            "credentials", FAILED, "none were found",
            "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or say --cloud local",
        )  # fmt: skip
    open_files = [file for file in credential_files(environment) if file.is_file() and _mode(file) & 0o077]
    if open_files:
        names = " ".join(map(str, open_files))
        return Check("credentials", WARNING, f"{source}; others on this machine may read {names}", f"chmod 600 {names}")
    return Check("credentials", OK, f"from {source}")


def cloud_checks(cloud: Cloud, wanted: Wanted) -> list[Check]:
    """What the cloud tells; each check by itself, so that one that fails hides no other."""
    checks: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("clock", lambda: _clock(cloud.account.clock_skew_s())),
        ("account", lambda: _who(cloud)),
        ("region", lambda: _region(cloud, wanted)),
        ("permissions", lambda: _permissions(cloud)),
        ("quotas", lambda: _quotas(cloud.account.quotas(), wanted)),
        ("stock", lambda: _stock(cloud, wanted)),
        ("image", lambda: _image(cloud, wanted)),
        ("own images", lambda: _own_images(cloud, wanted)),
        ("balance", lambda: _balance(cloud)),
    )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda pair: _guarded(*pair), checks))


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except CloudError as error:
        if error.code == _NOT_THERE:
            return Check(name, SKIPPED, f"this cloud does not answer {error.action}")
        return Check(name, FAILED, error.message, error.hint or _ATTACH)
    except GarretError as error:
        return Check(name, FAILED, error.message, error.hint)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < (3, 11):  # noqa: UP036 - this is the check itself
        return Check("python", FAILED, version, "install Python 3.11 or newer")
    return Check("python", OK, version)


def _home(home: Path) -> Check:
    if not home.exists():
        return Check("home", OK, f"{home}, made when it is needed")
    secret = [path for path in home.rglob("*") if path.name in ("login.json", "cloud.json") or path == home]
    wide = [path for path in (home, *secret) if path.exists() and _mode(path) & 0o077]
    if wide:
        names = " ".join(sorted({str(path) for path in wide}))
        return Check("home", WARNING, f"others on this machine may read {names}", f"chmod go-rwx {names}")
    return Check("home", OK, str(home))


def _room(home: Path) -> Check:
    there = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(there).free
    text = f"{free / 1e9:.1f} GB free at {there}"
    if free < ROOM_BYTES:
        return Check("disk space", WARNING, text, "make room, or set GARRET_HOME to a folder on another disk")
    return Check("disk space", OK, text)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _clock(skew_s: float) -> Check:
    way = "ahead of" if skew_s > 0 else "behind"
    text = f"this machine is {abs(skew_s):.0f} s {way} the cloud"
    if abs(skew_s) >= SKEW_LIMIT_S:
        return Check(
            "clock", FAILED, f"{text}: it refuses every request", "set the clock, for example: timedatectl set-ntp true"
        )
    if abs(skew_s) >= SKEW_WARN_S:
        return Check("clock", WARNING, text, "set the clock, for example: timedatectl set-ntp true")
    return Check("clock", OK, "right to the minute")


def _who(cloud: Cloud) -> Check:
    who = cloud.account.who()
    return Check("account", OK, f"{who.account}, as {who.name}" if who.name else who.account)


def _region(cloud: Cloud, wanted: Wanted) -> Check:
    regions = cloud.catalog.regions()
    if wanted.region not in regions:
        return Check("region", FAILED, f"there is no region {wanted.region!r}", f"--region {regions[0]}")
    return Check("region", OK, wanted.region)


def _permissions(cloud: Cloud) -> Check:
    """Every action of the policy, asked for in a way that changes nothing."""
    needed = policy.actions()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = dict(zip(needed, pool.map(cloud.account.lacks, needed), strict=True))
    missing = [action for action, reason in answers.items() if reason]
    unknown = [action for action, reason in answers.items() if reason is None]
    if missing:
        named = "; ".join(f"{action} (for {', '.join(policy.verbs_with(action))})" for action in missing)
        return Check("permissions", FAILED, f"missing: {named}", _ATTACH)
    asked = f"{len(needed) - len(unknown)} of {len(needed)} actions are allowed"
    if unknown:
        return Check("permissions", OK, f"{asked}; not asked for, since only doing it would tell: {', '.join(unknown)}")
    return Check("permissions", OK, asked)


def _quotas(quotas: list[Quota], wanted: Wanted) -> Check:
    if not quotas:
        return Check("quotas", SKIPPED, "the cloud tells none")
    short: list[str] = []
    fine: list[str] = []
    for quota in quotas:
        need = vcpus_of(wanted.instance_type) if "vcpu" in quota.code else 1
        used = quota.used or 0
        text = f"{quota.name}: {used:g} of {quota.total:g} used, {need} needed"
        (short if used + need > quota.total else fine).append(text)
    if short:
        return Check("quotas", FAILED, "; ".join(short), "raise it in the cloud's Quota Center, or free some")
    return Check("quotas", OK, "; ".join(fine))


def vcpus_of(instance_type: str) -> int:
    """How many vCPUs a gn7i type has: four for each x of its size."""
    found = re.search(r"\.(\d*)xlarge", instance_type)
    return 4 * int(found.group(1) or 1) if found else 1


def _stock(cloud: Cloud, wanted: Wanted) -> Check:
    stock = cloud.catalog.stock(FAMILY)
    zones = stock.get(wanted.instance_type)
    others = sorted(kind for kind, where in stock.items() if where)
    if zones:
        return Check("stock", OK, f"{wanted.instance_type} in {', '.join(zones)}")
    why = (
        f"{wanted.region} does not sell {wanted.instance_type}"
        if zones is None
        else f"{wanted.instance_type} is sold out in {wanted.region}"
    )
    return Check("stock", FAILED, why, f"--instance-type {others[0]}" if others else "another --region, or later")


def _image(cloud: Cloud, wanted: Wanted) -> Check:
    said = "" if wanted.image_id == BASE else wanted.image_id
    found = said or cloud.catalog.newest_image(wanted.image_family)
    if not found:
        return Check("image", FAILED, f"{wanted.region} has none of {wanted.image_family}", "name one: --image-id m-…")
    return Check("image", OK, found)


def _own_images(cloud: Cloud, wanted: Wanted) -> Check:
    own = [one for one in cloud.images.own() if one.status == AVAILABLE]
    if not own:
        return Check("own images", OK, f"none; nodes start sooner with one: garret image bake --region {wanted.region}")
    return Check("own images", OK, f"{len(own)}, the newest {own[0].id} of {own[0].created_at[:10]}")


def _balance(cloud: Cloud) -> Check:
    amount, currency = cloud.account.balance()
    if amount <= 0:
        return Check("balance", FAILED, f"{amount:.2f} {currency}", "top up the account")
    return Check("balance", OK, f"{amount:.2f} {currency}")
