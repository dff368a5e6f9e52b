"""Plans on conditions: predicates (CEP-C1), `where` (CEP-C2) and limits of queues (CEP-C4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from conformance.author import plans
from conformance.author.book import Edit, identity
from conformance.author.documents import DIGEST

if TYPE_CHECKING:
    from conformance.author.plan_cases import Chapters
    from conformance.author.plans import Deck


def write(chapters: Chapters) -> None:
    """Write the cases down."""
    _sizes(chapters)
    _operands(chapters)
    _predicates(chapters)
    _queues(chapters)


def _where(deck: Deck, slot: str, op: str, *conditions: str) -> Deck:
    claimed = [one["op"] for one in deck.devices[slot]["ops"]]
    path = f"/ops/{claimed.index(f'cep-core/1:{op}')}/variants/0/where"
    return deck.device(slot, (path, list(conditions)))


def _sizes(chapters: Chapters) -> None:
    why = "a claim on a condition is a claim for all admissible sizes, or for none"
    deck = plans.shared()
    pairs = (
        ("at-most", "self.shape[0] <= 8", "self.shape[0] <= 7"),
        ("less", "self.shape[0] < 9", "self.shape[0] < 8"),
        ("at-least", "1 <= self.shape[0]", "2 <= self.shape[0]"),
        ("unequal", "self.shape[0] != 9", "self.shape[0] != 8"),
        ("equal", "self.shape[0] == out.shape[0]", "self.shape[0] == out.shape[1]"),
        ("last-axis", "self.shape[-1] == 4", "self.shape[-2] == 4"),
        ("no-axis", "self.shape[1] != 5", "self.shape[2] != 5"),
        ("elements", "self.elements <= 32", "self.elements <= 31"),
        ("multiple-elements", "self.elements % 4 == 0", "self.elements % 8 == 0"),
        ("remainder", "self.shape[1] % 3 == 1", "self.shape[1] % 3 == 2"),
        ("small-remainder", "self.shape[0] % 9 <= 8", "self.shape[0] % 9 <= 7"),
        ("listed", "self.shape[0] in (8,7,6,5,4,3,2,1)", "self.shape[0] in (8,7,6,5,4,3,2)"),
        ("rank", "self.rank in (1, 2)", "self.rank in (1, 3)"),
        ("and", "self.rank == 2 and out.rank == 2", "self.rank == 2 and out.rank == 3"),
        ("spaces", "self.shape[1]%2==0", "self.shape[1]%8==0"),
    )
    for name, met, unmet in pairs:
        sheet = chapters.good(
            f"plan-where-{name}", "CEP-C2", why, _where(deck, "right", "relu", met)
        )
        mutation = f"the condition is {unmet}"
        sheet.deal(
            f"where-{name}-unmet", "CEP-C2", mutation, why, _where(deck, "right", "relu", unmet)
        )
    even = deck.edited(("/symbols/0/divisor", "4"))
    sheet = chapters.good(
        "plan-where-divisor",
        "CEP-C2",
        "that sizes are multiples of 4 is known of the symbol",
        _where(even, "right", "relu", "self.shape[0] % 4 == 0", "self.shape[0] in (4, 8)"),
    )
    sheet.bad(
        "where-divisor-2", "CEP-C2", "sizes are multiples of 2", why, ("/symbols/0/divisor", "2")
    )
    odd = _where(deck, "right", "relu", "self.shape[0] % 4 == 3").edited(
        ("/symbols/0", {"name": "s0", "min": "3", "max": "3"})
    )
    sheet = chapters.good(
        "plan-where-one-size", "CEP-C2", "a symbol with one size is a number", odd
    )
    sheet.bad("where-two-sizes", "CEP-C2", "the symbol may be 4 too", why, ("/symbols/0/max", "4"))


def _operands(chapters: Chapters) -> None:
    why = "a condition on what is not there is not met, whatever it compares"
    deck = plans.shared()
    for name, op, met, mutation, unmet in (
        ("dtype", "relu", 'self.dtype in ("f16", "f32")', "other dtypes", 'self.dtype == "f16"'),
        ("unknown", "relu", "self.shape[1] != 9", "another axis", "self.shape[3] != 9"),
        ("weight", "linear", "weight.shape[1] == 8", "another size", "weight.shape[1] == 4"),
        ("optional", "linear", "bias.rank == 1", "another rank", "bias.rank == 2"),
    ):
        slot = "right" if op == "relu" else "left"
        sheet = chapters.good(
            f"plan-where-operand-{name}",
            "CEP-C2",
            "operands and results are named as in the opset",
            _where(deck, slot, op, met),
        )
        sheet.deal(
            f"where-operand-{name}-unmet",
            "CEP-C2",
            f"a condition on {mutation}",
            why,
            _where(deck, slot, op, unmet),
        )
    summed = plans.summed()
    for name, met, unmet in (
        ("flag", "attributes.keepdim == true", "attributes.keepdim == false"),
        ("list", "1 in attributes.dim", "0 in attributes.dim"),
        ("place", "attributes.dim[0] == 1", "attributes.dim[1] == 1"),
        ("kind", "attributes.keepdim != false", "attributes.keepdim != 0"),
    ):
        sheet = chapters.good(
            f"plan-where-attribute-{name}",
            "CEP-C2",
            "a claim may depend on attributes",
            _where(summed, "left", "sum.dim_IntList", met),
        )
        sheet.deal(
            f"where-attribute-{name}-unmet",
            "CEP-C2",
            f"the condition is {unmet}",
            why,
            _where(summed, "left", "sum.dim_IntList", unmet),
        )
    sheet = chapters.good(
        "plan-where-in-order",
        "CEP-C5",
        "a descriptor is believed if its conditions can be read",
        _where(deck, "right", "relu", "self.rank == 2"),
    )
    sheet.deal(
        "where-unreadable",
        "CEP-C5",
        "the condition is a sentence",
        "a descriptor with a rule broken (ACP-O02) is not believed",
        _where(deck, "right", "relu", "the moon is full"),
    )


def _asking(deck: Deck, slot: str, predicate: str) -> Deck:
    """Return the deck whose plan describes a slot by a condition."""
    devices: list[Any] = [
        {"slot": s, "descriptor_digest": identity(d)}
        if s != slot
        else {"slot": s, "predicate": predicate}
        for s, d in deck.devices.items()
    ]
    return replace(deck, plan={**deck.plan, "devices": devices, "features": ["predicates"]})


def _predicates(chapters: Chapters) -> None:
    why = "a plan for any device with a property is no plan for a device without it"
    deck = plans.shared()
    for name, met, mutation, unmet in (
        (
            "text",
            'subject.unit_id == "left" and subject.device_class in ("cpu", "gpu")',
            "other kinds of devices",
            'subject.unit_id == "left" and subject.device_class in ("npu", "gpu")',
        ),
        (
            "size",
            'memories[dram].capacity_bytes_per_instance >= 1048576 and subject.unit_id == "left"',
            "one byte more",
            'memories[dram].capacity_bytes_per_instance >= 1048577 and subject.unit_id == "left"',
        ),
        (
            "operation",
            'ops[cep-core/1:linear].op != "" and engines[left].kind == "VECTOR"',
            "another operation",
            'ops[cep-core/1:mm].op != "" and engines[left].kind == "VECTOR"',
        ),
        (
            "missing",
            'subject.unit_id == "left"',
            "what no descriptor states",
            "subject.part_number != 7",
        ),
        ("several", 'engines[left].id == "left"', "what both descriptors state", "1 == 1"),
        ("malformed", 'subject.unit_id != "right"', "no condition", 'subject.unit_id ~ "left"'),
        ("open", 'subject.unit_id in ("left")', "half a condition", 'subject.unit_id in ("left"'),
    ):
        sheet = chapters.good(
            f"plan-predicate-{name}",
            "CEP-C1 CEP-I4",
            "the one descriptor that meets the condition is the device's",
            _asking(deck, "left", met),
        )
        sheet.bad(
            f"predicate-{name}-unmet",
            "CEP-C1",
            f"the condition is on {mutation}",
            why,
            ("/devices/0/predicate", unmet),
        )
    _told(chapters)
    sheet = chapters.good(
        "plan-predicate",
        "CEP-C1 CEP-I4",
        "the rules see the descriptor that was bound",
        _asking(deck, "right", 'subject.unit_id == "right"'),
    )
    sheet.bad(
        "predicate-undeclared",
        "CEP-I4",
        "the feature is not declared",
        "a reader that does not know predicates must notice",
        ("/features", ...),
    )
    sheet.deal(
        "predicate-of-nobody",
        "CEP-C1",
        "a stranger signed the only descriptor that meets the condition",
        "who is not believed is not chosen",
        replace(sheet.deck, signers={"right": "stranger"}),
    )
    sheet.deal(
        "predicate-bound-to-less",
        "CEP-C2",
        "the device that meets the condition claims no relu",
        "what was bound is what is verified",
        sheet.deck.device("right", ("/ops/1", ...)),
    )


def _told(chapters: Chapters) -> None:
    why = "of several descriptors that will do, the caller says which one is meant"
    free = _asking(plans.shared(), "left", 'subject.model == "V1"')
    left, right = (identity(free.devices[slot]) for slot in ("left", "right"))
    sheet = chapters.good(
        "plan-bound", "CEP-C1", why, replace(free, context={"binding": {"left": left}})
    )
    for name, mutation, binding in (
        ("nothing", "the caller says nothing", None),
        ("stranger", "the caller names a descriptor that was not given", {"left": DIGEST}),
        ("nobody", "the caller names another slot too", {"left": left, "middle": left}),
        (
            "other",
            "the caller says another one for a slot with a digest",
            {"left": left, "right": left},
        ),
    ):
        sheet.book.refuse(
            f"plan-bound-to-{name}", "CEP-C1", sheet.base, mutation, why, binding=binding
        )
    chosen = _asking(plans.shared(), "left", 'subject.unit_id == "left"')
    sheet = chapters.good(
        "plan-bound-to-the-only-one",
        "CEP-C1",
        "what the caller says is asked the same",
        replace(chosen, context={"binding": {"left": left}}),
    )
    sheet.book.refuse(
        "plan-bound-to-unfit",
        "CEP-C1",
        sheet.base,
        "the caller says one that does not meet the condition",
        "no caller can make a plan be for a device that it is not for",
        binding={"left": right},
    )


def _queues(chapters: Chapters) -> None:
    why = "queues that a device does not have wait for each other"
    deck = plans.separate()
    more: Edit = ("/queues/-", {"id": "more", "device": "left", "kind": "COPY"})
    limits: Edit = ("/queues", [{"kind": "COPY", "max": 2}])
    two = chapters.good(
        "plan-two-copy-queues",
        "CEP-C4",
        "the descriptor allows two queues that copy",
        deck.device("left", limits).edited(more),
    )
    two.bad(
        "three-copy-queues",
        "CEP-C4",
        "a third one",
        why,
        ("/queues/-", {"id": "most", "device": "left", "kind": "COPY"}),
    )
    two.deal(
        "unlimited-copy-queues",
        "CEP-C4",
        "the descriptor says nothing of queues",
        "of a kind that is not listed there is one",
        deck.edited(more),
    )
    none = ("/queues", [{"kind": "COPY", "max": 0}])
    two.deal(
        "no-copy-queue",
        "CEP-C4",
        "the descriptor allows none",
        why,
        deck.device("left", none).edited(more),
    )
    single = chapters.good(
        "plan-copy-queue",
        "CEP-C4",
        "one queue that copies, as the descriptor allows, and one that computes",
        deck.device("left", ("/queues", [{"kind": "COPY", "max": 1}])),
    )
    single.bad(
        "second-compute-queue",
        "CEP-C4",
        "the queue that copies is one that computes, the second",
        why,
        ("/queues/1/kind", "COMPUTE"),
    )
    single.bad(
        "run-in-copy-queue",
        "CEP-C4",
        "the second device's queue only copies",
        "what copies cannot compute",
        ("/queues/2/kind", "COPY"),
    )
    chapters.good(
        "plan-copy-in-compute-queue",
        "CEP-C4",
        "a queue that computes can copy",
        deck.device("left", ("/queues", [{"kind": "COMPUTE", "max": 2}])).edited(
            ("/queues/1/kind", "COMPUTE")
        ),
    )
