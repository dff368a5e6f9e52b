"""Documents that are wrong in ways that look right, each beside a true one that looks alike."""

from __future__ import annotations

from typing import Final

from acp.dsse import CAPABILITY_DESCRIPTOR, MEASUREMENT_RECORD, STATUS_LIST
from conformance.author.book import NOW, Book, Json, Question, edited, identity, text
from conformance.author.documents import DESCRIPTOR, STATUS
from conformance.author.evidence import MEASURED, POINT, SEEN, UNIT
from conformance.author.systems import DEVICE, PAIR, SLICE, held

_READ: Final = "/memories/0/read_bytes_per_s"


def write() -> Book:
    """Write the area of evasions down."""
    book = Book("evasions", "holdings")
    _records(book)
    _settings(book)
    _points(book)
    _elsewhere(book)
    _links(book)
    _descriptors(book)
    _slices(book)
    _systems(book)
    _points_alone(book)
    _lists(book)
    return book


def _measured(record: Json) -> Json:
    return edited(MEASURED, ("/provenance/1/measurement_ref", identity(record)))


def _records(book: Book) -> None:
    """Evidence for another build, for no version in particular, and for nothing that is there."""
    driver = {"component": "driver", "name": "lts", "version_range": "==1.0"}
    two = edited(SEEN, ("/environment/software", [driver, {**driver, "name": "beta"}]))
    bare = edited(two, ("/environment/software/0/version_range", "1.0"))
    lost = edited(two, ("/claim_path", "/engines/0/rates/0/tile"))
    builds = held(
        book,
        "evasions-two-builds",
        "ACP-V01",
        "one of two entries for a component is the build that the descriptor states",
        edited(_measured(two), ("/software/0/name", "lts")),
        kind=CAPABILITY_DESCRIPTOR,
        records=(text(two), text(bare), text(lost)),
    )
    why = "a record of something else is evidence for another number"
    builds.bad(
        "evasions-neither-build",
        "ACP-V01",
        "the descriptor states a third build",
        why,
        ("/software/0/name", "alpha"),
    )
    for name, record, mutation in (
        ("version", bare, "it names a record with a version that no operator stands before"),
        ("claim", lost, "it names a record about a member that the descriptor does not have"),
    ):
        reference = ("/provenance/1/measurement_ref", identity(record))
        builds.bad(f"evasions-no-{name}", "ACP-V01", mutation, why, reference)


def _settings(book: Book) -> None:
    """Evidence that was taken in another setting than the descriptor is about."""
    around = {"ecc": True, "partition_mode": "half", "clock_policy": "fixed"}
    record = edited(SEEN, *((f"/environment/{name}", value) for name, value in around.items()))
    page = held(
        book,
        "evasions-settings",
        "ACP-V01 ACP-V02",
        "the record was taken in the setting of the operating point",
        edited(
            _measured(record),
            *((f"/operating_point/{name}", value) for name, value in around.items()),
        ),
        kind=CAPABILITY_DESCRIPTOR,
        records=(text(record),),
    )
    why = "error correction, partitioning and clocks change every number"
    for name, value in (("ecc", False), ("partition_mode", "whole"), ("clock_policy", "boost")):
        mutation = f"`{name}` is {value!r}".replace("False", "false")
        path = f"/operating_point/{name}"
        page.bad(
            f"evasions-other-{name.replace('_', '-')}", "ACP-V01", mutation, why, (path, value)
        )


def _points(book: Book) -> None:
    """A fast cache that was measured in a record about main memory."""
    claimed = edited(UNIT, (_READ, "100000000000"))
    point = {"op": "mem:cache.read", "n": "9", "p50": "103000000001", "unit": "BYTES_PER_S"}
    record = edited(SEEN, ("/claim_path", _READ), ("/points", [point]))
    own = edited(record, ("/points/0/op", f"mem:{claimed['memories'][0]['id']}.read"))
    page = held(
        book,
        "evasions-of-another-memory",
        "ACP-V02",
        "what was read from one memory says nothing of another's rate",
        claimed,
        kind=CAPABILITY_DESCRIPTOR,
        records=(text(record),),
    )
    book.refuse(
        "evasions-of-this-memory",
        "ACP-V02",
        page.base,
        "it was read from this memory",
        "a peak that was passed was none",
        records=(text(own),),
    )


def _elsewhere(book: Book) -> None:
    """A record about something that no point of it is held against."""
    claim = "/operating_point/name"
    record = edited(SEEN, ("/claim_path", claim), ("/points/0/p50", "1000"))
    page = held(
        book,
        "evasions-of-something-else",
        "ACP-V02",
        "a record whose claim is no rate is not held against rates",
        UNIT,
        kind=CAPABILITY_DESCRIPTOR,
        records=(text(record),),
    )
    book.refuse(
        "evasions-of-all-engines",
        "ACP-V02",
        page.base,
        "its claim is all engines",
        "a peak that was passed was none",
        records=(text(edited(record, ("/claim_path", "/engines"))),),
    )


def _links(book: Book) -> None:
    """A port's share for a link, which is no whole number."""
    thirds = edited(
        PAIR,
        ("/switches/0/ports/0", {"id": "p0", "link_kind": "nvlink4", "count": 3,
                                 "bytes_per_s_per_direction": "100"}),
        ("/links/0/count", 1),
        ("/links/0/a_to_b_bytes_per_s", "34"),
        ("/links/0/b_to_a_bytes_per_s", "34"),
    )  # fmt: skip
    page = held(
        book,
        "evasions-third-of-a-port",
        "ACP-L03",
        "34 is within 3 % of a third of 100, and would not be of 33",
        thirds,
        known=[DEVICE],
    )
    page.bad(
        "evasions-more-than-a-third",
        "ACP-L03",
        "the link is faster",
        "data leaves a link no faster than the device at its end takes it",
        ("/links/0/a_to_b_bytes_per_s", "35"),
    )


def _descriptors(book: Book) -> None:
    """Shares, ranks and parents that nothing can have."""
    rank = "/ops/0/variants/0/operands/*/rank"
    page = held(
        book,
        "evasions-whole",
        "ACP-I02 ACP-O02 ACP-U02",
        "all of a million parts, and one rank",
        edited(
            DESCRIPTOR, ("/provenance/0/confidence_ppm", 1_000_000), (rank, {"min": 2, "max": 2})
        ),
        kind=CAPABILITY_DESCRIPTOR,
    )
    page.bad(
        "evasions-more-than-sure",
        "ACP-U02",
        "one part more",
        "parts of a million that are more are parts of something else",
        ("/provenance/0/confidence_ppm", 1_000_001),
    )
    page.bad(
        "evasions-no-rank",
        "ACP-O02",
        "the smallest rank is above the largest",
        "a constraint that nothing satisfies makes the claim empty",
        (f"{rank}/min", 3),
    )
    page.bad(
        "evasions-model-with-parent",
        "ACP-I02",
        "a model names a descriptor that it is a slice of",
        "what is cut from a device is a slice, and is judged as one",
        ("/subject/parent_digest", identity(DEVICE)),
    )
    page.good(
        "evasions-accelerator-of-cores",
        "ACP-I03",
        "accelerators are made of the cores of general-purpose processors too",
        ("/subject/device_class", "npu"),
        ("/subject/arch", ["riscv64:v"]),
    )


def _slices(book: Book) -> None:
    """A slice of what another vendor makes."""
    why = "a larger device of somebody else says nothing of this one"
    page = held(
        book,
        "evasions-slice",
        "ACP-Q01",
        "a slice and the whole have one vendor",
        SLICE,
        kind=CAPABILITY_DESCRIPTOR,
        known=[DESCRIPTOR],
    )
    vendor = ("/subject/vendor", "other.example")
    page.bad("evasions-slice-of-another", "ACP-Q01", "the slice has another vendor", why, vendor)


def _systems(book: Book) -> None:
    """Links and views from a node to itself, and two statements about one pair."""
    nowhere = "what a node moves to itself takes no link"
    view = {"initiator": "left", "target": "right", "bytes_per_s": "1000000000"}
    page = held(
        book,
        "evasions-views",
        "ACP-I01",
        "each of two devices views the other's memory, and both share a limit",
        edited(
            PAIR,
            ("/memory_views", [view, {**view, "initiator": "right", "target": "left"}]),
            ("/power_domains", [{"members": ["left", "right"], "cap_mw": "1000000"}]),
        ),
        known=[DEVICE],
    )
    page.bad(
        "evasions-unit-twice",
        "ACP-Q01",
        "both devices are one unit",
        "a device that is counted twice has twice the rate",
        ("/nodes/1/unit_id", "N-1"),
    )
    page.good(
        "evasions-unit-shared",
        "ACP-Q01",
        "both are one unit, and say that they share silicon",
        ("/nodes/0/contention_group", "one"),
        ("/nodes/1/contention_group", "one"),
        ("/nodes/1/unit_id", "N-1"),
    )
    for name, mutation, why, path, value in (
        ("link-to-itself", "both ends of a link are one node", nowhere,
         "/links/0/b", {"node": "left"}),
        ("view-of-itself", "a device views its own memory", nowhere,
         "/memory_views/1/target", "right"),
        ("view-twice", "the first view again, at another rate",
         "readers that take the first and readers that take the last act on different claims",
         "/memory_views/1", {**view, "bytes_per_s": "900000000000"}),
        ("member-twice", "one device is the domain's member twice",
         "a limit is shared by those that are there", "/power_domains/0/members/1", "left"),
    ):  # fmt: skip
        page.bad(f"evasions-{name}", "ACP-I01", mutation, why, (path, value))


def _points_alone(book: Book) -> None:
    """Points that nobody can have seen."""
    point = {**POINT, "shape": ["10000", "10000", "10000"], "p5": "120000000", "p95": "125000000"}
    page = held(
        book,
        "evasions-point",
        "ACP-V05",
        "a matrix product with the operations of its shape, and percentiles in order",
        edited(SEEN, ("/points", [point])),
        kind=MEASUREMENT_RECORD,
    )
    why = "a record refutes claims and stands behind them"
    for name, mutation, path, value in (
        ("operations", "one operation more", "operations", "2000000000001"),
        ("percentiles", "the 5th percentile is above the median", "p5", "125000001"),
        ("median", "the 95th percentile is below the median", "p95", "124999999"),
    ):
        page.bad(f"evasions-point-{name}", "ACP-V05", mutation, why, (f"/points/0/{path}", value))


def _lists(book: Book) -> None:
    """A status list that its issuer takes back."""
    entry = {"digest": identity(DEVICE), "reason": "sold", "effective_at": STATUS["issued_at"]}
    other = edited(STATUS, ("/entries", [entry]))
    question = Question(
        "document", text(STATUS), type=STATUS_LIST, now=NOW, status_lists=(text(other),)
    )
    base = book.accept(
        "evasions-list",
        "ACP-T01",
        "another list by the issuer is at hand, which revokes something else",
        question,
        identity(STATUS),
        feature="status",
    )
    book.refuse(
        "evasions-list-revoked",
        "ACP-T01",
        base,
        "it revokes this list",
        "what an issuer no longer stands behind does not count, lists included",
        status_lists=(text(edited(other, ("/entries/0/digest", identity(STATUS)))),),
    )
