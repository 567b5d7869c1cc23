"""What other programs need in order to speak to a deployment: where it is, its token, and its certificate."""

from __future__ import annotations

import ssl
from pathlib import Path

from garret.client.blocking import BlockingDriver
from garret.client.trust import Address
from garret.errors import UsageError
from garret.ops.client import in_words_of_a_command, trust_of
from garret.ops.deployment import Deployment, Login, flag
from garret.ops.journal import write_atomic

VARIABLES = ("GARRET_URL", "GARRET_TOKEN", "GARRET_FINGERPRINT", "GARRET_AUTHORITY")


def access_of(deployment: Deployment) -> dict[str, str]:
    """Return the variables that garret's client reads; the fingerprint where the service speaks TLS.

    Where a public certificate was asked for, one that comes in the place of the node's own, also for whose name.

    Raises:
        UsageError: it was never ready here.
    """
    login = _login(deployment)
    vouched = (login.authority.name or Address.parse(login.endpoint).host) if login.authority else ""
    found = zip(VARIABLES, (login.endpoint, login.token, login.tls_sha256, vouched), strict=True)
    return {name: value for name, value in found if value}


def write_certificate(deployment: Deployment, path: Path) -> None:
    """Write the certificate that the service shows, once it is known to be the right one, as PEM.

    Raises:
        UsageError: it speaks no TLS.
        OperationError: somebody else answers there.
    """
    login = _login(deployment)
    with in_words_of_a_command():
        address = Address.parse(login.endpoint)
        if not address.secure:
            raise UsageError(f"{login.endpoint} speaks plain HTTP, and has no certificate", "leave --certificate out")
        driver = BlockingDriver(address, trust_of(login.tls_sha256, login.authority))
        shown = driver.certificate()
    write_atomic(path, ssl.DER_cert_to_PEM_cert(shown).encode("ascii"), 0o644)


def _login(deployment: Deployment) -> Login:
    login = deployment.login
    if login is None or not login.endpoint:
        raise UsageError(
            f"{deployment.name} has no endpoint that this machine knows", f"garret deploy{flag(deployment.name)}"
        )
    return login
