"""Fn::Jq: filters as templates use them, and what is refused by name."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest

from garret.local_cloud.ros.jq import run_jq
from garret.local_cloud.ros.jq_values import JqError

NODES = [{"id": "i-1", "ips": ["192.0.2.1"], "cpu": 4}, {"id": "i-2", "ips": [], "cpu": 8}]

GOOD: list[tuple[str, Any, list[Any]]] = [
    (".", 5, [5]),
    (".a", '{"a": "text"}', ["text"]),
    (".a.b.c", {}, [None]),
    (".[0].ips[0]", NODES, ["192.0.2.1"]),
    (".[-1].id", NODES, ["i-2"]),
    (".[5]", NODES, [None]),
    ('."a-b"["c"]', {"a-b": {"c": 1}}, [1]),
    (".[].id", NODES, ["i-1", "i-2"]),
    (".[].x?", [1, {"x": 2}], [2]),
    (".id[:3]", {"id": "abcdef"}, ["abc"]),
    (".[1:]", [1, 2, 3], [[2, 3]]),
    (".[] | {name: .id, cpu}", NODES, [{"name": "i-1", "cpu": 4}, {"name": "i-2", "cpu": 8}]),
    ('{(.k): 1, "x": [.v, .v]}', {"k": "y", "v": 2}, [{"y": 1, "x": [2, 2]}]),
    ('[.[] | "http://" + . ] | join(" ")', ["a", "b"], ["http://a http://b"]),
    ('"\\(.a)-\\(.b | length)"', {"a": 1, "b": [1, 2]}, ["1-2"]),
    ("if .[0].ips != [] then .[0].ips[0] else .[0].id end", NODES, ["192.0.2.1"]),
    ('if . == {} then "none" elif .a then "a" else "b" end', {"a": True}, ["a"]),
    ('.a // "default"', {"a": None}, ["default"]),
    ("map(select(.cpu >= 8) | .id)", NODES, [["i-2"]]),
    ("map(.cpu) | add, max, min, length", NODES, [12, 8, 4, 2]),
    ("[.[].cpu] | sort | reverse", NODES, [[8, 4]]),
    ("sort_by(.cpu) | last | .id", NODES, ["i-2"]),
    ("to_entries | map(\"\\(.key)=\\(.value)\") | join(\",\")", {"a": 1, "b": 2}, ["a=1,b=2"]),
    ("map_values(. + 1)", {"a": 1}, [{"a": 2}]),
    ("keys, has(\"a\"), (.a | type)", {"b": 1, "a": []}, [["a", "b"], True, "array"]),
    ("(1 + 2) * 3 - 4 / 2 % 3", {}, [7]),
    ("-1, 1.5, true and false, true or false, (null | not)", {}, [-1, 1.5, False, True, True]),
    ("split(\",\") | map(tonumber)", "\"1,2.5\"", [[1, 2.5]]),
    ("[..] | length", [1, [2]], [4]),
    ("tostring, (tojson | fromjson)", {"a": 1}, ['{"a":1}', {"a": 1}]),
    ("@base64 | @base64d", '"text"', ["text"]),
    ("test(\"^i-\")", '"i-1"', [True]),
    ("unique, (group_by(.) | length)", [2, 1, 2], [[1, 2], 2]),
    ("first(.[]), any(. > 1), all(. > 1)", [1, 2], [1, True, False]),
    ("empty", 1, []),
]  # fmt: skip


@pytest.mark.parametrize(("script", "source", "expected"), GOOD, ids=range(len(GOOD)))
def test_filter(script: str, source: Any, expected: list[Any]) -> None:
    """Each filter has the outputs that jq's manual promises."""
    assert run_jq(script, source) == expected


BAD = [
    ("reduce .[] as $x (0; . + $x)", [], "does not emulate reduce"),
    ("$ENV.PATH", {}, "does not emulate $"),
    ("def f: 1; f", {}, "does not emulate def"),
    (".a |= 1", {}, "does not emulate |="),
    ("levitate(1)", {}, "levitate/1"),
    (".[", [], "its end"),
    ("#", {}, "character 1"),
    ('"open', {}, "closing quote"),
    (".[]", 5, "iterated"),
    (".a", [1], "nothing at"),
    ('{"a": 1} + 2', {}, "cannot be added"),
    (".", "{", "no JSON"),
    ("(" * 60 + "." + ")" * 60, {}, "nested too deeply"),
]


@pytest.mark.parametrize(("script", "source", "part"), BAD, ids=range(len(BAD)))
def test_refused(script: str, source: Any, part: str) -> None:
    """What is not emulated is named; what fails says on what."""
    with pytest.raises(JqError, match=part.replace("$", r"\$").replace("|", r"\|")):
        run_jq(script, source)


@pytest.mark.parametrize(
    "script",
    [
        " | ".join(["[.[], .[]]"] * 40),
        " | ".join(["(. + .)"] * 40),
        "[" + ", ".join(["(.[] | .)"] * 9) + "] | map(" * 6 + "." + ")" * 6,
    ],
)
def test_a_filter_that_multiplies_ends(script: str) -> None:
    """Outputs and texts are bounded, and so is the time."""
    started = time.monotonic()
    with contextlib.suppress(JqError):
        run_jq(script, ["x"] * 10)
    assert time.monotonic() - started < 5
