"""Which models a deployment may begin with, and whether they fit."""

from __future__ import annotations

import pytest

from garret.errors import SpecError
from garret.spec import parse_spec
from garret.spec.models import disagreement, download_bytes, download_s

LEAST = {"region": "cn-hangzhou"}


def test_a_deployment_begins_with_sdxl_and_its_refiner() -> None:
    """What a person who says nothing expects; the local cloud's own default is told in the plan."""
    spec = parse_spec(LEAST)
    assert (spec.model, spec.refiner, spec.model_source) == ("sdxl", True, ())
    assert download_bytes("sdxl", True) == 13_348_701_426
    assert download_bytes("sdxl", False) == 7_272_719_496
    assert download_bytes("demo", True) == 0


@pytest.mark.parametrize(
    "said",
    [
        {"model": "demo"},
        {"model": "sdxl", "refiner": False, "model_source": ["oss://my-models/sd", "huggingface"]},
        {"model": "https://files.example/x.safetensors", "model_sha256": "AB" * 32},
        {"model": "hf:owner/repo@v1/x.safetensors"},
        {"bandwidth_mbps": 1, "model_source": ["oss://my-models"]},  # inside the region no address is in the way
        {"bandwidth_mbps": 1, "wait_timeout_s": 14_400},
        {"bandwidth_mbps": 1, "model": "demo", "wait_timeout_s": 60},
    ],
    ids=str,
)
def test_what_may_be_said(said: dict[str, object]) -> None:
    """Known models, and checkpoints of one's own."""
    spec = parse_spec({**LEAST, **said})
    assert spec.model_source == tuple(said.get("model_source", ()))  # type: ignore[arg-type]


def test_a_bucket_elsewhere_is_as_far_as_the_address_lets_it() -> None:
    """Another region's bucket comes through the public address."""
    far = {"bandwidth_mbps": 1, "model_source": ["oss://my-models.oss-cn-beijing.aliyuncs.com"]}
    with pytest.raises(SpecError, match="178 minutes"):
        parse_spec({**LEAST, **far})


def test_models_must_fit_beside_what_the_image_takes() -> None:
    """Named with both numbers, in the field that helps."""
    where = {"region": "cn-hangzhou", "bandwidth_mbps": 100, "wait_timeout_s": 3600}
    assert disagreement("sdxl", None, (), True, disk_size_gib=100, **where) is None  # type: ignore[arg-type]
    field, reason = disagreement("sdxl", None, (), True, disk_size_gib=70, **where) or ("", "")  # type: ignore[arg-type]
    assert (field, reason) == ("disk_size_gib", "sdxl is 13.3 GB, and image and packages take 60 GiB")
    assert download_s(125_000_000, 5) == 100  # the cloud lets in 10 Mbit/s at least
