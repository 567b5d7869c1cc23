"""What the same questions cost without garret: a bare interpreter, one signed HTTP request after the other.

`python benchmarks/bare.py PLAN`, where PLAN is a JSON file of waves; the requests of one wave are sent at once.
It imports nothing of garret, so that nothing of garret is in its time.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import sys
import threading
import time
from urllib.parse import quote, urlsplit


def signed(request: dict[str, str], keys: dict[str, str]) -> tuple[str, dict[str, str]]:
    """The path and headers of a request to one of the cloud's products."""
    host = urlsplit(request["url"]).netloc
    query = "&".join(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in sorted(request["parameters"].items()))  # type: ignore[attr-defined]
    digest = hashlib.sha256(b"").hexdigest()
    headers = {
        "host": host,
        "x-acs-action": request["action"],
        "x-acs-content-sha256": digest,
        "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "x-acs-signature-nonce": hashlib.sha256(f"{time.time_ns()}{request['action']}".encode()).hexdigest(),
        "x-acs-version": request["version"],
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    text = "\n".join(("POST", "/", query, lines, names, digest))
    to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(text.encode()).hexdigest()}"
    signature = hmac.new(keys["secret"].encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    credential = f"ACS3-HMAC-SHA256 Credential={keys['id']},SignedHeaders={names},Signature={signature}"
    return f"/?{query}", {**headers, "authorization": credential}


def send(request: dict[str, str], keys: dict[str, str]) -> None:
    """Send one request and read its answer."""
    address = urlsplit(request["url"])
    if "action" in request:
        path, headers = signed(request, keys)
    else:
        path, headers = address.path, dict(request.get("headers", {}))  # type: ignore[call-overload]
    connection = http.client.HTTPConnection(address.hostname or "", address.port or 80, timeout=60)
    connection.request(request.get("method", "POST"), path, request.get("body", "").encode(), headers)
    reply = connection.getresponse()
    body = json.loads(reply.read())
    connection.close()
    if reply.status != 200:
        sys.exit(f"{request}: {reply.status} {body}")


plan = json.loads(open(sys.argv[1], encoding="utf-8").read())  # noqa: PTH123, SIM115 - pathlib's import is not free
for wave in plan["waves"]:
    threads = [threading.Thread(target=send, args=(request, plan["keys"])) for request in wave[1:]]
    for thread in threads:
        thread.start()
    send(wave[0], plan["keys"])
    for thread in threads:
        thread.join()
