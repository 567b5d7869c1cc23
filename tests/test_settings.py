"""Who acts: flags, environment, file and default, in this order; and nothing that cannot be meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from garret.errors import SettingsError
from garret.settings import DEFAULT_REGION, PRODUCTS, credentials_resolve, home_folder, is_loopback, load_settings


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a person who has set nothing."""
    return {"HOME": str(tmp_path)}


def write_config(environment: dict[str, str], text: str) -> Path:
    """Write the config file of that person."""
    path = Path(environment["HOME"]) / ".garret/config.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_without_anything_said_the_local_cloud_acts(environment: dict[str, str]) -> None:
    """No credentials, no choice: what costs nothing, in a folder of this person's own."""
    settings = load_settings(environment)
    assert (settings.cloud, settings.cloud_from) == ("local", "default")
    assert (settings.region, settings.region_from) == (DEFAULT_REGION, "default")
    assert settings.home == Path(environment["HOME"]) / ".garret"
    assert settings.deployments == settings.home / "deployments/local"
    assert settings.endpoints == {}
    assert not settings.home.exists()


def test_flags_come_before_environment_before_file_before_default(environment: dict[str, str]) -> None:
    """Each source overrides the ones behind it, and is remembered as the source."""
    path = write_config(environment, "cloud: aliyun\nregion: cn-beijing\n")
    settings = load_settings(environment)
    assert (settings.cloud, settings.cloud_from, settings.region) == ("aliyun", str(path), "cn-beijing")

    environment |= {"GARRET_CLOUD": "local", "GARRET_REGION": "cn-shanghai"}
    settings = load_settings(environment)
    assert (settings.cloud, settings.cloud_from, settings.region) == ("local", "GARRET_CLOUD", "cn-shanghai")

    settings = load_settings(environment, cloud="aliyun", region="ap-southeast-1")
    assert (settings.cloud, settings.cloud_from) == ("aliyun", "--cloud")
    assert (settings.region, settings.region_from) == ("ap-southeast-1", "--region")


@pytest.mark.parametrize(
    "variables",
    [
        {"ALIBABA_CLOUD_ACCESS_KEY_ID": "id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "secret"},
        {
            "ALIBABA_CLOUD_ROLE_ARN": "a",
            "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "b",
            "ALIBABA_CLOUD_OIDC_TOKEN_FILE": "c",
        },
        {"ALIBABA_CLOUD_CREDENTIALS_URI": "http://127.0.0.1/"},
        {"ALIBABA_CLOUD_ECS_METADATA": "role"},
    ],
)
def test_credentials_in_the_environment_choose_the_real_cloud(
    environment: dict[str, str], variables: dict[str, str]
) -> None:
    """Every way in which the official chain takes credentials from the environment counts."""
    assert load_settings(environment | variables).cloud == "aliyun"
    assert load_settings(environment | variables, cloud="local").cloud == "local"


@pytest.mark.parametrize("file", [".aliyun/config.json", ".alibabacloud/credentials"])
def test_credentials_in_a_file_choose_the_real_cloud(environment: dict[str, str], file: str) -> None:
    """The files of the official tools count as well."""
    assert not credentials_resolve(environment)
    path = Path(environment["HOME"]) / file
    path.parent.mkdir()
    path.write_text("{}")
    assert credentials_resolve(environment)


def test_half_a_key_pair_is_none(environment: dict[str, str]) -> None:
    """An id without its secret opens nothing."""
    assert not credentials_resolve(environment | {"ALIBABA_CLOUD_ACCESS_KEY_ID": "id"})
    assert not credentials_resolve(
        environment | {"ALIBABA_CLOUD_ACCESS_KEY_ID": "id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": ""}
    )


@pytest.mark.parametrize("source", ["--cloud", "GARRET_CLOUD", "config.yaml"])
def test_an_unknown_cloud_is_refused_with_its_source(environment: dict[str, str], source: str) -> None:
    """The message names who said it, what was said, and what there is."""
    flag = "moon" if source == "--cloud" else None
    if source == "GARRET_CLOUD":
        environment["GARRET_CLOUD"] = "moon"
    if source == "config.yaml":
        write_config(environment, "cloud: moon\n")
    with pytest.raises(SettingsError) as raised:
        load_settings(environment, cloud=flag)
    for word in (source, "moon", "aliyun", "local"):
        assert word in raised.value.message
    assert "--cloud local" in raised.value.hint
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("region", ["Atlantis!", "cn", "CN-HANGZHOU", "../cn-hangzhou", "cn-hangzhou "])
def test_what_is_no_region_is_refused(environment: dict[str, str], region: str) -> None:
    """Whether the cloud has it is the cloud's to say; what cannot be one is refused here."""
    with pytest.raises(SettingsError, match="--region") as raised:
        load_settings(environment, region=region)
    assert "cn-hangzhou" in raised.value.hint
    with pytest.raises(SettingsError, match="GARRET_REGION"):
        load_settings(environment | {"GARRET_REGION": region})


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("clowd: local\n", "clowd"),
        ("- local\n", "mapping"),
        ("cloud: [unclosed\n", "YAML"),
        ("cloud: 3\n", "cloud"),
        ("endpoints: local\n", "endpoints"),
        ("endpoints: {s3: 'https://x'}\n", "s3"),
        ("endpoints: {ros: 'http://198.51.100.7'}\n", "ros"),
        ("access_key_secret: planted\n", "access_key_secret"),
    ],
)
def test_a_config_file_that_cannot_be_meant_is_refused(environment: dict[str, str], text: str, word: str) -> None:
    """Unknown keys and wrong types are named; the file is never half believed, and secrets have no place in it."""
    write_config(environment, text)
    with pytest.raises(SettingsError) as raised:
        load_settings(environment)
    assert word in raised.value.message
    assert raised.value.hint
    assert "planted" not in raised.value.message


def test_a_config_file_that_cannot_be_read_is_named(environment: dict[str, str]) -> None:
    """A folder in its place, or bytes that are no text, are an error with the path."""
    path = write_config(environment, "")
    path.write_bytes(b"\xff\xfe\x00cloud")
    with pytest.raises(SettingsError, match=r"config\.yaml"):
        load_settings(environment)
    path.unlink()
    path.mkdir()
    with pytest.raises(SettingsError, match=r"config\.yaml"):
        load_settings(environment)


def test_an_empty_config_file_says_nothing(environment: dict[str, str]) -> None:
    """A file with only comments is as good as none."""
    write_config(environment, "# cloud: aliyun\n")
    assert load_settings(environment).cloud == "local"


@pytest.mark.parametrize("product", PRODUCTS)
def test_endpoints_are_taken_from_the_environment(environment: dict[str, str], product: str) -> None:
    """A name without a protocol means https; the environment comes before the file."""
    write_config(environment, f"endpoints: {{{product}: 'https://file.example.com'}}\n")
    assert load_settings(environment).endpoints == {product: "https://file.example.com"}
    name = f"GARRET_ENDPOINT_{product.upper()}"
    for text, meant in (
        ("api.example.com", "https://api.example.com"),
        ("https://api.example.com/", "https://api.example.com"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("http://[::1]:8765", "http://[::1]:8765"),
        ("http://localhost:8765", "http://localhost:8765"),
    ):
        assert load_settings(environment | {name: text}).endpoints == {product: meant}


@pytest.mark.parametrize(
    "text",
    [
        "http://ros.aliyuncs.com",
        "ftp://127.0.0.1",
        "https://",
        "https://a/path",
        "https://a?query",
        "http://127.0.0.1:port",
        "http://127.0.0.1:99999",
        "https://user:password@ros.aliyuncs.com",
        "http://127.0.0.1.example.com",
    ],
)
def test_an_endpoint_that_cannot_be_meant_is_refused(environment: dict[str, str], text: str) -> None:
    """Signed requests never go in the clear to another machine, and a typing error is not silently something else."""
    with pytest.raises(SettingsError, match="GARRET_ENDPOINT_ROS") as raised:
        load_settings(environment | {"GARRET_ENDPOINT_ROS": text})
    assert raised.value.hint


def test_the_home_folder_is_where_it_was_said(environment: dict[str, str], tmp_path: Path) -> None:
    """GARRET_HOME may be relative to where the command runs; an empty one says nothing."""
    assert home_folder(environment | {"GARRET_HOME": str(tmp_path / "state")}) == tmp_path / "state"
    assert home_folder(environment | {"GARRET_HOME": "state"}) == Path.cwd() / "state"
    assert home_folder(environment | {"GARRET_HOME": ""}) == tmp_path / ".garret"


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("127.0.0.1", True),
        ("127.88.3.4", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - the question is about it
        ("192.168.1.1", False),
        ("127.0.0.1.example.com", False),
        ("", False),
    ],
)
def test_loopback_is_told_by_name_or_number_alone(host: str, answer: bool) -> None:
    """No resolver is asked: a name that leads to loopback today may lead elsewhere tomorrow."""
    assert is_loopback(host) is answer
