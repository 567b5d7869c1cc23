"""The whole house on a whole node: cloud-init, systemd, users, nginx and TLS, through power cuts at every step."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import lzma
import re
import selectors
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from garret.demo_model.check import matches
from garret.image_bootstrap.steps import STEPS
from garret.local_cloud.nodes.namespace import cgroups, sockets
from garret.local_cloud.nodes.namespace.trial import trial
from garret.service_runtime.png import encode_png
from tests.flows.conftest import house_at
from tests.flows.house import DEPLOY, GARRET, House
from tests.flows.idle import busy_goes_on_and_idle_stops, service_of, state
from tests.flows.node import OnNode, PowerCutter
from tests.flows.test_extensions import comes_and_goes

pytestmark = [pytest.mark.flow, pytest.mark.timeout(600)]

PASSWORD = "Planted-Password-1"
PLANTED = {"CIVITAI_TOKEN": "planted-civitai-2", "HF_TOKEN": "planted-hugging-3", "MODELSCOPE_TOKEN": "planted-scope-4"}
FIRST_STAGE = ("ensure_resume", "ensure_bundle")
PROMPT = "a green star on a white background"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A deployment on a whole node whose power was cut once in every step of its bootstrap."""
    obstacle = trial(lambda _: None)
    if obstacle:
        pytest.skip(f"whole nodes: {obstacle}; the same flow passes on process nodes (test_house.py)")
    home = tmp_path_factory.mktemp("whole") / "home"
    with house_at(home, driver="namespace") as house:
        house.json("local", "up")
        steps = [*FIRST_STAGE, *(step.__name__ for step in STEPS)]
        house.faults({"fault": "node_crash", "deployment": "garret", "at": ",".join(steps)})
        with PowerCutter(house) as cutter:
            house.garret(
                *DEPLOY, "--picture", str(home / "first.png"), GARRET_PASSWORD=PASSWORD, **PLANTED, timeout=500
            )
        assert (cutter.trouble, cutter.cuts) == ([], steps)
        yield house
        mark = next((home / "local-cloud/nodes").glob("*/node.json"), None)
        netns = json.loads(mark.read_text("utf-8"))["network"]["netns"][:8] if mark else "gl-none"
        house.garret("delete", "garret", "--yes")
        house.garret("local", "down")
    top = cgroups.root()
    assert top is not None
    assert not list(top.glob(f"garret-{netns[2:]}-*"))
    assert not list(sockets.RUN.glob(f"{netns}-*"))
    assert str(home) not in Path("/proc/self/mounts").read_text("utf-8")


@pytest.fixture
def node(house: House) -> OnNode:
    """Its node."""
    return OnNode(house)


def shows(picture: Path, prompt: str) -> bool:
    """Say whether the picture shows what the prompt says, by the automatic check."""
    with Image.open(picture) as image:
        return matches(prompt, np.asarray(image.convert("RGB")))


def journal(node: OnNode) -> list[list[str]]:
    """Return step and state of each line of the node's bootstrap."""
    pairs = r's/.*"step": "\([^"]*\)", "state": "\([^"]*\)".*/\1 \2/p'
    return [line.split() for line in node.says(f"sed -n '{pairs}' /var/lib/garret/bootstrap.jsonl").splitlines()]


def test_a_node_that_lost_power_in_every_step_makes_its_picture(house: House, node: OnNode) -> None:
    """Each step was begun again after its cut and done; the stack heard SUCCESS once, and the picture is true."""
    assert shows(house.home / "first.png", "a red circle on a blue background")
    lines = journal(node)
    for step in STEPS:
        states = [state for name, state in lines if name == step.__name__]
        assert states.count("running") >= 2
        assert states[-1] in ("done", "skipped")
    assert "DataSourceAliYun" in node.run("cloud-init status --long")[1]
    assert node.says("systemctl is-active nginx garret").split() == ["active", "active"]
    shown = house.json("local", "status")
    assert shown["driver"] == "namespace"
    assert "cloud-init" in shown["proves"]


def test_the_door_is_tls_with_the_node_s_own_certificate(house: House) -> None:
    """The fingerprint that came through the stack is the one that answers; old TLS and plain HTTP are not spoken."""
    status = house.json("status")
    host, port = status["endpoint"].removeprefix("https://").split(":")
    pinned = json.loads((house.home / "deployments/local/garret/login.json").read_text("utf-8"))["tls_sha256"]

    def shake(most: ssl.TLSVersion) -> bytes:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, most
        with socket.create_connection((host, int(port)), timeout=10) as raw:
            with context.wrap_socket(raw) as secured:
                return secured.getpeercert(binary_form=True) or b""

    assert hashlib.sha256(shake(ssl.TLSVersion.TLSv1_3)).hexdigest() == pinned
    assert hashlib.sha256(shake(ssl.TLSVersion.TLSv1_2)).hexdigest() == pinned
    with pytest.raises(ssl.SSLError):
        shake(ssl.TLSVersion.TLSv1_1)
    login = house.home / "deployments/local/garret/login.json"
    kept = login.read_text("utf-8")
    login.write_text(kept.replace(pinned, "0" * 64), "utf-8")
    try:
        stopped = house.run("generate", PROMPT, "-o", str(house.home / "never.png"))
        assert stopped.returncode == 1
        assert "another certificate" in stopped.stderr
    finally:
        login.write_text(kept, "utf-8")


def test_stop_and_start_keep_models_pictures_and_addresses(house: House, node: OnNode) -> None:
    """An economical stop ends the bill of the machine; what was on its disk is there again afterwards."""
    before = house.json("status")
    private = node.says("hostname -I")
    node.says("cp /home/models/Stable-diffusion/demo.safetensors /home/models/Stable-diffusion/mine.safetensors; "
              "chown garret: /home/models/Stable-diffusion/mine.safetensors; sync")  # fmt: skip
    listing = "find /var/lib/garret/service -name '*.png' | xargs -r sha256sum"
    pictures = set(node.says(listing).splitlines())
    assert pictures
    house.garret("ops", "stop")
    assert [instance.stopped_mode for instance in house.instances()] == ["StopCharging"]
    with pytest.raises(OSError):
        urllib.request.urlopen(before["endpoint"], timeout=3)
    house.garret("ops", "start")
    assert house.json("status")["endpoint"] == before["endpoint"]
    assert node.says("hostname -I") == private
    assert "mine.safetensors" in node.says("ls /home/models/Stable-diffusion")
    assert set(node.says(listing).splitlines()) > pictures, "there is one more: the picture that proved the start"
    star = house.home / "star.png"
    house.garret("generate", PROMPT, "-o", str(star), "--seed", "1")
    assert shows(star, PROMPT)


SHELF = """
import functools, http.server
class Shelf(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        allowed = self.headers.get('Authorization') == 'Bearer planted-hugging-3'
        super().do_GET() if allowed else self.send_error(401)
http.server.ThreadingHTTPServer(('127.0.0.1', 8765), functools.partial(Shelf, directory='/srv')).serve_forever()
"""


def test_models_come_and_go_on_a_whole_node(house: House, node: OnNode) -> None:
    """From an address that wants a token, which goes to the service over its own TLS; into the bin, and back."""
    server, models = base64.b64encode(SHELF.encode()).decode(), "/home/models/Stable-diffusion"
    node.says(
        f"echo {server} | base64 -d > /root/shelf.py; cp {models}/demo.safetensors /srv/; "
        f"echo {base64.b64encode(encode_png(bytes(12), 2, 2, {})).decode()} | base64 -d > /srv/picture; "
        "systemd-run --quiet --unit=shelf python3 /root/shelf.py; "
        "until ss -Hltn | grep -q 127.0.0.1:8765; do sleep 0.1; done"
    )
    wanted = ("ops", "download-model", "--type", "checkpoint", "--name", "came", "--url")
    shelf = "http://127.0.0.1:8765"
    refused = house.run(*wanted, f"{shelf}/demo.safetensors")
    assert "--token-env" in refused.stderr
    token = ("--token-env", "HF_TOKEN")
    came = house.json(*wanted, f"{shelf}/demo.safetensors", *token, **PLANTED)["output"]
    assert (came["path"], came["family"]) == (f"{models}/came.safetensors", "sdxl")
    house.garret(*wanted, f"{shelf}/picture", "--kind", "preview", *token, **PLANTED)
    listed = {one["name"]: one for one in house.json("ops", "list-models")["models"]}
    assert listed["came"]["preview"] == "came.png"
    assert node.says(f"stat -c '%U %a' {models}/came.safetensors {models}/came.png").split() == ["garret", "644"] * 2
    house.garret("ops", "remove-model", "came")
    assert node.run(f"test -e {models}/came.safetensors")[0] == 1
    house.garret("ops", "restore-model", "came")
    house.garret("ops", "verify-models")
    star = house.home / "came.png"
    house.garret("generate", PROMPT, "--model", "came", "-o", str(star), "--seed", "1")
    assert shows(star, PROMPT)
    node.says("systemctl stop shelf; rm -r /root/shelf.py /srv/demo.safetensors /srv/picture")


def test_secrets_are_where_they_belong_and_nowhere_else(house: House, node: OnNode) -> None:
    """Password, tokens, the node's key, the cloud's and what the shell held: grepped for in all that travels."""
    login = json.loads((house.home / "deployments/local/garret/login.json").read_text("utf-8"))
    # From the node's own disk: Cloud Assistant would keep what it carries.
    disk = house.home / f"local-cloud/nodes/{node.instance_id}/upper"
    key = (disk / "etc/garret/tls/key.pem").read_text("ascii").splitlines()[1]
    secrets = {
        "password": PASSWORD, "token": login["token"], "TLS key": key, "access key": house.cloud["access_key_secret"],
        "node's token": (disk / "etc/garret/node.token").read_text("ascii").strip(), **PLANTED,
    }  # fmt: skip
    assert len(set(secrets.values())) == len(secrets) >= 6
    marker = "a-marker-that-the-grep-must-find"
    node.says(f"echo {marker}; logger {marker}")
    places = _all_that_travels(house, node)
    for place in ("commands", "what commands said", "journal on the node"):
        assert marker in places[place], f"the grep is blind in {place}"
    for place, text in places.items():
        for name, secret in secrets.items():
            assert secret not in text, f"{name} in {place}"


def _all_that_travels(house: House, node: OnNode) -> dict[str, str]:
    stack = house.stacks()[0].stack_id
    user_data = house.ask("ecs", "DescribeUserData", InstanceId=node.instance_id)["UserData"]
    plain = base64.b64decode(user_data).decode()
    told = {
        "stack": ("GetStack", {"StackId": stack}),
        "template": ("GetTemplate", {"StackId": stack}),
        "events": ("ListStackEvents", {"StackId": stack, "PageSize": "50"}),
    }
    texts = {name: json.dumps(house.ask("ros", action, **given)) for name, (action, given) in told.items()}
    texts["user-data"] = plain
    texts["files in user-data"] = "".join(
        gzip.decompress(base64.b64decode(packed)).decode() for packed in re.findall(r"content: (H4sI\S+)", plain)
    )
    assert "def main" in texts["files in user-data"]
    invocations = _pages(house, "DescribeInvocations", "Invocations", "Invocation")
    texts["commands"] = "\n".join(base64.b64decode(one["CommandContent"]).decode() for one in invocations)
    results = [one for each in invocations for one in each["InvokeInstances"]["InvokeInstance"]]
    texts["what commands said"] = "\n".join(
        base64.b64decode(one.get("Output") or "").decode("utf-8", "replace") for one in results
    )
    folder = house.home / "deployments/local/garret"
    texts["bundle"] = lzma.decompress((folder / "bundle.tar.xz").read_bytes()).decode("latin-1")
    texts["journal here"] = "".join(path.read_text("utf-8") for path in folder.glob("*.jsonl"))
    texts["cloud's log"] = (house.home / "local-cloud/cloud.log").read_text("utf-8", "replace")
    texts["argv on the node"] = node.says("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    texts["environments on the node"] = node.says("cat /proc/[0-9]*/environ | tr '\\0' ' '")
    texts["journal on the node"] = node.says("journalctl --no-pager -o cat -n 300")
    disk = house.home / f"local-cloud/nodes/{node.instance_id}/upper"
    logs = [path for path in (disk / "var/log").rglob("*") if path.is_file()]
    assert {"bootstrap.log", "cloud-init.log"} <= {path.name for path in logs}
    texts["logs on the node"] = "".join(path.read_bytes().decode("latin-1") for path in logs)
    return texts


def _pages(house: House, action: str, *inside: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number in range(1, 100):
        reply = house.ask("ecs", action, IncludeOutput="true", PageSize="50", PageNumber=str(number))
        page = reply
        for name in inside:
            page = page[name]
        found += page
        if len(found) >= reply["TotalCount"]:
            return found
    raise AssertionError(f"{action} has no end")


def test_the_service_s_user_is_nobody_in_particular(node: OnNode) -> None:
    """It reads nothing of root's, becomes nobody else, and its unit takes away what it does not need."""
    for path in ("/etc/shadow", "/etc/garret/tls/key.pem", "/etc/garret/node.token", "/root", "/var/lib/garret/signal"):
        assert node.run(f"test -r {path}", user="garret")[0] != 0, path
    assert node.run("sudo -n true", user="garret")[0] != 0
    assert node.run("su -c true root </dev/null", user="garret")[0] != 0
    main = node.says("systemctl show garret -p MainPID --value")
    status = node.says(f"cat /proc/{main}/status")
    assert "NoNewPrivs:\t1" in status
    assert "CapEff:\t0000000000000000" in status
    assert node.says(f"stat -c %U /proc/{main}") == "garret"
    assert node.run("find / -xdev -perm -4000 -newer /var/lib/garret/node.json -print -quit")[1] == ""


def test_metadata_is_given_to_nobody_without_a_token(node: OnNode) -> None:
    """A read without a token is refused, with one it is answered; tokens are not for ever."""
    address = "http://100.100.100.200/latest"
    assert node.says(f"curl -s -o /dev/null -w '%{{http_code}}' {address}/meta-data/instance-id") == "403"
    assert node.says(f"curl -s -o /dev/null -w '%{{http_code}}' {address}/user-data") == "403"
    fetch = f"curl -s -X PUT -H 'X-aliyun-ecs-metadata-token-ttl-seconds: 60' {address}/api/token"
    read = f'curl -s -H "X-aliyun-ecs-metadata-token: $({fetch})" {address}/meta-data/instance-id'
    assert node.says(read) == node.instance_id


def test_the_service_reaches_its_cloud_and_nothing_else(node: OnNode) -> None:
    """Metadata where every instance has it, ECS by the door inside the VPC; the internet is not there."""
    assert "GARRET_SERVICE_ECS_ENDPOINT=http://100.100.64.1" in node.says("cat /etc/garret/service.env").replace(
        '"', ""
    )
    said = node.says("curl -s -m 10 -o /dev/null -w '%{http_code}' http://100.100.64.1/healthz", user="garret")
    assert said == "200"
    assert node.run("curl -s -m 3 http://192.0.2.1/", user="garret")[0] != 0
    assert node.run("getent hosts example.com", user="garret")[0] != 0


def test_a_scan_from_outside_finds_the_service_and_nothing_else(house: House, node: OnNode) -> None:
    """From another address of the VPC nothing answers; from the range that was let in, one port does."""
    record = json.loads((house.home / f"local-cloud/nodes/{node.instance_id}/node.json").read_text("utf-8"))
    netns, target = record["network"]["netns"], record["network"]["private_ip"]
    port = int(house.json("status")["endpoint"].rpartition(":")[2])
    listening = node.says("ss -Hltn | awk '{ print $4 }'")
    assert f":{port}" in listening
    assert ":22" in listening, "there is more that listens than what the group lets in"

    def scan(source: str) -> list[int]:
        # What services are given by custom, and all around our own; 800 at a time, for each is an open file.
        ranges = (range(first, first + 800) for first in (1, 801, 1_601, 2_401, 3_201, 5_200, 7_400, 8_200, 9_000))
        return [one for ports in ranges for one in _answering(source, target, ports)]

    assert sockets.inside(netns, lambda: scan("198.18.0.1")) == [port]
    subprocess.run(["ip", "-n", netns, "addr", "replace", "203.0.113.9/32", "dev", "lo"], check=True)
    assert sockets.inside(netns, lambda: scan("203.0.113.9")) == []


def _answering(source: str, target: str, ports: range) -> list[int]:
    """Knock at many ports at once from an address that this namespace need not have; those that open."""
    found: list[int] = []
    with ExitStack() as stack:
        knocking = stack.enter_context(selectors.DefaultSelector())
        for port in ports:
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            for option in (15, 24):  # IP_FREEBIND, IP_BIND_ADDRESS_NO_PORT
                caller.setsockopt(socket.SOL_IP, option, 1)
            caller.bind((source, 0))
            caller.connect_ex((target, port))
            knocking.register(caller, selectors.EVENT_WRITE, (port, caller))
        deadline = time.monotonic() + 0.5
        while (left := deadline - time.monotonic()) > 0:
            for key, _ in knocking.select(left):
                port, caller = key.data
                if caller.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    found.append(port)
                knocking.unregister(caller)
    return sorted(found)


def test_a_door_to_ssh_is_open_for_one_address_and_for_a_while(house: House, node: OnNode) -> None:
    """The system's own OpenSSH: who comes from elsewhere does not reach it, and afterwards nobody does."""
    record = json.loads((house.home / f"local-cloud/nodes/{node.instance_id}/node.json").read_text("utf-8"))
    netns, target = record["network"]["netns"], record["network"]["private_ip"]

    def reached_from(source: str) -> bool:
        return bool(sockets.inside(netns, lambda: _answering(source, target, range(22, 23))))

    subprocess.run(["ip", "-n", netns, "addr", "replace", "203.0.113.9/32", "dev", "lo"], check=True)
    keys = "cat /root/.ssh/authorized_keys 2>/dev/null || true"
    before = node.says(keys)
    session = subprocess.Popen(
        [GARRET, "ops", "ssh", "--", "id -un; cat; exit 6"],
        env=house.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert session.stdin
    assert session.stdout
    assert session.stdout.readline() == "root\n"
    assert (reached_from("198.18.0.1"), reached_from("203.0.113.9")) == (True, False)
    assert 'expiry-time="' in node.says(keys)
    said, told = session.communicate("typed\n", timeout=120)
    assert (session.returncode, said) == (6, "typed\n"), told
    assert not reached_from("198.18.0.1")
    assert node.says(keys) == before


def test_the_service_comes_through_a_tunnel_with_its_own_certificate(house: House) -> None:
    """Plain on this machine's loopback, pinned TLS behind it; another certificate is not spoken to."""
    login = house.home / "deployments/local/garret/login.json"
    kept = login.read_text("utf-8")

    def tunnelled() -> tuple[int, str]:
        process = subprocess.Popen(
            [GARRET, "ops", "tunnel", "--json"], env=house.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout
        request = urllib.request.Request(json.loads(process.stdout.readline())["url"] + "/machine")
        request.add_header("Authorization", f"Bearer {json.loads(kept)['token']}")
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                status = int(reply.status)
        except OSError:
            status = 0
        process.terminate()
        return status, process.communicate(timeout=120)[1]

    status, told = tunnelled()
    assert (status, "port 22 is closed again" in told, "Traceback" in told) == (200, True, False), told
    login.write_text(json.dumps(json.loads(kept) | {"tls_sha256": "0" * 64}), "utf-8")
    try:
        status, told = tunnelled()
    finally:
        login.write_text(kept, "utf-8")
    assert (status, "another certificate" in told) == (0, True), told


def test_another_password_on_a_whole_node(house: House, node: OnNode) -> None:
    """Root's file, which the service reads and cannot write; the same process goes on, also after the next boot."""
    process = node.says("systemctl show --property MainPID garret.service")
    facts = house.json("ops", "rotate-password", GARRET_PASSWORD="Another-Horse-9")
    assert facts["in_force"]
    assert node.says("systemctl show --property MainPID garret.service") == process
    assert node.says("stat -c '%U %G %a' /etc/garret/login.json") == "root garret 640"
    assert node.run("echo x >> /etc/garret/login.json", user="garret")[0] != 0
    # By the node's own disk: Cloud Assistant would keep what it carries.
    disk = house.home / f"local-cloud/nodes/{node.instance_id}/upper"
    assert "Another-Horse-9" not in (disk / "etc/garret/login.json").read_text("utf-8")
    said = [path.read_text("utf-8") for path in (disk / "var/lib/garret/requests").glob("*.json")]
    assert not [text for text in said if "Another-Horse-9" in text or "password_hash" in text]


def test_a_node_that_nobody_uses_stops_itself_and_one_that_is_used_does_not(house: House, node: OnNode) -> None:
    """In real time, by its own role, through systemd's walls and the door inside the VPC."""
    identity = node.instance_id
    busy_goes_on_and_idle_stops(house)
    assert house.json("ops", "autostop", "--idle", "1h")["state"] == "stopped"
    house.garret("ops", "start")
    assert (node.instance_id, state(house)[0]) == (identity, "Running")
    assert service_of(house).get("/machine")["autostop"]["after_s"] == 3600.0


def test_a_service_that_hangs_is_ended_and_comes_back(node: OnNode) -> None:
    """Five minutes in a unit's own words, seconds here: stopped by a signal, its process says nothing any more."""
    assert node.says("systemctl show -p WatchdogUSec --value garret.service") == "5min"
    shorter = "/run/systemd/system/garret.service.d"
    node.says(f"mkdir -p {shorter}; printf '[Service]\\nWatchdogSec=6\\n' > {shorter}/a.conf; systemctl daemon-reload")
    try:
        look = "systemctl show -p MainPID --value garret.service"
        pid = node.says(f"systemctl restart garret.service; {look}")
        assert node.says(f"sleep 14; {look}") == pid, "one that lives says so, again and again"
        node.says(f"kill -STOP {pid}")
        waits = f"now=$({look}); [ $now = {pid} ] || [ $now = 0 ] || exit 0; sleep 0.5"
        node.says(f"for i in $(seq 90); do {waits}; done; exit 1")
        assert node.says("systemctl show -p NRestarts --value garret.service") == "1"
    finally:
        node.says(f"rm -r {shorter}; systemctl daemon-reload; systemctl restart garret.service")
        # Whoever has the node next finds a service that can make pictures.
        ready = "curl -skf -m 10 https://127.0.0.1:7860/healthz | grep -q '\"ok\"' && exit 0"
        node.says(f"for i in $(seq 120); do {ready}; sleep 0.5; done; exit 1")


def test_an_extension_comes_and_goes(house: House, node: OnNode, tmp_path: Path) -> None:
    """Under systemd, as the service's user; the running service may read its extensions' code and not change it."""
    comes_and_goes(house, tmp_path)
    assert node.says("stat -c '%U' /home/extensions/deadly") == "garret"
    pid = node.says("systemctl show -p MainPID --value garret.service")
    code, said = node.run(f"nsenter -t {pid} -m touch /home/extensions/deadly/more")
    assert code != 0, said
    assert "Read-only file system" in said
    house.garret("ops", "extensions", "remove", "deadly")
