"""`garret env`."""

from __future__ import annotations

from pathlib import Path

import click

from garret.commands.door import Caller, cloud_options, name_option

EPILOG = """\b
Examples:
  eval "$(garret env film)"                      # for garret.client, and for curl
  garret env film --certificate film.pem         # for programs that are told which certificate to trust
  garret env --json

The token opens the service to whoever has it. curl takes a file of the certificate by --cacert, Python's programs by
SSL_CERT_FILE or REQUESTS_CA_BUNDLE, and Node.js by NODE_EXTRA_CA_CERTS; it is for the node's address and for the name
garret-NAME.
"""


@click.command(epilog=EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@click.option(
    "--certificate", type=click.Path(path_type=Path, dir_okay=False), help="Write the service's certificate here (PEM)."
)
@name_option
@cloud_options
def env(caller: Caller, deployment: str | None, name: str | None, certificate: Path | None) -> int:
    """Print where a deployment answers and its token, as variables for a shell."""
    from shlex import quote

    from garret.ops.access import VARIABLES, access_of, write_certificate

    one = caller.deployment(caller.settings(), deployment or name)
    variables = access_of(one)
    if certificate is not None:
        write_certificate(one, certificate)
        caller.console.note(f"{certificate}: the certificate that {one.name} shows")
    # What another deployment's were said to be holds for this one no more.
    others = [f"unset {key}" for key in VARIABLES if key not in variables]
    exports = [f"export {key}={quote(value)}" for key, value in variables.items()]
    caller.console.answer(variables, [*exports, *others])
    return 0
