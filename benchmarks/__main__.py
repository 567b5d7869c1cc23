"""Run the benchmarks, all or those named: `python -m benchmarks [help_start] [status_far] [deploy_far] …`."""

from __future__ import annotations

import sys

from benchmarks import (
    autostop,
    bake,
    cold_start,
    crowd,
    delivery,
    deploy_again,
    deploy_far,
    download,
    gallery,
    gpu,
    help_start,
    host_step,
    killed,
    occupancy,
    page,
    power,
    power_loss,
    soak,
    status_far,
    throughput,
    watermark,
)
from benchmarks.report import Report

BENCHMARKS = {
    "help_start": help_start,
    "killed": killed,
    "status_far": status_far,
    "delivery": delivery,
    "crowd": crowd,
    "deploy_far": deploy_far,
    "deploy_again": deploy_again,
    "throughput": throughput,
    "bake": bake,
    "autostop": autostop,
    "power": power,
    "power_loss": power_loss,
    "download": download,
    "occupancy": occupancy,
    "soak": soak,
    "host_step": host_step,
    "watermark": watermark,
    "cold_start": cold_start,
    "gpu": gpu,
    "page": page,
    "gallery": gallery,
}


def main() -> int:
    """Print a line each, keep the results, and fail when a bound is missed."""
    missed = 0
    for name in sys.argv[1:] or BENCHMARKS:
        measured = BENCHMARKS[name].measure()
        for report in [measured] if isinstance(measured, Report) else measured:
            report.save()
            print(report.line(), flush=True)
            missed += not report.kept
    return 1 if missed else 0


sys.exit(main())
