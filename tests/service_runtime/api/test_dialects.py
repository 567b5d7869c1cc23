"""The table of dialects: whose a path is, and what a dialect that is switched off answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from garret.service_runtime.api.dialects import DIALECTS, NAMES, dialect_of, spoken
from garret.service_runtime.api.refusing import error_response
from garret.service_runtime.errors import Busy, InsufficientStorage, OutOfMemory, ServiceError, Unavailable
from garret.service_runtime.settings import DIALECTS as KNOWN
from garret.service_runtime.settings import ServiceSettings, SettingsError
from tests.service_runtime.living import Service, fake_settings, serving


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/sdapi/v1/txt2img", "a1111"),
        ("/sdapi", "a1111"),
        ("/sdapix", "native"),
        ("/v1/jobs", "native"),
        ("/v1/models/checkpoint/tiny", "models"),
        ("/v1/images/edits", "openai"),
        ("/v1/images/read", "native"),
        ("/v1/engines/list", "stability"),
        ("/invocations/open", "sagemaker"),
        ("/", "native"),
        (f"/sdapi/v1/{'x' * 200}", "a1111"),
    ],
)
def test_a_path_belongs_to_the_dialect_with_the_longest_claim(path: str, name: str) -> None:
    """What nobody claims is the native one's."""
    assert dialect_of(path).name == name


@pytest.mark.parametrize("path", sorted({path for one in DIALECTS for path in one.paths}))
@pytest.mark.parametrize("kind", [Busy, Unavailable, OutOfMemory, InsufficientStorage])
def test_what_passes_says_when_to_ask_again(path: str, kind: type[ServiceError]) -> None:
    """In every dialect, also where whoever met it did not say."""
    answer = error_response(kind("there is no room"), path)
    assert answer.status_code in (429, 503, 507)
    assert int(answer.headers["retry-after"]) > 0
    assert int(error_response(kind("no room", retry_after=7), path).headers["retry-after"]) == 7


def test_names_are_one_each_and_the_native_dialect_stays() -> None:
    """A name switches off one dialect; the one that garret itself needs has no switch."""
    assert len({one.name for one in DIALECTS}) == len(DIALECTS)
    assert [one.name for one in spoken(NAMES)] == ["native", "models"]
    assert set(NAMES) == set(KNOWN)
    with pytest.raises(SettingsError, match=r"GARRET_SERVICE_DIALECTS_OFF: 'openapi' is no API\. Known: a1111, openai"):
        ServiceSettings(dialects_off=("openapi",))


def test_what_is_switched_off_says_so(tmp_path: Path) -> None:
    """Its routes are gone, from the list as well; the others work."""
    with serving(fake_settings(tmp_path, dialects_off=("a1111",))) as service:
        refused = service.txt2img(prompt="x")
        assert refused.status == 404
        assert "switched off" in refused.json["detail"]
        assert not [path for path in service.call("GET", "/openapi.json").json["paths"] if path.startswith("/sdapi")]
        assert service.call("GET", "/v1/jobs").status == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/jobs", b'{"\\ud800": 1}'),
        ("/v1/jobs", b'{"noise": {"\\ud800": 1}}'),
        ("/v1/images/generations", b'{"prompt": "x", "\\ud800": 1}'),
        ("/sdapi/v1/txt2img", b'{"override_settings": {"sd_model_checkpoint": "\\ud800"}}'),
    ],
)
def test_what_is_quoted_may_be_half_a_character(service: Service, path: str, body: bytes) -> None:
    """A name with a lone surrogate is refused like any other wrong one, and the refusal is UTF-8."""
    answer = service.call("POST", path, body)
    assert 400 <= answer.status < 500
    assert answer.json["error"]
    answer.body.decode("utf-8")
