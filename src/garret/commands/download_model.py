"""`garret ops download-model`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from garret.commands.door import Caller, cloud_options
from garret.commands.executions import lines_of
from garret.commands.operate import begun, carry_out
from garret.commands.way import Way, address_of, node_of, way_options
from garret.console import fields
from garret.errors import UsageError

if TYPE_CHECKING:
    from garret.ops.download_model import Model

EPILOG = """\b
Examples:
  garret ops download-model --type checkpoint --url https://example.com/mine.safetensors --name mine
  garret ops download-model --type lora --from civitai:101055@128078
  garret ops download-model --type vae --from hf:owner/repo@main/vae.safetensors --token-env HF_TOKEN
  garret ops download-model --type lora --kind preview --name ink --url https://example.com/ink.png
  garret ops download-model --type other --directory ControlNet --from oss://my-bucket/canny.safetensors
  garret ops download-model --type checkpoint --file ~/models/mine.safetensors
  garret ops download-model --list models.yaml

The node downloads it, resumes what breaks off, and lists it without a restart; Ctrl-C stops only the looking on. What
is there already by its SHA-256 is not fetched again. A model that was made for another family than SDXL is refused,
by the names of its tensors, unless --force is said. A --file of this machine goes up over the service's own TLS, in
chunks, or by SFTP with --ssh; the same command goes on where a broken one ended.

\b
Sources of --from:
  civitai:MODEL[@VERSION]              the numbers in the address of its page
  hf:OWNER/REPO[@REVISION]/PATH        Hugging Face, or the mirror that HF_ENDPOINT names
  modelscope:OWNER/NAME[@REVISION]/PATH
  oss://BUCKET/KEY                     read with the node's own role; a public bucket by anybody

\b
A line of --list:  SOURCE type=lora name=ink sha256=…     or as YAML:
  - {type: lora, from: 'civitai:101055', name: ink}
  - {type: lora, kind: preview, name: ink, url: 'https://example.com/ink.png'}

A token goes to the service over its own TLS, or by SFTP with --ssh root@HOST --ssh-key FILE; never through Cloud
Assistant, which keeps what it carries.
"""


@click.command("download-model", epilog=EPILOG)
@click.option("--type", "model_type", type=click.Choice(["checkpoint", "lora", "vae", "upscaler", "other"]),
              help="What it is; chooses its folder on the node.")  # fmt: skip
@click.option("--url", help="Its address: https://…")
@click.option("--from", "hub", metavar="SOURCE", help="Where it is published: civitai:…, hf:…, modelscope:…, oss://…")
@click.option("--file", type=click.Path(path_type=Path), help="A file of this machine.")
@click.option("--list", "listed", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="File that names many, in YAML or one a line.")  # fmt: skip
@click.option("--name", "model", help="Its name on the node; else the source's.")
@click.option("--kind", type=click.Choice(["model", "preview"]), default="model",
              help="A preview is the picture of the model of its name.")  # fmt: skip
@click.option("--directory", help="Folder below the models, for --type other.")
@click.option("--sha256", help="What it must hash to.")
@click.option("--force", is_flag=True, help="Take it although it is of another family; replace a preview.")
@click.option("--token-env", metavar="NAME", help="Variable with a token that the source asks for.")
@click.option("--deployment", help="Which deployment; needed only when there are several.")
@click.option("--no-wait", is_flag=True, help="Return when it has begun.")
@way_options
@cloud_options
def download_model(
    caller: Caller, *, way: Way, model_type: str | None, url: str | None, hub: str | None, file: Path | None,
    listed: Path | None, model: str | None, kind: str, directory: str | None, sha256: str | None, force: bool,
    token_env: str | None, deployment: str | None, no_wait: bool,
) -> int:  # fmt: skip
    """Bring models onto the node, from an address, a hub or a list of them."""
    from garret.ops.download_model import Model

    option, value = only_one({"--url": url, "--from": hub, "--file": file, "--list": listed})
    usual = Model(model_type or "", str(value), model, kind, directory, sha256, force, token_env)
    if option == "--list":
        return _many(caller, way, usual, Path(str(value)), deployment, wait=not no_wait)
    if model_type is None:
        raise UsageError("--type was not said", "--type checkpoint|lora|vae|upscaler|other")
    if option == "--file":
        return _bring(caller, way, usual, deployment, wait=not no_wait)
    from garret.ops.download_model import parameters

    return _begin(caller, way, parameters(usual, option), [token_env or ""], deployment, wait=not no_wait)


def _bring(caller: Caller, way: Way, model: Model, deployment: str | None, *, wait: bool) -> int:
    """Send a file of this machine."""
    from garret.ops.upload import VERB, check, wish_of

    if model.token_env is not None:
        raise UsageError("--token-env: a file of this machine needs no token", "leave it out")
    path = Path(model.where).expanduser().absolute()
    wish = wish_of(model, path)
    check(path, wish)
    one = caller.there(deployment)
    address = address_of(way, one)
    asked = {**wish, "file": str(path), "sha256": (model.sha256 or "").lower()}
    if address is not None:
        asked["ssh"] = {"address": str(way.ssh), "key_file": str(address.key_file.absolute()),
                        "host_keys": list(address.host_keys)}  # fmt: skip
    facts = carry_out(caller, VERB, one, asked, wait=wait)
    if not wait:
        return begun(caller, facts)
    sent = "was there already" if facts["already_there"] else f"{facts['bytes_sent']} bytes sent"
    said = {"Model": facts["name"], "Path": facts["path"], "SHA-256": facts["sha256"], "Sent": sent}
    caller.console.answer(facts, fields(said))
    return 0


def only_one(given: Mapping[str, object]) -> tuple[str, object]:
    """The one option of several that was said, and its value.

    Raises:
        UsageError: none was, or more than one.
    """
    said = [(option, value) for option, value in given.items() if value is not None]
    if len(said) != 1:
        names = ", ".join(given)
        reason = f"one of {names} must be said" if not said else f"{said[0][0]} and {said[1][0]} were both said"
        raise UsageError(reason, f"one of {names}")
    return said[0]


def _many(caller: Caller, way: Way, usual: Model, file: Path, deployment: str | None, *, wait: bool) -> int:
    from dataclasses import replace

    from garret.ops.download_model import parameters
    from garret.ops.model_list import is_hub, read_list

    for option, value in (("--name", usual.name), ("--sha256", usual.sha256), ("--token-env", usual.token_env)):
        if value is not None:
            word = option[2:].replace("-", "_")
            raise UsageError(f"{option} belongs to one model, and --list names many", f"{word}=… in the list")
    found = read_list(file, replace(usual, where=""))
    models = [parameters(one, "--from" if is_hub(one.where) else "--url") for one in found]
    return _begin(caller, way, {"models": models}, [one.token_env or "" for one in found], deployment, wait=wait)


def _begin(
    caller: Caller, way: Way, asked: dict[str, Any], token_names: list[str], deployment: str | None, *, wait: bool
) -> int:
    from garret.ops.download_model import VERB, endpoints
    from garret.ops.model_secrets import handing, tokens_of

    tokens = tokens_of([name for name in token_names if name], caller.environment)
    doors = endpoints(caller.environment)
    with node_of(caller, deployment, way) as node:
        hand_over = handing(node.deployment, tokens, by_ssh=way.ssh is not None)
        execution = node.begin(VERB, asked | ({"endpoints": doors} if doors else {}), hand_over=hand_over)
        caller.console.say(f"execution {execution['id']}")
        if wait:
            execution = node.follow(execution, caller.console)
    caller.console.answer(execution, _lines(execution))
    return 0


def _lines(execution: dict[str, Any]) -> list[str]:
    """As every execution is told; of many models, a line for each."""
    models = (execution.get("output") or {}).get("models")
    if not models:
        return lines_of(execution)
    told = lines_of(execution | {"output": {}})
    return told + [f"  {one['type']:<10} {one['name']}  {one.get('error') or one.get('sha256', '')}" for one in models]
