"""Several devices and parts of devices: links (ACP-L…) and partitions (ACP-Q01)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from acp.dsse import CAPABILITY_DESCRIPTOR, SYSTEM_DESCRIPTOR
from conformance.author.book import NOW, Book, Edit, Json, Question, edited, identity, text
from conformance.author.descriptors import Page, page
from conformance.author.documents import DESCRIPTOR, HEADER

if TYPE_CHECKING:
    from collections.abc import Sequence

_GB: Final = 10**9

DEVICE: Final[Json] = edited(
    DESCRIPTOR,
    (
        "/ports",
        [
            {
                "id": "nvlink",
                "link_kind": "nvlink4",
                "count": 18,
                "bytes_per_s_per_direction": str(450 * _GB),
            },
            {
                "id": "pcie",
                "link_kind": "pcie5",
                "count": 16,
                "bytes_per_s_per_direction": str(63 * _GB),
            },
        ],
    ),
)
"""A device with ports of two kinds."""

PAIR: Final[Json] = {
    **HEADER,
    "uri": "https://vendor.example/systems/pair",
    "nodes": [
        {"id": "left", "descriptor_digest": identity(DEVICE), "unit_id": "N-1"},
        {"id": "right", "descriptor_digest": identity(DEVICE), "unit_id": "N-2"},
    ],
    "switches": [
        {
            "id": "sw",
            "ports": [
                {
                    "id": name,
                    "link_kind": "nvlink4",
                    "count": 18,
                    "bytes_per_s_per_direction": str(450 * _GB),
                }
                for name in ("p0", "p1")
            ],
        }
    ],
    "links": [
        {
            "id": f"l{i}",
            "a": {"node": node, "port": "nvlink"},
            "b": {"node": "sw", "port": f"p{i}"},
            "kind": "nvlink4",
            "count": 18,
            "a_to_b_bytes_per_s": str(450 * _GB),
            "b_to_a_bytes_per_s": str(450 * _GB),
            "p2p": "DIRECT",
        }
        for i, node in enumerate(("left", "right"))
    ],
}
"""Two such devices at one switch."""


def held(
    book: Book,
    name: str,
    requires: str,
    why: str,
    document: Json,
    *,
    kind: str = SYSTEM_DESCRIPTOR,
    known: Sequence[Json] = (),
    **members: Any,
) -> Page:
    """Return the page of an accepted document whose reader holds others."""
    question = Question(
        "document", text(document), type=kind, now=NOW, known=tuple(map(text, known)), **members
    )
    vector = book.accept(name, requires, why, question, identity(document))
    return Page(book, vector, document)


def write_links() -> Book:
    """Write the area of links down."""
    book = Book("links", "holdings")
    pair = held(
        book,
        "links",
        "ACP-L01 ACP-L02 ACP-L03 ACP-L04",
        "two devices at a switch, whose descriptors the reader holds",
        PAIR,
        known=[DEVICE],
    )
    _ends(pair)
    _protocol(pair)
    _ports(pair)
    _paths(pair)
    return book


def _ends(pair: Page) -> None:
    why = "a plan that moves data over a link that cannot be plugged in is too fast on paper"
    pair.bad(
        "links-no-such-port",
        "ACP-L01",
        "the first link ends at a port that the device does not have",
        why,
        ("/links/0/a/port", "nvlnk"),
    )
    pair.bad(
        "links-of-another-kind",
        "ACP-L01",
        "the first link ends at the device's PCI Express port",
        why,
        ("/links/0/a/port", "pcie"),
        also="ACP-L03",
    )
    twice = "a port that two links take whole is counted twice"
    pair.bad(
        "links-oversubscribed",
        "ACP-L01",
        "both links end at one port of the switch",
        twice,
        ("/links/1/b/port", "p0"),
    )
    half = [("/links/0/count", 9), ("/links/1/count", 9)]
    rates = [
        (f"/links/{i}/{member}", str(225 * _GB))
        for i in (0, 1)
        for member in ("a_to_b_bytes_per_s", "b_to_a_bytes_per_s")
    ]
    shared = pair.good(
        "links-share-a-port",
        "ACP-L01 ACP-L03",
        "a port serves several links, as far as its lanes go",
        *half,
        *rates,
        ("/links/1/b/port", "p0"),
    )
    shared.bad(
        "links-one-lane-too-many",
        "ACP-L01",
        "the second link takes one lane more than the port has left",
        twice,
        ("/links/1/count", 10),
    )
    uncounted = shared.good(
        "links-share-rates",
        "ACP-L01",
        "where the port does not say how many lanes it has, its rate is what is shared; "
        "3 % are allowed",
        ("/switches/0/ports/0/count", ...),
        ("/links/1/b_to_a_bytes_per_s", "225000000000"),
        ("/switches/0/ports/0/bytes_per_s_per_direction", "436893203884"),
    )
    uncounted.bad(
        "links-rate-too-much",
        "ACP-L01",
        "the port moves one byte a second less in one direction",
        twice,
        ("/switches/0/ports/0/bytes_per_s_per_direction", "436893203883"),
    )
    earlier: tuple[Edit, ...] = (
        ("/links/0/kind", "nvlink3"),
        ("/switches/0/ports/0/link_kind", "nvlink3"),
    )
    older = pair.good(
        "links-of-an-earlier-generation",
        "ACP-L01",
        "a port carries links of an earlier generation of its kind",
        *earlier,
    )
    older.bad(
        "links-of-a-later-generation",
        "ACP-L01",
        "the link is of the device's generation, which the switch does not know",
        why,
        ("/links/0/kind", "nvlink4"),
    )
    pair.book.accept(
        "links-of-unknown-devices",
        "ACP-L01 ACP-L03",
        "what stands in a descriptor that the reader does not hold is not looked at",
        replace(
            pair.base.question,
            input=text(lost := edited(PAIR, ("/links/0/a/port", "nvlnk"))),
            known=(),
        ),
        identity(lost),
    )


def _protocol(pair: Page) -> None:
    why = "no lane is faster than its protocol"
    for name, path, value in (
        ("there", "/links/0/a_to_b_bytes_per_s", "450000000001"),
        ("back", "/links/0/b_to_a_bytes_per_s", "450000000001"),
        ("of-switch", "/switches/0/ports/1/bytes_per_s_per_direction", "450000000001"),
    ):
        mutation = f"`{path[1:]}` is one more than 18 NVLink 4 links move in one direction"
        pair.bad(f"links-beyond-protocol-{name}", "ACP-L02", mutation, why, (path, value))
    pair.bad(
        "links-both-directions-summed",
        "ACP-L02",
        "NVLink at 900 GB/s, which is both directions together, in place of 450",
        "the rate of the brochure is twice what a copy sees",
        ("/links/0/a_to_b_bytes_per_s", str(900 * _GB)),
        also="ACP-L03",
    )
    book = pair.book
    device = page(
        "links",
        "descriptor",
        "links-device",
        "ACP-L02",
        CAPABILITY_DESCRIPTOR,
        edited(DEVICE, ("/ports/1/bytes_per_s_per_direction", "63015384608")),
        "PCI Express 5 moves 63.0 GB/s over 16 lanes in one direction",
    )
    device = Page(book, book._add(device.base), device.document)  # noqa: SLF001 - one book for both
    for name, port, rate, mutation in (
        ("nvlink-900", 0, 900 * _GB, "NVLink at 900 GB/s, both directions together"),
        ("pcie-128", 1, 128 * _GB, "PCI Express 5 x16 at 128 GB/s, both directions together"),
        ("pcie-64", 1, 64 * _GB, "PCI Express 5 x16 at 64 GB/s, before line coding"),
        ("pcie-one-more", 1, 63015384609, "one byte a second more than 16 lanes move"),
    ):
        path = f"/ports/{port}/bytes_per_s_per_direction"
        device.bad(f"links-device-{name}", "ACP-L02", mutation, why, (path, str(rate)))
    uncounted = device.good(
        "links-device-uncounted",
        "ACP-L02",
        "where the lanes are not counted, the widest port is the limit",
        ("/ports/1/count", ...),
    )
    uncounted.bad(
        "links-device-uncounted-pcie-128",
        "ACP-L02",
        "PCI Express 5 at 128 GB/s",
        why,
        ("/ports/1/bytes_per_s_per_direction", str(128 * _GB)),
    )
    device.good(
        "links-device-other-kind",
        "ACP-L02",
        "of a kind that the reader does not know it knows no limit",
        ("/ports/1/link_kind", "vendor.example/beam"),
        ("/ports/1/bytes_per_s_per_direction", str(128 * _GB)),
    )


def _ports(pair: Page) -> None:
    why = "data leaves a link no faster than the device at its end takes it"
    slow = "/switches/0/ports/0/bytes_per_s_per_direction"
    least = pair.good(
        "links-3-percent-above-port",
        "ACP-L03",
        "3 % are allowed, as rates are rounded in different places",
        (slow, "436893203884"),
    )
    least.bad(
        "links-faster-than-port",
        "ACP-L03",
        "the port is one byte a second slower",
        why,
        (slow, "436893203883"),
    )
    part = pair.good(
        "links-part-of-a-port",
        "ACP-L03",
        "half of the lanes move half of the rate",
        ("/links/0/count", 9),
        ("/links/0/a_to_b_bytes_per_s", str(225 * _GB)),
        ("/links/0/b_to_a_bytes_per_s", str(225 * _GB)),
        ("/links/0/kind", "vendor.example/beam"),
        ("/links/0/a", {"node": "left"}),
        ("/switches/0/ports/0/link_kind", "vendor.example/beam"),
    )
    part.bad(
        "links-faster-than-its-part",
        "ACP-L03",
        "the link moves all of the port's rate over half of its lanes",
        why,
        ("/links/0/b_to_a_bytes_per_s", str(450 * _GB)),
    )


def _paths(pair: Page) -> None:
    lonely = "a device that nothing reaches is most often a link that was forgotten"
    pair.warned(
        "links-disconnected",
        "ACP-L04",
        "the second link removed",
        lonely,
        ("/links/1", ...),
    )
    pair.good(
        "links-memory-view",
        "ACP-L04",
        "a device that sees another's memory is connected with it",
        ("/links/1", ...),
        ("/memory_views", [{"initiator": "right", "target": "left", "bytes_per_s": "1000000000"}]),
    )
    pair.good(
        "links-one-silicon",
        "ACP-L04",
        "nodes that are one piece of silicon are connected",
        ("/links/1", ...),
        ("/nodes/0/contention_group", "die"),
        ("/nodes/1/contention_group", "die"),
    )
    direct = "a copy that is said to be direct and is not takes another way, at another rate"
    pair.warned(
        "links-direct-one-way",
        "ACP-L04",
        "a direct link whose rate in one direction is 0",
        direct,
        ("/links/0/b_to_a_bytes_per_s", "0"),
    )
    through = pair.good(
        "links-through-host-memory",
        "ACP-L04",
        "a link through host memory is not direct",
        ("/links/0/kind", "host-memory"),
        ("/links/0/p2p", "HOST_MEDIATED"),
        ("/links/0/a", {"node": "left"}),
        ("/links/0/b", {"node": "right"}),
    )
    through.warned(
        "links-direct-through-host-memory",
        "ACP-L04",
        "the link through host memory is said to be direct",
        direct,
        ("/links/0/p2p", "DIRECT"),
    )


SLICE: Final[Json] = edited(
    DESCRIPTOR,
    ("/uri", "https://vendor.example/chips/v1/half"),
    ("/subject/scope", "SLICE"),
    ("/subject/parent_digest", identity(DESCRIPTOR)),
    ("/operating_point", {"name": "default", "partition_mode": "half"}),
    ("/engines/0/count", 8),
    ("/engines/0/rates/0/peak_ops_per_s", "8192000000000"),
    ("/memories/0/instances", 1),
    ("/memories/0/usable_bytes", "8500000000"),
    ("/partitions", ...),
)
"""Half of the device, cut by the device's profile of this name."""

HALVES: Final[Json] = {
    **HEADER,
    "uri": "https://vendor.example/systems/halves",
    "nodes": [
        {"id": "a", "descriptor_digest": identity(SLICE), "unit_id": "N-1"},
        {"id": "b", "descriptor_digest": identity(SLICE), "unit_id": "N-1"},
        {"id": "c", "descriptor_digest": identity(SLICE), "unit_id": "N-2"},
    ],
    "memory_views": [
        {"initiator": name, "target": "a", "bytes_per_s": "1000000000"} for name in "bc"
    ],
}


def write_partitions() -> Book:
    """Write the area of partitions down."""
    book = Book("partitions", "holdings")
    whole = page(
        "partitions",
        "descriptor",
        "partitions",
        "ACP-Q01",
        CAPABILITY_DESCRIPTOR,
        edited(DESCRIPTOR, ("/partitions/profiles/0/consumes/cores", "16")),
        "a partition that takes all there is",
    )
    whole = Page(book, book._add(whole.base), whole.document)  # noqa: SLF001 - one book for both
    more = "who divides a thing has no more of it"
    whole.bad(
        "partitions-of-more-than-there-is",
        "ACP-Q01",
        "the partition takes one core more",
        more,
        ("/partitions/profiles/0/consumes/cores", "17"),
    )
    _slices(book, more)
    _units(book)
    return book


def _slices(book: Book, why: str) -> None:
    slice_ = held(
        book,
        "partitions-slice",
        "ACP-Q01",
        "half of a device, and the reader holds the whole",
        SLICE,
        kind=CAPABILITY_DESCRIPTOR,
        known=[DESCRIPTOR],
    )
    for name, mutation, *edits in (
        (
            "rate",
            "the slice's second engine is faster than the whole device's",
            ("/engines/1/rates/0/peak_ops_per_s", "512000000001"),
        ),
        (
            "memory",
            "the slice has three of the device's two memories",
            ("/memories/0/instances", 3),
        ),
        (
            "power",
            "the slice draws more than the device",
            ("/power/tdp_mw", "50001"),
        ),
    ):
        slice_.bad(f"partitions-slice-{name}", "ACP-Q01", mutation, why, *edits)
    book.accept(
        "partitions-slice-of-unknown",
        "ACP-Q01",
        "a slice of what the reader does not hold is not looked at",
        replace(
            slice_.base.question,
            input=text(larger := edited(SLICE, ("/memories/0/instances", 3))),
            known=(),
        ),
        identity(larger),
    )
    part = edited(SLICE, ("/subject/parent_digest", ...))
    names = "/partitions/profiles/0/descriptor_digest"
    parent = held(
        book,
        "partitions-profile",
        "ACP-Q01",
        "a profile names the descriptor of such a partition",
        edited(DESCRIPTOR, (names, identity(part))),
        kind=CAPABILITY_DESCRIPTOR,
        known=[part, DESCRIPTOR],
    )
    parent.bad(
        "partitions-profile-of-no-slice",
        "ACP-Q01",
        "the profile names a descriptor of the whole model",
        "what a partition can do stands in a descriptor of a partition",
        (names, identity(DESCRIPTOR)),
    )
    parent.bad(
        "partitions-profile-outdone",
        "ACP-Q01",
        "the whole device is slower than the partition",
        why,
        ("/engines/1/rates/0/peak_ops_per_s", "500000000000"),
    )


def _units(book: Book) -> None:
    why = "a plan for three halves of a device does not run"
    halves = held(
        book,
        "partitions-system",
        "ACP-Q01",
        "two halves of one unit and a half of another",
        HALVES,
        known=[DESCRIPTOR, SLICE],
    )
    halves.bad(
        "partitions-three-halves",
        "ACP-Q01",
        "the third half is of the first unit too",
        why,
        ("/nodes/2/unit_id", "N-1"),
    )
    places = [(f"/nodes/{i}/unit_id", ...) for i in range(3)]
    addresses = [(f"/nodes/{i}/pcie", f"0000:0{max(1, i)}:00.0") for i in range(3)]
    placed = halves.good(
        "partitions-system-by-address",
        "ACP-Q01",
        "slices without a unit id are of one unit if they have one address on one host",
        *places,
        *addresses,
    )
    placed.bad(
        "partitions-three-halves-at-one-address",
        "ACP-Q01",
        "the third half has the first one's address",
        why,
        ("/nodes/2/pcie", "0000:01:00.0"),
        ("/nodes/0/pcie", "0000:01:00.0"),
    )
    halves.good(
        "partitions-system-nowhere",
        "ACP-Q01",
        "slices of which the system does not say where they are may be anywhere",
        *places,
    )
