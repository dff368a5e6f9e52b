"""Mutations of what a plan is: digests, features, terms, names and references."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cep.mutate.change import Change, Document, Family, Surroundings

FAMILY: Final = Family()
NOTHING: Final = "nothing-has-this-name"


def other_digest(digest: str) -> str:
    """Return a digest that differs in its last character."""
    return digest[:-1] + ("0" if digest[-1] != "0" else "1")


@FAMILY.meant_for("CEP-E1")
def _graph_digest(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Claim to be another graph."""
    yield Change(("source", "graph_digest"), other_digest(plan["source"]["graph_digest"]))


@FAMILY.meant_for("CEP-I2", "CEP-E1", "CEP-E4")
def _opset_digest(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Pin another table of operations."""
    for i, opset in enumerate(plan["opsets"]):
        yield Change(("opsets", i, "schema_digest"), other_digest(opset["schema_digest"]))


@FAMILY.meant_for("CEP-T2")
def _opset_version(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Pin another version of the opset."""
    for i, opset in enumerate(plan["opsets"]):
        yield Change(("opsets", i, "version"), opset["version"] + 1)


@FAMILY.meant_for("CEP-I2")
def _opset_twice(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Pin an opset a second time."""
    for opset in plan["opsets"]:
        yield Change(("opsets",), [*plan["opsets"], opset])


@FAMILY.meant_for("CEP-I2")
def _device_digest(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Name a descriptor that was not given."""
    for i, device in enumerate(plan["devices"]):
        if "descriptor_digest" in device:
            digest = other_digest(device["descriptor_digest"])
            yield Change(("devices", i, "descriptor_digest"), digest)


@FAMILY.meant_for("CEP-C5")
def _device_doubted(plan: Document, around: Surroundings) -> Iterator[Change]:
    """Name a descriptor that was given and is not believed."""
    for i, device in enumerate(plan["devices"]):
        for digest in around.doubted if "descriptor_digest" in device else ():
            yield Change(("devices", i, "descriptor_digest"), digest)


@FAMILY.meant_for("CEP-I2", "CEP-E1", "CEP-E4")
def _constant_digest(plan: Document, around: Surroundings) -> Iterator[Change]:
    """Claim other elements of a constant."""
    for i, constant in enumerate(plan.get("constants", [])):
        if around.weights or _is_read(plan, constant["value"]):
            yield Change(("constants", i, "digest"), other_digest(constant["digest"]))


def _is_read(plan: Document, value: str) -> bool:
    return any(value in op.get("inputs", []) for op in plan["ops"])


@FAMILY.meant_for("CEP-I2")
def _constant_store(plan: Document, around: Surroundings) -> Iterator[Change]:
    """Take a constant from a file that is not there."""
    for i, constant in enumerate(plan.get("constants", []) if around.weights else []):
        yield Change(("constants", i, "store_digest"), other_digest(constant["store_digest"]))


@FAMILY.meant_for("CEP-I2")
def _constant_key(plan: Document, around: Surroundings) -> Iterator[Change]:
    """Take a constant from a tensor that the file does not have."""
    for i in range(len(plan.get("constants", [])) if around.weights else 0):
        yield Change(("constants", i, "key"), NOTHING)


@FAMILY.meant_for("CEP-I4")
def _feature_unknown(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Declare a feature that nobody understands."""
    yield Change(("features",), sorted({*plan.get("features", []), "unheard-of"}))


UNDECLARED: Final[tuple[tuple[tuple[str, ...], Any], ...]] = (
    (("stream",), {"microbatches": 2, "ring_depth": 2}),
    (("safety",), {"nan_guard": True}),
    (("artifacts",), [{"digest": "sha256:" + "0" * 64, "media_type": "a/b", "abi": "c"}]),
    (
        ("evidence",),
        [{"kind": "measured", "checker": "vendor", "digest": "sha256:" + "0" * 64}],
    ),
    (("constraints", "deadline_ns"), "1000000"),
    (("constraints", "energy_fj"), "1000000"),
    (("constraints", "locality_labels"), ["here"]),
)


@FAMILY.meant_for("CEP-I4")
def _undeclared_member(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Use a feature of the whole plan without declaring it."""
    for (first, *rest), value in UNDECLARED:
        if first not in plan or (rest and rest[0] not in plan[first]):
            yield Change((first, *rest), value)


@FAMILY.meant_for("CEP-I4", "CEP-C1")
def _undeclared_predicate(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Name a condition in place of a descriptor."""
    for i, device in enumerate(plan["devices"]):
        yield Change(("devices", i), {"slot": device["slot"], "predicate": "true"})


@FAMILY.meant_for("CEP-I4")
def _undeclared_layout(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Lay a value out in another order."""
    for i in range(len(plan["values"])):
        yield Change(("values", i, "layout"), "channels_last")


@FAMILY.meant_for("CEP-I4")
def _undeclared_network(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Make a queue one between hosts."""
    for i in range(len(plan["queues"])):
        yield Change(("queues", i, "kind"), "NET")


@FAMILY.meant_for("CEP-I4", "CEP-C6")
def _undeclared_alternate(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Give a step a fallback."""
    for i, step in enumerate(plan["steps"]):
        yield Change(("steps", i, "alternates"), [{"queue": step["queue"]}])


@FAMILY.meant_for("CEP-I4")
def _undeclared_artifact(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Run compiled code in place of a region."""
    for i, step in enumerate(plan["steps"]):
        if "run" in step:
            yield Change(("steps", i, "run", "artifact"), "sha256:" + "0" * 64)


@FAMILY.meant_for("CEP-I4", "CEP-O3")
def _undeclared_body(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Make a step a collective, or a call of another plan."""
    for i, step in enumerate(plan["steps"]):
        rest = {k: v for k, v in step.items() if k not in ("run", "transfer", "collective")}
        yield Change(("steps", i), rest | {"call": {"subplan": "sha256:" + "0" * 64}})
        yield Change(("steps", i), rest | {"collective": {"group": "g", "kind": "BROADCAST"}})


@FAMILY.meant_for("CEP-I5")
def _expired(plan: Document, around: Surroundings) -> Iterator[Change]:
    """End the plan's validity now, or before."""
    for moment in (around.now, plan["issued_at"]):
        yield Change(("expires_at",), moment)


@FAMILY.meant_for("CEP-I5")
def _not_yet_valid(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Begin the plan's validity later."""
    for member in ("not_before", "issued_at"):
        if member == "not_before" or "not_before" not in plan:
            yield Change((member,), plan["expires_at"])


@FAMILY.meant_for("CEP-I5")
def _revision_old(_: Document, around: Surroundings) -> Iterator[Change]:
    """Take a revision that the policy no longer allows."""
    if around.least_revision > 1:
        yield Change(("revision",), str(around.least_revision - 1))


NAMED: Final = {"devices": "slot", "arenas": "id", "queues": "id"}


@FAMILY.meant_for("CEP-I6", "CEP-O5")
def _renamed(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Rename a device, arena or queue that others refer to."""
    used = {
        "devices": {x["device"] for x in (*plan["arenas"], *plan["queues"])},
        "arenas": {b["arena"] for b in plan["buffers"]},
        "queues": {t["queue"] for t in plan["steps"]},
    }
    for member, key in NAMED.items():
        for i, item in enumerate(plan[member]):
            if item[key] in used[member]:
                yield Change((member, i, key), NOTHING)


@FAMILY.meant_for("CEP-I6")
def _named_twice(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Give a device, arena, queue, input or output the name of another."""
    for member, key in (*NAMED.items(), ("inputs", "name"), ("outputs", "name")):
        for i, item in enumerate(plan[member]):
            for other in plan[member]:
                if other[key] != item[key]:
                    yield Change((member, i, key), other[key])


@FAMILY.meant_for("CEP-I6")
def _reference_unknown(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Refer to a device, arena or queue that there is not."""
    for member, key in (("arenas", "device"), ("queues", "device"), ("buffers", "arena")):
        for i in range(len(plan[member])):
            yield Change((member, i, key), NOTHING)
    for i in range(len(plan["constraints"].get("peak_bytes", []))):
        yield Change(("constraints", "peak_bytes", i, "device"), NOTHING)
    for i, step in enumerate(plan["steps"]):
        yield Change(("steps", i, "queue"), NOTHING)
        for j in range(len(step.get("waits", []))):
            yield Change(("steps", i, "waits", j, "queue"), NOTHING)


@FAMILY.meant_for("CEP-I6")
def _index_unknown(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Refer to a buffer or an op that there is not."""
    buffers, ops = len(plan["buffers"]), len(plan["ops"])
    for i, step in enumerate(plan["steps"]):
        for member in ("reads", "writes"):
            for j in range(len(step.get(member, []))):
                yield Change(("steps", i, member, j), buffers)
        for j in range(len(step["run"]["ops"]) if "run" in step else 0):
            yield Change(("steps", i, "run", "ops", j), ops)
    for i in range(buffers):
        yield Change(("buffers", i, "in_place_of"), buffers)


@FAMILY.meant_for("CEP-I6")
def _dropped_name(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Drop a device, arena or queue that others refer to."""
    referring = {
        "devices": [x["device"] for x in (*plan["arenas"], *plan["queues"])],
        "arenas": [b["arena"] for b in plan["buffers"]],
        "queues": [t["queue"] for t in plan["steps"]],
    }
    for member, key in NAMED.items():
        for i, item in enumerate(plan[member]):
            if item[key] in referring[member] and len(plan[member]) > 1:
                yield Change((member,), [*plan[member][:i], *plan[member][i + 1 :]])


@FAMILY.meant_for("CEP-E1", "CEP-T1")
def _binding_renamed(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Rename what the caller gives or gets."""
    for member in ("inputs", "outputs"):
        for i in range(len(plan[member])):
            yield Change((member, i, "name"), NOTHING)


@FAMILY.meant_for("CEP-E1", "CEP-T1")
def _bindings_swapped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Exchange the values that two names of the caller stand for."""
    for member in ("inputs", "outputs"):
        bindings = plan[member]
        for i in range(len(bindings) - 1):
            one, two = bindings[i], bindings[i + 1]
            swapped = [one | {"value": two["value"]}, two | {"value": one["value"]}]
            if one["value"] != two["value"]:
                yield Change((member,), [*bindings[:i], *swapped, *bindings[i + 2 :]])


@FAMILY.meant_for("CEP-T1", "CEP-E1")
def _output_dropped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Give the caller one output less."""
    outputs = plan["outputs"]
    for i in range(len(outputs) if len(outputs) > 1 else 0):
        yield Change(("outputs",), [*outputs[:i], *outputs[i + 1 :]])


@FAMILY.meant_for("CEP-T1")
def _output_redirected(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Give the caller another value."""
    for i, binding in enumerate(plan["outputs"]):
        for value in plan["values"]:
            if value["id"] != binding["value"]:
                yield Change(("outputs", i, "value"), value["id"])


@FAMILY.meant_for("CEP-T6")
def _determinism_promised(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Promise the same bits every time."""
    if not plan["constraints"].get("deterministic"):
        yield Change(("constraints",), plan["constraints"] | {"deterministic": True})


@FAMILY.meant_for("CEP-I3")
def _spelled_otherwise(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Write a size, a number or a list of attributes in another form."""
    for i, value in enumerate(plan["values"]):
        for j, dim in enumerate(value.get("shape", [])):
            yield Change(("values", i, "shape", j), f"{dim} + 0")
    for i, op in enumerate(plan["ops"]):
        attributes = op.get("attributes", [])
        if len(attributes) > 1:
            yield Change(("ops", i, "attributes"), attributes[::-1])
        for j, attribute in enumerate(attributes):
            if "0p" in attribute.get("real", ""):
                shorter = attribute["real"].replace("0p", "p")
                yield Change(("ops", i, "attributes", j, "real"), shorter)
            elif "integers" in attribute:
                empty = {k: v for k, v in attribute.items() if k != "integers"} | {"integers": {}}
                yield Change(("ops", i, "attributes", j), empty)


@FAMILY.meant_for("CEP-I6")
def _place_dropped(plan: Document, _: Surroundings) -> Iterator[Change]:
    """Drop the last buffer, which a step refers to."""
    last = len(plan["buffers"]) - 1
    used = (b for t in plan["steps"] for m in ("reads", "writes") for b in t.get(m, []))
    if last and last in used:
        yield Change(("buffers",), plan["buffers"][:-1])
