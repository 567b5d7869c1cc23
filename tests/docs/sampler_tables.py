"""The tables of samplers and schedules in docs/engine.md, made of the tables in the code.

`python -m tests.docs.sampler_tables` writes them anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from garret.service_runtime.samplers import CHURN, DIALECTS, ETA, NEAREST, SAMPLERS, SCHEDULES, Sampler

PAGE = Path(__file__).resolve().parents[2] / "docs/engine.md"
BEGIN = "<!-- from here: python -m tests.docs.sampler_tables -->\n"
END = "<!-- to here -->\n"


def page(text: str) -> str:
    """Return the page with its tables made anew."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n".join(lines()) + "\n" + END + rest.partition(END)[2]


def lines() -> Iterator[str]:
    """Return the tables, line by line."""
    yield from _samplers()
    yield ""
    yield from _schedules()
    yield ""
    yield "| not made here | the nearest |"
    yield "|---|---|"
    yield from (f"| {name} | {near} |" for name, near in NEAREST.items())


def _samplers() -> Iterator[str]:
    yield "| name | other names | Automatic | takes | diffusers' equal |"
    yield "|---|---|---|---|---|"
    for entry in SAMPLERS:
        others = [*entry.aliases, *(word for word, (name, _) in DIALECTS.items() if name == entry.name)]
        label = next(one.label for one in SCHEDULES if one.name == entry.automatic)
        yield f"| {entry.name} | {_codes(others)} | {label} | {_fields(entry)} | {_equal(entry)} |"


def _schedules() -> Iterator[str]:
    yield "| schedule | label | other names |"
    yield "|---|---|---|"
    yield from (f"| `{entry.name}` | {entry.label} | {_codes(entry.aliases)} |" for entry in SCHEDULES)


def _fields(entry: Sampler) -> str:
    named = {CHURN: "`s_churn` and its bounds, `s_noise`", ETA: "`eta`, `s_noise`"}
    return named.get(entry.uses) or _codes(sorted(entry.uses))


def _equal(entry: Sampler) -> str:
    settings = ", ".join(f"{name}={value!r}" for name, value in entry.settings.items())
    return f"`{entry.scheduler}({settings})`" if entry.scheduler else "none"


def _codes(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
