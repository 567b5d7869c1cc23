"""What must be so where an ACME authority is to vouch for a deployment, and its own certificates as text."""

from __future__ import annotations

import re
from collections.abc import Mapping

PORT = 80
"""The only port that an authority asks for its HTTP challenge; nobody can choose another one."""
EMAIL = r"^[A-Za-z0-9._+-]{1,64}@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$"
ACME_SERVER = r"^https://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?/[A-Za-z0-9._~/?=&%-]*$"
_NOT_PUBLIC = ("internal", "local", "localhost", "lan", "home", "corp", "test", "example", "invalid", "arpa")
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def certificates(text: str) -> str:
    """The certificates in a PEM text, without what stands between them.

    Raises:
        ValueError: there is none, or one that cannot be read, or a private key beside them.
    """
    import ssl

    if "PRIVATE KEY" in text:
        raise ValueError("holds a private key, which belongs to the authority alone; give its certificate only")
    blocks = [re.sub(r"[ \t\r]*\n\s*", "\n", block) for block in _BLOCK.findall(text)]
    if not blocks:
        raise ValueError("holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")
    for block in blocks:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=block)
        except (ssl.SSLError, ValueError):
            raise ValueError("holds a certificate that cannot be read") from None
    return "\n".join(blocks) + "\n"


def acme_disagreement(
    asked: tuple[bool, bool], details: Mapping[str, str | None], *, domain: str, service_port: int
) -> tuple[str, str] | None:
    """The field that does not go with the others, and why; `asked`: whether ACME is wanted, and its terms agreed to."""
    wanted, agreed = asked
    if not wanted:
        said = [name for name, value in {"acme_agree": agreed, **details}.items() if value]
        return (said[0], "is about a certificate that was not asked for: say --acme as well") if said else None
    if not agreed:
        return "acme_agree", "no authority gives a certificate to who does not agree to its terms"
    if service_port == PORT:
        return "service_port", "80 is where the authority looks for its challenge"
    if details["acme_ca"] and not details["acme_server"]:
        return "acme_ca", "is for a private authority, and Let's Encrypt needs none: say which server"
    ending = domain.rpartition(".")[2]
    if not details["acme_server"] and ending in _NOT_PUBLIC:
        return "domain", f"no public authority gives a certificate for a name that ends with .{ending}"
    return None
