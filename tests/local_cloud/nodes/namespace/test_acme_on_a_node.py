"""A trusted certificate on a whole node: under systemd, with certbot from the node's own index, on the real port 80."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from garret.errors import OperationError
from garret.image_bootstrap.acme.state import AUTHORITIES, FILE
from garret.image_bootstrap.bundle import build_bundle, chunks
from garret.local_cloud.nodes.driver import Doors, Rule
from garret.local_cloud.nodes.namespace.driver import CACHE, NamespaceDriver
from garret.local_cloud.nodes.namespace.mirror import Mirror
from garret.local_cloud.nodes.namespace.wheelhouse import build_wheelhouse
from tests.image_bootstrap.acme.pebble import NAMES, PEBBLE, needs_pebble
from tests.image_bootstrap.front import trusting
from tests.image_bootstrap.machine import PACKAGE, tiny_bundle
from tests.local_cloud.house import until
from tests.local_cloud.nodes.namespace.conftest import Metadata, Nodes
from tests.local_cloud.nodes.namespace.test_front_on_a_node import ADDRESS, PORT, SERVICE, answer, up, user_data

NAME = "pictures.example.com"
API, MANAGEMENT, DNS, RECORDS = 14_000, 15_000, 8_053, 8_055
ROOT = f"""
import ssl, urllib.request
context = ssl._create_unverified_context()
print(urllib.request.urlopen("https://127.0.0.1:{MANAGEMENT}/roots/0", context=context).read().decode())
"""


@pytest.fixture
def indexed(tmp_path: Path, whole_nodes: None) -> Iterator[Nodes]:
    """Nodes with an index to install from."""
    try:
        house = build_wheelhouse(CACHE)
    except OperationError as error:
        pytest.skip(f"no wheels for whole nodes: {error.message}")
    folder = tmp_path / "home" / "nodes"
    folder.mkdir(parents=True)
    (tmp_path / "home").chmod(0o700)
    driver, metadata = NamespaceDriver(folder, mirror=lambda listener: Mirror(house).serve(listener)), Metadata()
    driver.connect(Doors("http://127.0.0.1:9", metadata.answer))
    try:
        yield Nodes(driver, metadata, folder)
    finally:
        for path in list(folder.iterdir()):
            driver.destroy(path.name)
        driver.clear()


@contextmanager
def pebble_beside(init: int, folder: Path) -> Iterator[str]:
    """An authority in the node's own network, which finds every name there; the certificate of its server (PEM)."""
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(folder / "pebble.key"), "-out", str(folder / "pebble.pem")]
    subprocess.run(["openssl", "req", "-x509", *kind, *subject, *files], check=True, capture_output=True)
    settings = {
        "listenAddress": f"127.0.0.1:{API}",
        "managementListenAddress": f"127.0.0.1:{MANAGEMENT}",
        "certificate": files[3],
        "privateKey": files[1],
        "httpPort": 80,
        "tlsPort": 5001,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    off = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]
    commands = [
        [str(NAMES), *off, "-dns01", f"127.0.0.1:{DNS}", "-management", f"127.0.0.1:{RECORDS}"],
        [str(PEBBLE), "-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{DNS}"],
    ]
    quick = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
    enter = ["nsenter", f"--net=/proc/{init}/ns/net"]
    with (folder / "pebble.out").open("wb") as out:
        processes = [subprocess.Popen([*enter, *one], env=quick, stdout=out, stderr=out) for one in commands]
    try:
        yield (folder / "pebble.pem").read_text()
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=20)


@needs_pebble
def test_a_whole_node_gets_a_trusted_certificate_by_itself(indexed: Nodes, tmp_path: Path) -> None:
    """From the last step of its bootstrap to what callers are shown; and port 80 does the rest of its work."""
    tiny_bundle(tmp_path / "package", SERVICE)
    for name in ("metadata.py", "acs3.py"):
        shutil.copy(PACKAGE / "service_runtime" / name, tmp_path / "package/garret/service_runtime" / name)
    bundle = build_bundle(tmp_path / "package/garret")
    acme = {"acme": True, "acme_ca": True, "acme_server": f"https://127.0.0.1:{API}/dir", "domain": NAME}
    node = indexed.make(10, user_data(bundle, **acme))
    indexed.driver.attach_address(node, ADDRESS)
    indexed.driver.guard(node, (Rule("tcp", PORT, PORT, "127.0.0.1/32"), Rule("tcp", 80, 80, "0.0.0.0/0")))
    until(lambda: up(indexed, node), 60)
    init = int(json.loads((indexed.folder / node / "running.json").read_text())["init"])
    with pebble_beside(init, tmp_path) as ca:
        indexed.says(node, f"echo 127.0.0.1 {NAME} >> /etc/hosts")
        for name, content in chunks(bundle):
            indexed.driver.put(node, f"/var/lib/garret/incoming/{name}", content, 0o600, overwrite=True)
        indexed.driver.put(node, AUTHORITIES, ca.encode(), 0o600, overwrite=True)
        until(lambda: state(indexed, node).get("state") in ("issued", "failed"), 150)
        found = state(indexed, node)
        assert found["state"] == "issued", found
        enter = ["nsenter", f"--net=/proc/{init}/ns/net", sys.executable, "-c", ROOT]
        root = subprocess.run(enter, check=True, capture_output=True, text=True).stdout
    assert answer()[2] == found["sha256"]
    context = trusting()
    context.load_verify_locations(cadata=root)
    context.verify_mode, context.check_hostname = ssl.CERT_REQUIRED, True
    where = (ADDRESS, PORT)
    with socket.create_connection(where, 5) as plain, context.wrap_socket(plain, server_hostname=NAME) as secured:
        assert secured.version() == "TLSv1.3"
    # The program has ended, and the timer will start it again.
    until(lambda: indexed.run(node, "systemctl is-active garret-acme.service").output.strip() == b"inactive", 10)
    assert indexed.says(node, "systemctl show -P Result garret-acme.service") == "success"
    assert indexed.says(node, "systemctl is-active garret-acme.timer") == "active"
    assert indexed.says(node, "stat -c %a /etc/garret/tls/acme/key.pem") == "600"


def state(nodes: Nodes, node: str) -> dict[str, str]:
    """How far the certificate is; empty before the step."""
    done = nodes.run(node, f"cat {FILE}")
    return dict(json.loads(done.output)) if done.exit_code == 0 and done.output.startswith(b"{") else {}
