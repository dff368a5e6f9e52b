"""Which way is better: by what a quantity counts, and for each member that has a reason of its own.

A place is the way to a member from the top of a document, without the keys of lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

Place: TypeAlias = tuple[str, ...]


class Direction(Enum):
    """How two values of a member compare."""

    UP = "more is better"
    DOWN = "less is better"
    NEITHER = "neither is better"
    MORE_ENTRIES = "a list without which entries less is claimed"
    FEWER_ENTRIES = "a list by whose entries less is claimed"
    TRUE = "true is better, and so is absence"
    DIVISOR = "a divisor is better"


_BY_UNIT: Final[Mapping[str, Direction]] = {
    "ops_per_s": Direction.UP,
    "bytes_per_s": Direction.UP,
    "bytes_per_s_per_direction": Direction.UP,
    "_ns": Direction.DOWN,
    "femtojoules": Direction.DOWN,
}
"""By the end of a member's name."""

_SPECIAL: Final[Mapping[Place, Direction]] = {
    ("subject", "arch"): Direction.MORE_ENTRIES,
    ("critical",): Direction.FEWER_ENTRIES,
    ("engines", "rates", "exposed"): Direction.TRUE,
    ("memories", "usable_bytes"): Direction.UP,
    ("memories", "engines"): Direction.MORE_ENTRIES,
    ("memories", "alignment_bytes"): Direction.DIVISOR,
    ("memories", "granule_bytes"): Direction.DIVISOR,
    ("power", "tdp_mw"): Direction.DOWN,
    ("power", "idle_mw"): Direction.DOWN,
    ("power", "cap_min_mw"): Direction.DOWN,
    ("power", "cap_max_mw"): Direction.UP,
    ("partitions", "counters"): Direction.UP,
    ("partitions", "profiles", "consumes"): Direction.DOWN,
    ("queues", "max"): Direction.UP,
    ("nodes", "labels"): Direction.MORE_ENTRIES,
    ("links", "coherent"): Direction.UP,
    ("memory_views", "coherent"): Direction.UP,
    ("power_domains", "cap_mw"): Direction.UP,
}

ORDERED: Final[Mapping[Place, Sequence[str]]] = {
    ("links", "p2p"): ("NONE", "HOST_MEDIATED", "DIRECT"),
}
"""Values from worst to best; a value that is absent is unknown."""

GIVEN_UP: Final = frozenset({("memories", "coherence_domain"), ("nodes", "descriptor_digest")})
"""What another value takes from those who relied on the old one."""

OF_THE_DOCUMENT: Final = frozenset(
    {"revision", "issued_at", "not_before", "expires_at", "supersedes", "status_uri", "spec",
     "sequence", "next_update"}
)  # fmt: skip
"""Members about the document itself; every new one differs in them."""


class Keyed(NamedTuple):
    """How the entries of a list are told apart.

    Attributes:
        members: Members that make the key.
        form: How the key is written in a place.
        matters: An entry more is better, and one less worse; the other way round if False; None
            where neither is.
    """

    members: tuple[str, ...]
    form: str
    matters: bool | None = True


LISTS: Final[Mapping[Place, Keyed]] = {
    ("software",): Keyed(("component", "name"), "{component} {name}", matters=None),
    ("engines",): Keyed(("id",), "{id}"),
    ("engines", "rates"): Keyed(
        ("a", "b", "acc", "out", "sparsity"), "{a} × {b} + {acc} → {out}, {sparsity}"
    ),
    ("memories",): Keyed(("id",), "{id}"),
    ("ops",): Keyed(("op",), "{op}"),
    ("energy",): Keyed(("event", "per"), "{event} per {per}"),
    ("partitions", "profiles"): Keyed(("name",), "{name}"),
    ("ports",): Keyed(("id",), "{id}"),
    ("queues",): Keyed(("kind",), "{kind}"),
    ("attestation",): Keyed(("scheme",), "{scheme}", matters=None),
    ("attestation", "reference_measurements"): Keyed(("index", "alg"), "{index} {alg}", None),
    ("provenance",): Keyed(("paths", "basis", "source_uri"), "{paths}", matters=None),
    ("nodes",): Keyed(("id",), "{id}"),
    ("switches",): Keyed(("id",), "{id}"),
    ("switches", "ports"): Keyed(("id",), "{id}"),
    ("links",): Keyed(("id",), "{id}"),
    ("memory_views",): Keyed(("initiator", "target"), "{initiator} → {target}"),
    ("power_domains",): Keyed(("members",), "{members}", matters=False),
    ("environment", "software"): Keyed(("component", "name"), "{component} {name}", matters=None),
    ("points",): Keyed(
        ("op", "dtypes", "shape", "bytes", "sparsity", "data_distribution", "unit"),
        "{op} {dtypes} {shape}, {unit}",
        matters=None,
    ),
    ("entries",): Keyed(("digest",), "{digest}", matters=False),
}
"""Lists of objects, by place."""


def direction(place: Place) -> Direction:
    """Return which way the value of a member gets better."""
    for known in (place, place[:-1]):
        if known in _SPECIAL:
            return _SPECIAL[known]
    for ending, found in _BY_UNIT.items():
        if place[-1].endswith(ending):
            return found
    return Direction.NEITHER
