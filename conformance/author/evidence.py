"""Claims against what was seen: records (ACP-V01 to V03), references (V04) and old lists (T02)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from acp.dsse import CAPABILITY_DESCRIPTOR, STATUS_LIST
from conformance.author import keys
from conformance.author.book import NOW, Book, Edit, Json, Question, edited, identity, text
from conformance.author.descriptors import Page
from conformance.author.documents import DESCRIPTOR, ISSUER, RECORD, STATUS, grant, policy
from conformance.author.systems import held

_DRIVER: Final[Json] = {"component": "driver", "version_range": ">=1,<2"}

UNIT: Final[Json] = edited(
    DESCRIPTOR,
    ("/subject/scope", "UNIT"),
    ("/subject/unit_id", "N-1"),
    ("/software", [_DRIVER]),
    ("/provenance", [{"paths": ["/engines/0/rates"], "basis": "VENDOR_CLAIM"}]),
)
"""One unit, driven by software of some versions."""

POINT: Final[Json] = {
    "op": "cep-core/1:mm",
    "dtypes": ["f16", "f16"],
    "operations": "2000000000000",
    "sparsity": "dense",
    "n": "100",
    "p50": "125000000",
    "unit": "NANOSECONDS",
}
"""16 T operations a second, of 16.384 that are claimed."""

SEEN: Final[Json] = edited(
    RECORD, ("/subject_digest", identity(UNIT["subject"])), ("/points", [POINT])
)

MEASURED: Final[Json] = edited(
    UNIT,
    (
        "/provenance/-",
        {
            "paths": ["/engines/0/rates/0"],
            "basis": "MEASURED",
            "measurement_ref": identity(SEEN),
        },
    ),
)
"""The unit, with a claim that the record verifies."""

_PEAK: Final = "/engines/0/rates/0/peak_ops_per_s"


def write() -> Book:
    """Write the area of evidence down."""
    book = Book("evidence", "holdings")
    base = held(
        book,
        "evidence",
        "ACP-V01 ACP-V02 ACP-V03",
        "a measured value, and the reader holds its record",
        MEASURED,
        kind=CAPABILITY_DESCRIPTOR,
        records=(text(SEEN),),
    )
    _records(base)
    _peaks(base)
    _references(book)
    _old_lists(book)
    _status_floors(book)
    return book


def _records(base: Page) -> None:
    why = "a record of something else is evidence for another number"
    for name, mutation, edit in (
        ("reference", "`measurement_ref` removed", ("/provenance/1/measurement_ref", ...)),
        (
            "record",
            "`measurement_ref` names a record that the reader does not hold",
            ("/provenance/1/measurement_ref", identity(RECORD)),
        ),
        ("subject", "the subject has a part number", ("/subject/part_number", "V1-B")),
        ("software", "the descriptor is for other versions", ("/software/0/version_range", ">=2")),
        ("component", "the driver has another name", ("/software/0/component", "firmware")),
        ("build", "the driver is a certain build", ("/software/0/name", "driver-1.0-lts")),
        ("claim", "the entry is about a memory", ("/provenance/1/paths/0", "/memories/0")),
    ):
        base.bad(f"evidence-other-{name}", "ACP-V01", mutation, why, edit)
    capped = base.good(
        "evidence-power-limit",
        "ACP-V01",
        "a record that does not say under which power limit it was taken may be under this",
        ("/operating_point/power_cap_mw", "40000"),
    )
    limited = edited(SEEN, ("/environment/power_cap_mw", "50000"))
    full = edited(MEASURED, ("/provenance/1/measurement_ref", identity(limited)))
    same = base.book.accept(
        "evidence-same-power-limit",
        "ACP-V01",
        "the record was taken under the power limit of the operating point",
        replace(base.base.question, input=text(full), records=(text(limited),)),
        identity(full),
    )
    base.book.refuse(
        "evidence-other-power-limit",
        "ACP-V01",
        same,
        "the operating point has a lower limit",
        "power decides how fast a device is",
        input=text(edited(full, ("/operating_point/power_cap_mw", "40000"))),
    )
    base.book.accept(
        "evidence-without-records",
        "ACP-V01 ACP-V02 ACP-V03",
        "who holds no record looks at no evidence",
        replace(capped.base.question, records=()),
        identity(capped.document),
    )


def _peaks(base: Page) -> None:
    passed = "a peak that was passed was none"
    faster = base.good(
        "evidence-3-percent-above",
        "ACP-V02",
        "3 % are allowed",
        ("/engines/0/clock_hz", ...),
        (_PEAK, "15533980582525"),
    )
    faster.bad(
        "evidence-surpassed", "ACP-V02", "the claim is one less", passed, (_PEAK, "15533980582524")
    )
    slower = base.good(
        "evidence-60-percent",
        "ACP-V03",
        "60 % of the claim are enough",
        ("/engines/0/clock_hz", ...),
        (_PEAK, "26666666666666"),
    )
    slower.warned(
        "evidence-unreached",
        "ACP-V03",
        "the claim is one more",
        "a rate that nothing comes near is the silicon's and not the user's",
        (_PEAK, "26666666666667"),
    )
    slower.good(
        "evidence-unexposed",
        "ACP-V03",
        "a rate that programs do not reach is not held against what they measured",
        (_PEAK, "99000000000000"),
        ("/engines/0/rates/0/exposed", False),
    )
    plain = base.good(
        "evidence-of-a-vendor",
        "ACP-V02",
        "measurements count whether or not the descriptor names them",
        ("/provenance/1", ...),
    )
    book, question = base.book, plain.base.question
    accepted = identity(plain.document)
    for name, why, edits in (
        ("sparse", "sparse operands say nothing of dense ones", [("/points/0/sparsity", "2:4")]),
        ("dtypes", "other dtypes have other rates", [("/points/0/dtypes", ["f8e5m2", "f8e5m2"])]),
        ("unit", "power is no rate", [("/points/0/unit", "MILLIWATTS")]),
        ("driver", "another driver", [("/environment/software/0/version_range", "==2.0")]),
        ("subject", "another subject", [("/subject_digest", "sha256:" + "5a" * 32)]),
    ):
        fast: list[Edit] = [("/points/0/p50", "1000"), *edits]
        vector = book.accept(
            f"evidence-fast-by-other-{name}",
            "ACP-V02",
            f"a measurement is held against what it is about: {why}",
            replace(question, records=(text(edited(SEEN, *fast)),)),
            accepted,
        )
        if name == "dtypes":
            book.refuse(
                "evidence-fast",
                "ACP-V02",
                vector,
                "the point is about the dtypes of the rate",
                passed,
                records=(text(edited(SEEN, ("/points/0/p50", "1000"))),),
            )
    _memories(plain)
    _rows(plain)


def _memories(plain: Page) -> None:
    claim = "/memories/0/read_bytes_per_s"
    record = edited(
        SEEN,
        ("/claim_path", claim),
        (
            "/points",
            [{"op": "cep-core/1:sum", "n": "9", "p50": "103000000000", "unit": "BYTES_PER_S"}],
        ),
    )
    memory = Page(
        plain.book,
        plain.book.accept(
            "evidence-of-a-memory",
            "ACP-V02 ACP-V03",
            "a record whose claim is a memory's rate is held against that",
            replace(
                plain.base.question,
                input=text(stated := edited(plain.document, (claim, "100000000000"))),
                records=(text(record),),
            ),
            identity(stated),
        ),
        stated,
    )
    memory.bad(
        "evidence-memory-surpassed",
        "ACP-V02",
        "the claim is one less",
        "a peak that was passed was none",
        (claim, "99999999999"),
    )
    memory.warned(
        "evidence-memory-unreached",
        "ACP-V03",
        "the claim is twice as much",
        "bytes that nobody gets are no bandwidth",
        (claim, "200000000000"),
    )


def _rows(plain: Page) -> None:
    narrow = {
        **plain.document["engines"][0]["rates"][0],
        "acc": "f16",
        "out": "f16",
        "peak_ops_per_s": "32768000000000",
        "ops_per_unit_per_clock": "2048",
    }
    two = edited(plain.document, ("/engines/0/rates/-", narrow))
    fast = edited(SEEN, ("/claim_path", ...), ("/points/0/p50", "62500000"))
    both = plain.book.accept(
        "evidence-of-either-row",
        "ACP-V02 ACP-V03",
        "of rows that a point cannot tell apart, the largest bounds it",
        replace(plain.base.question, input=text(two), records=(text(fast),)),
        identity(two),
    )
    plain.book.refuse(
        "evidence-of-one-row",
        "ACP-V02",
        both,
        "the record is about the slower row",
        "a peak that was passed was none",
        records=(text(edited(fast, ("/claim_path", "/engines/0/rates/0"))),),
    )


def _references(book: Book) -> None:
    low = edited(DESCRIPTOR, ("/power/tdp_mw", "47500"), ("/revision", "2"))
    base = held(
        book,
        "evidence-reference",
        "ACP-V04",
        "5 % off the reference are allowed",
        low,
        kind=CAPABILITY_DESCRIPTOR,
        references=(text(DESCRIPTOR),),
    )
    why = "two descriptors of one product that disagree are a mistake in one of them"
    base.warned(
        "evidence-reference-lower",
        "ACP-V04",
        "the TDP is one less",
        why,
        ("/power/tdp_mw", "47499"),
    )
    high = base.good(
        "evidence-reference-above",
        "ACP-V04",
        "5 % above are allowed too",
        ("/power/tdp_mw", "52500"),
    )
    high.warned("evidence-reference-higher", "ACP-V04", "one more", why, ("/power/tdp_mw", "52501"))
    for name, edit in (
        ("model", ("/subject/model", "V2")),
        ("power-limit", ("/operating_point/power_cap_mw", "40000")),
        ("partition-mode", ("/operating_point/partition_mode", "half")),
    ):
        base.good(
            f"evidence-reference-of-other-{name}",
            "ACP-V04",
            "a reference is for the same product in the same setting",
            ("/power/tdp_mw", "40000"),
            edit,
        )


def _old_lists(book: Book) -> None:
    question = Question(
        "document", text(STATUS), type=STATUS_LIST, now=NOW, status_lists=(text(STATUS),)
    )
    base = book.accept(
        "evidence-status-again",
        "ACP-T02",
        "the list that a reader has accepted before is accepted again",
        question,
        identity(STATUS),
        feature="status",
    )
    book.refuse(
        "evidence-status-rolled-back",
        "ACP-T02",
        base,
        "the list has the sequence before that",
        "an old list does not know what was revoked since",
        input=text(edited(STATUS, ("/sequence", "4"))),
    )
    book.accept(
        "evidence-status-of-another",
        "ACP-T02",
        "each issuer counts by itself",
        replace(
            question,
            input=text(edited(STATUS, ("/sequence", "4"))),
            status_lists=(text(edited(STATUS, ("/issuer", "other.example"))),),
        ),
        identity(edited(STATUS, ("/sequence", "4"))),
        feature="status",
    )


def _status_floors(book: Book) -> None:
    def floored(*sequences: int) -> bytes:
        floors = [{"issuer": ISSUER, "min_sequence": sequence} for sequence in sequences]
        granted = policy("vendor", grants=[grant("vendor", types=(STATUS_LIST,))])
        return text({**granted, "status_floors": floors})

    base = book.accept(
        "evidence-status-floor",
        "ACP-T02",
        "the lowest sequence that the policy allows is allowed",
        Question(
            "envelope",
            keys.sealed(text(STATUS), STATUS_LIST, "vendor"),
            type=STATUS_LIST,
            now=NOW,
            policy=floored(5),
        ),
        identity(STATUS),
        feature="status",
    )
    book.refuse(
        "evidence-status-below-floor",
        "ACP-T02",
        base,
        "the floor is one higher",
        "an old list does not know what was revoked since",
        policy=floored(6),
    )
    book.refuse(
        "evidence-status-two-floors",
        "ENV-T5",
        base,
        "a second floor for the issuer",
        "a policy that is misread grants what nobody meant to grant",
        policy=floored(5, 4),
    )
