"""Valid plans whose mutants are judged, small and different from each other."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from acp.canonical import canonicalize
from acp.dsse import CAPABILITY_DESCRIPTOR, Envelope
from acp.policy import Floor
from benchmarks.lattice import lattice
from cep.mutate import Bench
from cep.reference import recompute
from cep.store import Store
from tests.cep import rewritten, spec_example
from tests.cep.compiled import compiled
from tests.cep.plans import (
    NOW,
    POLICY,
    STRANGER,
    WEIGHTS_FILE,
    Case,
    buffer,
    chain,
    descriptor,
    fork,
    mutated,
    op,
    pipeline,
    plan,
    run,
    signed,
    together,
    transfer,
    value,
)

FLOOR = POLICY.model_copy(
    update={
        "floors": (
            Floor(issuer="example.com", uri="https://example.com/plans/small", min_revision=2),
        )
    }
)


def of(case):
    """The bench of a case; one more descriptor was signed by a stranger."""
    case.seal()
    doubted = signed(descriptor("doubted"), CAPABILITY_DESCRIPTOR, STRANGER)
    return Bench(canonicalize(case.plan), (*case.envelopes, doubted), FLOOR, NOW)


def full():
    """All that the two small plans lack.

    A region of two ops, a constant in memory, an output that is there early, a place that is taken
    over, a copy within a device, a device that can do next to nothing, and attributes of all kinds.
    """
    stored = chain().plan["constants"]
    members = plan(
        ("left", "right", "mute"),
        values=[
            value("x", "IN", "b", "4"),
            value("w", "CONST", "4", "4"),
            value("u", "CONST", "4", "4"),
            value("h", "TEMP", "b", "4"),
            value("a", "OUT", "b", "4"),
            value("n", "TEMP", "b", "4"),
            value("m", "TEMP", "b", "4"),
            value("s", "TEMP", "b", "4"),
            value("y", "OUT", "b", "1"),
        ],
        constants=[*stored, stored[0] | {"value": "u", "key": "u", "digest": "sha256:" + "1" * 64}],
        ops=[
            op("mm", ["x", "w"], "h"),
            op("relu", ["h"], "a"),
            op("mm", ["x", "u"], "n"),
            op("relu", ["n"], "m"),
            op("add.Tensor", ["a", "m"], "s", alpha={"integer": "1"}),
            op(
                "sum.dim_IntList",
                ["s"],
                "y",
                dim={"integers": {"items": ["1"]}},
                keepdim={"flag": True},
            ),
        ],
        outputs=[{"name": "a", "value": "a"}, {"name": "y", "value": "y"}],
        buffers=[
            buffer("x", "left", 0),
            buffer("w", "left", 128, 64),
            buffer("a", "left", 256),
            buffer("n", "right", 0),
            buffer("m", "right", 0) | {"in_place_of": 3},
            buffer("m", "left", 384),
            buffer("s", "left", 512),
            buffer("y", "left", 640, 32),
        ],
        steps=[
            run("left", [0, 1], [0, 1], [2]),
            run("right", [2], [0], [3]),
            run("right", [3], [3], [4]),
            transfer("left.copy", 4, 5, ("right", 2)),
            run("left", [4], [2, 5], [6], ("left.copy", 1), ("right", 1)),
            run("left", [5], [6], [7]),
        ],
        constraints={
            "numeric": "RELATIVE",
            "numeric_tolerance": "10000",
            "peak_bytes": [{"device": "left", "bytes": "8192"}],
        },
    )
    members["queues"] += [{"id": "left.copy", "device": "left", "kind": "COPY"}]
    mute = descriptor("mute", "host")
    mute["ops"] = [{"op": "cep-core/1:exp", "variants": [{"engine": "core"}]}]
    devices = {
        "left": descriptor("left", "host"),
        "right": descriptor("right", "host"),
        "mute": mute,
    }
    return Case(members, devices)


def bound():
    """A device that the plan describes with a condition, and a queue that only copies."""
    case = fork()
    case.plan["features"] = ["predicates"]
    wanted = 'subject.model == "left" and memories[ram].capacity_bytes_per_instance >= 4096'
    case.plan["devices"][0] = {"slot": "left", "predicate": wanted}
    return case


def promised():
    """A plan that keeps a deadline, a limit of energy and a place."""
    case = chain()
    case.plan["features"] = ["deadline", "energy", "locality"]
    case.plan["constraints"] |= {
        "deadline_ns": "100000",
        "energy_fj": "100000",
        "locality_labels": ["eu"],
    }
    for step in case.plan["steps"]:
        step["estimate"] = {"p50_ns": "100", "p99_ns": "200", "femtojoules": "500"}
    case.nodes = {"left": {"labels": ["eu"]}, "right": {"labels": ["eu"]}}
    return case


def guarded():
    """A plan whose steps are watched and have alternates, and a device that can be none."""
    case = fork()
    case.descriptors["far"] = descriptor("far")
    case.plan["devices"].append({"slot": "far", "descriptor_digest": "sha256:" + "0" * 64})
    case.plan["queues"].append({"id": "far", "device": "far", "kind": "COMPUTE"})
    case.plan["features"] = ["alternates", "deadline", "safety"]
    case.plan["constraints"]["deadline_ns"] = "100000"
    estimate = {"p50_ns": "100", "p99_ns": "200"}
    for step in case.plan["steps"]:
        other = {"left": "right", "right": "left"}[step["queue"]]
        step["estimate"] = estimate
        step["alternates"] = [{"queue": other, "estimate": estimate}]
    case.plan["safety"] = {
        "on_trip": "ALTERNATE",
        "watchdog_ppm": "2000000",
        "nan_guard": True,
        "limits": [
            {"device": slot, "quantity": "memory_bytes", "max": "8192"}
            for slot in ("left", "right", "far")
        ],
    }
    return case


def woven(layers, lanes):
    """A lattice: each lane copies what its neighbour made."""
    made = lattice(layers * lanes * 2, lanes=lanes)
    return Bench(
        Envelope.from_bytes(made.plan).payload, made.descriptors, made.policy, datetime.now(UTC)
    )


def annex(folder):
    """The plan of annex A of the specification, with its weights."""
    text = spec_example.SPEC.read_text()
    store = Store(folder)
    store.add(spec_example.weights(text))
    document = json.loads(spec_example.blocks(text)["plan"])
    return Bench(
        canonicalize(document),
        tuple(spec_example.descriptors(text)),
        spec_example.POLICY,
        spec_example.NOW,
        store,
    )


def folded(folder):
    """A plan whose graph was rewritten, with a constant that was folded."""
    store = Store(folder)
    for file in (WEIGHTS_FILE, rewritten.TURNED_FILE):
        store.add(file)
    case = rewritten.rewritten()
    return Bench(canonicalize(case.plan), case.envelopes, POLICY, NOW, store, recompute)


def small(folder):
    """All small bases by name."""
    weights = Store(folder / "chain")
    weights.add(WEIGHTS_FILE)
    chained = of(chain())
    chained.store = weights
    return {
        "chain": chained,
        "fork": of(fork()),
        "bound": of(bound()),
        "full": of(full()),
        "promised": of(promised()),
        "guarded": of(guarded()),
        "compiled": of(mutated("chain", compiled)),
        "rewritten": folded(folder / "rewritten"),
        "pipeline": of(pipeline()),
        "together": of(together()),
        "scattered": of(together("REDUCE_SCATTER")),
        "annex": annex(folder / "annex"),
        "lattice": woven(3, 3),
    }


def large(folder):
    """Bases with the number of mutants to make of each: 100 000 and more."""
    yield from ((bench, None) for bench in small(folder).values())
    shapes = [(layers, lanes) for lanes in (1, 2, 3, 4, 5) for layers in (2, 3, 4, 5, 6)]
    for layers, lanes in shapes:
        yield woven(layers, lanes), 5000
