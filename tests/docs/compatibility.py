"""The tables in docs/api.md of what works with which client: made from the marks on the tests that show it.

`python -m tests.docs.compatibility` writes them anew. A line is there because a test is; what CI has run green works.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/api.md"
MARK = "<!-- below: made from tests; python -m tests.docs.compatibility -->\n"
_KINDS = ("compatible", "incompatible")


@dataclass(frozen=True, order=True)
class Line:
    """One mark on a test: `words` are what the table says, in the order of its columns."""

    dialect: str
    words: tuple[str, ...]
    kind: str
    file: str
    test: str


class WrongMark(ValueError):
    """A mark that no table can be made of: its place, and why."""


def lines(folder: Path = ROOT / "tests") -> list[Line]:
    """Return every mark below a folder, each once."""
    found = {line for file in sorted(folder.rglob("test_*.py")) for line in _in_file(file, folder.parent)}
    return sorted(found)


def tables(found: list[Line]) -> str:
    """Return the page's lower part."""
    text = ""
    for dialect, of_dialect in groupby(found, key=lambda line: line.dialect):
        by_kind = {kind: [] for kind in _KINDS} | {
            kind: list(some) for kind, some in groupby(sorted(of_dialect, key=_kind), key=_kind)
        }
        text += f"\n### {dialect}\n"
        text += _table(("client", "what works"), by_kind["compatible"])
        text += _table(("refused", "answer"), by_kind["incompatible"])
    return text


def page(text: str) -> str:
    """Return the page with its lower part made anew."""
    return text.partition(MARK)[0] + MARK + tables(lines())


def _kind(line: Line) -> str:
    return line.kind


def _table(titles: tuple[str, str], some: list[Line]) -> str:
    if not some:
        return ""
    rows = {f"| {' | '.join(_cell(word) for word in line.words)} | [{_short(line)}](../{line.file}) |" for line in some}
    head = f"\n| {titles[0]} | {titles[1]} | shown by |\n|---|---|---|\n"
    return head + "\n".join(sorted(rows)) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _short(line: Line) -> str:
    return Path(line.file).stem.removeprefix("test_")


def _in_file(file: Path, root: Path) -> Iterator[Line]:
    text = file.read_text("utf-8")
    if not any(f"{kind}(" in text for kind in _KINDS):
        return  # to parse all tests takes seconds
    tree = ast.parse(text)
    constants = dict(_constants(tree))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for function in functions:
        for decorator in function.decorator_list:
            for node in ast.walk(decorator):
                if isinstance(node, ast.Call) and _is_mark(node.func):
                    yield _line(node, constants, file.relative_to(root), function.name)


def _constants(tree: ast.Module) -> Iterator[tuple[str, object]]:
    """Yield the module's own names for single values, also where several are given in one line."""
    for node in tree.body:
        for target in node.targets if isinstance(node, ast.Assign) else ():
            several = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
            pairs = zip(target.elts, node.value.elts, strict=True) if several else [(target, node.value)]
            for name, value in pairs:
                if isinstance(name, ast.Name) and isinstance(value, ast.Constant):
                    yield name.id, value.value


def _is_mark(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute) and function.attr in _KINDS and ast.unparse(function.value) == "pytest.mark"
    )


def _line(call: ast.Call, constants: Mapping[str, object], file: Path, test: str) -> Line:
    assert isinstance(call.func, ast.Attribute)
    values = [
        one.value if isinstance(one, ast.Constant) else constants.get(one.id) if isinstance(one, ast.Name) else None
        for one in call.args
    ]
    words = [value for value in values if isinstance(value, str)]
    if len(words) != 3 or len(call.args) != 3 or call.keywords:
        raise WrongMark(
            f"{file}:{call.lineno}: give three texts: dialect, client or request, and what works or why not"
        )
    return Line(words[0], tuple(words[1:]), call.func.attr, file.as_posix(), test)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
