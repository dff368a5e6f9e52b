"""Mutations of what a plan computes: values, symbols, operations, attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cep.mutate.change import REMOVED, Change, Document, Family, Surroundings
from cep.mutate.identity import NOTHING

FAMILY: Final = Family()
TYPES: Final = frozenset(
    {"CEP-T3", "CEP-T4", "CEP-T5", "CEP-E1", "CEP-E2", "CEP-S4", "CEP-T1", "CEP-O3"}
)
DTYPES: Final = ("f64", "f32", "f16", "i64", "i32", "i8", "i1")
ROLES: Final = ("IN", "CONST", "TEMP", "OUT")
TARGETS: Final = ("neg", "relu", "exp", "add.Tensor", "mul.Tensor", "maximum", "minimum", "mm")
HUGE: Final = str(2**62)


def without(items: list[Any], index: int) -> list[Any]:
    """Return a list less one item."""
    return [*items[:index], *items[index + 1 :]]


@FAMILY.meant_for("CEP-T1")
def _value_dropped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Drop the declaration of a value."""
    for i in range(len(plan["values"]) if len(plan["values"]) > 1 else 0):
        yield Change(("values",), without(plan["values"], i))


@FAMILY.meant_for("CEP-T1")
def _value_twice(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Declare a value, or store a constant, a second time."""
    for member in ("values", "constants"):
        for item in plan.get(member, []):
            yield Change((member,), [*plan[member], item])


@FAMILY.meant_for("CEP-T1")
def _value_unmade(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Declare a value that nothing makes."""
    unmade = {"id": NOTHING, "dtype": "f32", "role": "TEMP"}
    yield Change(("values",), [*plan["values"], unmade])


@FAMILY.meant_for("CEP-T1", "CEP-T5", "CEP-I4")
def _role(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Give a value another role."""
    for i, value in enumerate(plan["values"]):
        for role in (*ROLES, "STATE", "TOKEN"):
            if role != value["role"]:
                yield Change(("values", i, "role"), role)


@FAMILY.meant_for(*TYPES)
def _dtype(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Declare a value with another dtype."""
    for i, value in enumerate(plan["values"]):
        for dtype in DTYPES:
            if dtype != value["dtype"] and _matters(plan, value["id"]):
                yield Change(("values", i, "dtype"), dtype)


def _matters(plan: Document, value: str) -> bool:
    """Say whether an op or the caller reads, makes or gives a value."""
    return any(value in (*op.get("inputs", []), *op["outputs"]) for op in plan["ops"]) or any(
        b["value"] == value for b in (*plan["inputs"], *plan["outputs"])
    )


@FAMILY.meant_for("CEP-T5")
def _dtype_foreign(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Declare a value with a dtype that CEP-Core does not compute with."""
    for i in range(len(plan["values"])):
        yield Change(("values", i, "dtype"), "f8e4m3fn")


@FAMILY.meant_for(*TYPES)
def _shape(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Declare a value with another size, one axis more or one less."""
    for i, value in enumerate(plan["values"]):
        if not _matters(plan, value["id"]):
            continue
        shape = value.get("shape", [])
        yield Change(("values", i, "shape"), [*shape, "2"])
        for j, dim in enumerate(shape):
            yield Change(("values", i, "shape"), without(shape, j))
            for other in ("1", "2", "3", "5", "7"):
                if other != dim:
                    yield Change(("values", i, "shape", j), other)


@FAMILY.meant_for("CEP-T4")
def _shape_huge(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Declare a value that no memory could hold."""
    for i, value in enumerate(plan["values"]):
        yield Change(("values", i, "shape"), [*value.get("shape", []), HUGE, HUGE])


@FAMILY.meant_for("CEP-T5")
def _symbol_unknown(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Use a size that is not declared, or no longer declare one that is used."""
    for i in range(len(plan.get("symbols", []))):
        yield Change(("symbols",), without(plan["symbols"], i))
        yield Change(("symbols", i, "name"), "zz")
    for i, value in enumerate(plan["values"]):
        for j in range(len(value.get("shape", []))):
            yield Change(("values", i, "shape", j), "zz")


@FAMILY.meant_for("CEP-T5")
def _symbol_empty(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Leave a symbol no admissible size, or let it be too large."""
    for i, symbol in enumerate(plan.get("symbols", [])):
        yield Change(("symbols", i, "min"), str(int(symbol["max"]) + 1))
        yield Change(("symbols", i, "max"), str(2**50))
        yield Change(("symbols", i, "divisor"), str(2**51))


@FAMILY.meant_for(*TYPES)
def _symbol_range(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Admit other sizes."""
    for i, symbol in enumerate(plan.get("symbols", [])):
        for step in (1, 2, 3, 5, 8, 64):
            yield Change(("symbols", i, "max"), str(int(symbol["max"]) + step))
            if int(symbol["min"]) + step <= int(symbol["max"]):
                yield Change(("symbols", i, "min"), str(int(symbol["min"]) + step))


@FAMILY.meant_for("CEP-T2")
def _target_unknown(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Name an operation that there is not."""
    for i, op in enumerate(plan["ops"]):
        yield Change(("ops", i, "target"), op["target"] + "x")
        yield Change(("ops", i, "target"), "other/1:" + op["target"].partition(":")[2])


@FAMILY.meant_for(*TYPES)
def _target(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Compute something else."""
    for i, op in enumerate(plan["ops"]):
        for name in TARGETS:
            if (target := "cep-core/1:" + name) != op["target"]:
                yield Change(("ops", i, "target"), target)


@FAMILY.meant_for(*TYPES)
def _operand(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Compute with another value."""
    for i, op in enumerate(plan["ops"]):
        for j, operand in enumerate(op.get("inputs", [])):
            for value in plan["values"]:
                if value["id"] != operand:
                    yield Change(("ops", i, "inputs", j), value["id"])


@FAMILY.meant_for(*TYPES)
def _operands_swapped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Exchange two operands."""
    for i, op in enumerate(plan["ops"]):
        inputs = op.get("inputs", [])
        for j in range(len(inputs) - 1):
            if inputs[j] != inputs[j + 1]:
                swapped = [*inputs[:j], inputs[j + 1], inputs[j], *inputs[j + 2 :]]
                yield Change(("ops", i, "inputs"), swapped)


@FAMILY.meant_for(*TYPES)
def _operand_dropped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Give an operation one operand less, or one more."""
    for i, op in enumerate(plan["ops"]):
        inputs = op.get("inputs", [])
        for j in range(len(inputs)):
            yield Change(("ops", i, "inputs"), without(inputs, j))
        if inputs:
            yield Change(("ops", i, "inputs"), [*inputs, inputs[0]])


@FAMILY.meant_for("CEP-T1")
def _operand_unknown(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Compute with a value that there is not."""
    for i, op in enumerate(plan["ops"]):
        for j in range(len(op.get("inputs", []))):
            yield Change(("ops", i, "inputs", j), NOTHING)


@FAMILY.meant_for("CEP-T1")
def _result_redirected(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Make another value."""
    for i, op in enumerate(plan["ops"]):
        for j, made in enumerate(op["outputs"]):
            for value in (*(v["id"] for v in plan["values"]), NOTHING):
                if value != made:
                    yield Change(("ops", i, "outputs", j), value)


@FAMILY.meant_for("CEP-T1")
def _result_added(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Make one value more."""
    for i, op in enumerate(plan["ops"]):
        yield Change(("ops", i, "outputs"), [*op["outputs"], NOTHING])


@FAMILY.meant_for("CEP-T1", "CEP-I6")
def _op_dropped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Drop an operation."""
    for i in range(len(plan["ops"]) if len(plan["ops"]) > 1 else 0):
        yield Change(("ops",), without(plan["ops"], i))


@FAMILY.meant_for("CEP-T1")
def _op_twice(plan: Document, _: Surroundings) -> Iterator[Change]:
    """List an operation a second time."""
    for op in plan["ops"]:
        yield Change(("ops",), [*plan["ops"], op])


@FAMILY.meant_for("CEP-S4", "CEP-S3", "CEP-S2")
def _ops_swapped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Exchange two neighbouring operations."""
    ops = plan["ops"]
    for i in range(len(ops) - 1):
        yield Change(("ops",), [*ops[:i], ops[i + 1], ops[i], *ops[i + 2 :]])


def _other(attribute: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield other values of an attribute."""
    for key, value in attribute.items():
        if key == "flag":
            yield attribute | {key: not value}
        elif key == "integer":
            yield from (attribute | {key: str(int(value) + step)} for step in (1, 2, -1))
        elif key == "real":
            yield attribute | {key: (float.fromhex(value) + 1.0).hex()}
        elif key == "dim":
            yield attribute | {key: "3"}
        elif key == "dtype":
            yield from (attribute | {key: dtype} for dtype in DTYPES if dtype != value)
        elif key in ("integers", "dims"):
            items = value.get("items", [])
            yield attribute | {key: {"items": [*items, "2"]}}
            for i, item in enumerate(items):
                changed = str(int(item) + 1) if key == "integers" else "17"
                yield attribute | {key: {"items": [*items[:i], changed, *items[i + 1 :]]}}


@FAMILY.meant_for(*TYPES)
def _attribute(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Compute with another attribute."""
    for i, op in enumerate(plan["ops"]):
        for j, attribute in enumerate(op.get("attributes", [])):
            for other in _other(attribute):
                yield Change(("ops", i, "attributes", j), other)


@FAMILY.meant_for(*TYPES)
def _attribute_dropped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Leave an attribute out."""
    for i, op in enumerate(plan["ops"]):
        for j in range(len(op.get("attributes", []))):
            yield Change(("ops", i, "attributes"), without(op["attributes"], j))


@FAMILY.meant_for("CEP-T3")
def _attribute_unknown(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Give an operation an attribute that it does not take."""
    for i, op in enumerate(plan["ops"]):
        extra = {"name": "zz-unknown", "integer": "1"}
        yield Change(("ops", i, "attributes"), [*op.get("attributes", []), extra])


@FAMILY.meant_for("CEP-T1", "CEP-E1", "CEP-E2")
def _constant_dropped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Drop a constant."""
    for i in range(len(plan.get("constants", []))):
        shorter = without(plan["constants"], i)
        yield Change(("constants",), shorter or REMOVED)


@FAMILY.meant_for("CEP-T1", "CEP-E1", "CEP-E2", "CEP-I2")
def _constants_swapped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Exchange the elements of two constants."""
    constants = plan.get("constants", [])
    for i in range(len(constants) - 1):
        one, two = constants[i], constants[i + 1]
        if one["digest"] != two["digest"]:
            swapped = [two | {"value": one["value"]}, one | {"value": two["value"]}]
            yield Change(("constants",), [*constants[:i], *swapped, *constants[i + 2 :]])
