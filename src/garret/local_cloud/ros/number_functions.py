"""The template functions that calculate, from arguments that are evaluated already."""

import ast
import ipaddress
import operator
import re
from collections.abc import Callable
from typing import Any

from garret.local_cloud.ros.function_forms import listed, number_of, whole, wrong

_EXPRESSION = re.compile(r"[\d.{}()+\-*/%\s]+")
_LENGTH = 1000
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def _divided(first: Any, second: Any) -> Any:
    """Between whole numbers the rest is dropped, as the vendor's page says (5/2 = 2)."""
    both = isinstance(first, int) and isinstance(second, int)
    return first // second if both else first / second


def _value(node: ast.AST) -> Any:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _UNARY[type(node.op)](_value(node.operand))
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Div):
            return _divided(_value(node.left), _value(node.right))
        if type(node.op) in _BINARY:
            return _BINARY[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError("it holds more than numbers, parentheses and + - * / %")


def _calculate(arguments: Any, where: str) -> Any:
    form = "[expression, decimals, list of numbers]"
    expression, digits, *rest = listed(arguments, where, form, 2, 3)
    numbers = rest[0] if rest else []
    if not isinstance(expression, str) or not _EXPRESSION.fullmatch(expression) or "**" in expression:
        raise wrong(where, f"{form} with an expression of numbers, {{n}}, parentheses and + - * / %")
    if not isinstance(numbers, list):
        raise wrong(where, f"{form}; the third is no list")
    decimals = whole(digits, where, "decimals", 0, 20)
    given = [number_of(item, where) for item in numbers]
    try:
        text = expression.format(*given).strip()
        if len(text) > _LENGTH:
            raise ValueError("it is longer than 1,000 characters")
        result = _value(ast.parse(text, mode="eval").body)
        rounded = round(result) if decimals == 0 else round(result, decimals)
    except (ArithmeticError, LookupError, SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        raise wrong(where, f"an expression that can be calculated ({problem})") from None
    return rounded


def _average(arguments: Any, where: str) -> int | float:
    form = "[decimals, list of numbers]"
    digits, numbers = listed(arguments, where, form, 2)
    if not isinstance(numbers, list) or not numbers:
        raise wrong(where, form)
    decimals = whole(digits, where, "decimals", -20, 20)
    given = [number_of(item, where) for item in numbers]
    try:
        result = round(sum(float(number) for number in given) / len(given), decimals)
        return int(result) if decimals <= 0 else result
    except (OverflowError, ValueError):
        raise wrong(where, f"{form} whose average is a number") from None


def _extreme(choose: Callable[[Any], Any]) -> Callable[[Any, str], Any]:
    def extreme(arguments: Any, where: str) -> Any:
        if arguments is None or arguments == []:
            return None
        if not isinstance(arguments, list):
            raise wrong(where, "a list of numbers")
        if any(item is None for item in arguments):
            return None
        if not all(isinstance(item, (int, float)) for item in arguments):
            raise wrong(where, "a list of numbers")
        return choose(arguments)

    return extreme


def _add(arguments: Any, where: str) -> Any:
    """Numbers are summed, lists put one after the other, maps laid over each other."""
    form = "a list of two or more numbers, lists or maps"
    if arguments is None:
        return None
    if not isinstance(arguments, list) or len(arguments) < 2:
        raise wrong(where, form)
    if any(item is None for item in arguments):
        return None
    if all(isinstance(item, (int, float)) for item in arguments):
        return sum(arguments)
    if all(isinstance(item, list) for item in arguments):
        return [entry for item in arguments for entry in item]
    if all(isinstance(item, dict) for item in arguments):
        return {key: value for item in arguments for key, value in item.items()}
    raise wrong(where, f"{form}, all of one kind")


def _cidr(arguments: Any, where: str) -> list[str]:
    form = "[IPv4 block, count, bits of each subnet]"
    block, count, bits = listed(arguments, where, form, 3)
    wanted = whole(count, where, "count", 1, 256)
    prefix = 32 - whole(bits, where, "bits", 1, 32)
    try:
        network = ipaddress.IPv4Network(block, strict=False)
    except (ValueError, TypeError):
        raise wrong(where, f"{form}; {block!r} is no IPv4 block") from None
    if prefix < network.prefixlen or wanted > 2 ** (prefix - network.prefixlen):
        raise wrong(where, f"{form}; {block} has no room for {wanted} blocks of /{prefix}")
    subnets = network.subnets(new_prefix=prefix)
    return [str(next(subnets)) for _ in range(wanted)]


NUMBERS: dict[str, Callable[[Any, str], Any]] = {
    "Fn::Calculate": _calculate,
    "Fn::Avg": _average,
    "Fn::Max": _extreme(max),
    "Fn::Min": _extreme(min),
    "Fn::Add": _add,
    "Fn::Cidr": _cidr,
}
