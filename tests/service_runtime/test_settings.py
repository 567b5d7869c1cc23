"""The service's settings survive the way through an environment file, and wrong ones are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from garret.image_bootstrap.steps.service import CONFIGS
from garret.service_runtime.settings import ServiceSettings, SettingsError, read_env_file, write_env_file

PRINTABLE = some.text(some.characters(blacklist_categories=("C", "Zl", "Zp")), max_size=40)


def test_settings_come_back_from_the_environment() -> None:
    """What bootstrap writes is what the service reads."""
    settings = ServiceSettings(
        host="10.0.0.1",
        port=443,
        state_dir=Path("/a b"),
        token_hashes=("sha256$1", "sha256$2"),
        allow_private_download=True,
    )
    assert ServiceSettings.from_env(read_env_file(write_env_file(settings.to_env()))) == settings


def test_the_configurations_lie_where_bootstrap_puts_them() -> None:
    """A service started by hand on a node finds what the bootstrap laid out."""
    assert ServiceSettings().config_dir == Path(CONFIGS)


@given(PRINTABLE)
def test_any_line_of_text_survives_the_file(text: str) -> None:
    """Quotes, dollars, backslashes and spaces are kept, as systemd keeps them."""
    assert read_env_file(write_env_file({"NAME": text})) == {"NAME": text}


def test_a_value_cannot_add_a_line() -> None:
    """A line break in a value would be a setting of its own."""
    with pytest.raises(SettingsError, match="line break"):
        write_env_file({"NAME": "a\nGARRET_SERVICE_HOST=0.0.0.0"})


def test_comments_and_quotes_of_other_writers_are_read() -> None:
    """A person may have edited the file."""
    assert read_env_file("# note\n; note\n\nA='b c'\nB=d\nno sense\n") == {"A": "b c", "B": "d"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GARRET_SERVICE_PORT", "many"),
        ("GARRET_SERVICE_PORT", "70000"),
        ("GARRET_SERVICE_ENGINE", "magic"),
        ("GARRET_SERVICE_QUEUE_LIMIT", "0"),
        ("GARRET_SERVICE_ALLOW_PRIVATE_DOWNLOAD", "perhaps"),
        ("GARRET_SERVICE_JOB_TIMEOUT_S", "nan"),
        ("GARRET_SERVICE_PROT", "7860"),
        ("GARRET_SERVICE_TLS_KEY", "/key.pem"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    """The error begins with the variable to mend."""
    with pytest.raises(SettingsError) as caught:
        ServiceSettings.from_env({name: value})
    assert str(caught.value).startswith(name)
