"""What one rule finds in the descriptor of spec/acp.md with other members."""

from __future__ import annotations

from acp import rules
from acp.v1.capability import CapabilityDescriptor
from tests.acp.examples import NOW, changed, descriptor


def found(code, *changes, base=None):
    """Places and messages of one rule, after changes by JSON Pointer."""
    value = base or descriptor()
    for path, member in changes:
        value = changed(value, path, member)
    document = CapabilityDescriptor.from_json(value)
    context = rules.Context(now=NOW)
    return [(one.path, one.message) for one in rules.check(document, context) if one.code == code]


def places(code, *changes, base=None):
    """Places at which one rule is broken, after changes by JSON Pointer."""
    return [path for path, _ in found(code, *changes, base=base)]


def rate(peak=10**12, a="f16", acc="f32", **members):
    """A rate of operands of one dtype."""
    row = {"a": a, "b": a, "acc": acc, "out": acc, "sparsity": "dense"}
    return row | {"peak_ops_per_s": str(peak)} | members


def engine(*rates, **members):
    """The engine of the descriptor, with other rates, that nothing says how to compute."""
    return ("/engines", [{"id": "tensor", "kind": "MATRIX", "rates": list(rates)} | members])
