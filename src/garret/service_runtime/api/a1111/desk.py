"""What this dialect's routes share: the service, the options that callers have chosen, and their tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from garret.service_runtime.api import fields
from garret.service_runtime.api.a1111.chosen_options import ChosenOptions
from garret.service_runtime.api.a1111.tasks import Tasks
from garret.service_runtime.live import Live
from garret.service_runtime.service import Service

_MODELS = {"sd_model_checkpoint": "checkpoint", "sd_vae": "vae"}
_NO_MODELS = ("None", "Automatic")


@dataclass
class Desk:
    """One for the whole dialect."""

    service: Service
    options: ChosenOptions
    tasks: Tasks = field(default_factory=Tasks)

    @property
    def picture_body_bytes(self) -> int:
        """Return how large a body with pictures may be."""
        return self.service.settings.picture_body_bytes

    def jobs_of(self, owner: str) -> list[Live]:
        """Return a caller's jobs that are not over, oldest first, however they came."""
        return [live for live in self.service.live if live.owner == owner]

    def with_options(self, body: Mapping[str, Any], owner: str) -> dict[str, Any]:
        """Return a body whose `override_settings` hold the caller's options where it does not say otherwise.

        A model that was chosen and has gone since is nobody's wish any more.
        """
        chosen = self.options.of(owner)
        for option, kind in _MODELS.items():
            name = chosen.get(option, "None")
            if name not in _NO_MODELS and not any(
                name in (model.name, model.path.name) for model in self.service.models.all(kind)
            ):
                del chosen[option]
        said = fields.mapping(body, "override_settings")
        given = {key: value for key, value in said.items() if value is not None}
        return {**body, "override_settings": {**chosen, **given}}


def owner_of(request: Request) -> str:
    """Return who asks."""
    owner: str = request.state.caller
    return owner
