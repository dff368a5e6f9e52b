"""Mutations of compiled code and of what is said about it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, Final

from acp.canonical import canonicalize
from cep.mutate.change import REMOVED, Change, Document, Family, Surroundings
from cep.mutate.identity import NOTHING, other_digest

FAMILY: Final = Family()


@FAMILY.meant_for("CEP-C3")
def _artifact_abi(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Bring code for software that no device has."""
    for i in range(len(plan.get("artifacts", []))):
        yield Change(("artifacts", i, "abi"), NOTHING)


@FAMILY.meant_for("CEP-C3")
def _artifact_driver(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Bring code for a driver of another version, or of none."""
    for i in range(len(plan.get("artifacts", []))):
        for versions in ("<0", "nothing"):
            yield Change(("artifacts", i, "driver_range"), versions)


@FAMILY.meant_for("CEP-I6")
def _artifact_nowhere(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Name code that the plan does not bring."""
    for i, step in enumerate(plan["steps"]):
        if "artifact" in step.get("run", {}):
            yield Change(("steps", i, "run", "artifact"), other_digest(step["run"]["artifact"]))


@FAMILY.meant_for("CEP-I6")
def _artifact_twice(plan: Document, _: Surroundings) -> Iterator[Change]:
    """List code a second time."""
    for artifact in plan.get("artifacts", []):
        yield Change(("artifacts",), [*plan["artifacts"], artifact])


@FAMILY.meant_for("CEP-E3")
def _certificate_dropped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Leave a certificate out."""
    for i, _entry in _certificates(plan):
        yield Change(("evidence",), [e for j, e in enumerate(plan["evidence"]) if j != i])


@FAMILY.meant_for("CEP-E3")
def _certificate_of_other_steps(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Let a certificate speak of another step, or of none."""
    for i, entry in _certificates(plan):
        steps = entry["subject_steps"]
        yield Change(("evidence", i, "subject_steps"), REMOVED)
        for other in range(len(plan["steps"])):
            if other not in steps:
                yield Change(("evidence", i, "subject_steps"), [other])


@FAMILY.meant_for("CEP-E3")
def _certificate_of_something_else(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Certify other code, another region, or a difference that is too large."""
    limit = int(plan["constraints"].get("numeric_tolerance", "0"))
    for i, entry in _certificates(plan):
        shown = json.loads(base64.b64decode(entry["inline"]))
        for member, value in (
            ("artifact", other_digest(shown["artifact"])),
            ("region", other_digest(shown["region"])),
            ("worst", str(limit + 1)),
            ("samples", []),
            ("samples", [{**shown["samples"][0], NOTHING: "1"}]),
        ):
            changed = canonicalize({**shown, member: value})
            yield Change(("evidence", i, "inline"), base64.b64encode(changed).decode())


@FAMILY.meant_for("CEP-I4")
def _evidence_for_nobody(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Give evidence that no checker understands."""
    for i in range(len(plan.get("evidence", []))):
        for member in ("kind", "checker"):
            yield Change(("evidence", i, member), NOTHING)


@FAMILY.meant_for("CEP-I6")
def _evidence_beyond(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Give evidence about a step that is not there."""
    for i in range(len(plan.get("evidence", []))):
        yield Change(("evidence", i, "subject_steps"), [len(plan["steps"])])


def _certificates(plan: Document) -> Iterator[tuple[int, Any]]:
    for i, entry in enumerate(plan.get("evidence", [])):
        if entry["kind"] == "differential":
            yield i, entry
