"""`garret ops download-model`."""

from __future__ import annotations

import click

from garret.commands.door import Caller, cloud_options
from garret.commands.executions import lines_of
from garret.commands.way import Way, node_of, way_options
from garret.errors import UsageError

DOWNLOAD_EPILOG = """\b
Examples:
  garret ops download-model --type checkpoint --url https://example.com/mine.safetensors --name mine
  garret ops download-model --type lora --url https://example.com/ink.safetensors --sha256 9f86d0…
  garret ops download-model --type checkpoint --url hf:owner/repo/x.safetensors --token-env HF_TOKEN --ssh root@HOST …

The node downloads it; Ctrl-C stops only the looking on. Types: checkpoint, lora, vae, other.
The node is asked through Cloud Assistant; through SSH where its port 22 was opened: --ssh root@HOST --ssh-key FILE.
"""


@click.command("download-model", epilog=DOWNLOAD_EPILOG)
@click.option("--type", "kind", type=click.Choice(["checkpoint", "lora", "vae", "other"]), required=True,
              help="What it is; chooses its folder on the node.")  # fmt: skip
@click.option("--url", required=True, help="Where it is: https://…, hf:owner/repo/file or modelscope:owner/name/file.")
@click.option("--name", "model", help="Its name on the node; else the address's.")
@click.option("--sha256", help="What it must hash to.")
@click.option("--deployment", help="Which deployment; needed only when there are several.")
@click.option("--no-wait", is_flag=True, help="Return when it has begun.")
@click.option("--token-env", metavar="NAME", help="Variable with a token that the source asks for; only with --ssh.")
@way_options
@cloud_options
def download_model(
    caller: Caller, *, way: Way, kind: str, url: str, model: str | None, sha256: str | None, deployment: str | None,
    no_wait: bool, token_env: str | None,
) -> int:  # fmt: skip
    """Bring a model onto the node."""
    from garret.ops.download_model import VERB, parameters

    asked = parameters(kind, url, model, sha256, _token(caller, token_env, way))
    with node_of(caller, deployment, way) as node:
        execution = node.begin(VERB, asked)
        caller.console.say(f"execution {execution['id']}")
        if not no_wait:
            execution = node.follow(execution, caller.console)
    caller.console.answer(execution, lines_of(execution))
    return 0


def _token(caller: Caller, name: str | None, way: Way) -> str | None:
    """What the source asks for, from the environment; it goes by a way that keeps nothing of it."""
    if name is None:
        return None
    if way.ssh is None:
        raise UsageError(
            "--token-env: Cloud Assistant keeps what it carries, so no token goes that way",
            "with --ssh root@HOST --ssh-key FILE, where port 22 was opened; or a file that needs no token",
        )
    token = caller.environment.get(name, "")
    if not token:
        raise UsageError(f"--token-env: {name} is not set", f"export {name}=…   (the token's text is never an option)")
    return token
