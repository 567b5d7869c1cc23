"""The bootstrap's front and the service's unit on a whole node: what is open to the world, and to the service."""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml

from garret.image_bootstrap.bundle import Bundle, chunks
from garret.image_bootstrap.nginx import boot_page
from garret.image_bootstrap.user_data import SIGNAL_PLACEHOLDER, build_user_data
from garret.local_cloud.nodes.driver import NotUp, Rule
from tests.image_bootstrap.front import trusting
from tests.image_bootstrap.machine import config_for, tiny_bundle
from tests.local_cloud.house import until
from tests.local_cloud.nodes.namespace.conftest import Nodes
from tests.local_cloud.nodes.namespace.test_nodes import _open_ports

ADDRESS, PORT = "127.88.254.7", 7860
OUTSIDE = "203.0.113.10"

# Tries what a service that somebody has taken over would try, writes down how it went, and then serves.
SERVICE = """
import ctypes, http.server, json, os, pathlib, socket, subprocess
STATE = pathlib.Path(os.environ["GARRET_SERVICE_STATE_DIR"])
def tried(what):
    try:
        return str(what())
    except BaseException as error:
        return type(error).__name__
def system(number):
    libc = ctypes.CDLL(None, use_errno=True)
    if number() != 0:
        raise OSError(ctypes.get_errno(), "refused")
    return "done"
libc = ctypes.CDLL(None, use_errno=True)
read = lambda path: lambda: pathlib.Path(path).read_text() and "read"
write = lambda path: lambda: pathlib.Path(path).write_text("x") and "written"
found = {
    "key": tried(read("/etc/garret/tls/key.pem")), "shadow": tried(read("/etc/shadow")),
    "token": tried(read("/etc/garret/node.token")), "config": tried(read("/var/lib/garret/node.json")),
    "signal": tried(read("/var/lib/garret/signal")),
    "etc": tried(write("/etc/x")), "opt": tried(write("/opt/garret/x")), "home": tried(write("/home/x")),
    "boot.json": tried(write("/var/lib/garret/www/boot.json")),
    "root's home": tried(lambda: os.listdir("/root")), "others": tried(lambda: os.stat("/proc/1")),
    "root": tried(lambda: os.setuid(0)), "su": tried(lambda: subprocess.run(["su", "-c", "true"], stdin=-3).returncode),
    "user namespace": tried(lambda: system(lambda: libc.unshare(0x10000000))),
    "mount": tried(lambda: system(lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))),
    "raw socket": tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
    "packets": tried(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
    "low port": tried(lambda: socket.socket().bind(("127.0.0.1", 80))),
    "models": tried(write("/home/models/Lora/x")), "state": tried(write(STATE / "x")), "tmp": tried(write("/tmp/x")),
    "capabilities": [line.split()[1] for line in open("/proc/self/status") if line.startswith("Cap")],
}
(STATE / "tried.json").write_text(json.dumps(found))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if "/pictures/" in self.path:
            self.send(bytes([137]) + b"PNG\\r\\n" + bytes([26]) + b"\\n")
        else:
            self.say({"status": "ok", "from": self.headers.get("X-Forwarded-For")})
    do_DELETE = do_GET
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.say({"id": "1", "state": "Success", "ended_at": 1, "pictures": [{"url": "/v1/jobs/1/pictures/0"}]})
    def say(self, value):
        self.send(json.dumps(value).encode())
    def send(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
where = (os.environ["GARRET_SERVICE_HOST"], int(os.environ["GARRET_SERVICE_PORT"]))
http.server.ThreadingHTTPServer(where, Handler).serve_forever()
"""
REFUSED = ("PermissionError", "FileNotFoundError", "OSError", "1", "[]")


def user_data(bundle: Bundle, **changes: object) -> str:
    """What the node is born with: ours, but with the image's own interpreter, and nobody who hears its signal."""
    config = config_for(bundle, PORT, **{"model": "demo", "bundle_wait_s": 60, **changes})
    document = yaml.safe_load(build_user_data(config))
    for entry in document["write_files"]:
        entry["content"] = entry["content"].replace(SIGNAL_PLACEHOLDER, "curl -X POST 'http://127.0.0.1:9/'")
    document["runcmd"][0][-1] = "export GARRET_PYTHON=/usr/bin/python3; " + document["runcmd"][0][-1]
    return "#cloud-config\n" + yaml.safe_dump(document)


def answer(path: str = "/healthz") -> tuple[int, bytes, str]:
    """Status, body and certificate's digest at the node's public address."""
    connection = http.client.HTTPSConnection(ADDRESS, PORT, timeout=5, context=trusting())
    try:
        connection.request("GET", path)
        assert isinstance(connection.sock, ssl.SSLSocket)
        shown = hashlib.sha256(connection.sock.getpeercert(binary_form=True) or b"").hexdigest()
        reply = connection.getresponse()
        return reply.status, reply.read(), shown
    finally:
        connection.close()


def up(nodes: Nodes, node: str) -> bool:
    """Say whether the node takes commands and has its user-data."""
    try:
        return nodes.run(node, "test -e /var/lib/garret/bootstrap.jsonl").exit_code == 0
    except NotUp:
        return False


def journal(nodes: Nodes, node: str) -> dict[str, str]:
    """Step to its last state."""
    lines = nodes.run(node, "cat /var/lib/garret/bootstrap.jsonl").output.decode().splitlines()
    # Other lines: a command that meets a reload of systemd's units may fail, and is asked again.
    return {entry["step"]: entry["state"] for entry in (json.loads(line) for line in lines if line.startswith("{"))}


def ended(states: dict[str, str]) -> bool:
    """Say whether the last proof was made, or a step failed."""
    return states.get("ensure_picture") == "done" or "failed" in states.values()


@pytest.fixture
def node(nodes: Nodes, tmp_path: Path) -> str:
    """A node whose bootstrap has come to its end."""
    bundle = tiny_bundle(tmp_path / "package", SERVICE)
    node = nodes.make(10, user_data(bundle))
    nodes.driver.attach_address(node, ADDRESS)
    nodes.driver.guard(node, (Rule("tcp", PORT, PORT, "127.0.0.1/32"), Rule("tcp", PORT, PORT, f"{OUTSIDE}/32")))
    until(lambda: up(nodes, node), 60)
    for name, content in chunks(bundle):
        nodes.driver.put(node, f"/var/lib/garret/incoming/{name}", content, 0o600, overwrite=True)
    # The signal itself is not waited for: nobody hears it here.
    until(lambda: ended(journal(nodes, node)), 90)
    assert journal(nodes, node).get("ensure_picture") == "done", nodes.run(
        node, "tail -30 /var/log/garret/bootstrap.log"
    ).output.decode()
    return node


def test_a_whole_node_is_open_where_it_should_be_and_nowhere_else(nodes: Nodes, node: str) -> None:
    """From outside there is nginx, with the node's own certificate; the service is on loopback, in its walls."""
    status, body, shown = answer()
    assert (status, json.loads(body)["status"]) == (200, "ok")
    digest = nodes.says(node, "openssl x509 -in /etc/garret/tls/certificate.pem -outform DER | sha256sum").split()[0]
    assert shown == digest
    assert _open_ports(nodes, node, OUTSIDE) == [PORT]
    listening = nodes.says(node, "ss -Hltn | awk '{ print $4 }'").split()
    assert f"127.0.0.1:{PORT + 1}" in listening
    assert not [where for where in listening if where.endswith(":80")]

    tried: dict[str, Any] = json.loads(nodes.says(node, "cat /var/lib/garret/service/tried.json"))
    assert {tried.pop(name) for name in ("models", "state", "tmp", "home")} == {"written"}
    assert set(tried.pop("capabilities")) == {"0" * 16}
    assert {name: how for name, how in tried.items() if how not in REFUSED} == {}
    # Two of these it has for itself alone, in memory; so what it wrote there is not on the node.
    assert nodes.run(node, "ls -d /tmp/x /home/x").exit_code == 2
    assert nodes.run(node, "cat /etc/garret/tls/key.pem", user="garret").exit_code != 0
    limits = nodes.says(node, "systemctl show garret -p MemoryMax -p TasksMax -p NoNewPrivileges")
    assert "TasksMax=4096" in limits
    assert "MemoryMax=infinity" not in limits

    nodes.says(node, "systemctl stop garret")
    status, body, shown = answer("/")
    assert (status, body.decode(), shown) == (503, boot_page(), digest)
    status, body, _ = answer()
    assert (status, json.loads(body)["status"]) == (503, "starting")
    nodes.says(node, "systemctl start garret")
    until(lambda: answer()[0] == 200, 20)
