"""Logs of rewrites: how the source graph became a plan's graph, so that anybody can replay it.

A log holds what the source graph has and the plan has not: operations and constants. The rest of
the source is the plan itself. Each rewrite names a trusted rule and the value that it is used on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from acp import canonical
from acp.diagnostics import Refused
from cep.graph import GraphView
from cep.rewrite.definitions import Definitions, RewriteError, attributes_of
from cep.rewrite.folding import MAX_FOLDED, Fold, fold
from cep.rewrite.rules import rule_of
from cep.v1.graph import Constant, Graph, Op, Value

if TYPE_CHECKING:
    from acp.canonical import JsonValue
    from cep.v1.plan import Evidence, Plan

KIND: Final = "rewrites"
CHECKER: Final = "cep-rewrite-1"
FOLD: Final = "fold"
"""What a log writes in place of a rule where a constant was folded."""

_MEMBERS: Final = frozenset({"values", "constants", "ops", "rewrites"})


@dataclass(frozen=True, slots=True)
class Log:
    """A log of rewrites.

    Attributes:
        values: Types of `constants`.
        constants: Constants that the source graph has and the plan has not.
        ops: Operations that the source graph has and the plan has not.
        rewrites: Rule and value, in order.
    """

    values: tuple[Value, ...]
    constants: tuple[Constant, ...]
    ops: tuple[Op, ...]
    rewrites: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, evidence: Evidence) -> Log:
        """Read the log that an entry of `evidence` holds.

        Raises:
            RewriteError: It holds none, or not in its one form.
        """
        if evidence.inline is None or evidence.subject_steps:
            raise RewriteError("a log is inline, and about the whole plan")
        try:
            document = canonical.decode(evidence.inline)
            if not isinstance(document, dict) or not document.keys() <= _MEMBERS:
                raise RewriteError(f"a log is an object with members {', '.join(sorted(_MEMBERS))}")
            if [] in document.values() or canonical.canonicalize(document) != evidence.inline:
                raise RewriteError("the log is not in its canonical form")
            return cls(
                tuple(Value.from_json(v) for v in _list(document, "values")),
                tuple(Constant.from_json(c) for c in _list(document, "constants")),
                tuple(Op.from_json(op) for op in _list(document, "ops")),
                tuple(_entry(entry) for entry in _list(document, "rewrites")),
            )
        except Refused as refusal:
            raise RewriteError(f"the log is malformed: {refusal.diagnostics[0]}") from None

    def to_bytes(self) -> bytes:
        """Return the one form of the log."""
        members = {
            "values": [v.to_json() for v in self.values],
            "constants": [c.to_json() for c in self.constants],
            "ops": [op.to_json() for op in self.ops],
            "rewrites": [list(entry) for entry in self.rewrites],
        }
        return canonical.canonicalize({name: items for name, items in members.items() if items})

    def source(self, plan: Plan, view: GraphView) -> Definitions:
        """Return the source graph, with all types inferred anew.

        Raises:
            RewriteError: Log and plan together are no graph.
        """
        try:
            own = GraphView.of(
                Graph(
                    spec=plan.spec,
                    opsets=plan.opsets,
                    symbols=plan.symbols,
                    values=self.values,
                    constants=self.constants,
                    ops=self.ops,
                    inputs=(),
                    outputs=(),
                )
            )
        except Refused as refusal:
            raise RewriteError(f"the log is malformed: {refusal.diagnostics[0]}") from None
        graph = Definitions.of(view, plan.ops)
        made = [value for node in own.nodes for value in node.outputs]
        given = {binding.value for binding in plan.inputs}
        if len({*made, *own.constants}) < len(made) + len(own.constants) or given & {*made}:
            raise RewriteError("the log defines a value twice")
        if own.types.keys() != own.constants.keys() or own.types.keys() & graph.types.keys():
            raise RewriteError("values and constants of a log are the same, and none is the plan's")
        for value in made:
            graph.constants.pop(value, None)
        graph.add(own.nodes, self.ops)
        graph.constants.update(own.constants)
        graph.types = {v: view.types[v] for v in (*given, *graph.constants) if v in view.types}
        graph.types.update(own.types)
        nodes = graph.live(binding.value for binding in plan.outputs)
        for node in nodes:
            graph.types.update(zip(node.outputs, graph.infer(node), strict=True))
        graph.nodes = {value: node for node in nodes for value in node.outputs}
        for node, op in zip(own.nodes, self.ops, strict=True):
            if node.outputs[0] not in graph.nodes:
                raise RewriteError(f"no output of the source needs {node.outputs[0]!r} of the log")
            if attributes_of(node) != op.attributes:
                raise RewriteError(f"attributes of {node.outputs[0]!r} are not in their one form")
        return graph


@dataclass
class Replay:
    """What becomes of a log when it is replayed.

    Attributes:
        problem: Why it can't be replayed, or nothing.
        source: Digest of the source graph.
        result: Digest of the graph after the last rewrite.
        folds: Constants that were folded.
        rules: Ids of the rules that were used, each as often as it was.
    """

    problem: str = ""
    source: str = ""
    result: str = ""
    folds: list[Fold] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)


def replay(evidence: Evidence, plan: Plan, view: GraphView) -> Replay:
    """Rewrite the source graph of a plan as the plan's log says. Bad logs give a `problem`."""
    done, room = Replay(), MAX_FOLDED
    stored = {constant.value: constant for constant in plan.constants}
    try:
        log = Log.of(evidence)
        graph = log.source(plan, view)
        done.source = graph.digest(plan)
        for number, (name, value) in enumerate(log.rewrites):
            if name == FOLD:
                room -= (folded := fold(graph, value, stored.get(value), room)).work
                done.folds.append(folded)
            else:
                rule_of(name).apply(graph, value, number)
            done.rules.append(name)
        done.result = graph.digest(plan)
    except (RewriteError, Refused) as error:
        done.problem = str(error)
    return done


def _list(document: dict[str, JsonValue], member: str) -> list[JsonValue]:
    items = document.get(member, [])
    if not isinstance(items, list):
        raise RewriteError(f"{member} of a log is a list")
    return items


def _entry(entry: JsonValue) -> tuple[str, str]:
    match entry:
        case [str(name), str(value)]:
            return name, value
    raise RewriteError("a rewrite is a list of a rule and a value")
