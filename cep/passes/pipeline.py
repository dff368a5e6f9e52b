"""The passes, and the order in which they run."""

from __future__ import annotations

import base64
import hashlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

from cep.passes.draft import Draft, Passed
from cep.rewrite import (
    CHECKER,
    KIND,
    MAX_FOLDED,
    RULES,
    Fold,
    RewriteError,
    elements,
    fold,
    name_of,
    unfoldable,
)
from cep.store import StoreError, pack
from cep.v1.graph import Constant
from cep.v1.plan import Evidence

if TYPE_CHECKING:
    from cep.graph import Node
    from cep.store import Store
    from cep.v1.graph import Graph

MAX_INLINE: Final = 1_048_576
"""Most characters of base64 that a plan holds for one log (spec/cep.md, section 2.2)."""

_ROUNDS: Final = 64
_NOWHERE: Final = "sha256:" + "0" * 64


@dataclass(frozen=True, slots=True)
class DeadCode:
    """Leave out what no output depends on."""

    name: ClassVar[str] = "dead-code"

    def run(self, draft: Draft) -> Mapping[str, int]:
        """Drop unused operations; return how many."""
        kept = {v for node in draft.nodes() for v in node.outputs}
        dropped = {node.outputs: node for node in draft.graph.nodes.values()}
        gone = Counter(name_of(n) for n in dropped.values() if kept.isdisjoint(n.outputs))
        draft.graph.nodes = {v: n for v, n in draft.graph.nodes.items() if v in kept}
        return gone


def _rewritten(draft: Draft, group: str) -> Mapping[str, int]:
    """Use the rules of a group until none matches any more."""
    anchored: dict[str, list[str]] = {}
    for rule in RULES.values():
        for anchor in sorted(rule.anchors) if rule.group == group else ():
            anchored.setdefault(anchor, []).append(rule.id)
    did: Counter[str] = Counter()
    for _ in range(_ROUNDS):
        before = did.total()
        for node in draft.nodes():
            for name in anchored.get(name_of(node), ()):
                did[name] += draft.apply(RULES[name], node.outputs[0])
        if did.total() == before:
            break
    return +did


@dataclass(frozen=True, slots=True)
class Layout:
    """Move, repeat and pick elements in fewer steps, and leave out what changes nothing."""

    name: ClassVar[str] = "layout"

    def run(self, draft: Draft) -> Mapping[str, int]:
        """Use the rules of this group; return how often each."""
        return _rewritten(draft, "layout")


@dataclass(frozen=True, slots=True)
class Fusion:
    """Compute several operations as one: linear layers, activations. Rounds anew."""

    name: ClassVar[str] = "fusion"

    def run(self, draft: Draft) -> Mapping[str, int]:
        """Use the rules of this group; return how often each."""
        return _rewritten(draft, "fusion")


@dataclass(frozen=True, slots=True)
class Attention:
    """Compute attention that is spelled out as the one operation that it is. Rounds anew."""

    name: ClassVar[str] = "attention"

    def run(self, draft: Draft) -> Mapping[str, int]:
        """Use the rules of this group; return how often each."""
        return _rewritten(draft, "attention")


@dataclass(frozen=True, slots=True)
class ConstantFolding:
    """Compute now what depends on weights and numbers only.

    Attributes:
        elements: Most elements that a folded constant may have.
    """

    elements: int = 2**20

    name: ClassVar[str] = "fold"

    def run(self, draft: Draft) -> Mapping[str, int]:
        """Fold the largest expressions that are constant; return the operations at their roots."""
        from cep.reference.folding import available, recompute

        if not available():
            return {"skipped, without NumPy": 1}
        did: Counter[str] = Counter()
        room = MAX_FOLDED
        for node in self._roots(draft):
            value = node.outputs[0]
            stored = Constant(value=value, digest=_NOWHERE, store_digest=_NOWHERE, key=value)
            try:
                made = fold(draft.graph, value, stored, room)
            except RewriteError:
                continue
            try:
                draft.fold(value, recompute(made, _contents(made, draft.store)))
            except (ValueError, StoreError):
                draft.graph.nodes[value] = node
                del draft.graph.constants[value]
                continue
            room -= made.work
            did[name_of(node)] += 1
        return did

    def _roots(self, draft: Draft) -> list[Node]:
        graph, order = draft.graph, draft.nodes()
        constant: dict[str, Node] = {}
        roots: dict[str, Node] = {}

        def reached(value: str) -> None:
            node = constant.get(value)
            while node is not None and name_of(node) == "expand":  # repeats what is there
                node = constant.get(node.inputs[0])
            if node is not None and node.inputs and node.outputs[0] not in draft.results:
                roots.setdefault(node.outputs[0], node)

        for node in order:
            values = (*node.inputs, *node.outputs)
            if (
                all(v in constant or v in graph.constants for v in node.inputs)
                and not unfoldable(node, graph.types)
                and all(size.value is not None for v in values for size in graph.type(v).shape)
                and elements(graph.type(node.outputs[0])) <= self.elements
            ):
                constant[node.outputs[0]] = node
            else:
                for value in node.inputs:
                    reached(value)
        return list(roots.values())


def _contents(made: Fold, store: Store) -> dict[str, memoryview]:
    return {constant.value: store.tensor(constant)[1] for constant in made.sources}


@dataclass(frozen=True, slots=True)
class CommonSubexpressions:
    """Compute each expression once.

    This comes last: a rule that finds the same value in two places finds it in the source too.
    """

    name: ClassVar[str] = "common"

    def run(self, draft: Draft) -> Mapping[str, int]:
        """Merge equal operations; return how many of each."""
        return draft.merge()


Pass: TypeAlias = DeadCode | Layout | Fusion | Attention | ConstantFolding | CommonSubexpressions

PASSES: Final[Mapping[str, type[Pass]]] = {
    kind.name: kind
    for kind in (DeadCode, Layout, Fusion, Attention, ConstantFolding, CommonSubexpressions)
}
"""Every pass, by name."""

PIPELINE: Final = ("dead-code", "layout", "fusion", "attention", "layout", "fold", "common")
"""The order in which passes run; whoever chooses some of them gets these in this order."""


@dataclass(frozen=True, slots=True)
class Optimized:
    """A graph after the passes.

    Attributes:
        graph: The graph.
        evidence: The log of rewrites, where there were any.
        passed: What each pass did, in order.
    """

    graph: Graph
    evidence: Evidence | None
    passed: tuple[Passed, ...]


def optimize(
    graph: Graph, passes: Sequence[Pass], store: Store, *, exact: bool = False
) -> Optimized:
    """Return what some passes make of a graph, with the log that proves it the same.

    New constants go to the store. Where the log would be too long for a plan, the graph stays as
    it is, and the passes say so.

    Args:
        graph: A graph that `cep.planner.wellformed.check_graph` accepts.
        passes: Passes to run, in the order of `PIPELINE` whatever their order here.
        store: Where weights are, and new ones go.
        exact: Only rules that keep every bit may be used, as a plan under BITWISE demands.
    """
    draft = Draft(graph, store, exact)
    chosen = {one.name: one for one in passes}
    passed: list[Passed] = []
    count = len(graph.ops)
    for name in PIPELINE:
        if name in chosen:
            began = time.perf_counter()
            did = chosen[name].run(draft)
            before, count = count, len(draft.nodes())
            passed.append(Passed(name, time.perf_counter() - began, before, count, did))
    result = draft.document(_stored(draft))
    log = draft.written_log(result)
    if log is None:
        return Optimized(result, None, tuple(passed))
    inline = log.to_bytes()
    if len(base64.b64encode(inline)) > MAX_INLINE:
        refused = Passed("log", 0.0, count, len(graph.ops), {"too long for a plan: undone": 1})
        return Optimized(graph, None, (*passed, refused))
    return Optimized(result, Evidence(kind=KIND, checker=CHECKER, inline=inline), tuple(passed))


def _stored(draft: Draft) -> dict[str, Constant]:
    """Put folded constants into the store; return where they are."""
    if not draft.folded:
        return {}
    kinds = {value: draft.graph.type(value) for value in draft.folded}
    data = pack(
        {
            value: (kinds[value].dtype, [s.value or 0 for s in kinds[value].shape], content)
            for value, content in draft.folded.items()
        }
    )
    draft.store.add(data)
    file = "sha256:" + hashlib.sha256(data).hexdigest()
    return {
        value: Constant(
            value=value,
            digest="sha256:" + hashlib.sha256(content).hexdigest(),
            store_digest=file,
            key=value,
        )
        for value, content in draft.folded.items()
    }
