"""Plans whose graph was rewritten: CEP-E2 and CEP-E4, and what CEP-E1 says of the source."""

from __future__ import annotations

import base64
import hashlib
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from acp.canonical import canonicalize
from cep.graph import graph_digest
from cep.rewrite import CHECKER, KIND
from cep.store import pack
from cep.v1.graph import Graph
from conformance.author import plans
from conformance.author.book import identity

if TYPE_CHECKING:
    from conformance.author.book import Edit, Json
    from conformance.author.plan_cases import Chapters
    from conformance.author.plans import Deck

_WHY: Final = "a plan that computes something else passes for the model"
_LESS: Final = struct.pack("<4f", -0.0, -1.0, -2.0, -3.0)
_FILE: Final = pack({"c": ("f32", [4], _LESS)})
_ADDED: Final[Json] = {
    "target": "cep-core/1:add.Tensor",
    "inputs": ["p", "b"],
    "attributes": [{"name": "alpha", "integer": "1"}],
    "outputs": ["h"],
}


def _op(target: str, inputs: list[str], output: str) -> Json:
    return {"target": f"cep-core/1:{target}", "inputs": inputs, "outputs": [output]}


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


_FUSED: Final[Json] = {
    "ops": [
        _op("linear", ["x", "w"], "p"),
        _ADDED,
        _op("neg", ["h"], "n"),
        _op("neg", ["n"], "m"),
        _op("relu", ["m"], "y"),
    ],
    "rewrites": [["linear-bias", "h"], ["negative-negative", "m"]],
}
"""How x -> linear -> + b -> neg -> neg -> relu became the shared plan."""

_FOLDED: Final[Json] = {
    "values": [{"id": "c", "dtype": "f32", "shape": ["4"], "role": "CONST"}],
    "constants": [
        {"value": "c", "digest": _sha256(_LESS), "store_digest": _sha256(_FILE), "key": "c"}
    ],
    "ops": [_op("neg", ["c"], "b")],
    "rewrites": [["fold", "b"]],
}
"""How x -> linear with the negative of c -> relu became the shared plan."""


def write(chapters: Chapters) -> None:
    """Write the cases down."""
    fused = _rewritten(_FUSED)
    sheet = chapters.good(
        "plan-rewritten", "CEP-E1 CEP-E2", "two rules lead from the source to the plan", fused
    )
    both, ops = _FUSED["rewrites"], _FUSED["ops"]
    for name, mutation, members in (
        ("rule-unknown", "the rule has another name", {"rewrites": [["bias", "h"]]}),
        ("rule-elsewhere", "the rule is used elsewhere", {"rewrites": [["linear-bias", "y"]]}),
        ("rewrite-missing", "the second rewrite is missing", {"rewrites": both[:1]}),
        ("rewrite-more", "one more rewrite does not match",
         {"rewrites": [["same-shape", "m"], *both]}),
        ("rewrite-other-op", "the log has another op",
         {"ops": [*ops[:3], _op("abs", ["n"], "m"), ops[4]]}),
        ("rewrite-ill-typed", "the log has an op that does not fit its type rule",
         {"ops": [_op("linear", ["w", "x"], "p"), *ops[1:]]}),
        ("rewrite-circle", "an op of the log depends on itself",
         {"ops": [*ops[:2], _op("neg", ["m"], "n"), *ops[3:]]}),
    ):  # fmt: skip
        deck = _rewritten({**_FUSED, **members}, like=_FUSED)
        sheet.deal(name, "CEP-E2", mutation, _WHY, deck, also="CEP-E1")
    other = plans.shared().document()["source"]["graph_digest"]
    deck = replace(fused, graph=other)
    sheet.deal("rewrite-other-source", "CEP-E1", "the source is another graph", _WHY, deck)
    sheet.bad("rewrites-twice", "CEP-E2", "the plan has the log twice", "which of them counts?",
              ("/evidence/-", _entry(_FUSED)))  # fmt: skip
    sheet.bad("rewrites-of-a-step", "CEP-E2", "the log is about a step", _WHY,
              ("/evidence/0/subject_steps", [0]))  # fmt: skip
    sheet.bad("rewrites-indented", "CEP-E2", "the log is not in its canonical form",
              "two readers see two logs", ("/evidence/0/inline", _base64(b" {}")))  # fmt: skip
    sheet.bad("rewrites-checker", "CEP-I4", "the checker is another", "a list of other rules",
              ("/evidence/0/checker", "cep-rewrite-2"))  # fmt: skip
    sheet.bad(
        "rewrite-rounds", "CEP-E2", "the plan promises the same bits", "a sum in another order",
        ("/constraints", {"numeric": "BITWISE"}), also="CEP-K3",
    )  # fmt: skip
    _folded(chapters)


def _folded(chapters: Chapters) -> None:
    deck = _rewritten(_FOLDED)
    sheet = chapters.good(
        "plan-folded", "CEP-E4", "a constant is the negative of another, and not recomputed", deck
    )
    rounding = {**_FOLDED, "ops": [_op("exp", ["c"], "b")]}
    sheet.deal("folded-from-rounding", "CEP-E4", "the constant is an exponential",
               "other libraries give other bits", _rewritten(rounding))  # fmt: skip
    depends = {**_FOLDED, "rewrites": [["fold", "h"], ["fold", "b"]]}
    sheet.deal("folded-input", "CEP-E2", "what depends on an input is folded", _WHY,
               _rewritten(depends, like=_FOLDED))  # fmt: skip
    stored = replace(deck, context={"store": (plans.safetensors(), _FILE)})
    good = chapters.book.accept(
        "plan-folded-again",
        "CEP-E4",
        "a constant is the negative of another",
        stored.question(),
        identity(stored.document()),
        feature="folding",
    )
    copied = replace(
        _rewritten({**_FOLDED, "ops": [_op("clone", ["c"], "b")]}), context=stored.context
    )
    chapters.book.refuse(
        "plan-folded-otherwise",
        "CEP-E4",
        good,
        "the log says that the constant is the other one itself",
        _WHY,
        input=replace(copied, context=stored.context).question().input,
    )
    chapters.book.refuse(
        "plan-folded-from-nowhere",
        "CEP-E4",
        good,
        "the constant that it was folded from is not in the store",
        "nobody can know what it was folded from",
        store=(plans.safetensors(),),
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _entry(log: Json) -> Json:
    return {"kind": KIND, "checker": CHECKER, "inline": _base64(canonicalize(log))}


def _rewritten(log: Json, like: Json | None = None) -> Deck:
    """Return the shared plan with a log, and the digest of the source that this or another has."""
    deck = plans.shared()
    edits: list[Edit] = [("/features", ["evidence"]), ("/evidence", [_entry(log)])]
    return replace(deck.edited(*edits), graph=_source(deck.plan, like or log))


def _source(plan: Json, log: Json) -> str:
    """Return the digest of the graph that a log and a plan make together."""
    made = {value for op in log["ops"] for value in op["outputs"]}
    kept = [op for op in plan["ops"] if made.isdisjoint(op["outputs"])]
    values = {one["id"]: one for one in plan["values"]}
    for value in made:
        shape = values[value]["shape"] if value in values else ["s0", "4"]
        role = "OUT" if value == "y" else "TEMP"
        values[value] = {"id": value, "dtype": "f32", "shape": shape, "role": role}
    first = [op for op in log["ops"] if op["outputs"] == ["b"]]
    graph = {
        "spec": plan["spec"],
        "opsets": plan["opsets"],
        "symbols": plan["symbols"],
        "values": [*values.values(), *log.get("values", [])],
        "constants": [
            *(one for one in plan["constants"] if one["value"] not in made),
            *log.get("constants", []),
        ],
        "ops": [*first, *kept, *(op for op in log["ops"] if op not in first)],
        "inputs": plan["inputs"],
        "outputs": plan["outputs"],
    }
    ordered = sorted(graph["ops"], key=lambda op: "blphnmy".index(op["outputs"][0]))
    return graph_digest(Graph.from_json({**graph, "ops": ordered}))
