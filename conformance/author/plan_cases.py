"""Plans: the families I, T, S, O, M, C and E of spec/cep.md."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Final

from acp.canonical import canonicalize
from acp.dsse import CAPABILITY_DESCRIPTOR, PLAN
from conformance.author import (
    keys,
    plan_artifacts,
    plan_collectives,
    plan_conditions,
    plan_constraints,
    plan_hostile,
    plan_rewrites,
    plan_safety,
    plan_streams,
    plan_symbols,
    plans,
)
from conformance.author.book import NOW, Book, Edit, Json, Question, Vector, edited, identity, text
from conformance.author.documents import DIGEST, STATUS, entry
from conformance.author.plans import POLICY, Deck

_CODE: Final[Json] = {"digest": DIGEST, "media_type": "text/plain", "abi": "toy"}
_EVERY_RULE: Final = (
    "CEP-I1 CEP-I2 CEP-I3 CEP-I4 CEP-I5 CEP-I6 CEP-T1 CEP-T2 CEP-T3 CEP-T4 CEP-T5 CEP-T6 CEP-S1 "
    "CEP-S2 CEP-S3 CEP-S4 CEP-M1 CEP-M2 CEP-M3 CEP-M4 CEP-M5 CEP-M6 CEP-M7 CEP-M8 CEP-O1 CEP-O2 "
    "CEP-O6 CEP-C2 CEP-C5 CEP-E1"
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """Cases about one plan.

    Attributes:
        book: Where they go.
        base: The accepted case.
        deck: The plan that it asks about.
    """

    book: Book
    base: Vector
    deck: Deck

    def deal(
        self,
        name: str,
        codes: str,
        mutation: str,
        why: str,
        deck: Deck,
        also: str = "",
    ) -> None:
        """Refuse another deck."""
        self._refuse(name, codes, mutation, why, deck.question(), also)

    def bad(
        self, name: str, codes: str, mutation: str, why: str, *edits: Edit, also: str = ""
    ) -> None:
        """Refuse the edited plan, whose graph has the digest that it says."""
        self.deal(name, codes, mutation, why, self.deck.edited(*edits), also)

    def stale(
        self, name: str, codes: str, mutation: str, why: str, *edits: Edit, also: str = ""
    ) -> None:
        """Refuse the edited plan, with the digest of the graph that it was before."""
        graph = self.deck.document()["source"]["graph_digest"]
        deck = self.deck.edited(*edits)
        question = deck.question(_text(deck.document(graph)))
        self._refuse(name, codes, mutation, why, question, also)

    def written(self, name: str, codes: str, mutation: str, why: str, payload: bytes) -> None:
        """Refuse other bytes of the payload."""
        self._refuse(name, codes, mutation, why, self.deck.question(payload), "")

    def _refuse(
        self, name: str, codes: str, mutation: str, why: str, question: Question, also: str
    ) -> None:
        asked = {one: getattr(question, one) for one in ("input", "policy", "descriptors")}
        self.book.refuse(f"plan-{name}", codes, self.base, mutation, why, also=also, **asked)


@dataclass(frozen=True, slots=True)
class Chapters:
    """The area while it is written.

    Attributes:
        book: The book.
    """

    book: Book = field(default_factory=lambda: Book("plans", "plan"))

    def good(self, name: str, requires: str, why: str, deck: Deck) -> Sheet:
        """Accept a deck."""
        document = deck.document()
        vector = self.book.accept(name, requires, why, deck.question(), identity(document))
        return Sheet(self.book, vector, deck)


def _text(document: Json) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def write() -> Book:
    """Write the area down."""
    chapters = Chapters()
    shared = chapters.good(
        "plan", _EVERY_RULE, "two regions on two devices that share a memory", plans.shared()
    )
    one = chapters.good(
        "plan-one-region", "CEP-S1 CEP-S3 CEP-S4", "a region of two ops", plans.one_region()
    )
    _signature(shared)
    _encoding(shared)
    _digests(chapters, shared)
    _integrity(chapters, shared)
    _types(chapters, shared)
    _sizes(chapters)
    _attributes(chapters)
    _structure(chapters, shared, one)
    _order(shared)
    _transfers(chapters)
    _memory(chapters, shared)
    _timing(chapters, shared)
    _capability(chapters, shared)
    plan_artifacts.write(chapters)
    plan_collectives.write(chapters)
    plan_conditions.write(chapters)
    plan_constraints.write(chapters)
    plan_streams.write(chapters)
    plan_rewrites.write(chapters)
    plan_symbols.write(chapters)
    plan_hostile.write(chapters)
    plan_safety.write(chapters)
    return chapters.book


def _signature(base: Sheet) -> None:
    payload = text(base.deck.document())
    why = "a plan runs with the rights of whoever runs it"
    whole = keys.envelope(payload, PLAN, "planner")
    other = text(base.deck.edited(("/revision", "4")).document())
    for name, mutation, signed in (
        ("signed-by-stranger", "a stranger's signature", keys.envelope(payload, PLAN, "stranger")),
        (
            "signed-by-vendor",
            "signed by the key that may sign descriptors",
            keys.envelope(payload, PLAN, "vendor"),
        ),
        (
            "payload-altered",
            "`revision` is 4 in the payload",
            edited(whole, ("/payload", keys.b64(other))),
        ),
        (
            "payload-white-space",
            "a space before the payload",
            edited(whole, ("/payload", keys.b64(b" " + payload))),
        ),
        (
            "typed-as-descriptor",
            "signed as a capability descriptor",
            keys.envelope(payload, CAPABILITY_DESCRIPTOR, "planner"),
        ),
    ):
        base.book.refuse(
            f"plan-{name}",
            "CEP-I1",
            base.base,
            mutation,
            why,
            input=canonicalize(signed),
        )
    expired = edited(POLICY, ("/keys/1", entry("planner", not_after="2026-06-01T00:00:00Z")))
    base.book.refuse(
        "plan-signed-by-retired-key",
        "CEP-I1",
        base.base,
        "the planner's key has expired",
        why,
        policy=canonicalize(expired),
    )


def _encoding(base: Sheet) -> None:
    document = base.deck.document()
    payload = text(document)
    once = "a plan has one encoding, so that its bytes and its identity are one"
    for name, mutation, data in (
        ("indented", "the payload is indented", json.dumps(document, indent=1).encode()),
        ("line-feed", "a line feed after the payload", payload + b"\n"),
        ("escaped", "a letter is escaped", payload.replace(b'"left"', b'"\\u006ceft"', 1)),
        (
            "unsorted",
            "the members are in another order",
            json.dumps(dict(reversed(document.items())), separators=(",", ":")).encode(),
        ),
    ):
        base.written(name, "CEP-I3", mutation, once, data)
    for name, dim, mutation in (
        ("coefficient-1", "1*s0", "a size is written 1*s0"),
        ("tight-sum", "s0+0", "a size is written s0+0"),
        ("power-1", "s0^1", "a size is written s0^1"),
        ("zero-in-front", "08", "a size is written 08"),
    ):
        path = "/values/0/shape/1" if dim == "08" else "/values/0/shape/0"
        base.stale(name, "CEP-I3", mutation, "a size has one spelling", (path, dim))
    strict = "what a reader of plans does not know it must not ignore"
    base.written(
        "repeated-member",
        "CEP-I1",
        "`steps` a second time",
        "one parser runs the first, another verifies the second",
        payload[:-1] + b',"steps":[]}',
    )
    base.written("truncated", "CEP-I1", "the last byte missing", once, payload[:-1])
    for name, codes, mutation, edit in (
        ("unknown-member", "ENV-S2", "a member `priority`", ("/priority", 1)),
        ("extensions", "ENV-S2", "`extensions`, which plans do not have", ("/extensions", {})),
        ("no-steps", "ENV-S1", "`steps` removed", ("/steps", ...)),
        ("no-body", "ENV-S1", "a step without a body", ("/steps/0/run", ...)),
        ("float", "ENV-S3", "a buffer index is 0.5", ("/steps/0/reads/0", 0.5)),
        ("number-in-64-bits", "ENV-S3", "an offset is a number", ("/buffers/1/offset", 256)),
        ("null", "ENV-S4", "`features` is null", ("/features", None)),
        ("empty-waits", "ENV-S4", "`waits` is empty", ("/steps/0/waits", [])),
    ):
        also = {"ENV-S2": "", "ENV-S1": "ENV-S3", "ENV-S4": "ENV-S3"}.get(codes, "")
        edits: tuple[Edit, ...] = (edit,)
        base.stale(name, codes, mutation, strict, *edits, also=also)
    two: Edit = ("/steps/0/transfer", {})
    base.stale("two-bodies", "ENV-S3", "a step that runs and transfers", strict, two, also="ENV-S4")


def _digests(chapters: Chapters, base: Sheet) -> None:
    why = "a digest that is not compared is no digest"
    stored = chapters.good(
        "plan-with-weights",
        "CEP-I2",
        "the constants are those that the plan names",
        replace(base.deck, context={"store": (plans.safetensors(),)}),
    )
    other = "sha256:" + "5a" * 32
    for name, mutation, edit in (
        ("weights-other", "the digest of a constant", ("/constants/0/digest", other)),
        ("weights-elsewhere", "the digest of a file", ("/constants/0/store_digest", other)),
        ("weights-no-key", "the name within the file is `v`", ("/constants/0/key", "v")),
        ("weights-swapped", "the name within the file is the other's", ("/constants/0/key", "b")),
    ):
        stored.bad(name, "CEP-I2", mutation, why, edit)
    stored.book.refuse(
        "plan-weights-altered",
        "CEP-I2",
        stored.base,
        "a bit of the file",
        "weights decide what is computed",
        store=(plans.safetensors()[:-1] + b"\x01",),
    )
    base.bad(
        "opset-twice",
        "CEP-I2",
        "the opset a second time",
        "of two tables of one name, readers would take different ones",
        ("/opsets/-", base.deck.plan["opsets"][0]),
    )
    base.bad(
        "other-opset", "CEP-I2", "the digest of the opset", why, ("/opsets/0/schema_digest", other)
    )
    base.deal(
        "descriptor-missing",
        "CEP-I2",
        "the descriptor of the second device is not given",
        "who does not have the descriptor cannot know what the device can do",
        replace(base.deck, withheld=frozenset({"right"})),
    )
    changed = base.deck.device("right", ("/revision", "4"))
    base.book.refuse(
        "plan-descriptor-changed",
        "CEP-I2",
        base.base,
        "the descriptor of the second device is a later revision than the one planned for",
        "a plan is for the devices it was made for",
        descriptors=changed.descriptors(),
    )


def _integrity(chapters: Chapters, base: Sheet) -> None:
    unknown = "what a plan says and a reader ignores may be what makes it safe"
    base.bad(
        "unknown-feature", "CEP-I4", "a feature `telepathy`", unknown, ("/features", ["telepathy"])
    )
    for name, mutation, edit in (
        ("stream", "`stream`", ("/stream", {"microbatches": 2, "ring_depth": 2})),
        ("safety", "`safety`", ("/safety", {"nan_guard": True})),
        ("deadline", "a deadline", ("/constraints/deadline_ns", "1000000")),
        ("energy", "a limit of energy", ("/constraints/energy_fj", "1000000")),
        ("locality", "a locality label", ("/constraints/locality_labels", ["eu"])),
        ("alternates", "an alternate", ("/steps/1/alternates", [{"queue": "ql"}])),
        ("artifact", "compiled code", ("/artifacts", [_CODE])),
        ("layout", "a layout", ("/values/3/layout", "blocked")),
        ("network", "a queue of a network", ("/queues/1/kind", "NET")),
    ):
        base.bad(
            f"undeclared-{name}",
            "CEP-I4",
            f"{mutation}, without the feature that it needs",
            "a reader that does not know the feature must notice",
            edit,
        )
    stale = "an old plan is as dangerous as an old descriptor"
    base.bad(
        "expired", "CEP-I5", "`expires_at` is now", stale, ("/expires_at", "2026-11-20T00:00:00Z")
    )
    base.bad(
        "not-yet-valid",
        "CEP-I5",
        "`not_before` is a second from now",
        stale,
        ("/not_before", "2026-11-20T00:00:01Z"),
    )
    base.bad(
        "from-the-future",
        "CEP-I5",
        "`issued_at` is a second from now",
        stale,
        ("/issued_at", "2026-11-20T00:00:01Z"),
    )
    floor = {
        "issuer": base.deck.plan["issuer"],
        "uri": base.deck.plan["uri"],
        "min_revision": 4,
    }
    base.book.refuse(
        "plan-rolled-back",
        "CEP-I5",
        base.base,
        "the policy asks for revision 4",
        stale,
        policy=canonicalize({**POLICY, "floors": [floor]}),
    )
    chapters.good(
        "plan-in-force-from-now",
        "CEP-I5",
        "the beginning is inclusive",
        base.deck.edited(("/not_before", NOW)),
    )
    nowhere = "a reference that leads nowhere is a fault when the plan runs"
    for name, path, value in (
        ("device-of-arena", "/arenas/0/device", "middle"),
        ("device-of-queue", "/queues/1/device", "middle"),
        ("arena-of-buffer", "/buffers/2/arena", "attic"),
        ("queue-of-step", "/steps/1/queue", "qm"),
        ("queue-of-wait", "/steps/1/waits/0/queue", "qm"),
        ("buffer-read", "/steps/1/reads/0", 3),
        ("buffer-written", "/steps/1/writes/0", 3),
        ("op-of-step", "/steps/1/run/ops/0", 2),
        ("in-place-of", "/buffers/2/in_place_of", 3),
    ):
        mutation = f"`{path[1:]}` is {json.dumps(value)}"
        base.bad(f"lost-{name}", "CEP-I6", mutation, nowhere, (path, value))
    twice = "a name for two things is a reference to either"
    twins: tuple[tuple[str, str, Any], ...] = (
        ("queues", "/queues/1/id", "ql"),
        ("inputs", "/inputs/-", {"name": "input", "value": "x"}),
        ("arenas", "/arenas/-", base.deck.plan["arenas"][0]),
    )
    for name, path, value in twins:
        mutation = f"a second one of the same name among `{path.split('/')[1]}`"
        base.bad(f"twin-{name}", "CEP-I6", mutation, twice, (path, value), also="CEP-T1")


def _types(chapters: Chapters, base: Sheet) -> None:
    once = "two definitions of a value are two programs"
    for name, mutation, edits in (
        ("made-twice", "the second op makes what the first one made", [("/ops/1/outputs/0", "h")]),
        ("made-input", "the first op makes the input", [("/ops/0/outputs/0", "x")]),
        ("used-undefined", "the second op reads an undeclared value", [("/ops/1/inputs/0", "z")]),
        ("output-undefined", "the output is an undeclared value", [("/outputs/0/value", "z")]),
        ("role-of-input", "the input is declared TEMP", [("/values/0/role", "TEMP")]),
        ("role-of-result", "the result is declared IN", [("/values/3/role", "IN")]),
        ("role-of-output", "the output is declared TEMP", [("/values/4/role", "TEMP")]),
        ("buffer-of-nothing", "a buffer is for an undeclared value", [("/buffers/2/value", "z")]),
    ):
        base.stale(name, "CEP-T1", mutation, once, *edits)
    twice: Edit = ("/values/-", base.deck.plan["values"][3])
    base.stale("declared-twice", "CEP-T1", "a value is declared twice", once, twice)
    why = "an op outside the opset has no meaning"
    base.bad("unknown-op", "CEP-T2", "an op `relux`", why, ("/ops/1/target", "cep-core/1:relux"))
    base.bad(
        "op-of-other-version",
        "CEP-T2",
        "an op of version 2, which the plan does not pin",
        why,
        ("/ops/1/target", "cep-core/2:relu"),
    )
    base.bad(
        "op-of-other-opset",
        "CEP-T2",
        "an op of an opset that the plan does not pin",
        why,
        ("/ops/1/target", "vendor.example/ops/1:relu"),
    )
    wrong = "a buffer of the declared size would not hold the result"
    for name, mutation, edit in (
        ("shape", "the output is declared one wider", ("/values/4/shape/1", "5")),
        ("rank", "the output is declared flat", ("/values/4/shape", ["4*s0"])),
        ("dtype", "the output is declared i32", ("/values/4/dtype", "i32")),
        ("symbol", "the output is declared with 8 rows", ("/values/4/shape/0", "8")),
        ("weight", "the weights are declared one wider", ("/values/1/shape/1", "9")),
    ):
        base.bad(f"wrong-{name}", "CEP-T3", mutation, wrong, edit)
    base.bad("missing-operand", "CEP-T3", "relu of nothing", wrong, ("/ops/1/inputs", ...))
    unknown = "a size that nobody knows is no size"
    symbols: tuple[tuple[str, str, Edit], ...] = (
        ("none", "the smallest size is 9, the largest 8", ("/symbols/0/min", "9")),
        ("no-multiple", "sizes are multiples of 16, up to 8", ("/symbols/0/divisor", "16")),
        ("undeclared", "a size is `s1`", ("/values/3/shape/0", "s1")),
        (
            "unsaid",
            "a second symbol, which is no input's size",
            ("/symbols/-", {"name": "s1", "min": "1", "max": "8"}),
        ),
        ("dtype", "a value of an unknown dtype", ("/values/3/dtype", "f99")),
        ("constant", "a constant whose size is a symbol", ("/values/2/shape/0", "s0")),
    )
    for name, mutation, edit in symbols:
        base.bad(f"symbol-{name}", "CEP-T5", mutation, unknown, edit)
    repeatable = chapters.good(
        "plan-deterministic",
        "CEP-T6",
        "both devices claim to be deterministic",
        base.deck.edited(("/constraints/deterministic", True)),
    )
    claim = "/ops/1/variants/0/numerics"
    denials: tuple[tuple[str, str, Edit], ...] = (
        ("denied", "the second device claims no determinism", (f"{claim}/determinism", "NONE")),
        ("unclaimed", "the second device does not say", (claim, ...)),
    )
    for name, mutation, edit in denials:
        repeatable.deal(
            f"determinism-{name}",
            "CEP-T6",
            mutation,
            "what a device does not promise, a plan cannot",
            repeatable.deck.device("right", edit),
        )
    chapters.good(
        "plan-not-deterministic",
        "CEP-T6",
        "a plan that does not promise it needs no such claim",
        base.deck.device("right", (claim, ...)),
    )


def _sizes(chapters: Chapters) -> None:
    why = "a size that wraps around is a small buffer for large data"
    cubic = chapters.good(
        "plan-cubic", "CEP-T4", "512 elements at most", plans.sized("s0", "s0", "s0", size=2048)
    )
    cubic.bad(
        "overflow",
        "CEP-T4",
        "sizes up to 2^21, so that a value has 2^65 bytes",
        why,
        ("/symbols/0/max", "2097152"),
    )
    less = chapters.good(
        "plan-one-less",
        "CEP-T4",
        "a size that is 0 at least is a size",
        plans.sized("s0", "s0 - 1", size=224),
    )
    less.bad(
        "negative-size",
        "CEP-T4",
        "sizes from 0 on, so that one is -1",
        "a negative size is none",
        ("/symbols/0/min", "0"),
    )


def _attributes(chapters: Chapters) -> None:
    given = chapters.good(
        "plan-attributes", "CEP-I3 CEP-T3", "an op with two attributes", plans.summed()
    )
    attributes = given.deck.plan["ops"][0]["attributes"]
    once = "a plan has one encoding, so that its bytes and its identity are one"
    path = "/ops/0/attributes"
    given.bad("attributes-unsorted", "CEP-I3", "they change places", once, (path, attributes[::-1]))
    given.bad(
        "attribute-twice",
        "CEP-I3",
        "the first a second time",
        once,
        (path, [attributes[0], *attributes]),
    )
    wrong = "an attribute that one stack reads as another does computes something else"
    for name, mutation, value in (
        ("missing", "the second is left out", attributes[:1]),
        ("unknown", "a third", [*attributes, {"name": "temperature", "integer": "1"}]),
        ("kind", "the axes are one size", [{"name": "dim", "dim": "1"}, attributes[1]]),
        (
            "axis",
            "the axis is 2",
            [edited(attributes[0], ("/integers/items/0", "2")), attributes[1]],
        ),
    ):
        given.bad(f"attribute-{name}", "CEP-T3", mutation, wrong, (path, value))


def _structure(chapters: Chapters, base: Sheet, one: Sheet) -> None:
    why = "what no step computes is not there; what two compute is there twice"
    one.bad(
        "op-left-out",
        "CEP-S1",
        "the region lacks the second op",
        why,
        ("/steps/0/run/ops", [0]),
    )
    one.bad(
        "op-twice-in-region",
        "CEP-S1",
        "the region has the second op twice",
        why,
        ("/steps/0/run/ops", [0, 1, 1]),
    )
    base.bad(
        "op-in-two-regions",
        "CEP-S1",
        "the second region has the first op too",
        why,
        ("/steps/1/run/ops", [0, 1]),
    )
    one.bad(
        "region-reversed",
        "CEP-S4",
        "the region lists its ops in reverse",
        "a stack that runs them in this order reads what is not there",
        ("/steps/0/run/ops", [1, 0]),
    )
    ops = one.deck.plan["ops"]
    one.stale(
        "ops-reversed",
        "CEP-S4",
        "the plan lists the ops in reverse, and the region accordingly",
        "ops in an order in which none needs a later one: there is a cycle, or nobody looked",
        ("/ops", ops[::-1]),
        ("/steps/0/run/ops", [1, 0]),
    )
    three = chapters.good("plan-line", "CEP-S2", "three regions in a line", plans.line())
    steps = three.deck.plan["steps"]
    three.bad(
        "not-convex",
        "CEP-S2",
        "the third op runs in the first region",
        "a region that needs what is made from its own results can never begin",
        (
            "/steps",
            [{**steps[0], "run": {"ops": [0, 2]}, "reads": [0, 2], "writes": [1, 3]}, steps[1]],
        ),
    )
    border = "what crosses a region's border must be in a buffer"
    for name, mutation, edit in (
        ("read-missing", "the second region reads nothing", ("/steps/1/reads", ...)),
        ("read-too-many", "the second region reads the input too", ("/steps/1/reads", [1, 0])),
        ("read-twice", "the second region reads its input twice", ("/steps/1/reads", [1, 1])),
        ("write-missing", "the second region writes nothing", ("/steps/1/writes", ...)),
        ("write-too-many", "the first region writes the output too", ("/steps/0/writes", [1, 2])),
    ):
        base.bad(name, "CEP-S3", mutation, border, edit)
    base.bad(
        "reads-another-value",
        "CEP-S3",
        "the second region reads the input in place of the result",
        border,
        ("/steps/1/reads", [0]),
    )
    why = "the plan is not the model that it claims to be"
    base.stale(
        "other-graph", "CEP-E1", "tanh in place of relu", why, ("/ops/1/target", "cep-core/1:tanh")
    )
    base.stale(
        "other-name", "CEP-E1", "the output has another name", why, ("/outputs/0/name", "out")
    )
    base.stale("other-range", "CEP-E1", "sizes up to 7", why, ("/symbols/0/max", "7"))
    base.stale("other-weights", "CEP-E1", "other weights", why, ("/constants/0/digest", DIGEST))
    base.book.refuse(
        "plan-other-source",
        "CEP-E1",
        base.base,
        "the digest of the source",
        why,
        input=base.deck.question(text(base.deck.document(DIGEST))).input,
    )


def _order(base: Sheet) -> None:
    base.bad(
        "deadlock",
        "CEP-O1",
        "the first step waits for the second",
        "two steps that wait for each other wait forever",
        ("/steps/0/waits", [{"queue": "qr", "epoch": 1}]),
    )
    base.bad(
        "waits-for-itself",
        "CEP-O1",
        "the second step waits for its own end",
        "a step that waits for its own end waits forever",
        ("/steps/1/waits/-", {"queue": "qr", "epoch": 1}),
    )
    base.bad(
        "epoch-too-far",
        "CEP-O2",
        "the second step waits for epoch 2 of a queue of one step",
        "an epoch that never comes is waited for forever",
        ("/steps/1/waits/0/epoch", 2),
    )


def _transfers(chapters: Chapters) -> None:
    moved = chapters.good(
        "plan-transfer",
        "CEP-O5 CEP-O6",
        "two devices with memories of their own, and a transfer over a link",
        plans.separate(),
    )
    why = "a copy over a link that is not there never arrives"
    moved.bad("other-link", "CEP-O5", "a link `tunnel`", why, ("/steps/1/transfer/link", "tunnel"))
    moved.bad("no-link", "CEP-O5", "no link is named", why, ("/steps/1/transfer", {}))
    moved.deal(
        "no-system",
        "CEP-O5",
        "the system descriptor is not given",
        why,
        replace(moved.deck, linked=False),
    )
    for name, mutation, deck in (
        (
            "one-way-link",
            "the link carries nothing from the first device to the second",
            moved.deck.system(("/links/0/a_to_b_bytes_per_s", "0")),
        ),
        (
            "link-elsewhere",
            "the link leads from the first device to itself",
            moved.deck.system(("/links/0/b/node", "l")),
        ),
        (
            "system-by-stranger",
            "a stranger signed the system descriptor",
            replace(moved.deck, signers={"system": "stranger"}),
        ),
    ):
        moved.deal(name, "CEP-O5", mutation, why, deck)
    chapters.good(
        "plan-one-way",
        "CEP-O5",
        "a link that carries nothing back is enough",
        moved.deck.system(("/links/0/b_to_a_bytes_per_s", "0")),
    )
    copy = "a copy has one source and one destination"
    moved.bad(
        "transfer-of-two", "CEP-O5", "the transfer reads x too", copy, ("/steps/1/reads", [1, 0])
    )
    moved.bad(
        "transfer-of-nothing",
        "CEP-O5",
        "the transfer reads nothing",
        copy,
        ("/steps/1/reads", ...),
    )
    moved.bad(
        "transfer-of-another",
        "CEP-O5",
        "the transfer copies x to the place of h",
        "a copy is of one value",
        ("/steps/1/reads", [0]),
    )
    moved.bad(
        "read-across",
        "CEP-O6",
        "the second region reads the first device's copy",
        "a device sees its own memory, and what is coherent with it",
        ("/steps/2/reads", [1]),
    )
    moved.bad(
        "write-across",
        "CEP-O6",
        "the output is in the first device's memory",
        "a device sees its own memory, and what is coherent with it",
        ("/buffers/3", {"value": "y", "arena": "al", "offset": "384", "size": "128"}),
    )
    shared = chapters.good(
        "plan-coherent",
        "CEP-O6",
        "devices whose memories name one coherence domain see each other's data",
        plans.shared().device("right", ("/operating_point/ecc", True)),
    )
    domain = "/memories/0/coherence_domain"
    for name, mutation, edit in (
        ("other-domain", "the second device is in another domain", (domain, "attic")),
        ("no-domain", "the second device names no domain", (domain, ...)),
    ):
        shared.deal(
            name,
            "CEP-O6",
            mutation,
            "a device sees its own memory, and what is coherent with it",
            shared.deck.device("right", edit),
        )


def _memory(chapters: Chapters, base: Sheet) -> None:
    why = "a buffer beyond its arena is somebody else's memory"
    for name, mutation, edit in (
        ("too-small", "a buffer is one byte short", ("/buffers/2/size", "127")),
        (
            "beyond-arena",
            "the arena ends within the last buffer",
            ("/arenas/0/bytes", "511"),
        ),
        ("crooked", "a buffer begins half-way between two lines", ("/buffers/2/offset", "416")),
        ("crooked-element", "a buffer begins within an element", ("/buffers/2/offset", "514")),
        ("alignment", "the arena is aligned to 48 bytes", ("/arenas/0/alignment_bytes", "48")),
        ("no-such-memory", "the arena is in a memory `hbm`", ("/arenas/0/memory", "hbm")),
        ("far-away", "a buffer begins at 2^63", ("/buffers/2/offset", "9223372036854775808")),
    ):
        also = "CEP-O6" if name == "no-such-memory" else ""
        base.bad(name, "CEP-M1", mutation, why, edit, also=also)
    chapters.good(
        "plan-arena-full",
        "CEP-M1",
        "the last buffer may end where the arena ends",
        base.deck.edited(("/arenas/0/bytes", "512")),
    )
    full = "what does not fit is not there"
    base.bad(
        "arena-too-large",
        "CEP-M8",
        "the arena has all of the memory, of which some is reserved",
        full,
        ("/arenas/0/bytes", "1048576"),
    )
    base.bad(
        "arenas-too-large",
        "CEP-M8",
        "a second arena with all of the memory",
        full,
        ("/arenas/-", {**base.deck.plan["arenas"][0], "id": "more", "bytes": "1048576"}),
    )
    largest = chapters.good(
        "plan-arena-largest",
        "CEP-M8",
        "a sixteenth of 1 MiB is reserved; 144 bytes of weights and the arena have the rest",
        base.deck.edited(("/arenas/0/bytes", "982896")),
    )
    largest.bad("arena-one-more", "CEP-M8", "one byte more", full, ("/arenas/0/bytes", "982897"))
    promised = chapters.good(
        "plan-peak",
        "CEP-M8",
        "the arena and the weights, 144 bytes, are what was promised",
        base.deck.edited(("/constraints/peak_bytes", [{"device": "left", "bytes": "4240"}])),
    )
    promised.bad(
        "peak-too-low",
        "CEP-M8",
        "one byte less is promised",
        "a promise that is not kept is no promise",
        ("/constraints/peak_bytes/0/bytes", "4239"),
    )


def _timing(chapters: Chapters, base: Sheet) -> None:
    same = [("/buffers/2/offset", "256"), ("/buffers/2/in_place_of", 1)]
    in_place = chapters.good(
        "plan-in-place",
        "CEP-M2",
        "relu may overwrite its operand, if the plan says so",
        base.deck.edited(*same),
    )
    why = "a kernel that writes while it reads sees its own results"
    in_place.bad(
        "in-place-undeclared", "CEP-M2", "it does not say so", why, ("/buffers/2/in_place_of", ...)
    )
    base.bad(
        "in-place-elsewhere",
        "CEP-M2",
        "it says so, but lies elsewhere",
        "what takes over no bytes is not in place",
        ("/buffers/2/in_place_of", 1),
    )
    in_place.bad(
        "in-place-of-another",
        "CEP-M2",
        "it says so of another buffer",
        why,
        ("/buffers/2/in_place_of", 0),
    )
    in_place.bad(
        "in-place-shifted",
        "CEP-M2",
        "the result begins 64 bytes later",
        "elements that are still to be read are overwritten",
        ("/buffers/2/offset", "320"),
    )
    in_place.bad(
        "in-place-matrix",
        "CEP-M2",
        "the first region takes over its input's bytes",
        "linear reads each element many times",
        ("/buffers/1", {**base.deck.plan["buffers"][1], "offset": "0", "in_place_of": 0}),
    )
    late = "whether it works depends on the timing"
    base.bad(
        "no-wait",
        "CEP-M4",
        "the second step waits for nothing",
        late,
        ("/steps/1/waits", ...),
        also="CEP-M3",
    )
    base.bad(
        "read-before-write",
        "CEP-M4",
        "the second step reads a buffer of the same value that nothing writes",
        "what nobody wrote is not there",
        ("/buffers/-", {"value": "h", "arena": "main", "offset": "512", "size": "128"}),
        ("/steps/1/reads", [3]),
    )
    reuse = chapters.good(
        "plan-reuse",
        "CEP-M3 CEP-M5 CEP-M6",
        "bytes are used again once nobody needs them",
        plans.chain("ql", "qr", "ql"),
    )
    reuse.bad(
        "race",
        "CEP-M3",
        "the third step does not wait for the reader of the bytes that it overwrites",
        late,
        ("/steps/2/waits", ...),
        also="CEP-M5",
    )
    reuse.bad(
        "input-overwritten",
        "CEP-M5",
        "the second result lies where the input lies, which the third step reads",
        "what was read is another value than what was meant",
        ("/buffers/2/offset", "0"),
    )
    row = chapters.good(
        "plan-reuse-in-one-queue",
        "CEP-M5 CEP-M6",
        "a queue orders its steps",
        plans.chain("ql", "ql", "ql"),
    )
    steps = row.deck.plan["steps"]
    row.bad(
        "overwritten",
        "CEP-M5",
        "the second and the third step change places",
        "what was read is another value than what was meant",
        ("/steps", [steps[0], steps[2], steps[1]]),
    )
    row.bad(
        "output-overwritten",
        "CEP-M6",
        "the third result lies where the second one lies",
        "the caller gets one output twice, and the other not at all",
        ("/buffers/3/offset", "512"),
    )
    _constants(chapters, base)


def _constants(chapters: Chapters, base: Sheet) -> None:
    stored = chapters.good(
        "plan-constant-in-buffer",
        "CEP-M7 CEP-S3",
        "a constant may lie in a buffer that a step reads",
        base.deck.edited(
            ("/buffers/-", {"value": "w", "arena": "main", "offset": "512", "size": "128"}),
            ("/steps/0/reads", [0, 3]),
        ),
    )
    why = "a plan is bound once and run often: a constant that is overwritten is wrong from then on"
    stored.bad(
        "constant-overwritten",
        "CEP-M7",
        "the output lies where the constant lies",
        why,
        ("/buffers/2/offset", "512"),
    )
    stored.bad(
        "inputs-overlap",
        "CEP-M3",
        "the constant lies where the second half of the input lies",
        "two writers put their values there before the plan begins",
        ("/buffers/3/offset", "128"),
        also="CEP-M5 CEP-M7",
    )
    stored.bad(
        "constant-partly-overwritten",
        "CEP-M7",
        "the output lies where the second half of the constant lies",
        why,
        ("/buffers/2/offset", "576"),
    )


def _capability(chapters: Chapters, base: Sheet) -> None:
    why = "a device does what its maker signed, and nothing else is known of it"
    claim = "/ops/1"
    operand = f"{claim}/variants/0/operands"
    for name, mutation, edit in (
        ("op", "claims no relu", (claim, ...)),
        ("dtype", "claims relu for f16", (operand, {"*": {"dtypes": ["f16"]}})),
        ("rank", "claims relu up to rank 1", (f"{operand}/*/rank/max", 1)),
        ("higher-rank", "claims relu from rank 3", (f"{operand}/*/rank/min", 3)),
        ("operand", "claims relu of f16 by name", (f"{operand}/self", {"dtypes": ["f16"]})),
        ("layout", "claims relu for blocked operands", (f"{operand}/*/layouts", ["blocked"])),
        ("sparsity", "claims relu for sparse operands", (f"{operand}/*/sparsity", ["2:4"])),
        ("quant", "claims relu for quantised operands", (f"{operand}/*/quant", ["int8"])),
    ):
        edits: tuple[Edit, ...] = (edit,)
        base.deal(
            f"no-such-{name}",
            "CEP-C2",
            f"the second device {mutation}",
            why,
            base.deck.device("right", *edits),
        )
    variant = base.deck.devices["right"]["ops"][1]["variants"][0]
    chapters.good(
        "plan-second-variant",
        "CEP-C2",
        "one variant that fits is enough",
        base.deck.device(
            "right",
            (f"{claim}/variants", [{**variant, "operands": {"*": {"dtypes": ["f16"]}}}, variant]),
        ),
    )
    _belief(chapters, base)


def _belief(chapters: Chapters, base: Sheet) -> None:
    why = "a descriptor that is not believed says nothing"
    base.deal(
        "device-by-stranger",
        "CEP-C5",
        "a stranger signed the second device's descriptor",
        why,
        replace(base.deck, signers={"right": "stranger"}),
    )
    base.deal(
        "device-by-planner",
        "CEP-C5",
        "the planner signed the second device's descriptor",
        "who may sign plans may not say what devices can do",
        replace(base.deck, signers={"right": "planner"}),
    )
    for name, mutation, edits in (
        ("expired", "has expired", [("/expires_at", "2026-11-01T00:00:00Z")]),
        (
            "critical",
            "has a critical extension",
            [("/extensions", {"a.example": {"b": True}}), ("/critical", ["a.example"])],
        ),
    ):
        base.deal(
            f"device-{name}",
            "CEP-C5",
            f"the second device's descriptor {mutation}",
            why,
            base.deck.device("right", *edits),
        )
    listed = chapters.good(
        "plan-nothing-revoked",
        "CEP-C5",
        "a status list withdraws what it lists, and nothing else",
        replace(base.deck, context={"status_lists": (text(STATUS),)}),
    )
    plan = identity(base.deck.document())
    listed.book.refuse(
        "plan-revoked",
        "CEP-I5",
        listed.base,
        "the list is about the plan",
        "only the issuer's word keeps a withdrawn plan from running",
        status_lists=(text(edited(STATUS, ("/entries/0/digest", plan))),),
    )
    other = edited(STATUS, ("/entries/0/digest", plan), ("/issuer", "other.example"))
    chapters.good(
        "plan-revoked-by-another",
        "CEP-I5",
        "nobody but the issuer withdraws a plan",
        replace(base.deck, context={"status_lists": (text(other),)}),
    )
    right = identity(base.deck.devices["right"])
    listed.book.refuse(
        "plan-device-revoked",
        "CEP-C5",
        listed.base,
        "the list is about the second device's descriptor",
        "the plan was fine until its device was withdrawn",
        status_lists=(text(edited(STATUS, ("/entries/0/digest", right))),),
    )
