"""What both clients offer: jobs, images and models as parts of their own, and what a service tells of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from garret.client.asking import Asking
from garret.client.images import Images
from garret.client.jobs import LOOK_S, Jobs, Told
from garret.client.manners import Manners
from garret.client.models import Models
from garret.client.operation import operation
from garret.client.records import Picture
from garret.client.steps import Steps

D = TypeVar("D")


class Service(Asking[D]):
    """One service of garret's."""

    def __init__(self, driver: D, manners: Manners) -> None:
        super().__init__(driver, manners)
        self.jobs: Jobs[D] = Jobs(driver, manners)
        self.images: Images[D] = Images(driver, manners)
        self.models: Models[D] = Models(driver, manners)

    @operation
    def generate(
        self, /, prompt: str = "", *, told: Told | None = None, look_s: float = LOOK_S, **fields: Any
    ) -> Steps[list[Picture]]:
        """Make pictures and return them: `jobs.make`."""
        return (yield from self.jobs.making(prompt, told, look_s, fields))

    @operation
    def upscale(
        self, /, picture: bytes | str | Path, upscaler: str = "", *, scale: float = 2.0, told: Told | None = None,
        **more: Any,
    ) -> Steps[Picture]:  # fmt: skip
        """Make a picture larger, painting nothing anew; `more` is what else `upscale` takes (docs/api/upscaling.md)."""
        file = Path(picture) if isinstance(picture, str) else picture
        wish = {"image": file, "scale": scale, **({"upscaler": upscaler} if upscaler else {}), **more}
        return (yield from self.jobs.making("", told, LOOK_S, {"upscale": wish}))[0]

    @operation
    def health(self, /) -> Steps[Mapping[str, Any]]:
        """Return how the service is: `status`, its workers and its disk, as it says it."""
        return (yield from self.table("GET", "/v1/health"))

    @operation
    def queue(self, /) -> Steps[Mapping[str, Any]]:
        """Return how long the line is, where the caller's jobs stand in it, and the wait to expect."""
        return (yield from self.table("GET", "/v1/queue"))

    @operation
    def machine(self, /) -> Steps[Mapping[str, Any]]:
        """Return how the node is: devices, memory, disk, uptime, queue, versions, costs, and when autostop acts."""
        return (yield from self.table("GET", "/machine"))

    @operation
    def hold(self, /, seconds: float) -> Steps[Mapping[str, Any]]:
        """Keep the node on for so long from now on, a day at most; 0 takes that back. Return autostop's facts."""
        if not seconds:
            return (yield from self.table("DELETE", "/machine/hold"))
        return (yield from self.table("POST", "/machine/hold", {"seconds": seconds}, again=True))

    @operation
    def logs(self, /, *, lines: int = 200, after: int = 0) -> Steps[list[Mapping[str, Any]]]:
        """Return the last lines of the service's log, oldest first; with the `number` of one, those `after` it."""
        return (yield from self.rows("/v1/logs", {"lines": lines, "after": after}))

    @operation
    def tokens(
        self, /, prompt: str = "", negative_prompt: str | None = None, *, checkpoint: str = "",
        styles: Sequence[str] = (),
    ) -> Steps[Mapping[str, Any]]:  # fmt: skip
        """Return how many tokens and chunks each text has, and its `problems` with their places."""
        said = {"prompt": prompt, "negative_prompt": negative_prompt, "checkpoint": checkpoint, "styles": list(styles)}
        return (yield from self.table("POST", "/v1/tokens", said, again=True))

    @operation
    def settings(self, /) -> Steps[Mapping[str, Any]]:
        """Return what requests get that say nothing else, and the bounds of what may be asked."""
        return (yield from self.table("GET", "/v1/settings"))

    @operation
    def change_settings(self, /, **changes: Any) -> Steps[Mapping[str, Any]]:
        """Change what may be changed while the service runs, and return all of it: `checkpoint="mine"`."""
        return (yield from self.table("PUT", "/v1/settings", changes))

    @operation
    def samplers(self, /) -> Steps[list[Mapping[str, Any]]]:
        """Return the samplers, each with its `name` and the names that other dialects have for it."""
        return (yield from self.rows("/v1/samplers"))

    @operation
    def schedules(self, /) -> Steps[list[Mapping[str, Any]]]:
        """Return the schedules of noise that samplers take."""
        said = yield from self.table("GET", "/v1/samplers")
        return list(said.get("schedules") or [])

    @operation
    def sizes(self, /) -> Steps[list[Mapping[str, Any]]]:
        """Return the sizes that SDXL was trained for, in pixels."""
        return (yield from self.rows("/v1/sizes"))

    @operation
    def styles(self, /) -> Steps[list[Mapping[str, Any]]]:
        """Return the styles that a request may name."""
        return (yield from self.rows("/v1/styles"))

    @operation
    def upscalers(self, /) -> Steps[list[Mapping[str, Any]]]:
        """Return what can make a picture larger."""
        return (yield from self.rows("/v1/upscalers"))
