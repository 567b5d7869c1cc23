"""garret.yaml: what it gives, and each mistake told with its line, its path and what to write instead."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from garret.errors import SpecError, UsageError
from garret.spec.file import MAXIMUM_BYTES, read_spec_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the file goes."""
    return tmp_path / "garret.yaml"


def test_fields_come_out_as_they_are_written(file: Path) -> None:
    """Lists, tags and spans of time; what is left empty is as if it were not there."""
    file.write_text(
        "# a comment\nregion: cn-hangzhou\nallow_cidr: [203.0.113.7/32]\ntags: {team: studio}\n"
        "autostop_min: 2h\nzone:\nmax_price_per_hour: 12\n"
    )
    assert read_spec_file(file) == {
        "region": "cn-hangzhou",
        "allow_cidr": ["203.0.113.7/32"],
        "tags": {"team": "studio"},
        "autostop_min": 120,
        "max_price_per_hour": 12,
    }


def test_fields_that_flags_may_still_make_agree_are_not_refused_here(file: Path) -> None:
    """A period without a charge type in the file waits for --charge-type Subscription."""
    file.write_text("period: 3\n")
    assert read_spec_file(file) == {"period": 3}


WRONG = [
    ("regoin: cn-hangzhou\n", "regoin", r"garret.yaml:1: is not a field", "region is meant"),
    ("\n\ndisk_size_gib: 50\n", "disk_size_gib", r"garret.yaml:3: 50", "--disk-size"),
    ("region: a\nregion: b\n", "region", r"garret.yaml:2: said a second time; first in line 1", "keep one"),
    ("password: Correct-horse-7\n", "password", "a secret does not belong into a file", "--password-stdin"),
    ("instance_password: Correct-horse-7\n", "instance_password", "a secret does not belong", "GARRET_INSTANCE_PASS"),
    ("tags: {a: 1}\n", "tags.a", "valid string", "--tag"),
    ("tags: {a: x, a: y}\n", "tags.a", "said a second time", "keep one"),
    ("tags: {a: {b: c}}\n", "tags.a", "lies too deep", "a list of values"),
    ("allow_cidr: &loop [*loop]\n", "allow_cidr.0", "lies too deep", "a list of values"),
    ("autostop_min: 3m\n", "autostop_min", "too few", "--no-autostop"),
    ("autostop_min: soon\n", "autostop_min", "not a span such as 60m", "--autostop"),
    ("login: !!python/name:os.system x\n", "login", "is not taken here", "plain text"),
]


@pytest.mark.parametrize(("text", "field", "reason", "hint"), WRONG, ids=[text[:24].strip() for text, *_ in WRONG])
def test_a_mistake_is_told_with_line_path_and_remedy(file: Path, text: str, field: str, reason: str, hint: str) -> None:
    """The person goes straight to the line."""
    file.write_text(text)
    with pytest.raises(SpecError, match=reason) as refused:
        read_spec_file(file)
    assert refused.value.field == field
    assert hint in refused.value.hint
    assert "Correct-horse-7" not in refused.value.message


@pytest.mark.parametrize("text", ["a: [\n", "- 1\n", "just words", "\x00", "[" * 5000, "x" * (MAXIMUM_BYTES + 1)])
def test_what_is_no_mapping_is_refused_as_a_whole(file: Path, text: str) -> None:
    """Broken, deep, huge: one error, at once."""
    file.write_text(text)
    with pytest.raises(UsageError):
        read_spec_file(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """And the manual with it."""
    with pytest.raises(UsageError, match="No such file") as refused:
        read_spec_file(tmp_path / "other.yaml")
    assert "deploy.full.yaml" in refused.value.hint


@given(st.text(max_size=200))
def test_whatever_is_written_there_is_an_answer_or_an_error_of_ours(text: str) -> None:
    """Nothing else comes out of the reader."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "garret.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        with contextlib.suppress(UsageError):
            assert isinstance(read_spec_file(path), dict)
