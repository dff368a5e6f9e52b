"""The plan of `chain` with a log: how its graph was rewritten, and a constant folded."""

from __future__ import annotations

import base64
import struct

from acp.canonical import canonicalize
from cep.graph import graph_digest
from cep.store import pack
from cep.v1.graph import Graph
from tests.cep.plans import chain, op, sha256, value

TURNED = struct.pack("<16f", *(4 * (i % 4) + i // 4 for i in range(16)))
TURNED_FILE = pack({"v": ("f32", [4, 4], TURNED)})
MEMBERS = ("spec", "opsets", "symbols", "inputs", "outputs")
ORDER = {"integers": {"items": ["1", "0"]}}
LOG = {
    "values": [value("v", "CONST", "4", "4")],
    "constants": [
        {"value": "v", "digest": sha256(TURNED), "store_digest": sha256(TURNED_FILE), "key": "v"}
    ],
    "ops": [
        op("permute", ["v"], "w", dims=ORDER),
        op("neg", ["h"], "n"),
        op("neg", ["n"], "m"),
        op("relu", ["m"], "y"),
    ],
    "rewrites": [["negative-negative", "m"], ["fold", "w"]],
}
"""How x -> mm with the transpose of v -> neg -> neg -> relu became the plan of `chain`."""


def source(log=LOG):
    """The source graph, written down by hand: all ops but the plan's relu, and the log's."""
    plan = chain().plan
    made = {v for o in log.get("ops", ()) for v in o["outputs"]}
    ops = [o for o in plan["ops"] if made.isdisjoint(o["outputs"])]
    first = [o for o in log.get("ops", ()) if o["outputs"] == ["w"]]
    rest = [o for o in log.get("ops", ()) if o not in first]
    declared = {v["id"]: v for v in plan["values"]}
    shapes = {"w": ("4", "4")}
    for name in sorted(made):
        role = "OUT" if name == "y" else "TEMP"
        declared[name] = value(name, role, *shapes.get(name, ("b", "4")))
    constants = [c for c in plan["constants"] if c["value"] not in made]
    return {
        **{member: plan[member] for member in MEMBERS},
        "values": [*declared.values(), *log.get("values", ())],
        "constants": [*constants, *log.get("constants", ())],
        "ops": [*first, *ops, *rest],
    }


def rewritten(log=LOG, **evidence):
    """The plan of `chain` with a log; bytes are taken for the content as they are."""
    case = chain()
    case.seal()
    case.sealed = False
    inline = log if isinstance(log, bytes) else canonicalize(log)
    entry = {
        "kind": "rewrites",
        "checker": "cep-rewrite-1",
        "inline": base64.b64encode(inline).decode(),
        **evidence,
    }
    case.plan |= {"features": ["evidence"], "evidence": [entry]}
    case.plan["source"]["graph_digest"] = graph_digest(Graph.from_json(source()))
    return case
