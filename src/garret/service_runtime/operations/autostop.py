"""Autostop: when the node stops itself, changed on the node; the service reads the file anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from garret.service_runtime.autostop_settings import AutostopFile, AutostopSettings, WrongAutostop
from garret.service_runtime.operations.run import Run, WrongParameter


def autostop(run: Run, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Change the settings that are said, and return all of them: idle_s, learn, stop_by, time_zone, delete_after_s."""
    settings = run.settings
    file = AutostopFile(settings.state_dir / "autostop.json", AutostopSettings(settings.autostop_s))
    with run.task("autostop"):
        try:
            wanted = AutostopSettings.from_dict({**file.read().to_dict(), **parameters})
        except WrongAutostop as error:
            raise WrongParameter(error.field, error.reason, error.hint) from None
        file.write(wanted)
    return wanted.to_dict()
