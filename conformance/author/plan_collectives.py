"""Plans in which devices do something together: CEP-O3, and what other rules say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from conformance.author import plans
from conformance.author.plans import Deck

if TYPE_CHECKING:
    from conformance.author.book import Edit, Json
    from conformance.author.plan_cases import Chapters, Sheet

_Op: TypeAlias = "tuple[str, list[str], str, Json]"
_Made: TypeAlias = "tuple[dict[str, list[str]], list[_Op]]"
_JOINT: Final[dict[str, _Made]] = {
    # For each kind, the values that are made jointly, and the ops that make them.
    "ALL_REDUCE": ({"y": ["s0", "8"]}, [("add.Tensor", ["a", "n"], "y", {"alpha": 1})]),
    "ALL_GATHER": ({"y": ["2*s0", "8"]}, [("cat", ["a", "n"], "y", {"dim": 0})]),
    "REDUCE_SCATTER": (
        {"s": ["s0", "8"], "y": ["s0", "4"], "z": ["s0", "4"]},
        [
            ("add.Tensor", ["a", "n"], "s", {"alpha": 1}),
            ("slice.Tensor", ["s"], "y", {"dim": 1, "start": "0", "end": "4"}),
            ("slice.Tensor", ["s"], "z", {"dim": 1, "start": "4", "end": "8"}),
        ],
    ),
    "ALL_TO_ALL": (
        {
            **{f"{part}{share}": ["s0", "4"] for part in "an" for share in "01"},
            "y": ["s0", "8"],
            "z": ["s0", "8"],
        },
        [
            *(
                ("slice.Tensor", [part], f"{part}{i}",
                 {"dim": 1, "start": str(4 * i), "end": str(4 * i + 4)})
                for part in "an"
                for i in (0, 1)
            ),
            ("cat", ["a0", "n0"], "y", {"dim": 1}),
            ("cat", ["a1", "n1"], "z", {"dim": 1}),
        ],
    ),
}  # fmt: skip
_CLAIMED: Final = ("add.Tensor", "cat", "slice.Tensor")


def write(chapters: Chapters) -> None:
    """Write the cases down."""
    sheets = {
        kind: chapters.good(
            f"plan-{kind.lower().replace('_', '-')}",
            "CEP-O3 CEP-O5 CEP-O6 CEP-S1 CEP-S3",
            "two devices with memories of their own do something together",
            together(kind),
        )
        for kind in (*_JOINT, "BROADCAST")
    }
    _matched(sheets["ALL_REDUCE"], sheets["BROADCAST"])
    _kinds(sheets)
    _elsewhere(chapters, sheets["ALL_REDUCE"])


def together(kind: str) -> Deck:
    """Return a = relu(x) on the left, n = neg(x) on the right, and a collective of both.

    Of a broadcast there is a only, which the right one gets too.
    """
    nothing: _Made = ({}, [])
    shapes, joint = _JOINT.get(kind, nothing)
    results: list[str] = [v for v in ("y", "z") if v in shapes] or ["a"]
    made = ["a"] if kind == "BROADCAST" else ["a", "n"]
    sizes: dict[str, list[str]] = {**{v: ["s0", "8"] for v in ("x", *made)}, **shapes}
    roles: dict[str, str] = {"x": "IN", **dict.fromkeys(results, "OUT")}
    own: list[_Op] = [("relu", ["x"], "a", {}), ("neg", ["x"], "n", {})]
    own = own[: len(made)]
    ops = [*range(len(own), len(own) + len(joint))]
    header = plans.one_region().plan
    steps = [
        {"queue": "ql", "run": {"ops": [0]}, "reads": [0], "writes": [2]},
        *([{"queue": "qr", "run": {"ops": [1]}, "reads": [1], "writes": [3]}] if joint else []),
        {"queue": "ql", **_member(kind, ops), "reads": [2], **({"writes": [4]} if joint else {})},
        {"queue": "qr", **_member(kind, ops), **({"reads": [3]} if joint else {}), "writes": [5]},
    ]
    plan = {
        **{k: v for k, v in header.items() if k != "constants"},
        "uri": "https://vendor.example/plans/together",
        "features": ["collectives"],
        "values": [
            {"id": v, "dtype": "f32", "shape": shape, "role": roles.get(v, "TEMP")}
            for v, shape in sizes.items()
        ],
        "ops": [_op(*op) for op in (*own, *joint)],
        "outputs": [{"name": v, "value": v} for v in results],
        "arenas": [_arena("al", "left"), _arena("ar", "right")],
        "buffers": [
            _buffer("x", "al", 0), _buffer("x", "ar", 0), _buffer("a", "al", 512),
            _buffer(made[-1], "ar", 512), _buffer(results[0], "al", 1024),
            _buffer(results[-1], "ar", 1024),
        ],
        "queues": [
            {"id": "ql", "device": "left", "kind": "COMPUTE"},
            {"id": "qr", "device": "right", "kind": "COMPUTE"},
        ],
        "steps": steps,
    }  # fmt: skip
    deck = Deck(plan, {s: plans.device(s, None) for s in ("left", "right")}, linked=True)
    for slot in ("left", "right"):
        like = deck.devices[slot]["ops"][0]
        claims = [("/ops/-", like | {"op": f"cep-core/1:{op}"}) for op in _CLAIMED]
        deck = deck.device(slot, *claims)
    return deck


def _member(kind: str, ops: list[int]) -> Json:
    return {"collective": {"group": "both", "kind": kind, **({"ops": ops} if ops else {})}}


def _op(target: str, inputs: list[str], output: str, attributes: dict[str, Any]) -> Json:
    def written(name: str, value: int | str) -> Json:
        member = {"integer": str(value)} if isinstance(value, int) else {"dim": value}
        return {"name": name, **member}

    given = [written(name, value) for name, value in sorted(attributes.items())]
    members = {"attributes": given} if given else {}
    return {
        "target": f"cep-core/1:{target}", "inputs": inputs, "outputs": [output], **members,
    }  # fmt: skip


def _arena(name: str, slot: str) -> Json:
    return {"id": name, "device": slot, "memory": "dram", "bytes": "4096", "alignment_bytes": "64"}


def _buffer(value: str, arena: str, offset: int) -> Json:
    return {"value": value, "arena": arena, "offset": str(offset), "size": "512"}


def _both(member: str, value: object, steps: tuple[int, int] = (2, 3)) -> tuple[Edit, ...]:
    return tuple((f"/steps/{step}/collective/{member}", value) for step in steps)


def _matched(base: Sheet, broadcast: Sheet) -> None:
    why = "a member waits for one that never comes, or does something else than its counterpart"
    base.bad(
        "collective-kinds",
        "CEP-O3",
        "the right member has another kind",
        why,
        ("/steps/3/collective/kind", "ALL_GATHER"),
    )
    base.bad(
        "collective-ops",
        "CEP-O3",
        "the right member lists another op",
        why,
        ("/steps/3/collective/ops", [1]),
    )
    base.bad(
        "collective-alone",
        "CEP-O3",
        "the right member is of another group",
        why,
        ("/steps/3/collective/group", "other"),
        also="CEP-S1",
    )
    broadcast.bad(
        "collective-once-more",
        "CEP-O3",
        "the left member takes part a second time",
        why,
        ("/steps/-", broadcast.deck.plan["steps"][1]),
    )
    base.bad(
        "collective-one-device",
        "CEP-O3",
        "both queues are of the left device",
        "a device can't wait for itself",
        ("/queues/1/device", "left"),
    )
    base.bad(
        "collective-undeclared",
        "CEP-I4",
        "the feature is not declared",
        "a reader that knows no collectives would ignore them",
        ("/features", ...),
    )
    base.bad(
        "collective-no-op", "CEP-I6", "an op of the joint region does not exist",
        "a reference that leads nowhere", *_both("ops", [9]),
    )  # fmt: skip


def _kinds(sheets: dict[str, Sheet]) -> None:
    why = "what the devices are told to do together is not what the graph needs"
    reduce, gather = sheets["ALL_REDUCE"], sheets["ALL_GATHER"]
    reduce.bad(
        "collective-sum-as-gather",
        "CEP-O3",
        "the sum is called a gather",
        why,
        *_both("kind", "ALL_GATHER"),
    )
    reduce.bad(
        "collective-difference", "CEP-O3", "alpha is -1", why, ("/ops/2/attributes/0/integer", "-1")
    )
    reduce.bad(
        "collective-product",
        "CEP-O3",
        "the op multiplies",
        why,
        ("/ops/2", _op("mul.Tensor", ["a", "n"], "y", {})),
    )
    reduce.bad(
        "collective-one-part",
        "CEP-O3",
        "one part is added to itself",
        why,
        ("/ops/2/inputs", ["a", "a"]),
    )
    reduce.bad(
        "collective-reads-nothing",
        "CEP-O3",
        "the right member reads nothing",
        why,
        ("/steps/3/reads", ...),
    )
    reduce.bad(
        "collective-gets-nothing",
        "CEP-O3",
        "the right member writes nothing",
        why,
        ("/steps/3/writes", ...),
    )
    gather.bad(
        "collective-gather-as-sum",
        "CEP-O3",
        "the gather is called a sum",
        why,
        *_both("kind", "ALL_REDUCE"),
    )
    sheets["REDUCE_SCATTER"].bad(
        "collective-one-share",
        "CEP-O3",
        "both members get one share",
        why,
        ("/buffers/5/value", "y"),
    )
    sheets["REDUCE_SCATTER"].bad(
        "collective-share-of-part",
        "CEP-O3",
        "a share is of one part",
        why,
        ("/ops/4/inputs", ["a"]),
    )
    sheets["ALL_TO_ALL"].bad(
        "collective-no-exchange",
        "CEP-O3",
        "each member keeps its own",
        why,
        ("/ops/6/inputs", ["a0", "a1"]),
        ("/ops/7/inputs", ["n0", "n1"]),
    )
    sheets["BROADCAST"].bad("collective-broadcast-of-other", "CEP-O3", "the right one gets x", why,
                            ("/buffers/5/value", "x"))  # fmt: skip


def _elsewhere(chapters: Chapters, base: Sheet) -> None:
    base.bad(
        "collective-op-twice",
        "CEP-S1",
        "the op of the joint region is in a step too",
        "what is computed twice may be in two places",
        ("/steps/-", {"queue": "ql", "run": {"ops": [2]}, "reads": [2], "writes": [4]}),
    )
    crossing = [
        {"queue": queue, "collective": {"group": group, "kind": "BROADCAST"}, **touched}
        for queue, group, touched in (
            ("ql", "one", {"reads": [4]}),
            ("ql", "two", {"writes": [6]}),
            ("qr", "one", {"writes": [7]}),
            ("qr", "two", {"reads": [5]}),
        )
    ]
    more = (
        ("/buffers/-", _buffer("y", "al", 1536)),
        ("/buffers/-", _buffer("y", "ar", 1536)),
        *(("/steps/-", step) for step in crossing),
    )
    sheet = chapters.good(
        "plan-collectives-in-order",
        "CEP-O1 CEP-O3",
        "both devices meet the groups in one order",
        base.deck.edited(*more),
    )
    sheet.bad(
        "collectives-crossed",
        "CEP-O1",
        "the right device meets the second group first",
        "each device waits for the other in a group of its own",
        ("/steps/6", crossing[3]),
        ("/steps/7", crossing[2]),
    )
    base.deal(
        "collective-one-way",
        "CEP-O5",
        "the link goes one way",
        "nothing comes back",
        base.deck.system(("/links/0/b_to_a_bytes_per_s", "0")),
    )
    base.deal(
        "collective-linked-to-itself",
        "CEP-O5",
        "the link leads from the left node back to it",
        "nothing gets to the other one",
        base.deck.system(("/links/0/b/node", "left")),
    )
    base.bad(
        "collective-unseen",
        "CEP-O6",
        "the right member writes to the left memory",
        "a device writes what it does not see",
        ("/buffers/5", _buffer("y", "al", 1536)),
    )
    base.deal(
        "collective-unclaimed",
        "CEP-C2",
        "the right device does not claim to add",
        "every member may have to do it",
        base.deck.device("right", ("/ops/6", ...)),
    )
    over = (
        ("/buffers/4", _buffer("y", "al", 512) | {"in_place_of": 2}),
        ("/buffers/5", _buffer("y", "ar", 512) | {"in_place_of": 3}),
    )
    sheet = chapters.good(
        "plan-collective-in-place",
        "CEP-M2 CEP-O3",
        "sums may take over their parts",
        base.deck.edited(*over),
    )
    sheet.bad(
        "collective-overwrites", "CEP-M2", "one of them does not say so",
        "an unannounced overwrite is a mistake", ("/buffers/4/in_place_of", ...),
    )  # fmt: skip
