"""Own images: what is on one, by its tags, and which of them a new node is made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from garret.errors import CloudError, SpecError
from garret.image_bootstrap.bundle import LOCKS, Bundle
from garret.image_bootstrap.node_config import NodeConfig
from garret.ops.cloud import IMAGE_TAG, Cloud
from garret.ops.records import Image
from garret.spec import DeploymentSpec

BASE = "base"
"""Said instead of an image's id: the cloud's own image, whatever own ones there are."""
LOCK_TAG, MODELS_TAG, BAKE_TAG = "garret:lock", "garret:models", "garret:bake"
AVAILABLE = "Available"
_DIGITS = 12


@dataclass(frozen=True)
class Contents:
    """What is on an image: the first digits of the runtime's SHA-256 and of its locks', and the models in a word."""

    runtime: str
    lock: str
    models: str

    def tags(self) -> dict[str, str]:
        """The tags that say so."""
        return {IMAGE_TAG: self.runtime, LOCK_TAG: self.lock, MODELS_TAG: self.models}


@dataclass(frozen=True)
class Chosen:
    """The image of a new node, a word on it for the plan, and whether it holds the runtime that the node is told."""

    image_id: str
    note: str = ""
    has_runtime: bool = False


def contents_of(config: NodeConfig, bundle: Bundle) -> Contents:
    """What a node of this configuration has when it is set up."""
    return Contents(bundle.sha256[:_DIGITS], lock_digits(), models_of(config))


def lock_digits() -> str:
    """The first digits of the SHA-256 of this garret's locks."""
    locks = b"\0".join(file.read_bytes() for file in sorted(LOCKS.glob("*.lock")))
    return hashlib.sha256(locks).hexdigest()[:_DIGITS]


def models_of(config: NodeConfig) -> str:
    """The first models in a word that can be a tag: the name, and a few digits where there is more to say."""
    told = {name: value for name, value in asdict(config).items() if name.startswith("model") or name == "refiner"}
    if config.model == "demo":
        return config.model
    digits = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]
    name = config.model.rstrip("/").rpartition("/")[2].partition("?")[0]
    return f"{name[:60]}-{digits}"


def contents_on(image: Image) -> Contents:
    """What is on an image, by its tags."""
    return Contents(*(image.tags.get(tag, "") for tag in (IMAGE_TAG, LOCK_TAG, MODELS_TAG)))


def choose(spec: DeploymentSpec, cloud: Cloud, wanted: Contents, newest: Callable[[], str]) -> Chosen:
    """The image that was said, else the best own one, else the cloud's `newest`; empty when there is none at all.

    An own image is taken when its packages are this runtime's: one with another runtime or other models saves the
    installation still. The same models come first, then the same runtime, then the newest.

    Raises:
        SpecError: the image that was said is not there, not whole, or larger than the disk.
    """
    if spec.image_id and spec.image_id != BASE:
        return _said(spec, cloud, wanted)
    if spec.image_id == BASE:
        return Chosen(newest(), "the cloud's own, as said")
    try:
        own = [one for one in cloud.images.own() if one.status == AVAILABLE]
    except CloudError as error:
        return Chosen(newest(), f"own ones could not be looked for: {error.code}")
    fitting = [one for one in own if contents_on(one).lock == wanted.lock and one.size_gib <= spec.disk_size_gib]
    if not fitting:
        return Chosen(newest(), _why_none(own, wanted, spec))
    best = max(fitting, key=lambda one: _rank(one, wanted))
    return Chosen(best.id, _words(best, wanted), contents_on(best).runtime == wanted.runtime)


def _said(spec: DeploymentSpec, cloud: Cloud, wanted: Contents) -> Chosen:
    """What was said; of the account's own kind it is looked for, and what garret baked is told."""
    id = str(spec.image_id)
    if not id.startswith("m-"):
        return Chosen(id)
    try:
        image = cloud.images.get(id)
    except CloudError:  # rights that a policy of an earlier garret lacks: the cloud will say what it thinks of it
        return Chosen(id)
    if image is None:
        raise SpecError("image_id", f"{spec.region} has no image {id}", "garret image list; or leave --image-id out")
    if image.status != AVAILABLE:
        raise SpecError("image_id", f"{id} is {image.status}, not {AVAILABLE}", "garret image list")
    if image.size_gib > spec.disk_size_gib:
        reason = f"{id} needs {image.size_gib} GiB, and the disk has {spec.disk_size_gib}"
        raise SpecError("disk_size_gib", reason, f"--disk-size {image.size_gib}, or another image")
    if IMAGE_TAG not in image.tags:
        return Chosen(id)
    return Chosen(id, _words(image, wanted), contents_on(image).runtime == wanted.runtime)


def _rank(image: Image, wanted: Contents) -> tuple[bool, bool, str]:
    there = contents_on(image)
    return there.models == wanted.models, there.runtime == wanted.runtime, image.created_at


def _words(image: Image, wanted: Contents) -> str:
    there = contents_on(image)
    lacks = []
    if there.lock != wanted.lock:
        lacks.append("its packages are others, and this runtime's are installed")
    elif there.runtime != wanted.runtime:
        lacks.append("its runtime is another, and this one is sent over it")
    if there.models != wanted.models:
        lacks.append(f"model {wanted.models} is brought, it has {there.models or 'none'}")
    return f"your own of {image.created_at[:10]}: " + ("; ".join(lacks) or "nothing has to be installed")


def _why_none(own: list[Image], wanted: Contents, spec: DeploymentSpec) -> str:
    """Why no own image is taken; nothing where there is none."""
    if not own:
        return ""
    fits = [one for one in own if contents_on(one).lock == wanted.lock]
    if fits:
        return f"your own {fits[0].id} needs {fits[0].size_gib} GiB of disk: --disk-size {fits[0].size_gib} takes it"
    return f"your own {own[0].id} has other packages: garret image bake --region {spec.region} makes a new one"
