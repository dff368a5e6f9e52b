"""A program's JSON, without anything that PyTorch would evaluate as code.

`torch.export.load` hands the sizes of a program to `sympy.sympify`, which evaluates them as Python,
and running decompositions executes the program's guards. Here every size must be built of integers,
symbols and known functions; guards, which only restate the ranges of the symbols, are dropped.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any, Final

MAX_LENGTH: Final = 8192
MAX_EXPONENT: Final = 16

_POWERS: Final = frozenset({"Pow", "PowByNatural"})
_FUNCTIONS: Final = _POWERS | {
    "Add", "And", "CeilDiv", "CleanDiv", "Equality", "FloorDiv", "GreaterThan", "Integer",
    "LessThan", "Max", "Min", "Mod", "ModularIndexing", "Mul", "Not", "Or", "PythonMod",
    "Rational", "StrictGreaterThan", "StrictLessThan", "Unequality", "Where",
}  # fmt: skip
_SYMBOL: Final = re.compile(r"[a-z]{1,4}\d{1,9}")
_NAMES: Final = frozenset({"true", "false"})
_IMPORTING: Final = ("default_factory_module", "__enum__")


def plain_program(data: bytes) -> bytes:
    """Return the JSON of a program, rewritten, with its guards left out.

    Raises:
        ValueError: It is not JSON, or holds something that PyTorch would evaluate or import.
    """
    program = json.loads(data)
    if not isinstance(program, dict):
        raise TypeError("the program is not a JSON object")
    program["guards_code"] = []
    pending: list[Any] = [program]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            for name, value in item.items():
                if name == "expr_str":
                    check_size(value)
                elif name in ("in_spec", "out_spec") and isinstance(value, str):
                    _check_structure(value)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return json.dumps(program).encode()


def check_size(text: object) -> None:
    """Accept a size that is built of integers, symbols and known functions only.

    Raises:
        ValueError: It is anything else.
    """
    if not isinstance(text, str) or len(text) > MAX_LENGTH:
        raise ValueError("a size is not a short text")
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"size {text[:60]!r} is not an expression") from None
    if not _is_plain(tree.body):
        raise ValueError(f"size {text[:60]!r} is not built of integers and symbols only")


def _is_plain(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=int(number)):
            return abs(number) < 2**63
        case ast.Name(id=name):
            return name in _NAMES or _SYMBOL.fullmatch(name) is not None
        case ast.Call(func=ast.Name(id="Symbol"), args=[ast.Constant(value=str(name))]):
            return _SYMBOL.fullmatch(name) is not None and all(
                isinstance(k.value, ast.Constant) and isinstance(k.value.value, bool)
                for k in node.keywords
            )
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return (
                name in _FUNCTIONS
                and (name not in _POWERS or _is_small_power(arguments))
                and all(map(_is_plain, arguments))
            )
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _is_plain(operand)
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult(), left=left, right=right):
            return _is_plain(left) and _is_plain(right)
    return False


def _is_small_power(arguments: list[ast.expr]) -> bool:
    """Say whether a power takes little time to evaluate: no tower, and a small exponent."""
    if len(arguments) != 2:  # noqa: PLR2004 - base and exponent
        return False
    base, exponent = arguments
    tower = any(isinstance(n, ast.Name) and n.id in _POWERS for n in ast.walk(base))
    numbers = [n.value for n in ast.walk(exponent) if isinstance(n, ast.Constant)]
    return not tower and all(isinstance(n, int) and abs(n) <= MAX_EXPONENT for n in numbers)


def _check_structure(text: str) -> None:
    """Accept the structure of inputs or outputs, if it names no module that would be imported."""
    pending: list[Any] = [json.loads(text)]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if any(name in item for name in _IMPORTING):
                raise ValueError("the structure of inputs or outputs names a module to import")
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, str) and item.lstrip()[:1] in ("{", "["):
            pending.append(json.loads(item))
