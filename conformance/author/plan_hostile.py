"""Plans that are made to hurt: numbers at the end of their types, circles, and what explodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from acp.canonical import canonicalize
from acp.dsse import PLAN
from conformance.author import keys, plans

if TYPE_CHECKING:
    from conformance.author.plan_cases import Chapters, Sheet

_WRAPS: Final = "a sum that wraps around is small, and then fits"
_ENDLESS: Final = "whoever writes everything out never ends"


def write(chapters: Chapters) -> None:
    """Write the cases down."""
    deck = plans.line().edited(("/uri", "https://vendor.example/plans/hostile"))
    line = chapters.good("plan-hostile", "CEP-M1 CEP-O2", "three steps in a line", deck)
    _numbers(line)
    _texts(line)
    _explosions(chapters, line)


def _numbers(base: Sheet) -> None:
    most = str(2**64 - 1)
    for name, codes, path, value, mutation in (
        ("offset-wraps", "CEP-M1", "/buffers/1/offset", str(2**64 - 64),
         "an offset of 2^64 - 64, so that the end is 192 modulo 2^64"),
        ("size-largest", "CEP-M1", "/buffers/1/size", most, "a buffer of 2^64 - 1 bytes"),
        ("alignment-largest", "CEP-M1", "/arenas/0/alignment_bytes", str(2**63),
         "an alignment of 2^63"),
        ("arena-largest-number", "CEP-M8", "/arenas/0/bytes", most, "an arena of 2^64 - 1 bytes"),
        ("read-largest-index", "CEP-I6", "/steps/1/reads", [2**32 - 1], "buffer 2^32 - 1"),
        ("op-largest-index", "CEP-I6", "/steps/1/run/ops", [2**32 - 1], "op 2^32 - 1"),
        ("symbol-largest", "CEP-T5", "/symbols/0/max", most, "a symbol up to 2^64 - 1"),
        ("divisor-largest", "CEP-T5", "/symbols/0/divisor", most,
         "a divisor of 2^64 - 1, of which no multiple is in range"),
    ):  # fmt: skip
        also = "CEP-M2" if codes == "CEP-M1" else ""
        base.bad(f"hostile-{name}", codes, mutation, _WRAPS, (path, value), also=also)
    base.bad(
        "hostile-epoch-largest", "CEP-O2", "a wait for epoch 2^32 - 1",
        "who counts up to it waits for ever",
        ("/steps/2/waits", [{"queue": "ql", "epoch": 2**32 - 1}]),
        also="CEP-O1",
    )  # fmt: skip


def _texts(base: Sheet) -> None:
    plan = canonicalize(base.deck.document())
    deep = b"[" * 100_000
    base.written(
        "hostile-deep", "CEP-I1", "`arenas` begins with 100,000 arrays within arrays",
        "who follows them all runs out of stack",
        plan.replace(b'"arenas":[', b'"arenas":[' + deep, 1),
    )  # fmt: skip
    base.written(
        "hostile-twice-escaped", "CEP-I1", "`spec` occurs twice, once as `\\u0073pec`",
        "two readers would take different ones for the member",
        plan.replace(b'"spec":', b'"\\u0073pec":"cep/1","spec":', 1),
    )  # fmt: skip
    envelope = keys.envelope(plan, PLAN, "planner")
    signature = envelope["signatures"][0]
    more = [{"keyid": f"k{n}", "sig": keys.b64(b"%064d" % n)} for n in range(1000)]
    base.book.refuse(
        "plan-hostile-signatures", "CEP-I1", base.base, "1,000 signatures of nobody besides",
        "who checks them all does a thousand times the work",
        input=canonicalize({**envelope, "signatures": [*more, signature]}),
    )  # fmt: skip


def _explosions(chapters: Chapters, base: Sheet) -> None:
    doubled = plans.sized("s0", size=32)
    claim: dict[str, Any] = doubled.devices["left"]["ops"][0]
    doubled = doubled.device("left", ("/ops/-", {**claim, "op": "cep-core/1:cat"}))
    ops = [
        {
            "target": "cep-core/1:cat",
            "inputs": [f"v{n - 1}" if n else "x"] * 2,
            "attributes": [{"name": "dim", "integer": "0"}],
            "outputs": [f"v{n}"],
        }
        for n in range(59)
    ]
    values = [
        {"id": f"v{n}", "dtype": "f32", "shape": [f"{2 ** (n + 1)}*s0"], "role": "TEMP"}
        for n in range(59)
    ]
    few = doubled.edited(*_appended(ops[:20], values[:20]))
    sheet = chapters.good(
        "plan-hostile-doubled", "CEP-T3 CEP-T4",
        "a value of twice the size, twenty times, within a region", few,
    )  # fmt: skip
    sheet.deal(
        "hostile-doubled-often", "CEP-T4", "fifty-nine times, so that 2^64 bytes are needed",
        _WRAPS, doubled.edited(*_appended(ops, values)),
    )  # fmt: skip
    base.bad(
        "hostile-copies", "CEP-M8", "a stream with 2^32 - 1 copies of the arena", _ENDLESS,
        ("/stream", {"microbatches": 2**32 - 1, "ring_depth": 2**32 - 1}),
        ("/features", ["streams"]), also="CEP-O4",
    )  # fmt: skip


def _appended(ops: list[Any], values: list[Any]) -> list[tuple[str, Any]]:
    """Return the edits that add ops to the region of the first step."""
    return [
        *(("/ops/-", op) for op in ops),
        *(("/values/-", value) for value in values),
        ("/steps/0/run/ops", list(range(1 + len(ops)))),
    ]
