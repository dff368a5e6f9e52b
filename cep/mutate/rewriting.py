"""Mutations of logs of rewrites, and of constants that were folded."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from acp.canonical import canonicalize
from cep.mutate.change import Change, Document, Family, Surroundings
from cep.mutate.identity import NOTHING
from cep.rewrite import FOLD, KIND

FAMILY: Final = Family()
_STORED: Final = ("digest", "store_digest", "key")


def _logs(plan: Document) -> Iterator[tuple[int, Document]]:
    for i, entry in enumerate(plan.get("evidence", [])):
        if entry["kind"] == KIND and "inline" in entry:
            yield i, json.loads(base64.b64decode(entry["inline"]))


def _written(index: int, log: Mapping[str, Any]) -> Change:
    content = canonicalize({member: items for member, items in log.items() if items})
    return Change(("evidence", index, "inline"), base64.b64encode(content).decode("ascii"))


@FAMILY.meant_for("CEP-E2")
def _rewrite_dropped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Leave a rewrite out."""
    for i, log in _logs(plan):
        done = log["rewrites"]
        for at in range(len(done)):
            yield _written(i, log | {"rewrites": [*done[:at], *done[at + 1 :]]})


@FAMILY.meant_for("CEP-E2")
def _rewrite_by_another_rule(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Name another rule, or one that does not exist."""
    for i, log in _logs(plan):
        done = log["rewrites"]
        for at, (rule, value) in enumerate(done):
            for other in {"same-shape", "silu", NOTHING} - {rule}:
                yield _written(i, log | {"rewrites": [*done[:at], [other, value], *done[at + 1 :]]})


@FAMILY.meant_for("CEP-E2")
def _rewrite_elsewhere(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Use a rule on another value."""
    for i, log in _logs(plan):
        done = log["rewrites"]
        for at, (rule, value) in enumerate(done):
            for other in sorted({v for op in plan["ops"] for v in op["outputs"]} - {value}):
                yield _written(i, log | {"rewrites": [*done[:at], [rule, other], *done[at + 1 :]]})


@FAMILY.meant_for("CEP-E1", "CEP-E2")
def _source_op(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Let the source have another operation, or not have it."""
    for i, log in _logs(plan):
        ops = log.get("ops", [])
        for at, op in enumerate(ops):
            yield _written(i, log | {"ops": [*ops[:at], *ops[at + 1 :]]})
            for target in ("abs", "neg", "relu"):
                other = op | {"target": f"cep-core/1:{target}"}
                if other != op:
                    yield _written(i, log | {"ops": [*ops[:at], other, *ops[at + 1 :]]})


@FAMILY.meant_for("CEP-E2")
def _log_twice(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Bring a log a second time."""
    for i, _log in _logs(plan):
        yield Change(("evidence",), [*plan["evidence"], plan["evidence"][i]])


@FAMILY.meant_for("CEP-E4")
def _folded_otherwise(plan: Document, around: Surroundings) -> Iterator[Change]:
    """Take what was not computed for a folded constant."""
    constants = plan.get("constants", [])
    for _i, log in _logs(plan) if around.recomputed else ():
        folded = {value for rule, value in log["rewrites"] if rule == FOLD}
        values = {v["id"]: v for v in (*plan["values"], *log.get("values", []))}
        for at, constant in enumerate(constants):
            for other in (*constants, *log.get("constants", [])):
                alike = [(values[c["value"]]["dtype"], values[c["value"]].get("shape"))
                         for c in (constant, other)]  # fmt: skip
                differs = other["digest"] != constant["digest"]
                if constant["value"] in folded and differs and alike[0] == alike[1]:
                    taken = {member: other[member] for member in _STORED}
                    yield Change(("constants", at), constant | taken)
