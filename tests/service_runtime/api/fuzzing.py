"""Schemathesis over a whole service that speaks every dialect: as a test, or as long as one likes by `make fuzz`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from garret import demo_model
from garret.service_runtime.passwords import hash_token
from tests.service_runtime.api.fuzz_checks import THIN
from tests.service_runtime.living import Service, fake_settings, serving, wait

HERE = Path(__file__).resolve().parent
TOKEN = "token-for-fuzzing"
PHASES = ("examples", "coverage", "fuzzing", "stateful")
STOPS_THE_REST = "^/machine/(drain|autostop)$"
"""Whatever comes after them may be refused for minutes, so they have a run of their own at the end."""
SHARES = (("--include-path-regex", "^/v1/"), ("--exclude-path-regex", "^/v1/"))
_NONE_LEFT = "No API operations"


@dataclass
class Fuzzed:
    """A service under fire, and every line of its log."""

    service: Service
    log: list[str] = field(default_factory=list, repr=False)

    @property
    def memory(self) -> int:
        """The bytes that its API process holds (Linux)."""
        pages = Path(f"/proc/{self.service.process.pid}/statm").read_text().split()[1]
        return int(pages) * 4096

    @property
    def mistakes(self) -> list[str]:
        """What its log says of its own mistakes."""
        return [line for line in self.log if "Traceback" in line or "unexpected" in line or line.startswith("ERROR")]

    def settle(self) -> None:
        """Wait until nothing is being made any more."""
        wait(lambda: not self.service.call("GET", "/v1/jobs?state=Running&limit=1").json, 60, "the last job")
        wait(lambda: not self.service.call("GET", "/v1/jobs?state=Queued&limit=1").json, 60, "the last job")


@dataclass
class Outcome:
    """What came of one run: its report as people read it, how many cases there were, and what failed."""

    text: str
    cases: int
    failed: list[dict[str, Any]]
    errors: list[Any]


@contextmanager
def under_fire(folder: Path) -> Iterator[Fuzzed]:
    """Run a service with a login, small pictures and the fake engine; every dialect is on."""
    checkpoints = folder / "models" / "Stable-diffusion"
    checkpoints.mkdir(parents=True)
    shutil.copyfile(demo_model.WEIGHTS, checkpoints / "demo.safetensors")
    settings = fake_settings(
        folder,
        config_dir=demo_model.CONFIG.parent,
        default_checkpoint="demo",
        token_hashes=(hash_token(TOKEN),),
        queue_limit=1000,
        # A machine that runs this must not be found, and not be stopped, by what is asked of the service.
        metadata_url="http://127.0.0.1:9/latest",
        ecs_endpoint="http://127.0.0.1:9",
    )
    with serving(settings) as service:
        service.headers = {"Authorization": f"Bearer {TOKEN}"}
        fuzzed = Fuzzed(service)
        reader = threading.Thread(target=_read, args=(service.process.stdout, fuzzed.log), daemon=True)
        reader.start()
        yield fuzzed
        service.process.terminate()
        assert service.process.wait(30) == 0, "the service did not end as it should"
        reader.join(10)


def fuzz(
    fuzzed: Fuzzed,
    folder: Path,
    *arguments: str,
    phases: tuple[str, ...] = PHASES,
    thin: int = 1,
    shares: tuple[tuple[str, ...], ...] = SHARES,
) -> Outcome:
    """Run schemathesis with these arguments beside those of its file: two of it, each with its share of the paths.

    Arguments that include paths go with one share, `((),)`: each share would add its own. `thin` leaves out all but
    every so-many-th of the cases that cover a route's schema.
    """
    running = []
    for number, share in enumerate(shares):
        report = folder / f"report-{number}.json"
        report.unlink(missing_ok=True)
        running.append((_start(fuzzed.service, report, [*share, *arguments], phases, thin), report))
    outcomes = [_outcome(process, report) for process, report in running]
    return Outcome(
        "\n".join(one.text for one in outcomes),
        sum(one.cases for one in outcomes),
        [failure for one in outcomes for failure in one.failed],
        [error for one in outcomes for error in one.errors],
    )


def _start(
    service: Service, report: Path, arguments: list[str], phases: tuple[str, ...], thin: int
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", HERE / "schemathesis.toml", "run",
         f"http://{service.host}:{service.port}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}",
         "--phases", ",".join(phases), "--report", "json", "--report-json-path", report, *arguments],
        cwd=HERE.parents[2],
        env={**os.environ, THIN: str(thin)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


def _outcome(process: subprocess.Popen[str], report: Path) -> Outcome:
    text, _ = process.communicate()
    if not report.exists():
        if _NONE_LEFT in text:
            return Outcome("", 0, [], [])
        raise AssertionError(f"schemathesis made no report:\n{text}")
    said = json.loads(report.read_text())
    return Outcome(text, said["test_cases"]["generated"], said["failures"], said["errors"])


def _read(stream: Any, lines: list[str]) -> None:
    lines.extend(stream)


def main() -> int:
    """Fuzz until the time is over, and say what was found; 1 when something was."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("rest", nargs="*", help="arguments for `schemathesis run`, after --")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="garret-fuzz-") as name, under_fire(Path(name)) as fuzzed:
        seconds = str(int(asked.minutes * 60))
        began = fuzzed.memory
        own = any(one.startswith("--include") for one in asked.rest)
        limits = ("--exclude-path-regex", STOPS_THE_REST, "--max-time", seconds, *asked.rest)
        found = fuzz(fuzzed, Path(name), *limits, shares=((),) if own else SHARES)
        fuzzed.settle()
        grown = fuzzed.memory - began
    memory = f"the service's memory grew by {grown / 2**20:.1f} MiB from {began / 2**20:.0f}"
    sys.stdout.write("\n".join((found.text, *fuzzed.mistakes, f"{found.cases} cases; {memory}\n")))
    return 1 if found.failed or found.errors or fuzzed.mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
