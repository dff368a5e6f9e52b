"""Documents that are wrong in ways that look right, each beside a true one that looks alike."""

from __future__ import annotations

from typing import Final

from acp.dsse import CAPABILITY_DESCRIPTOR
from conformance.author.book import Book, Json, edited, identity, text
from conformance.author.evidence import MEASURED, SEEN, UNIT
from conformance.author.systems import DEVICE, PAIR, held

_READ: Final = "/memories/0/read_bytes_per_s"


def write() -> Book:
    """Write the area of evasions down."""
    book = Book("evasions", "holdings")
    _records(book)
    _points(book)
    _links(book)
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
