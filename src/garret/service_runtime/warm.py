"""Compile ahead: `python -m garret.service_runtime.warm FOLDER`, with the service's settings in the environment.

Makes one picture with the default checkpoint on this machine's GPU and leaves what was compiled in a folder, for an
image that is baked from this machine. Without a GPU there is nothing to compile, which is no failure.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from garret.service_runtime.errors import ServiceError
from garret.service_runtime.models import HashCache, Models
from garret.service_runtime.settings import ServiceSettings, SettingsError


def main(arguments: list[str]) -> int:
    """Fill the folder and say so in one line; return the exit code."""
    if len(arguments) != 1:
        print("usage: python -m garret.service_runtime.warm FOLDER", file=sys.stderr)  # noqa: T201  (a command)
        return 2
    try:
        said = warm(ServiceSettings.from_env(os.environ), Path(arguments[0]))
    except (SettingsError, ServiceError) as error:
        print(f"garret: {error}", file=sys.stderr)  # noqa: T201  (a command)
        return 1
    print(said, flush=True)  # noqa: T201  (the one line that it says)
    return 0


def warm(settings: ServiceSettings, folder: Path) -> str:
    """Compile into a folder, and return what came of it."""
    from garret.service_runtime.engine.lean import import_lean

    import_lean()
    from garret.service_runtime.engine.sdxl import SdxlEngine, Tuning

    tuning = Tuning(settings.precision, settings.memory_bytes, settings.compile, folder)
    with closing(SdxlEngine(settings.device, settings.config_dir, tuning)) as engine:
        if not engine.compiles:
            return "nothing is compiled here: this machine has no GPU, or the setting compile is off"
        checkpoint = _default_checkpoint(settings)
        name = engine.setup(checkpoint)
    return f"compiled {checkpoint.name} for {name} into {folder}"


def _default_checkpoint(settings: ServiceSettings) -> Path:
    with tempfile.TemporaryDirectory() as state, closing(HashCache(Path(state) / "models.sqlite")) as hashes:
        models = Models(settings.models_dir, settings.config_dir, hashes, settings.default_checkpoint)
        return models.usable_checkpoint().path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
