"""`garret ops rotate-password`."""

from __future__ import annotations

import sys

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.commands.operate import carry_out
from garret.console import fields

EPILOG = """\b
Examples:
  garret ops rotate-password
      a new password is made and shown once; the token that garret itself uses is a new one as well
  printf '%s' "$PASSWORD" | garret ops rotate-password --password-stdin
  garret ops rotate-password --token-only

The old ones end at once, for browsers and programs; pictures that are being made are finished, and jobs stay. Only
salted hashes reach the node. The password may also come by GARRET_PASSWORD.
"""


@click.command("rotate-password", epilog=EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@click.option("--password-stdin", is_flag=True, help="Read the new password from standard input.")
@click.option("--token-only", is_flag=True, help="Only another token; the password stays.")
@click.option("--keep-token", is_flag=True, help="Only another password; the token stays.")
@name_option
@cloud_options
def rotate_password(
    caller: Caller, deployment: str | None, *, password_stdin: bool, token_only: bool, keep_token: bool,
    name: str | None,
) -> int:  # fmt: skip
    """Give the service another password and token; the old ones end at once."""
    from garret.errors import UsageError
    from garret.ops.rotate_password import login_of, password_for

    if token_only and (keep_token or password_stdin):
        raise UsageError("--token-only leaves the password as it is", "leave out the other option")
    one = caller.there(deployment or name)
    before = login_of(one)
    secrets, generated = {}, False
    if not token_only:
        password, generated = password_for(_given(caller, password_stdin), before)
        secrets = {"password": password}
    asked = {"password": not token_only, "token": not keep_token, "generated": generated}
    facts = carry_out(caller, "rotate-password", one, asked, secrets)
    shown = secrets["password"] if generated else "as it was" if token_only else "as you gave it"
    lines = [
        f"{one.name} has {_what(asked)}; what was before opens nothing any more",
        *fields({"Login": facts["login"], "Password": shown, "Token": _token(facts, one.journal.folder)}),
    ]
    if not facts["in_force"]:
        lines.append("The service does not answer this machine now; it takes the new ones as soon as it runs.")
    caller.console.answer(facts | ({"password": secrets["password"]} if generated else {}), lines)
    return 0


def _given(caller: Caller, from_stdin: bool) -> str | None:
    from garret.errors import UsageError

    if not from_stdin:
        return caller.environment.get("GARRET_PASSWORD") or None
    text = sys.stdin.readline().rstrip("\r\n")
    if not text:
        raise UsageError(
            "password: nothing came on standard input", "printf '%s' … | garret ops rotate-password --password-stdin"
        )
    return text


def _what(asked: dict[str, bool]) -> str:
    return " and ".join(f"another {name}" for name in ("password", "token") if asked[name])


def _token(facts: dict[str, object], folder: object) -> str:
    from garret.ops.deployment import LOGIN_FILE

    changed = facts["changed"]
    return f"kept in {folder}/{LOGIN_FILE}" if isinstance(changed, list) and "token" in changed else "as it was"
