"""The library `invisible-watermark` on pictures in a folder, in an environment of its own: reads and makes its mark.

Prints for each NAME.npy the bits that it reads in ours, in its own mark and in the picture as it was, and the seconds
that its own mark took.
"""

from __future__ import annotations

import json
import sys
import time
import types
from pathlib import Path

import numpy

# The package imports torch for another of its methods; this one does without.
sys.modules.setdefault("torch", types.ModuleType("torch"))
from imwatermark import WatermarkDecoder, WatermarkEncoder  # noqa: E402

METHOD = "dwtDct"


def main(folder: Path, bits: str) -> None:
    """Read and mark every picture of the folder."""
    decoder, encoder = WatermarkDecoder("bits", len(bits)), WatermarkEncoder()
    encoder.set_watermark("bits", [int(bit) for bit in bits])
    found = {}
    for path in sorted(folder.glob("*.before.npy")):
        name = path.name.removesuffix(".before.npy")
        before = numpy.ascontiguousarray(numpy.load(path)[:, :, ::-1])
        ours = numpy.ascontiguousarray(numpy.load(folder / f"{name}.ours.npy")[:, :, ::-1])
        started = time.perf_counter()
        theirs = encoder.encode(before, METHOD)
        seconds = time.perf_counter() - started
        numpy.save(folder / f"{name}.theirs.npy", numpy.ascontiguousarray(theirs[:, :, ::-1]))
        read = {"ours": ours, "theirs": theirs, "before": before}
        found[name] = {
            "seconds": seconds,
            **{kind: "".join(str(int(bit)) for bit in decoder.decode(image, METHOD)) for kind, image in read.items()},
        }
    print(json.dumps(found))


main(Path(sys.argv[1]), sys.argv[2])
