"""Mutations of what a plan promises: time, energy, numbers and places; and of the estimates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cep.mutate.change import REMOVED, Change, Document, Family, Surroundings
from cep.mutate.identity import NOTHING
from cep.opset import OPERATIONS

FAMILY: Final = Family()
TIME: Final = ("p99_ns", "deadline_ns")
ENERGY: Final = ("femtojoules", "energy_fj")


def _estimates(plan: Document, member: str) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """Yield where a number of each estimate stands, of steps and alternates, and the number."""
    for i, step in enumerate(plan["steps"]):
        owners: list[tuple[tuple[str | int, ...], Any]] = [(("steps", i), step)]
        owners += [
            (("steps", i, "alternates", k), one) for k, one in enumerate(step.get("alternates", []))
        ]
        for path, owner in owners:
            if member in owner.get("estimate", {}):
                yield (*path, "estimate", member), int(owner["estimate"][member])


@FAMILY.meant_for("CEP-K1")
def _deadline_too_early(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Promise to end before the longest step can."""
    times = [time for _, time in _estimates(plan, "p99_ns")]
    if "deadline_ns" in plan["constraints"] and times:
        for early in sorted({0, max(times) // 2, max(times) - 1}):
            yield Change(("constraints", "deadline_ns"), str(early))


@FAMILY.meant_for("CEP-K1")
def _copy_hurried(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Expect of a copy over a link that it takes no time to speak of."""
    for i, step in enumerate(plan["steps"]):
        hurried = step.get("transfer", {}).get("link") and step.get("estimate", {}).get("p99_ns")
        if hurried and "deadline_ns" in plan["constraints"]:
            yield Change(("steps", i, "estimate", "p99_ns"), "1")


@FAMILY.meant_for("CEP-K2")
def _energy_too_little(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Promise to use less energy than the step that uses most."""
    used = [energy for _, energy in _estimates(plan, "femtojoules")]
    if "energy_fj" in plan["constraints"] and max(used, default=0):
        for little in sorted({0, max(used) // 2, max(used) - 1}):
            yield Change(("constraints", "energy_fj"), str(little))


@FAMILY.meant_for("CEP-K1", "CEP-K2", "CEP-R1")
def _estimate_exceeded(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Expect more of a step than is promised of the plan."""
    for member, limit in (TIME, ENERGY):
        if limit in plan["constraints"]:
            for path, _number in _estimates(plan, member):
                yield Change(path, str(int(plan["constraints"][limit]) + 1))


@FAMILY.meant_for("CEP-K1", "CEP-K2", "CEP-R1")
def _estimate_withheld(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Do not say what is expected of a step, where something is promised of the plan."""
    for member, limit in (TIME, ENERGY):
        if limit in plan["constraints"]:
            for path, _number in _estimates(plan, member):
                yield Change(path, REMOVED)


@FAMILY.meant_for("CEP-K3")
def _numbers_too_close(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Promise closer numbers than a device rounds."""
    floats = {v["id"] for v in plan["values"] if v["dtype"].lstrip("b").startswith("f")}
    rounds = any(OPERATIONS[op["target"]].error != "exact" for op in plan["ops"])
    if not rounds or not floats.intersection(b["value"] for b in plan["outputs"]):
        return
    exact = {k: v for k, v in plan["constraints"].items() if k != "numeric_tolerance"}
    yield Change(("constraints", "numeric_tolerance"), "0")
    yield Change(("constraints",), exact | {"numeric": "BITWISE"})
    yield Change(("constraints",), exact | {"numeric": "ULP", "numeric_tolerance": "0"})


@FAMILY.meant_for("CEP-K3")
def _tolerance_missing(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Do not say how close the numbers are, or say it of the same bits."""
    if "numeric_tolerance" in plan["constraints"]:
        yield Change(("constraints", "numeric_tolerance"), REMOVED)
        yield Change(("constraints", "numeric"), "BITWISE")


@FAMILY.meant_for("CEP-K4")
def _place_elsewhere(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Promise to stay in a place where no device is."""
    labels = plan["constraints"].get("locality_labels", [])
    if labels:
        yield Change(("constraints", "locality_labels"), [*labels, NOTHING])
        yield Change(("constraints", "locality_labels"), [NOTHING])
