"""What is wrong with the templates and operations that garret's users come from, by number, and is not with garret.

The originals are the Compute Nest services for Stable Diffusion of 2023 and 2025. Each defect that concerns operations
is either tried here, or by a test elsewhere that HELD names; a name there that is no test any more fails here.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from garret.image_bootstrap.steps import STEPS
from garret.ops.aliyun.error_classes import classify
from garret.ops.logs import SOURCES
from garret.service_runtime.__main__ import check_exposure
from garret.service_runtime.passwords import hash_password, hash_token
from garret.service_runtime.settings import ServiceSettings, SettingsError
from garret.spec import DeploymentSpec, parse_spec
from garret.templates.render import render_template
from tests.ops.node_shell import ShellNode
from tests.service_runtime.living import Service, fake_settings, serving

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src/garret"
TOKEN, PASSWORD = "a-token-of-the-tests", "It's|a&pass`1"

FLOWS_WHOLE_NODE = "flows/test_whole_node.py"
BOOT_STEPS = "image_bootstrap/test_steps.py"
BOOT_WHOLE_BOOTSTRAP = "image_bootstrap/test_whole_bootstrap.py"
OPS_CAPACITY = "ops/test_capacity.py"
OPS_LOGS = "ops/test_logs.py"
OPS_POWER = "ops/test_power.py"
OPS_ROTATE_PASSWORD = "ops/test_rotate_password.py"
SERVICE_EXTENSIONS_HOOKS = "service_runtime/extensions/test_hooks.py"
SERVICE_AUTH = "service_runtime/test_auth.py"
SERVICE_AUTOSTOP = "service_runtime/test_autostop.py"
SERVICE_DOWNLOADS = "service_runtime/test_downloads.py"
SERVICE_LIFE = "service_runtime/test_life.py"
SERVICE_SAFETENSORS_HEADER = "service_runtime/test_safetensors_header.py"
TEMPLATES_CHECKS = "templates/test_checks.py"
TEMPLATES_RENDER = "templates/test_render.py"

HELD: dict[int, dict[str, tuple[str, str]]] = {
    1: {
        "every route wants a login": (SERVICE_AUTH, "test_every_route_but_health_wants_a_login"),
        "no pickle is loaded": (SERVICE_SAFETENSORS_HEADER, "test_what_is_none_says_what_it_is"),
        "no route installs an extension": (SERVICE_EXTENSIONS_HOOKS, "test_the_dialect_lists_them_and_installs_none"),
    },
    2: {
        "no secret in a command's text": (
            OPS_ROTATE_PASSWORD,
            "test_nothing_secret_is_in_a_command_or_a_file_of_the_node",
        ),
        "no secret on the node": (FLOWS_WHOLE_NODE, "test_secrets_are_where_they_belong_and_nowhere_else"),
        "any character in a password": (OPS_ROTATE_PASSWORD, "test_no_character_of_a_password_breaks_it"),
        "no value changes a template": (TEMPLATES_RENDER, "test_no_value_can_change_the_structure"),
    },
    3: {
        "TLS of today only": (FLOWS_WHOLE_NODE, "test_the_door_is_tls_with_the_node_s_own_certificate"),
        "one port": (FLOWS_WHOLE_NODE, "test_a_scan_from_outside_finds_the_service_and_nothing_else"),
    },
    4: {
        "a service that dies fails the stack": (
            BOOT_WHOLE_BOOTSTRAP,
            "test_a_service_that_dies_at_its_start_fails_the_bootstrap",
        ),
        "starting for ever is no success": (
            BOOT_STEPS,
            "test_a_service_that_only_starts_and_starts_is_not_waited_for_for_ever",
        ),
        "a bundle that does not come": (
            BOOT_WHOLE_BOOTSTRAP,
            "test_a_bundle_that_does_not_come_is_reported_with_how_much_is_there",
        ),
    },
    5: {
        "a stopped node comes back": (FLOWS_WHOLE_NODE, "test_stop_and_start_keep_models_pictures_and_addresses"),
        "a power cut anywhere": (FLOWS_WHOLE_NODE, "test_a_node_that_lost_power_in_every_step_makes_its_picture"),
        "told to end, it ends": (SERVICE_LIFE, "test_it_ends_when_told_and_tells_who_waits"),
    },
    6: {"the folders of habit": (BOOT_STEPS, "test_the_models_live_where_the_habit_is")},
    7: {
        "TLS is verified": (SERVICE_DOWNLOADS, "test_https_checks_whom_it_speaks_to"),
        "resumed": (SERVICE_DOWNLOADS, "test_a_killed_download_goes_on_from_its_part_file"),
        "hashed": (SERVICE_DOWNLOADS, "test_the_wrong_hash_is_refused_and_leaves_nothing"),
        "not written in place": (SERVICE_DOWNLOADS, "test_what_is_no_model_is_refused_and_leaves_nothing"),
        "the disk is looked at first": (
            SERVICE_DOWNLOADS,
            "test_a_disk_that_is_too_small_is_seen_before_the_first_byte",
        ),
        "a name stays in its folder": (SERVICE_DOWNLOADS, "test_a_suggested_name_cannot_leave_the_folder"),
    },
    8: {"logs are shown": (OPS_LOGS, "test_the_last_lines_are_shown_however_long_they_are")},
    9: {
        "an idle node is stopped": (
            SERVICE_AUTOSTOP,
            "test_a_silent_node_is_stopped_when_its_time_has_come_and_not_before",
        ),
        "the bill stops": (OPS_POWER, "test_stop_stops_paying_and_says_what_is_left"),
        "no stock at a start": (OPS_POWER, "test_a_start_that_is_refused_says_what_to_do"),
        "no stock at a deploy": (OPS_CAPACITY, "test_stock_that_is_gone_at_creation_moves_on_to_the_next_zone"),
    },
    10: {
        "two of one kind": (BOOT_WHOLE_BOOTSTRAP, "test_two_bootstraps_do_not_work_at_the_same_time"),
        "a dead worker is replaced": (SERVICE_LIFE, "test_a_killed_worker_is_replaced_and_its_job_made"),
        "health is the worker's": (SERVICE_LIFE, "test_a_device_that_is_not_there_is_told_with_the_reason"),
    },
    11: {"the vendor's rules": (TEMPLATES_CHECKS, "test_our_own_templates_raise_no_alarm")},
    12: {
        "the endpoint names its port": (TEMPLATES_RENDER, "test_the_endpoint_names_its_port_unless_it_is_the_usual_one")
    },
}


@cache
def names_in(path: Path) -> set[str]:
    """The names of a file's tests."""
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("number", HELD)
def test_what_is_held_elsewhere_is_still_held(number: int) -> None:
    """A test that was renamed or taken away leaves its defect open."""
    assert set(HELD) == set(range(1, 13))
    for aspect, (file, name) in HELD[number].items():
        assert name in names_in(ROOT / "tests" / file), f"{number}: {aspect}"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service as a node's bootstrap starts it: with hashes in its settings."""
    settings = fake_settings(
        tmp_path_factory.mktemp("original"), password_hash=hash_password(PASSWORD), token_hashes=(hash_token(TOKEN),)
    )
    with serving(settings) as running:
        running.headers = {"Authorization": f"Bearer {TOKEN}"}
        yield running


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    """A deployment's template with all its defaults."""
    parsed: dict[str, Any] = yaml.safe_load(render_template(spec(), "#cloud-config\n"))
    return parsed


def spec(**said: Any) -> DeploymentSpec:
    """What is wanted when nothing is said but who may come."""
    return parse_spec({"name": "garret", "region": "cn-hangzhou", "allow_cidr": ("203.0.113.7/32",)} | said)


def test_1_the_login_is_there_before_the_service_is() -> None:
    """1: the key was written after the start, so that until a restart anybody could come in."""
    order = [step.__name__ for step in STEPS]
    assert order.index("ensure_service_settings") < order.index("ensure_service")
    unit = (SOURCE / "image_bootstrap/units/garret.service").read_text("utf-8")
    assert "EnvironmentFile=@ROOT@/etc/garret/service.env" in unit  # not optional: without a login it does not start
    for settings in (ServiceSettings(host="0.0.0.0"), ServiceSettings(trusted_proxy=True)):  # noqa: S104
        with pytest.raises(SettingsError, match="login"):
            check_exposure(settings)


def test_1_no_route_runs_or_installs_what_it_is_sent(service: Service) -> None:
    """1: insecure extension access and unsafe unpickling made every visitor root of the container."""
    routes = service.call("GET", "/openapi.json").json["paths"]
    writing = [path for path, methods in routes.items() if set(methods) & {"post", "put", "patch"}]
    assert not [path for path in writing if re.search(r"\b(install|scripts?|exec|shell|command|upgrade)\b", path)]
    code = texts("*.py", below="service_runtime")
    assert not re.search(r"pickle\.load|torch\.load\(", code)


def test_2_no_answer_and_no_argument_holds_a_secret(service: Service) -> None:
    """2: the key was on the command line, and with it in /sdapi/v1/cmd-flags and /internal/sysinfo."""
    secrets = (TOKEN, PASSWORD, hash_password(PASSWORD)[:40], hash_token(TOKEN))
    paths = service.call("GET", "/openapi.json").json["paths"]
    asked = [path for path, methods in paths.items() if "get" in methods and "{" not in path]
    for path in (*asked, "/sdapi/v1/cmd-flags", "/internal/sysinfo", "/internal/sysinfo-download"):
        body = service.call("GET", path).body.decode("utf-8", "replace")
        assert not [secret for secret in secrets if secret in body], path
    for process in (service.process.pid, *service.workers()):
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode()
        assert not [secret for secret in secrets if secret in words]
    for process in service.workers():
        assert hash_token(TOKEN) not in Path(f"/proc/{process}/environ").read_bytes().decode("utf-8", "replace")


def test_2_a_password_is_no_shell_text() -> None:
    """2: quotes broke the shell, bars and ampersands the sed; here no text with a value in it reaches a shell."""
    commands = re.findall(r'(?:channel|assistant)\.run\(\s*(?:\w+, )?(f?"[^"]*")', texts("*.py", below="ops"))
    assert commands
    values = {value for text in commands if text.startswith("f") for value in re.findall(r"\{([^}]*)\}", text)}
    assert values <= {"identifier", "staged"}  # hexadecimal digits: an id of ours, a SHA-256


def test_3_nothing_is_plain_nothing_is_shared_and_no_password_is_a_default(template: dict[str, Any]) -> None:
    """3: plain HTTP, a database with the password pleaseChangeThis, a disk for 0.0.0.0/0."""
    with pytest.raises(SettingsError, match="TLS"):
        check_exposure(ServiceSettings(host="0.0.0.0", password_hash=hash_password(PASSWORD)))  # noqa: S104
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    assert not [kind for kind in kinds if "RDS" in kind or "NAS" in kind]
    for name, parameter in template["Parameters"].items():
        if re.search("password|secret|token", name, re.IGNORECASE):
            assert parameter.get("NoEcho"), name
            assert not parameter.get("Default"), name
    assert "0.0.0.0/0" not in json.dumps(
        [one for one in template["Resources"].values() if "Ingress" in json.dumps(one)]
    )


def test_4_the_stack_waits_for_a_picture(template: dict[str, Any]) -> None:
    """4: a loop of curl whose result nobody read, and then success; 300 seconds at most."""
    order = [step.__name__ for step in STEPS]
    assert order.index("ensure_service") < order.index("ensure_answering") < order.index("ensure_picture")
    waits = [one for one in template["Resources"].values() if one["Type"] == "ALIYUN::ROS::WaitCondition"]
    assert len(waits) == 1
    assert int(waits[0]["Properties"]["Timeout"]) > 300


def test_5_systemd_brings_the_service_back() -> None:
    """5: nothing started the container again, and its stop ran in the wrong folder."""
    for name in ("garret.service", "garret-bootstrap.service"):
        text = (SOURCE / "image_bootstrap/units" / name).read_text("utf-8")
        assert "WantedBy=multi-user.target" in text
        assert "docker" not in text
        assert "ExecStop" not in text  # systemd itself ends all of it, wherever it is
    assert "Restart=on-failure" in (SOURCE / "image_bootstrap/units/garret.service").read_text("utf-8")


def test_6_a_folder_has_one_name_and_a_process_is_found_by_its_unit() -> None:
    """6: /home/extentions against /home/extensions, and `grep aigc` for a container that was called otherwise."""
    whole = texts("*")
    assert "extentions" not in whole
    assert "/home/extensions" in whole
    assert not re.search(r"pkill|killall|docker (stop|ps)|grep aigc", whole)


@pytest.mark.parametrize(
    "name", ["$(touch owned)", "`touch owned`", "a;touch owned", "a'b", "../../a", "a|b&c", "a\nb"]
)
def test_7_what_is_typed_is_no_shell_text(name: str) -> None:
    """7: names and addresses went into a shell as they were; here they travel in a file, and a bad one is refused."""
    from garret.service_runtime.names import BadName, model_file_name

    try:
        made = model_file_name(name)
    except BadName:
        return
    assert "/" not in made
    assert "\n" not in made


def test_8_every_log_that_is_offered_can_be_read(tmp_path: Path) -> None:
    """8: the operation that shows logs read the output of a task that does not exist."""
    node = ShellNode(tmp_path / "node")
    files = {"bootstrap": "garret/bootstrap.log", "service": "garret.service.log", "nginx": "nginx/access.log"}
    for name, file in files.items():
        path = node.folder / "var/log" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"a line of {name}\n")
    for name, source in SOURCES.items():
        done = node.run(f"({source.now or source.show}) | tail -n 1")
        assert (done.exit_code, bool(done.output.strip())) == (0, True), name
        assert name == "gpu" or done.output == f"a line of {name}\n"


def test_9_an_idle_node_stops_by_default_and_keeps_its_address(template: dict[str, Any]) -> None:
    """9: somebody had to think of it; then the bookmark led nowhere; and without stock it did not come back."""
    assert spec().autostop_min == 60
    kinds = [resource["Type"] for resource in template["Resources"].values()]
    assert {"ALIYUN::VPC::EIP", "ALIYUN::VPC::EIPAssociation"} <= set(kinds)
    endpoint = json.dumps(template["Outputs"]["EndPoint"]["Value"])
    assert "Eip" in endpoint
    for code in ("OperationDenied.NoStock", "Zone.NotOnSale"):
        assert classify("StartInstance", code, 403).kind == "capacity"


def test_11_what_a_picker_reads_is_a_parameter(template: dict[str, Any]) -> None:
    """11: the picker of types read a parameter that there was none of, so stock was shown for another charge type."""
    pickers = json.dumps([one.get("AssociationPropertyMetadata") for one in template["Parameters"].values()])
    read = set(re.findall(r"\$\{(?:\.\.)?([A-Za-z]\w*)\}", pickers))
    assert read
    assert read <= set(template["Parameters"])
    assert template["Parameters"]["InstanceType"]["AssociationPropertyMetadata"]["ZoneId"] == "${ZoneId}"


def test_12_one_port_is_said_everywhere(template: dict[str, Any]) -> None:
    """12: 8080 in the sample, 7680 in the template, 5000 in the other service."""
    port = spec().service_port
    rules = json.dumps(template["Resources"])
    assert f"{port}/{port}" in rules or "ServicePort" in rules
    said = "\n".join(path.read_text("utf-8") for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
    assert not re.search(r":(?:7680|5000)\b", said)


def texts(pattern: str, below: str = "") -> str:
    """Everything that is committed below a folder of the source, as one text."""
    listed = subprocess.run(
        ["git", "ls-files", "--", str(SOURCE / below)], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    found = []
    for path in (ROOT / name for name in listed):
        if path.match(pattern) and path.suffix in (".py", ".j2", ".service", ".html", ".js", ".sh", ".timer", ".lock"):
            found.append(path.read_text("utf-8", "replace"))
    return "\n".join(found)
