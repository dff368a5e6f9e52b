"""Rules of family T: is what is computed well typed, for every admissible size?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from itertools import chain
from typing import TYPE_CHECKING, Final

from cep.expr import ZERO, Dim
from cep.graph import attribute_form
from cep.opset import OPERATIONS
from cep.opset.definition import DTYPE_BYTES, Call
from cep.prove import at_most
from cep.verify.rules import Finding, once, rule
from cep.verify.subject import INT64_MAX, MAX_SYMBOL

if TYPE_CHECKING:
    from cep.opset.definition import AttributeKind
    from cep.verify.subject import Subject

MADE: Final = ("TEMP", "OUT", "STATE", "TOKEN")
"""Roles of what ops make."""


@rule("CEP-T1", stage=1)
def single_definition(s: Subject) -> Iterator[Finding]:
    """Every value that is used is declared, and defined once: given, stored or made by one op."""
    if not _well_defined(s):
        yield from _misdefined(s)


def _misdefined(s: Subject) -> Iterator[Finding]:
    made: set[str] = set()
    for path, value, roles in _definitions(s):
        if value in made:
            yield Finding(path, f"value {value!r} is defined a second time")
        made.add(value)
        declared = s.view.roles.get(value)
        if declared is None:
            yield Finding(path, f"value {value!r} is not declared in values")
        elif declared not in roles:
            allowed = " or ".join(roles)
            message = f"value {value!r} is declared {declared}; defined here, it is {allowed}"
            yield Finding(path, message)
    for path, value in _uses(s):
        if value not in made:
            yield Finding(path, f"value {value!r} is used but defined nowhere")
    results = {b.value for b in s.plan.outputs}
    for i, declaration in enumerate(s.plan.values):
        if declaration.id not in made:
            yield Finding(("values", i), f"value {declaration.id!r} is defined nowhere")
        if (declaration.role == "OUT") != (declaration.id in results):
            message = f"value {declaration.id!r}: the outputs and the role OUT must name the same"
            yield Finding(("values", i, "role"), message)


def _well_defined(s: Subject) -> bool:
    """Say whether there is nothing to be found, which is quickly seen of all values at once."""
    roles, nodes, results = s.view.roles, s.view.nodes, {b.value for b in s.plan.outputs}
    given, stored = ([b.value for b in x] for x in (s.plan.inputs, s.plan.constants))
    outputs = list(chain.from_iterable([node.outputs for node in nodes]))
    made = {*given, *stored, *outputs}
    return (
        len(made) == len(given) + len(stored) + len(outputs)
        and {"IN"}.issuperset(map(roles.get, given))
        and {"CONST"}.issuperset(map(roles.get, stored))
        and {*MADE}.issuperset(map(roles.get, outputs))
        and made.issuperset(chain.from_iterable([node.inputs for node in nodes]))
        and made.issuperset(s.values)
        and made.issuperset(roles)
        and results == {value for value, role in roles.items() if role == "OUT"}
    )


def _definitions(s: Subject) -> Iterator[tuple[tuple[str | int, ...], str, tuple[str, ...]]]:
    for i, binding in enumerate(s.plan.inputs):
        yield ("inputs", i, "value"), binding.value, ("IN",)
    for i, constant in enumerate(s.plan.constants):
        yield ("constants", i, "value"), constant.value, ("CONST",)
    for i, op in enumerate(s.plan.ops):
        for j, value in enumerate(op.outputs):
            yield ("ops", i, "outputs", j), value, MADE


def _uses(s: Subject) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for i, op in enumerate(s.plan.ops):
        for j, value in enumerate(op.inputs):
            yield ("ops", i, "inputs", j), value
    for i, binding in enumerate(s.plan.outputs):
        yield ("outputs", i, "value"), binding.value
    for i, buffer in enumerate(s.plan.buffers):
        yield ("buffers", i, "value"), buffer.value


@rule("CEP-T2", stage=1)
def known_operations(s: Subject) -> Iterator[Finding]:
    """Every op is in the pinned opset."""
    pinned = {f"{o.namespace}/{o.version}" for o in s.plan.opsets}
    used = {node.target for node in s.view.nodes}
    known = {target for target in used & OPERATIONS.keys() if target.partition(":")[0] in pinned}
    for i, op in enumerate(s.plan.ops if used - known else ()):
        if op.target.partition(":")[0] not in pinned:
            message = f"{op.target} is of an opset that the plan does not pin"
            yield Finding(("ops", i, "target"), message)
        elif op.target not in OPERATIONS:
            yield Finding(("ops", i, "target"), f"there is no operation {op.target}")


@cache
def kinds(target: str) -> dict[str, AttributeKind]:
    """Return the kinds of an operation's attributes, by name."""
    return {p.name: p.kind for p in OPERATIONS[target].parameters}


@rule("CEP-T3", stage=2)
def inferred_types(s: Subject) -> Iterator[Finding]:
    """Re-inferred dtypes and shapes are those that are declared, for all sizes."""
    yield from once(s.uses, partial(_inferred, s))


def _inferred(s: Subject, i: int) -> Iterator[Finding]:
    types, node = s.view.types, s.view.nodes[i]
    call = Call(tuple(types[v] for v in node.inputs), node.attributes, s.view.ranges)
    try:
        inferred = OPERATIONS[node.target].types(call)
    except ValueError as error:
        yield Finding(("ops", i), f"{node.target}: {error}")
        return
    for j, attribute in enumerate(s.plan.ops[i].attributes):
        kind = kinds(node.target)[attribute.name]
        value = node.attributes[attribute.name]
        if value == () or attribute_form(attribute.name, kind, value) != attribute:
            message = f"attribute {attribute.name!r} is not in the one form of a {kind}"
            yield Finding(("ops", i, "attributes", j), message)
    if len(inferred) != len(node.outputs):
        message = f"{node.target} makes {len(inferred)} values, not {len(node.outputs)}"
        yield Finding(("ops", i, "outputs"), message)
        return
    for j, (value, actual) in enumerate(zip(node.outputs, inferred, strict=True)):
        if types[value] != actual:
            message = f"{value!r} is declared {types[value]}; {node.target} makes {actual}"
            yield Finding(("ops", i, "outputs", j), message)


@rule("CEP-T4", stage=2)
def no_overflow(s: Subject) -> Iterator[Finding]:
    """No size, element count or byte count is negative or exceeds 63 bits, for any sizes."""
    yield from once(map(id, s.view.types.values()), partial(_overflow, s))


def _overflow(s: Subject, i: int) -> Iterator[Finding]:
    value = s.plan.values[i].id
    for j, dim in enumerate(s.view.types[value].shape):
        if not (sound := at_most(ZERO, dim, s.view.ranges)):
            yield Finding(("values", i, "shape", j), f"{dim} >= 0 {sound}")
    count = s.largest_bytes(value)
    if count > INT64_MAX:
        # The number itself can have thousands of digits, which Python refuses to write.
        power = count.bit_length() - 1
        message = f"{value!r} can have 2^{power} bytes or more, which do not fit 63 bits"
        yield Finding(("values", i, "shape"), message)


@rule("CEP-T5", stage=1)
def satisfiable_symbols(s: Subject) -> Iterator[Finding]:
    """Every symbol has an admissible size, which an input says; dims use no other symbols."""
    given = [s.view.types[b.value].shape for b in s.plan.inputs if b.value in s.view.types]
    said = {dim for shape in given for dim in shape}
    for i, symbol in enumerate(s.plan.symbols):
        if Dim.symbol(symbol.name) not in said:
            message = f"no input has an axis of size {symbol.name}, so that nothing says it"
            yield Finding(("symbols", i), message)
        divisor = symbol.divisor or 1
        if not s.view.ranges[symbol.name].count:
            message = f"no multiple of {divisor} lies between {symbol.min} and {symbol.max}"
            yield Finding(("symbols", i), message)
        elif symbol.max > MAX_SYMBOL:
            yield Finding(("symbols", i, "max"), f"{symbol.max} is more than {MAX_SYMBOL}")
    kinds = zip(map(id, s.view.types.values()), s.view.roles.values(), strict=True)
    yield from once(kinds, partial(_typed, s))
    yield from once([id(node.attributes) for node in s.view.nodes], partial(_attributed, s))


def _typed(s: Subject, i: int) -> Iterator[Finding]:
    value = s.plan.values[i]
    if value.dtype not in DTYPE_BYTES:
        message = f"CEP-Core does not compute with dtype {value.dtype!r}"
        yield Finding(("values", i, "dtype"), message)
    shape = s.view.types[value.id].shape
    for unknown in _unknown(s, shape):
        yield Finding(("values", i, "shape"), f"symbol {unknown!r} is not declared")
    if value.role == "CONST" and any(d.value is None for d in shape):
        yield Finding(("values", i, "shape"), "a constant has fixed sizes")


def _attributed(s: Subject, i: int) -> Iterator[Finding]:
    for name, attribute in s.view.nodes[i].attributes.items():
        items = attribute if isinstance(attribute, tuple) else (attribute,)
        for unknown in _unknown(s, items):
            message = f"symbol {unknown!r} in attribute {name!r} is not declared"
            yield Finding(("ops", i, "attributes"), message)


def _unknown(s: Subject, dims: tuple[object, ...]) -> list[str]:
    used = {name for d in dims if isinstance(d, Dim) for name in d.symbols}
    return sorted(used - set(s.view.ranges))


@rule("CEP-T6", stage=4)
def deterministic(s: Subject) -> Iterator[Finding]:
    """Under `deterministic`, no op may give other bits for the same inputs."""
    if not s.plan.constraints.deterministic:
        return
    for i in range(len(s.plan.steps)):
        slot, (body, ops) = s.device_of(i), s.work(i)
        for j, index in enumerate(ops):
            target = s.view.nodes[index].target
            if OPERATIONS[target].nondeterministic:
                message = f"{target} is not deterministic on any device"
            elif determinism(s, slot, target) & {None, "NONE"}:
                message = f"{slot!r} does not claim that {target} is deterministic"
            else:
                continue
            yield Finding(("steps", i, body, "ops", j), message)


def determinism(s: Subject, slot: str, target: str) -> set[str | None]:
    """Return where the variants of an operation say that they give the same bits; None: nowhere."""
    variants = s.claims.get(slot, {}).get(target, ())
    return {v.numerics.determinism if v.numerics else None for v in variants} or {None}
