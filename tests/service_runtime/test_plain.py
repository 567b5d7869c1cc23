"""Records become the plain values that the standard library makes of them."""

from __future__ import annotations

from dataclasses import asdict, replace

from garret.service_runtime.asked import Hires, Lora, Mask, Refiner, Start
from garret.service_runtime.plain import plain
from tests.service_runtime.asking import ask

_REQUEST = ask(styles=("x", "y"), loras=(Lora("one", 0.5), Lora("two")), refiner=Refiner())


def test_a_request_is_what_the_standard_library_makes_of_it() -> None:
    """With records in tuples in records, and nothing where there is nothing."""
    for request in (
        _REQUEST,
        replace(_REQUEST, hires=Hires()),
        replace(_REQUEST, start=Start("0" * 64, mask=Mask("1" * 64))),
    ):
        assert plain(request) == asdict(request)


def test_what_the_values_hold_is_not_the_records_own() -> None:
    """Who changes a mapping of them changes no record."""
    notes = {"a": [1, {"b": 2}]}
    copy = plain(notes)
    copy["a"][1]["b"] = 3
    assert notes == {"a": [1, {"b": 2}]}
