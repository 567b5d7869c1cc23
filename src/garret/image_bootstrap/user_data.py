"""From a node's configuration to the text that cloud-init reads at its first boot."""

from __future__ import annotations

import ast
import base64
import gzip
import io
import re
import tokenize
from pathlib import Path
from typing import Any

import yaml

from garret.errors import TemplateError
from garret.image_bootstrap import node_config
from garret.image_bootstrap.node_config import NodeConfig

LIMIT_BYTES = 8_192
SIGNAL_BYTES = 600
"""What the stack's command takes, in place of its placeholder, at most."""
SIGNAL_PLACEHOLDER = "@@GARRET_SIGNAL@@"
"""Where the template puts the stack's curl command; it is known only while the stack is created."""

_HERE = Path(__file__).resolve().parent
_UNITS = "/etc/systemd/system"
_SIGNALLED = "/var/lib/garret/signalled.json"
_WANTED = "[Unit]\nWants=garret-bootstrap.service\n"
# One line for a shell, because the interpreter's path differs between a machine and a folder that plays one.
_START = 'exec "${GARRET_PYTHON:-python3}" "${GARRET_PREFIX}/var/lib/garret/first_stage.py"'


def build_user_data(config: NodeConfig) -> str:
    """Return `#cloud-config` text of at most 8,192 bytes, with no secret in it.

    Raises:
        TemplateError: the text is larger than that.
    """
    first_stage = travelling((_HERE / "first_stage.py").read_text("utf-8"))
    unit = re.sub(r"^#.*\n", "", (_HERE / "units/garret-bootstrap.service").read_text("utf-8"), flags=re.MULTILINE)
    document = {
        "write_files": [
            {"path": node_config.PATH, "permissions": "0600", "content": config.to_json()},
            {"path": "/var/lib/garret/signal", "permissions": "0600", "content": SIGNAL_PLACEHOLDER + "\n"},
            _packed("/var/lib/garret/first_stage.py", "0755", first_stage),
            # From here on a power cut is no harm: the next boot runs the unit, come to runcmd or not.
            {"path": f"{_UNITS}/garret-bootstrap.service", "permissions": "0644", "content": unit},
            {"path": f"{_UNITS}/multi-user.target.d/garret.conf", "permissions": "0644", "content": _WANTED},
        ],
        "runcmd": [["sh", "-c", _START]],
    }
    text = "#cloud-config\n" + yaml.dump(document, Dumper=_Blocks, sort_keys=False, width=10_000)
    size = len(text.encode("utf-8"))
    if size > LIMIT_BYTES - SIGNAL_BYTES:
        hint = "a shorter --bundle-url" if config.bundle_url else "shorten the deployment's name"
        raise TemplateError(
            f"the user-data is {size} bytes, and {LIMIT_BYTES - SIGNAL_BYTES} are allowed beside the stack's signal",
            f"{hint}; if that is not it, this is a fault of garret's first stage",
        )
    return text


def moved_user_data(text: str) -> str:
    """The user-data of a node that is made of another one's disk: it keeps what is there and signals its own stack.

    What the node was told stands on the disk, with all that was changed since; only whom to tell is another.
    """
    document = yaml.safe_load(text)
    ours = (node_config.PATH, _SIGNALLED)
    kept = [file for file in document["write_files"] if file["path"] not in ours]
    document["write_files"] = [*kept, {"path": _SIGNALLED, "permissions": "0600", "content": "{}\n"}]
    return "#cloud-config\n" + yaml.dump(document, Dumper=_Blocks, sort_keys=False, width=10_000)


def travelling(source: str) -> str:
    """Return a program without comments, docstrings and empty lines: the bundle brings them to the node anyway.

    Its statements stay as they are written, so the text does not depend on the Python that makes it.
    """
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            said = node.body[0]
            end = said.end_lineno or said.lineno
            lines[said.lineno - 1 : end] = [""] * (end - said.lineno + 1)
            if len(node.body) == 1 and not isinstance(node, ast.Module):
                lines[said.lineno - 1] = " " * said.col_offset + "pass"
    for token in tokenize.generate_tokens(io.StringIO("\n".join(lines) + "\n").readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    return "\n".join(line for line in lines if line.strip()) + "\n"


class _Blocks(yaml.SafeDumper):
    """Writes texts of several lines as literal blocks: what replaces the placeholder may hold quotes of any kind."""


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Blocks.add_representer(str, _block)


def _packed(path: str, permissions: str, content: str) -> dict[str, Any]:
    squeezed = gzip.compress(content.encode("utf-8"), 9, mtime=0)
    # Byte 9 of gzip's header names the system that packed it; the text must not depend on that.
    portable = squeezed[:9] + b"\xff" + squeezed[10:]
    encoded = base64.b64encode(portable).decode("ascii")
    return {"path": path, "permissions": permissions, "encoding": "gz+b64", "content": encoded}
