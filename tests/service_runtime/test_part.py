"""Half-done files: what is there outlives a killed process, and what was flushed outlives the power."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from garret.service_runtime.part import Identity, Part, PartFiles, read_begun
from garret.service_runtime.part_map import PartMap, boot_id, read_map
from garret.service_runtime.segments import Pace
from tests.service_runtime.living import wait

DATA = os.urandom(1000)
IDENTITY = Identity("https://a.example/m", '"1"', 1000, "ab")
PACE = Pace(first=100, least=50, most=200)


def make(folder: Path, boot: str = "boot") -> Part:
    """A part file with nothing in it."""
    return Part(PartFiles.of(folder / "m.safetensors"), IDENTITY, [], PACE, boot=lambda: boot)


def fill(part: Part, count: int) -> None:
    """Take a segment and write some of it."""
    segment = part.take(4)
    assert segment is not None
    part.write(segment, memoryview(DATA[segment.begin : segment.begin + count]))


def test_what_was_written_is_known_to_the_next_process(tmp_path: Path) -> None:
    """Without anything being closed or flushed."""
    part = make(tmp_path)
    fill(part, 70)
    fill(part, 30)
    second = part.take(4)
    assert second is not None
    begun = read_begun(part.files, lambda: "boot")
    assert begun is not None
    assert begun.identity == IDENTITY
    assert begun.spans == [(0, 70), (125, 155)]
    later = read_begun(part.files, lambda: "another boot")
    assert later is not None
    assert later.spans == []
    part.discard()
    assert list(tmp_path.iterdir()) == []


def test_after_the_power_was_gone_only_what_was_flushed_counts(tmp_path: Path) -> None:
    """The map of the old boot says nothing any more."""
    part = make(tmp_path)
    fill(part, 70)
    part.keep()
    kept = read_begun(part.files, lambda: "another boot")
    assert kept
    assert kept.spans == [(0, 70)]
    PartMap(part.files.map, "boot", [(0, 900)]).close()
    kept = read_begun(part.files, lambda: "another boot")
    assert kept
    assert kept.spans == [(0, 70)]
    # A system that does not tell its boots is trusted with nothing unflushed.
    unknown = read_begun(part.files, lambda: "")
    assert unknown
    assert unknown.spans == [(0, 70)]


@pytest.mark.parametrize("change", ["total", "size", "json", "spans", "backwards", "url", "gone"])
def test_notes_that_make_no_sense_are_not_believed(tmp_path: Path, change: str) -> None:
    """A part file that somebody cut or a note that somebody wrote."""
    part = make(tmp_path)
    fill(part, 70)
    part.keep()
    note = json.loads(part.files.note.read_text())
    if change == "size":
        os.truncate(part.files.data, 60)
    elif change == "gone":
        part.files.data.unlink()
    else:
        wrong = {"total": {"total": 60}, "spans": {"flushed": 5}, "url": {"url": None}}.get(change, {})
        part.files.map.unlink()
        backwards = {"flushed": [[-5, 60]]} if change == "backwards" else {}
        part.files.note.write_text("{" if change == "json" else json.dumps({**note, **wrong, **backwards}))
    assert read_begun(part.files, lambda: "boot") is None


def test_bytes_in_any_order_are_hashed_in_theirs(tmp_path: Path) -> None:
    """While they come, not after the last one."""
    part = make(tmp_path)
    taken = []
    while segment := part.take(4):
        taken.append(segment)
    for segment in reversed(taken):
        part.write(segment, memoryview(DATA[segment.begin : segment.end]))
    assert part.complete
    assert part.digest(lambda: None) == hashlib.sha256(DATA).hexdigest()
    part.discard()


def test_hashing_does_not_wait_for_the_last_byte(tmp_path: Path) -> None:
    """With one byte to go, all but a lump of the rest is hashed."""
    data = os.urandom(3 << 20)
    part = Part(PartFiles.of(tmp_path / "m"), replace(IDENTITY, total=len(data)), [], Pace())
    segment = part.take(1)
    assert segment is not None
    part.write(segment, memoryview(data)[:-1])
    wait(lambda: part.hashed >= 2 << 20, 10, "the hash of what is there")
    part.write(segment, memoryview(data)[-1:])
    assert part.digest(lambda: None) == hashlib.sha256(data).hexdigest()
    part.discard()


def test_a_map_is_read_up_to_its_last_whole_record(tmp_path: Path) -> None:
    """Half a record is none."""
    path = tmp_path / "map"
    PartMap(path, "b", [(0, 10), (20, 30)]).close()
    path.write_bytes(path.read_bytes() + b"\x01" * 9)
    assert read_map(path, "b") == [(0, 10), (20, 30)]
    path.write_bytes(b"short")
    assert read_map(path, "b") is None
    assert read_map(tmp_path / "none", "b") is None


def test_this_machine_tells_its_boots() -> None:
    """Linux does."""
    assert len(boot_id()) == 36
