"""Bare documents: their structure (ENV-S…, ACP-U01) and the rules of spec/acp.md."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Final

from acp.dsse import CAPABILITY_DESCRIPTOR, MEASUREMENT_RECORD, STATUS_LIST, SYSTEM_DESCRIPTOR
from conformance.author.book import NOW, Book, Edit, Json, Question, Vector, edited, identity, text
from conformance.author.documents import DESCRIPTOR, DIGEST, ISSUER, RECORD, STATUS, SYSTEM

_EVERY_RULE: Final = (
    "ENV-S1 ENV-S2 ENV-S3 ENV-S4 ACP-T01 ACP-U01 ACP-I01 ACP-I02 ACP-C01 ACP-C04 ACP-M02 ACP-M06 "
    "ACP-O02 ACP-P01 ACP-X01"
)


@dataclass(frozen=True, slots=True)
class Page:
    """Cases about edits of one document.

    Attributes:
        book: Where they go.
        base: The accepted case.
        document: What it asks about.
    """

    book: Book
    base: Vector
    document: Json

    def good(self, name: str, requires: str, why: str, *edits: Edit, **context: Any) -> Page:
        """Accept the edited document, and return the page about it."""
        document = edited(self.document, *edits)
        question = replace(self.base.question, input=text(document), **context)
        vector = self.book.accept(
            name, requires, why, question, identity(document), feature=self.base.feature
        )
        return Page(self.book, vector, document)

    def bad(
        self, name: str, codes: str, mutation: str, why: str, *edits: Edit, also: str = ""
    ) -> None:
        """Refuse the edited document."""
        document = edited(self.document, *edits)
        data = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
        self.book.refuse(name, codes, self.base, mutation, why, also=also, input=data)

    def warned(
        self, name: str, code: str, mutation: str, why: str, *edits: Edit, also: str = ""
    ) -> None:
        """Accept the edited document with a warning."""
        document = edited(self.document, *edits)
        self.book.warn(
            *(name, code, self.base, mutation, why, identity(document)),
            also=also,
            input=text(document),
        )

    def untimely(self, name: str, mutation: str, why: str, **context: Any) -> None:
        """Refuse the same document in another context."""
        self.book.refuse(name, "ACP-T01", self.base, mutation, why, **context)


def page(
    area: str, feature: str, name: str, requires: str, kind: str, document: Json, why: str
) -> Page:
    """Return a new book with an accepted document in it."""
    book = Book(area, feature)
    question = Question("document", text(document), type=kind, now=NOW)
    vector = book.accept(name, requires, why, question, identity(document))
    return Page(book, vector, document)


def page_of_descriptor(area: str, requires: str, name: str = "") -> Page:
    """Return a new book of an area with the descriptor that breaks no rule."""
    why = "a descriptor that breaks no rule"
    kind = CAPABILITY_DESCRIPTOR
    return page(area, "descriptor", name or area, requires, kind, DESCRIPTOR, why)


def write() -> Book:
    """Write the area of capability descriptors down."""
    base = page_of_descriptor("descriptors", _EVERY_RULE, "descriptor")
    _encodings(base)
    _structure(base)
    _units(base)
    _time(base)
    _identity(base)
    _compute(base)
    _conditions(base)
    _memory(base)
    _power(base)
    _extensions(base)
    return base.book


def _encodings(base: Page) -> None:
    base.book.accept(
        "descriptor-indented",
        "ENV-J1",
        "the identity of a document does not depend on how it is laid out",
        replace(base.base.question, input=json.dumps(DESCRIPTOR, indent=2).encode()),
        identity(DESCRIPTOR),
    )
    base.book.accept(
        "descriptor-reversed",
        "ENV-J1",
        "the identity of a document does not depend on the order of its members",
        replace(base.base.question, input=json.dumps(dict(reversed(DESCRIPTOR.items()))).encode()),
        identity(DESCRIPTOR),
    )
    base.book.refuse(
        "descriptor-repeated-member",
        "ENV-J2",
        base.base,
        "`revision` a second time at the end, with another value",
        "a reader that takes the last member sees another revision than one that takes the first",
        input=text(DESCRIPTOR)[:-1] + b',"revision":"4"}',
    )
    base.good(
        "descriptor-unknown-tokens",
        "ENV-S3",
        "what a reader does not know is unsupported, not invalid",
        ("/subject/device_class", "vendor.example/dream-machine"),
        ("/engines/1/rates/0/a", "f99"),
        ("/ops/1/variants/0/operands/*/dtypes", ["f32", "f99"]),
        ("/memories/0/kind", "vendor.example/crystal"),
        ("/ops/0/op", "vendor.example/ops/1:dream"),
    )


def _structure(base: Page) -> None:
    missing = "a reader that fills in what is missing acts on what nobody signed"
    for name, path in (
        ("spec", "/spec"),
        ("issuer", "/issuer"),
        ("scope", "/subject/scope"),
        ("peak", "/engines/0/rates/0/peak_ops_per_s"),
        ("variant", "/ops/0/variants/0/engine"),
    ):
        base.bad(f"descriptor-no-{name}", "ENV-S1", f"`{path[1:]}` removed", missing, (path, ...))
    unknown = "a member that one reader ignores and another obeys has no meaning"
    for name, path in (
        ("member", "/colour"),
        ("inner-member", "/engines/0/rates/0/boost"),
        ("misspelt", "/not_befor"),
        ("camel-case", "/notBefore"),
    ):
        edit = (path, "2026-01-01T00:00:00Z")
        mutation = f"a member `{path[1:]}` added"
        base.bad(f"descriptor-unknown-{name}", "ENV-S2", mutation, unknown, edit)
    loose = "a value that one reader converts and another refuses is two documents"
    for name, path, value in (
        ("string-for-array", "/engines", "matrix"),
        ("number-for-string", "/uri", 7),
        ("enum-lower-case", "/engines/0/kind", "matrix"),
        ("enum-unknown", "/memories/0/role", "HOLOGRAM"),
        ("enum-number", "/engines/0/kind", 3),
        ("other-version", "/spec", "acp/2"),
        ("leading-zero", "/revision", "03"),
        ("plus-sign", "/revision", "+3"),
        ("negative", "/revision", "-3"),
        ("revision-zero", "/revision", "0"),
        ("beyond-64-bits", "/revision", "18446744073709551616"),
        ("beyond-32-bits", "/engines/0/count", 4294967296),
        ("spaces", "/revision", " 3"),
        ("fraction-of-second", "/issued_at", "2026-01-01T00:00:00.5Z"),
        ("time-zone", "/issued_at", "2026-01-01T00:00:00+00:00"),
        ("no-such-day", "/issued_at", "2026-02-29T00:00:00Z"),
        ("issuer-upper-case", "/issuer", "Vendor.example"),
        ("issuer-no-domain", "/issuer", "vendor"),
        ("relative-uri", "/uri", "chips/v1"),
        ("digest-upper-case", "/supersedes", "sha256:" + "5A" * 32),
        ("digest-short", "/supersedes", "sha256:" + "5a" * 31),
        ("flag-as-string", "/operating_point/ecc", "true"),
        ("flag-as-number", "/operating_point/ecc", 1),
        ("sparsity", "/engines/0/rates/0/sparsity", "50%"),
        ("empty-string", "/subject/model", ""),
    ):
        mutation = f"`{path[1:]}` is {json.dumps(value)}"
        base.bad(f"descriptor-{name}", "ENV-S3", mutation, loose, (path, value))
    base.book.refuse(
        "descriptor-in-array",
        "ENV-S3",
        base.base,
        "an array around the document",
        "a document is an object",
        input=text([DESCRIPTOR]),
    )
    nothing = "null, empty and absent would be three documents that say the same"
    nothings: tuple[tuple[str, str, Any], ...] = (
        ("null", "/not_before", None),
        ("inner-null", "/operating_point/ecc", None),
        ("empty-array", "/software", []),
        ("empty-object", "/power", {}),
        ("empty-map", "/extensions", {}),
        ("empty-required", "/ops/0/variants", []),
    )
    for name, path, value in nothings:
        mutation = f"`{path[1:]}` is {json.dumps(value)}"
        base.bad(f"descriptor-{name}", "ENV-S4", mutation, nothing, (path, value), also="ENV-S3")
    base.good(
        "descriptor-largest-integer",
        "ENV-S3 ACP-U01",
        "64-bit integers have 64 bits",
        ("/revision", "18446744073709551615"),
    )


def _units(base: Page) -> None:
    why = "a reader that holds numbers as doubles rounds what was signed"
    for name, path, value, codes in (
        ("number-in-64-bits", "/power/tdp_mw", 50000, "ACP-U01 ENV-S3"),
        ("fraction", "/engines/0/count", 16.5, "ACP-U01 ENV-S3"),
        ("fraction-of-zero", "/engines/0/count", 16.0, "ACP-U01 ENV-S3"),
        ("float-in-64-bits", "/power/tdp_mw", 50000.5, "ACP-U01 ENV-S3"),
    ):
        base.bad(f"descriptor-{name}", codes, f"`{path[1:]}` is {value}", why, (path, value))
    extended = base.good(
        "descriptor-extension",
        "ACP-U01 ENV-S2 ACP-X01",
        "what a reader does not understand it keeps: it counts for the identity",
        ("/extensions", {ISSUER: {"bins": [1, 2], "note": "as sold", "none": None}}),
    )
    path = f"/extensions/{ISSUER}/bins/1"
    extended.bad("descriptor-fraction-in-extension", "ACP-U01", "a 2 is 2.5", why, (path, 2.5))
    written = text(extended.document)
    base.book.refuse(
        "descriptor-exponent-in-extension",
        "ACP-U01",
        extended.base,
        "a 2 is written 2e0",
        "1e12 hides how many digits are known",
        input=written.replace(b"[1,2]", b"[1,2e0]"),
    )


def _time(base: Page) -> None:
    stale = "a claim does not outlive its term"
    last = base.good(
        "descriptor-last-second",
        "ACP-T01",
        "a document is in force up to, not including, its end",
        now="2026-12-31T23:59:59Z",
    )
    last.untimely("descriptor-expired", "one second later", stale, now="2027-01-01T00:00:00Z")
    first = base.good(
        "descriptor-first-second",
        "ACP-T01",
        "a document is in force from its beginning on, inclusive",
        now="2026-01-01T00:00:00Z",
    )
    early = "a document from the future is a mistake, or a clock that was set back"
    first.untimely(
        "descriptor-not-yet-issued", "a second earlier", early, now="2025-12-31T23:59:59Z"
    )
    base.good(
        "descriptor-not-before",
        "ACP-T01",
        "not_before, where present, is the beginning",
        ("/not_before", NOW),
    )
    base.bad(
        "descriptor-not-yet-valid",
        "ACP-T01",
        "`not_before` is a second after now",
        early,
        ("/not_before", "2026-11-20T00:00:01Z"),
    )
    withdrawn = "only the issuer's word keeps a withdrawn claim from being used"
    unlisted = base.good(
        "descriptor-not-listed",
        "ACP-T01",
        "a status list withdraws what it lists, and nothing else",
        status_lists=(text(STATUS),),
    )
    listed = edited(STATUS, ("/entries/0/digest", identity(DESCRIPTOR)))
    unlisted.untimely(
        "descriptor-revoked", "the entry is about it", withdrawn, status_lists=(text(listed),)
    )
    now = edited(listed, ("/entries/0/effective_at", NOW))
    unlisted.untimely(
        "descriptor-revoked-now",
        "the entry is about it, and effective from this second on",
        withdrawn,
        status_lists=(text(now),),
    )
    for name, why, edit in (
        (
            "later",
            "an entry counts from `effective_at` on",
            ("effective_at", "2026-11-20T00:00:01Z"),
        ),
        ("by-another", "nobody but the issuer withdraws a claim", ("issuer", "other.example")),
    ):
        path = f"/entries/0/{edit[0]}" if name == "later" else f"/{edit[0]}"
        lists = (text(edited(listed, (path, edit[1]))),)
        base.good(f"descriptor-revoked-{name}", "ACP-T01", why, status_lists=lists)


def _identity(base: Page) -> None:
    twice = "a reference to a name that stands for two things is two claims"
    nowhere = "a reference that leads nowhere is a claim about nothing"
    for name, mutation, path, value in (
        ("engines", "the second engine has the first one's id", "/engines/1/id", "matrix"),
        ("ports", "the port a second time", "/ports/-", DESCRIPTOR["ports"][0]),
        ("ops", "the op a second time", "/ops/-", DESCRIPTOR["ops"][0]),
        (
            "queues",
            "a second limit of the queues of one kind",
            "/queues",
            [{"kind": "COPY", "max": 2}, {"kind": "COPY", "max": 1}],
        ),
        (
            "profiles",
            "the profile a second time",
            "/partitions/profiles/-",
            DESCRIPTOR["partitions"]["profiles"][0],
        ),
    ):
        base.bad(f"descriptor-twin-{name}", "ACP-I01", mutation, twice, (path, value))
    base.bad(
        "descriptor-twin-memories",
        "ACP-I01",
        "a third memory with the id of the second",
        twice,
        ("/memories/-", DESCRIPTOR["memories"][1]),
    )
    for name, path, value in (
        ("engine-of-op", "/ops/0/variants/0/engine", "matrxi"),
        ("engine-of-memory", "/memories/1/engines/0", "matrxi"),
        ("backing", "/memories/1/backing_id", "hbm"),
        ("memory-of-energy", "/energy/0/event", "mem:hbm.read"),
        ("counter", "/partitions/profiles/0/consumes", {"slices": "1"}),
        ("provenance", "/provenance/0/paths/0", "/engines/2"),
        ("provenance-member", "/provenance/0/paths/1", "/memory"),
        ("provenance-index", "/provenance/0/paths/0", "/engines/00"),
    ):
        mutation = f"`{path[1:]}` is {json.dumps(value)}"
        base.bad(f"descriptor-lost-{name}", "ACP-I01", mutation, nowhere, (path, value))
    base.bad(
        "descriptor-backing-circle",
        "ACP-I01",
        "the first memory is backed by the second, which it backs",
        "who follows the backing never arrives",
        ("/memories/0/backing_id", "cache"),
    )
    base.good(
        "descriptor-escaped-pointer",
        "ACP-I01",
        "`~0` and `~1` in a JSON Pointer stand for `~` and `/`",
        ("/partitions/counters", {"cores": "16", "a/b~c": "1"}),
        ("/provenance/0/paths/0", "/partitions/counters/a~1b~0c"),
    )
    why = "what is true of one unit is not claimed of all"
    unit = base.good(
        "descriptor-of-unit",
        "ACP-I02",
        "a unit says which one it is",
        ("/subject/scope", "UNIT"),
        ("/subject/unit_id", "N-1"),
    )
    unit.bad(
        "descriptor-no-unit-id", "ACP-I02", "`unit_id` removed", why, ("/subject/unit_id", ...)
    )
    base.bad(
        "descriptor-of-model-with-unit-id",
        "ACP-I02",
        "`unit_id` added",
        why,
        ("/subject/unit_id", "N-1"),
    )
    base.good(
        "descriptor-of-slice",
        "ACP-I02",
        "a slice may name its unit, or not",
        ("/subject/scope", "SLICE"),
    )


def _compute(base: Page) -> None:
    path = "/engines/0/rates/0/peak_ops_per_s"
    above = base.good(
        "descriptor-peak-3-percent-above", "ACP-C01", "3 % are allowed", (path, "16875520000000")
    )
    below = base.good(
        "descriptor-peak-3-percent-below", "ACP-C01", "3 % are allowed", (path, "15892480000000")
    )
    why = "most wrong rates are a whole factor off"
    above.bad(
        "descriptor-peak-too-high", "ACP-C01", "one more", "3 % is exact", (path, "16875520000001")
    )
    below.bad(
        "descriptor-peak-too-low", "ACP-C01", "one less", "3 % is exact", (path, "15892479999999")
    )
    for name, peak, mutation in (
        ("sparse", "32768000000000", "the sparse rate given as the dense one: twice the product"),
        ("sparse-twice", "65536000000000", "a sparse rate doubled for sparsity once more"),
        ("halved", "8192000000000", "a multiply-add counted once: half the product"),
        ("of-a-thousand", "16384000000000000", "T mistaken for G"),
    ):
        base.bad(f"descriptor-peak-{name}", "ACP-C01", mutation, why, (path, peak))
    base.good(
        "descriptor-peak-alone",
        "ACP-C01",
        "a rule whose inputs are absent is not broken",
        (path, "99000000000000"),
        ("/engines/0/clock_hz", ...),
    )
    base.bad(
        "descriptor-no-accumulator",
        "ACP-C04",
        "`acc` of the matrix engine's rate removed",
        "the same engine may be twice as fast with a narrower accumulator",
        ("/engines/0/rates/0/acc", ...),
    )


def _conditions(base: Page) -> None:
    where = "/ops/0/variants/0/where"
    claimed = base.good(
        "descriptor-conditions",
        "ACP-O02",
        "a claim may depend on shapes, dtypes and attributes",
        (where, ["self.shape[-1] % 16 == 0 and self.rank == 2", 'mat2.dtype in ("f16","bf16")']),
    )
    why = "a condition that nobody can read is met by nothing"
    for name, mutation, condition in (
        ("prose", "the first condition is a sentence", "the moon is full"),
        ("half", "the first condition has no right side", "self.shape[-1] % 16 =="),
        ("or", "`or` for `and`", "self.shape[-1] % 16 == 0 or self.rank == 2"),
        ("call", "a call in the first condition", "rank(self) == 2"),
        ("no-modulus", "the remainder by 0", "self.shape[-1] % 0 == 0"),
        ("no-axis", "a shape without an axis", "self.shape % 16 == 0"),
        ("kind", "a dtype is compared with an integer", "self.dtype == 16"),
        ("escape", "an escape in a text", 'self.dtype == "f\\u0031"'),
    ):
        edit = (f"{where}/0", condition)
        claimed.bad(f"descriptor-condition-{name}", "ACP-O02", mutation, why, edit)


def _memory(base: Page) -> None:
    usable = "/memories/0/usable_bytes"
    full = base.good(
        "descriptor-all-usable", "ACP-M02", "all of it may be usable", (usable, "17179869184")
    )
    why = "nobody can use more than there is"
    full.bad("descriptor-usable-one-more", "ACP-M02", "one byte more", why, (usable, "17179869185"))
    full.bad(
        "descriptor-usable-of-one-instance",
        "ACP-M02",
        "one instance in place of two",
        why,
        ("/memories/0/instances", 1),
    )
    masks = "buffers are placed by masking addresses"
    for name, path, value in (
        ("line", "/memories/0/line_bytes", "96"),
        ("line-zero", "/memories/0/line_bytes", "0"),
        ("alignment", "/memories/0/alignment_bytes", "192"),
    ):
        mutation = f"`{path[1:]}` is {value}"
        base.bad(f"descriptor-crooked-{name}", "ACP-M06", mutation, masks, (path, value))
    base.bad(
        "descriptor-alignment-within-line",
        "ACP-M06",
        "the alignment of the cache is half a line",
        "a buffer that starts inside a line shares it with its neighbour",
        ("/memories/1/alignment_bytes", "32"),
    )
    base.good(
        "descriptor-alignment-without-cache",
        "ACP-M06",
        "the line matters where the memory is a cache",
        ("/memories/0/alignment_bytes", "32"),
    )


def _power(base: Page) -> None:
    why = "a limit outside the range that can be set was never in force"
    for name, path, value in (
        ("idle-above-tdp", "/power/idle_mw", "50001"),
        ("tdp-above-cap", "/power/tdp_mw", "60001"),
        ("caps-swapped", "/power/cap_min_mw", "60001"),
        ("cap-too-high", "/operating_point/power_cap_mw", "60001"),
        ("cap-too-low", "/operating_point/power_cap_mw", "19999"),
    ):
        mutation = f"`{path[1:]}` is {value}"
        base.bad(f"descriptor-{name}", "ACP-P01", mutation, why, (path, value))
    untold = base.good(
        "descriptor-no-tdp", "ACP-P01", "limits that are absent do not bind", ("/power/tdp_mw", ...)
    )
    untold.bad(
        "descriptor-idle-above-cap",
        "ACP-P01",
        "`power/idle_mw` is 60001",
        "those that are present are in order, though one between them is absent",
        ("/power/idle_mw", "60001"),
    )
    base.good(
        "descriptor-cap-at-limit",
        "ACP-P01",
        "limits are inclusive",
        ("/operating_point/power_cap_mw", "60000"),
        ("/power/tdp_mw", "60000"),
    )


def _extensions(base: Page) -> None:
    why = "to ignore what an issuer calls critical makes the rest misleading"
    critical = base.good(
        "descriptor-critical-understood",
        "ACP-X01",
        "a reader that understands a critical extension takes the document",
        ("/extensions", {ISSUER: {"derated": True}}),
        ("/critical", [ISSUER]),
        understood=(ISSUER,),
    )
    base.book.refuse(
        "descriptor-critical-not-understood",
        "ACP-X01",
        critical.base,
        "the reader understands no extension",
        why,
        understood=(),
    )
    base.book.refuse(
        "descriptor-critical-other-understood",
        "ACP-X01",
        critical.base,
        "the reader understands another extension",
        why,
        understood=("other.example",),
    )
    critical.bad(
        "descriptor-critical-absent",
        "ACP-X01",
        "the extension bears another name than the critical one",
        "what must be understood must be there",
        ("/extensions", {"other.example": {"derated": True}}),
    )
    base.good(
        "descriptor-not-critical",
        "ACP-X01",
        "a reader ignores an extension that is not critical",
        ("/extensions", {"other.example": {"derated": True}}),
    )


def write_systems() -> Book:
    """Write the area of system descriptors and measurement records down."""
    base = page(
        "systems",
        "system",
        "system",
        "ACP-I01 ACP-T01 ACP-U01 ENV-S1 ENV-S2 ENV-S3",
        SYSTEM_DESCRIPTOR,
        SYSTEM,
        "a system that breaks no rule",
    )
    nowhere = "a link that leads nowhere carries nothing"
    for name, path, value in (
        ("twin-nodes", "/nodes/1/id", "cpu"),
        ("node-named-as-switch", "/nodes/1/id", "sw"),
        ("twin-links", "/links/1/id", "a"),
        ("twin-ports", "/switches/0/ports/1/id", "up"),
        ("lost-node", "/links/1/b/node", "gpu"),
        ("lost-port", "/links/1/a/port", "left"),
        ("lost-initiator", "/memory_views/0/initiator", "gpu"),
        ("lost-target", "/memory_views/0/target", "sw"),
        ("lost-member", "/power_domains/0/members/1", "gpu"),
    ):
        mutation = f"`{path[1:]}` is {json.dumps(value)}"
        base.bad(f"system-{name}", "ACP-I01", mutation, nowhere, (path, value))
    base.bad(
        "system-expired",
        "ACP-T01",
        "`expires_at` is now",
        "a system changes as a device does",
        ("/expires_at", NOW),
    )
    base.bad(
        "system-number-in-64-bits",
        "ACP-U01 ENV-S3",
        "a rate is a number",
        "a rate beyond 2^53 would be rounded",
        ("/links/0/a_to_b_bytes_per_s", 63000000000),
    )
    base.bad(
        "system-critical-absent",
        "ACP-X01",
        "`critical` names an extension that is not there",
        "what must be understood must be there",
        ("/critical", [ISSUER]),
    )
    record = page(
        "systems",
        "system",
        "record",
        "ACP-T01 ACP-U01 ENV-S1 ENV-S3",
        MEASUREMENT_RECORD,
        RECORD,
        "a measurement record that breaks no rule",
    )
    told = Page(base.book, base.book._add(record.base), RECORD)  # noqa: SLF001 - one book for both
    told.bad(
        "record-no-points", "ENV-S1", "`points` removed", "it measured nothing", ("/points", ...)
    )
    told.bad(
        "record-no-calls",
        "ENV-S3",
        "a point with no call",
        "the median of nothing",
        ("/points/0/n", "0"),
    )
    told.bad(
        "record-expired",
        "ACP-T01",
        "`expires_at` is now",
        "a measurement ages as a claim does",
        ("/expires_at", NOW),
    )
    return base.book


def write_status() -> Book:
    """Write the area of status lists down."""
    base = page(
        "status",
        "status",
        "status",
        "ACP-T01 ACP-U01 ENV-S1 ENV-S2 ENV-S3 ENV-S4",
        STATUS_LIST,
        STATUS,
        "a status list in force",
    )
    base.good(
        "status-nothing-revoked",
        "ENV-S4",
        "a list that revokes nothing has no entries",
        ("/entries", ...),
    )
    base.bad(
        "status-empty-entries",
        "ENV-S4",
        "`entries` is empty",
        "empty and absent would be two documents that say the same",
        ("/entries", []),
        also="ENV-S3",
    )
    late = "who withholds the next list keeps a withdrawn claim alive"
    base.bad("status-due", "ACP-T01", "`next_update` is now", late, ("/next_update", NOW))
    base.bad(
        "status-from-the-future",
        "ACP-T01",
        "issued one second from now",
        "a list from the future is a mistake",
        ("/issued_at", "2026-11-20T00:00:01Z"),
    )
    base.bad(
        "status-number-in-64-bits",
        "ACP-U01 ENV-S3",
        "`sequence` is a number",
        "64-bit integers are decimal strings",
        ("/sequence", 5),
    )
    base.bad(
        "status-no-reason",
        "ENV-S1",
        "the entry gives no reason",
        "people decide by it what to do",
        ("/entries/0/reason", ...),
    )
    base.bad(
        "status-unknown-member",
        "ENV-S2",
        "the entry has a member `until`",
        "a reader that ignores it revokes for longer than one that obeys it",
        ("/entries/0/until", NOW),
    )
    base.bad(
        "status-digest",
        "ENV-S3",
        "the digest has an upper-case digit",
        "digests are compared as text",
        ("/entries/0/digest", DIGEST[:-1] + "A"),
    )
    return base.book
