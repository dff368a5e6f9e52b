"""Receipts: the rules of spec/receipt.md, CEP-P1 to CEP-P8.

Chain and roots are computed here from the text of the specification alone.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Any, Final

from acp.canonical import canonicalize
from acp.dsse import PLAN, RECEIPT
from conformance.author import keys, plans
from conformance.author.book import NOW, Book, Edit, Json, Question, Vector, edited, identity, text
from conformance.author.documents import DIGEST, entry, grant, policy

_OPERATOR: Final = "operator.example"

POLICY: Final[Json] = policy(
    "operator",
    "planner",
    grants=[
        grant("operator", types=(RECEIPT,), issuers=(_OPERATOR,)),
        grant("planner", types=(PLAN,)),
    ],
)

_RUNS: Final = 2


def tensors(name: str, width: int, first: int) -> list[list[Json]]:
    """Return one small tensor for each of two runs, of one and of two rows."""
    return [
        [
            {
                "name": name,
                "dtype": "f32",
                "shape": [str(rows), str(width)],
                "elements": keys.b64(
                    struct.pack(f"<{rows * width}f", *range(first, first + rows * width))
                ),
            }
        ]
        for rows in (1, 2)
    ]


def root(runs: list[list[Json]]) -> str:
    """Return the root over runs, as CEP-P5 says."""
    joined = b""
    for run in runs:
        forms = [[one["name"], one["dtype"], one["shape"], _digest(_elements(one))] for one in run]
        joined += hashlib.sha256(canonicalize(forms)).digest()
    return _digest(joined)


def chain(receipt: Json, steps: int) -> str:
    """Return the chain over the steps of all runs, as CEP-P4 says."""
    taken = {
        (int(one["run"]), one["step"]): one["alternate"] + 1
        for one in receipt.get("alternates_taken", ())
    }
    start = bytes.fromhex(receipt["plan"].removeprefix("sha256:"))
    state = hashlib.sha256(start + canonicalize(receipt["binding"])).digest()
    for run in range(int(receipt["runs"])):
        for step in range(steps):
            state = hashlib.sha256(
                state + struct.pack(">QII", run, step, taken.get((run, step), 0))
            ).digest()
    return f"sha256:{state.hex()}"


@dataclass(frozen=True, slots=True)
class Slip:
    """Cases about one receipt.

    Attributes:
        book: Where they go.
        base: The accepted case.
        plan: The plan that the receipt is about.
        statement: The receipt.
    """

    book: Book
    base: Vector
    plan: Json
    statement: Json

    def bad(
        self, name: str, codes: str, mutation: str, why: str, *edits: Edit, also: str = ""
    ) -> None:
        """Refuse the edited receipt; its chain follows the edits."""
        statement = edited(self.statement, *edits)
        if not any(path.endswith("step_chain") for path, _ in edits):
            statement["predicate"]["step_chain"] = chain(
                statement["predicate"], len(self.plan["steps"])
            )
        data = keys.sealed(text(statement), RECEIPT, "operator")
        self.book.refuse(f"receipt-{name}", codes, self.base, mutation, why, also=also, input=data)


def _statement(plan: Json, *edits: Edit) -> Json:
    digest = identity(plan)
    predicate: Json = {
        "spec": "cep/1",
        "issuer": _OPERATOR,
        "plan": digest,
        "descriptors": [one["descriptor_digest"] for one in plan["devices"]],
        "verifier": {
            "version": "example 1.0",
            "ruleset": identity(["CEP-I1", "CEP-M3"]),
            "verdict": "ACCEPTED",
        },
        "binding": [
            {
                "slot": one["slot"],
                "adapter": "example",
                "distribution": "example 1.0",
                "unit_id": one["slot"],
            }
            for one in plan["devices"]
        ],
        "started_at": "2026-11-19T09:00:00Z",
        "finished_at": "2026-11-19T09:00:02Z",
        "runs": str(_RUNS),
        "inputs_root": root(tensors("input", 8, 0)),
        "outputs_root": root(tensors("output", 4, 100)),
        "step_chain": DIGEST,
        "measured": [
            {"step": 0, "n": "2", "p50_ns": "40000", "p99_ns": "41000"},
            {"step": 1, "n": "2", "p50_ns": "4000"},
        ],
    }
    statement = edited(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [
                {"name": plan["uri"], "digest": {"sha256": digest.removeprefix("sha256:")}}
            ],
            "predicateType": "urn:cep:receipt:1",
            "predicate": predicate,
        },
        *edits,
    )
    statement["predicate"]["step_chain"] = chain(statement["predicate"], len(plan["steps"]))
    return statement


def _question(plan: Json, statement: Json, **context: Any) -> Question:
    return Question(
        "receipt",
        keys.sealed(text(statement), RECEIPT, "operator"),
        type=RECEIPT,
        now=NOW,
        policy=canonicalize(POLICY),
        plan=text(plan),
        **context,
    )


def write() -> Book:
    """Write the area down."""
    book = Book("receipts", "receipt")

    def good(name: str, requires: str, why: str, plan: Json, *edits: Edit, **context: Any) -> Slip:
        statement = _statement(plan, *edits)
        question = _question(plan, statement, **context)
        vector = book.accept(name, requires, why, question, identity(statement))
        return Slip(book, vector, plan, statement)

    plan = plans.shared().document()
    base = good(
        "receipt",
        "CEP-P1 CEP-P2 CEP-P3 CEP-P4 CEP-P6 CEP-P7 CEP-P8",
        "a receipt of two runs",
        plan,
    )
    _form(base)
    _subject(base)
    _time(base)
    _steps(base)
    good(
        "receipt-simulated",
        "CEP-P3",
        "a simulated device is a device, and the receipt says what it is",
        plan,
        ("/predicate/binding/1/simulated", True),
    )
    with_data = good(
        "receipt-with-data",
        "CEP-P5",
        "what went in and what came out is what the receipt says",
        plan,
        inputs=tensors("input", 8, 0),
        outputs=tensors("output", 4, 100),
    )
    _data(with_data)
    other = plans.shared().edited(
        ("/features", ["alternates", "safety"]),
        ("/steps/1/alternates", [{"queue": "ql"}]),
        ("/safety", {"on_trip": "ALTERNATE"}),
    )
    taken = good(
        "receipt-alternate",
        "CEP-P4 CEP-P7",
        "an alternate that was taken is part of the chain",
        other.document(),
        ("/predicate/alternates_taken", [{"step": 1, "alternate": 0, "run": "1"}]),
        ("/predicate/trips", [{"step": 1, "quantity": "time_ns", "action": "alternate"}]),
    )
    _alternates(taken)
    return book


def _form(base: Slip) -> None:
    forged = "a receipt is as good as the key that signed it"
    whole = keys.envelope(text(base.statement), RECEIPT, "operator")
    other = text(edited(base.statement, ("/predicate/runs", "3")))
    for name, mutation, envelope in (
        ("altered", "`runs` is 3 in the payload", edited(whole, ("/payload", keys.b64(other)))),
        (
            "by-stranger",
            "a stranger's signature",
            keys.envelope(text(base.statement), RECEIPT, "stranger"),
        ),
    ):
        base.book.refuse(
            f"receipt-{name}", "ENV-T1", base.base, mutation, forged, input=canonicalize(envelope)
        )
    base.book.refuse(
        "receipt-by-planner",
        "ENV-T3",
        base.base,
        "signed by the key that may sign plans",
        "who makes plans may not say that they ran",
        input=keys.sealed(text(base.statement), RECEIPT, "planner"),
    )
    retired = edited(POLICY, ("/keys/0", entry("operator", not_after="2026-11-01T00:00:00Z")))
    base.book.refuse(
        "receipt-by-retired-key",
        "ENV-T4",
        base.base,
        "the operator's key has expired",
        forged,
        policy=canonicalize(retired),
    )
    why = "a receipt is about one plan"
    subject = base.statement["subject"][0]
    base.bad("two-subjects", "CEP-P1", "the subject twice", why, ("/subject/-", subject))
    base.bad(
        "two-digests",
        "CEP-P1",
        "the subject has a digest by another algorithm too",
        "two digests can be of two plans",
        ("/subject/0/digest/sha512", "00" * 64),
    )
    base.bad(
        "unknown-member",
        "ENV-S2",
        "a member `mood`",
        "what a reader does not know it does not check",
        ("/predicate/mood", "good"),
    )
    base.bad(
        "no-verifier",
        "ENV-S1",
        "`verifier` removed",
        "what was not verified was not run",
        ("/predicate/verifier", ...),
    )


def _subject(base: Slip) -> None:
    why = "a receipt for one plan is none for another"
    base.bad(
        "of-other-plan",
        "CEP-P2",
        "`plan` is another",
        why,
        ("/predicate/plan", DIGEST),
        ("/predicate/step_chain", base.statement["predicate"]["step_chain"]),
    )
    base.bad(
        "other-subject",
        "CEP-P2",
        "the subject has another digest",
        why,
        ("/subject/0/digest/sha256", "5a" * 32),
    )
    base.bad(
        "other-name", "CEP-P2", "the subject has another name", why, ("/subject/0/name", "urn:a")
    )
    base.book.refuse(
        "receipt-plan-changed",
        "CEP-P2",
        base.base,
        "the plan that is given is a later revision",
        why,
        also="CEP-P4",
        plan=text(plans.shared().edited(("/revision", "4")).document()),
    )
    devices = "who ran it decides what the result says"
    bound = base.statement["predicate"]["binding"]
    base.bad(
        "other-descriptor",
        "CEP-P3",
        "the second descriptor is another",
        devices,
        ("/predicate/descriptors/1", DIGEST),
    )
    base.bad(
        "descriptor-missing",
        "CEP-P3",
        "the second descriptor is left out",
        devices,
        ("/predicate/descriptors/1", ...),
    )
    base.bad(
        "binding-missing",
        "CEP-P3",
        "the second device is left out",
        devices,
        ("/predicate/binding/1", ...),
    )
    base.bad(
        "binding-swapped",
        "CEP-P3",
        "the devices change places",
        devices,
        ("/predicate/binding", bound[::-1]),
    )
    base.bad(
        "of-refused-plan",
        "CEP-P8",
        "the verdict is REFUSED",
        "a plan that was refused was not run",
        ("/predicate/verifier/verdict", "REFUSED"),
    )
    run = "the chain shows that plan, binding and steps belong together"
    base.bad("other-chain", "CEP-P4", "the chain", run, ("/predicate/step_chain", DIGEST))
    stale = base.statement["predicate"]["step_chain"]
    base.bad(
        "chain-of-two-runs",
        "CEP-P4",
        "three runs, with the chain of two",
        run,
        ("/predicate/runs", "3"),
        ("/predicate/step_chain", stale),
    )
    base.bad(
        "other-unit",
        "CEP-P4",
        "another unit, with the chain of the first",
        run,
        ("/predicate/binding/1/unit_id", "other"),
        ("/predicate/step_chain", stale),
    )
    base.bad(
        "too-many-runs",
        "CEP-P4",
        "5,000,001 runs of two steps",
        "a chain that takes hours to check is not checked",
        ("/predicate/runs", "5000001"),
        ("/predicate/step_chain", stale),
    )


def _time(base: Slip) -> None:
    why = "times that cannot be are not what happened"
    for name, mutation, edit in (
        ("backwards", "it ended before it began", ("finished_at", "2026-11-19T08:59:59Z")),
        ("from-the-future", "it ends in 301 seconds", ("finished_at", "2026-11-20T00:05:01Z")),
        ("before-the-plan", "it began before the plan", ("started_at", "2025-12-31T23:59:59Z")),
    ):
        base.bad(name, "CEP-P6", mutation, why, (f"/predicate/{edit[0]}", edit[1]))
    statement = edited(base.statement, ("/predicate/finished_at", "2026-11-20T00:05:00Z"))
    base.book.accept(
        "receipt-clocks-differ",
        "CEP-P6",
        "clocks differ by up to 300 seconds",
        _question(base.plan, statement),
        identity(statement),
    )


def _steps(base: Slip) -> None:
    why = "a time of a step that never ran is made up"
    measured = base.statement["predicate"]["measured"]
    for name, mutation, edit in (
        ("no-such-step", "a time of a third step", ("measured/1/step", 2)),
        ("measured-twice", "the first step's time twice", ("measured/1/step", 0)),
        ("measured-backwards", "times in reverse order", ("measured", measured[::-1])),
        ("measured-too-often", "three times in two runs", ("measured/0/n", "3")),
        ("percentiles", "a median above the 99th percentile", ("measured/0/p50_ns", "41001")),
        (
            "trip-nowhere",
            "a trip of a third step",
            ("trips", [{"step": 2, "quantity": "time_ns", "action": "abort"}]),
        ),
        (
            "alternate-nowhere",
            "an alternate of a step that has none",
            ("alternates_taken", [{"step": 1, "alternate": 0, "run": "0"}]),
        ),
    ):
        base.bad(name, "CEP-P7", mutation, why, (f"/predicate/{edit[0]}", edit[1]))


def _data(base: Slip) -> None:
    why = "a receipt is for these inputs and these outputs"
    inputs, outputs = tensors("input", 8, 0), tensors("output", 4, 100)
    mutations: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("other-inputs", "the inputs are others", {"inputs": tensors("input", 8, 1)}),
        ("other-outputs", "the outputs are others", {"outputs": tensors("output", 4, 101)}),
        ("runs-swapped", "the two runs' inputs change places", {"inputs": inputs[::-1]}),
        ("run-missing", "the outputs of the second run are left out", {"outputs": outputs[:1]}),
        ("other-shape", "the input of the second run is flat", {"inputs": _flat(inputs)}),
    )
    for name, mutation, changes in mutations:
        base.book.refuse(f"receipt-{name}", "CEP-P5", base.base, mutation, why, **changes)
    base.bad(
        "other-root", "CEP-P5", "the root of the inputs", why, ("/predicate/inputs_root", DIGEST)
    )


def _flat(runs: list[list[Json]]) -> list[list[Json]]:
    return [runs[0], [{**runs[1][0], "shape": ["16"]}]]


def _alternates(base: Slip) -> None:
    why = "an alternate that was taken in silence is a fallback in silence"
    stale = base.statement["predicate"]["step_chain"]
    base.bad(
        "alternate-hidden",
        "CEP-P4",
        "the alternate is left out, the chain still has it",
        why,
        ("/predicate/alternates_taken", ...),
        ("/predicate/step_chain", stale),
    )
    for name, mutation, member, value in (
        ("alternate-of-no-run", "in a third run", "run", "2"),
        ("alternate-unknown", "a second alternate of a step that has one", "alternate", 1),
    ):
        path = f"/predicate/alternates_taken/0/{member}"
        base.bad(name, "CEP-P7", mutation, why, (path, value))
    drained = {"step": 1, "quantity": "time_ns", "action": "drain"}
    base.bad(
        "trip-hidden",
        "CEP-P7",
        "the trip is left out, the alternate is there",
        why,
        ("/predicate/trips", ...),
    )
    base.bad(
        "trip-that-drained",
        "CEP-P7",
        "another trip let the run drain, where alternates follow",
        why,
        ("/predicate/trips/-", drained),
    )
    base.bad(
        "alternate-twice",
        "CEP-P7",
        "the same entry twice",
        why,
        (
            "/predicate/alternates_taken/-",
            base.statement["predicate"]["alternates_taken"][0],
        ),
    )


def _elements(tensor: Json) -> bytes:
    return keys.unb64(str(tensor["elements"]))


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
