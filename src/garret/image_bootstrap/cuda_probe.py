"""Run by the node's own Python, the one with torch: puts a block into the GPU's memory, and prints what came of it.

The last line is JSON: torch and CUDA versions, `error` in torch's words, the block's `sum`, free memory in MiB.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

BLOCK = 1 << 20


def probe(torch: Any) -> dict[str, object]:
    """Return what this torch makes of the GPU."""
    facts: dict[str, object] = {"torch": str(torch.__version__), "cuda": torch.version.cuda or "", "error": ""}
    try:
        block = torch.ones(BLOCK, device="cuda")
        facts["sum"] = int(block.sum().item())
        facts["free_mib"] = int(torch.cuda.mem_get_info()[0]) >> 20
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        facts["error"] = f"{type(error).__name__}: {error}"
    return facts


if __name__ == "__main__":
    # Not an import at the top: nothing else in this room may load torch, and this file only does on a node.
    sys.stdout.write("\n" + json.dumps(probe(import_module("torch"))) + "\n")
