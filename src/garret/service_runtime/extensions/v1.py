"""The interface of extensions, version 1: five hooks, each optional. This module is all that an extension imports.

An extension is a Python project with an entry point in the group `garret.extensions.v1` that names a module or an
object with functions marked `@hookimpl`. A function may leave out arguments that it does not need; version 1 may
gain arguments and hooks, and never loses or changes one. Several extensions are called in the order of their names,
each with what the one before returned; pluggy's `tryfirst` and `trylast` apply, its wrappers do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from fastapi import APIRouter
    from PIL.Image import Image

GROUP = "garret.extensions.v1"

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@dataclass(frozen=True)
class Words:
    """What a picture is made from."""

    prompt: str
    negative_prompt: str = ""


@dataclass(frozen=True)
class Page:
    """Files for the web page: `folder` holds them, `scripts` and `styles` are put into the page in this order.

    Every file in the folder itself, not below, is served at /extensions/NAME/files/FILE. The page runs scripts and
    styles from files only, and connects to nothing but the service.
    """

    folder: Path
    scripts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()


class Hooks:
    """The hooks of version 1."""

    @hookspec
    def prompt(self, words: Words, request: Mapping[str, Any]) -> Words | None:
        """Change the words of a request before it is accepted; None leaves them.

        Called in the API process, once for each request, in a thread, for at most 10 s. `request` has the other
        fields: width, height, steps, cfg_scale, seed, sampler, schedule, checkpoint, batch_size, n_iter.
        """

    @hookspec
    def image(self, picture: Image, about: Mapping[str, Any]) -> Image | None:
        """Change a finished picture before it is saved; None leaves it.

        Called in the worker process, once for each picture, for at most 60 s. `picture` is RGB; another mode or size
        may be returned, up to 4096 x 4096. `about` has prompt, negative_prompt, seed, width, height, steps,
        cfg_scale, sampler, schedule and checkpoint.
        """

    @hookspec
    def judge(self, picture: Image, about: Mapping[str, Any]) -> str | None:
        """Say why a finished picture is not to be given out; None lets it pass.

        Called in the worker process after `image`, once for each picture, for at most 60 s, and only of the extension
        that the service's setting `safety` names. Its caller gets a black picture; the reason goes to the log.
        """

    @hookspec
    def routes(self) -> APIRouter | None:
        """Give routes of one's own; they answer below /extensions/NAME, behind the service's login.

        Called in the API process, once, when the service starts.
        """

    @hookspec
    def page(self) -> Page | None:
        """Add to the web page. Called in the API process, once, when the service starts."""
