"""Memories and power: what technology allows, and what is plausible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from conformance.author.descriptors import Page, page_of_descriptor

if TYPE_CHECKING:
    from conformance.author.book import Book, Json

_GIB: Final = 2**30


def write() -> Book:
    """Write the cases down."""
    base = page_of_descriptor(
        "technology", "ACP-M01 ACP-M03 ACP-M04 ACP-M05 ACP-M07 ACP-P02 ACP-S01"
    )
    _levels(base)
    _stacks(base)
    _drain(base)
    _prefixes(base)
    _totals(base)
    _efficiency(base)
    return base.book


def memory(name: str, **members: Any) -> Json:
    """Return a memory of static cells."""
    return {
        "id": name,
        "kind": "sram",
        "role": "CACHE",
        "instances": 1,
        "capacity_bytes_per_instance": "4194304",
        **members,
    }


def _levels(base: Page) -> None:
    why = "a cache that is smaller or slower than what it serves serves nothing"
    outer = memory("outer", level=2, instances=8, combined_bytes_per_s="400000000000")
    good = base.good(
        "descriptor-levels",
        "ACP-M01",
        "the first level has twice what the second has, and is as fast, and both are as the memory",
        ("/memories/1/instances", 16),
        ("/memories/1/combined_bytes_per_s", "400000000000"),
        ("/memories/0/combined_bytes_per_s", "400000000000"),
        ("/memories/-", outer),
    )
    for name, mutation, path, value in (
        ("inner-too-large", "one more instance of the first", "/memories/1/instances", 17),
        (
            "inner-too-slow",
            "the first is a byte slower",
            "/memories/1/combined_bytes_per_s",
            "399999999999",
        ),
        (
            "memory-too-fast",
            "the memory is a byte faster",
            "/memories/0/combined_bytes_per_s",
            "400000000001",
        ),
    ):
        good.warned(f"descriptor-levels-{name}", "ACP-M01", mutation, why, (path, value))
    good.good(
        "descriptor-levels-of-other-kinds-of-rate",
        "ACP-M01",
        "the rate of reads is not compared with that of reads and writes together",
        ("/memories/1/combined_bytes_per_s", ...),
        ("/memories/1/read_bytes_per_s", "100000000000"),
    )


def _stacks(base: Page) -> None:
    stacks = base.good(
        "descriptor-stacks",
        "ACP-M03",
        "two stacks of HBM2 move what the standard says and 1 % for rounding, and are full",
        ("/memories/0/kind", "hbm2"),
        ("/memories/0/stacks", 2),
        ("/memories/0/combined_bytes_per_s", "620544000000"),
        ("/memories/0/capacity_bytes_per_instance", str(24 * _GIB)),
    )
    why = "a stack has as many data lines as its standard says"
    for name, mutation, path, value in (
        ("too-fast", "a byte faster", "/memories/0/combined_bytes_per_s", "620544000001"),
        (
            "too-large",
            "a byte larger",
            "/memories/0/capacity_bytes_per_instance",
            str(24 * _GIB + 1),
        ),
        ("too-few", "one stack for two", "/memories/0/stacks", 1),
    ):
        stacks.bad(f"descriptor-stacks-{name}", "ACP-M03", mutation, why, (path, value))
    stacks.good(
        "descriptor-stacks-of-later-kind",
        "ACP-M03",
        "a later generation is faster",
        ("/memories/0/kind", "hbm3"),
        ("/memories/0/combined_bytes_per_s", "1638400000000"),
    )
    stacks.good(
        "descriptor-stacks-of-unknown-kind",
        "ACP-M03",
        "nothing is known of stacks that nobody registered",
        ("/memories/0/kind", "vendor.example/stack"),
        ("/memories/0/combined_bytes_per_s", "99000000000000"),
    )


def _drain(base: Page) -> None:
    why = "static memory is made to be read at once"
    size = 100_000_000
    scratch = memory(
        "scratch",
        role="SCRATCH",
        capacity_bytes_per_instance=str(size),
        read_bytes_per_s=str(size * 1000),
    )
    good = base.good(
        "descriptor-static-memory",
        "ACP-M04",
        "it is read in a millisecond",
        ("/memories/-", scratch),
    )
    good.bad(
        "descriptor-static-memory-slow",
        "ACP-M04",
        "a thousandth slower",
        why,
        ("/memories/2/read_bytes_per_s", str(size * 999)),
    )
    base.good(
        "descriptor-static-memory-small",
        "ACP-M04",
        "the memory of a microcontroller may lie behind a narrow bus",
        (
            "/memories/-",
            scratch | {"capacity_bytes_per_instance": str(2**26 - 1), "read_bytes_per_s": "1"},
        ),
    )
    base.good(
        "descriptor-static-memory-cache",
        "ACP-M04",
        "a cache may be shared with cores that a virtual machine does not have",
        ("/memories/-", scratch | {"role": "CACHE", "level": 3, "read_bytes_per_s": "1"}),
    )
    rate, total = "/memories/0/combined_bytes_per_s", 17_179_869_184
    second = base.good(
        "descriptor-dynamic-memory-slow",
        "ACP-M07",
        "it is read in a minute",
        (rate, str(total // 60 + 1)),
    )
    second.warned(
        "descriptor-dynamic-memory-too-slow",
        "ACP-M07",
        "a little longer than a minute",
        "main memory is read in milliseconds to seconds",
        (rate, str(total // 61)),
    )
    first = base.good(
        "descriptor-dynamic-memory-fast",
        "ACP-M07",
        "it is read in a millisecond",
        (rate, str(total * 1000)),
    )
    first.warned(
        "descriptor-dynamic-memory-too-fast",
        "ACP-M07",
        "a little faster than in a millisecond",
        "main memory is read in milliseconds to seconds",
        (rate, str(total * 1001)),
    )


def _prefixes(base: Page) -> None:
    entry = {
        "paths": ["/memories/0/capacity_bytes_per_instance"],
        "basis": "VENDOR_CLAIM",
        "source_value": "8589934592",
    }
    good = base.good(
        "descriptor-as-its-source",
        "ACP-M05",
        "the value is the source's",
        ("/provenance/-", entry),
    )
    why = "a tenth or so of the memory is not there"
    for name, mutation, value in (
        ("gigabytes", "the source states 8 GB, which the value has as GiB", "8000000000"),
        ("gibibytes", "the source states 8.59 GiB, which the value has as GB", "9223372036"),
        ("megabytes", "the source states 8192 MB, which the value has as MiB", "8192000000"),
    ):
        edit = ("/provenance/1/source_value", value)
        good.warned(f"descriptor-{name}-mistaken", "ACP-M05", mutation, why, edit)
    good.good(
        "descriptor-derived-from-its-source",
        "ACP-M05",
        "what follows from a source is not what it says",
        ("/provenance/1/source_value", "8000000000"),
        ("/provenance/1/basis", "DERIVED"),
    )


def _totals(base: Page) -> None:
    usable = ("/memories/0/usable_bytes", "8589934592")
    one = base.good(
        "descriptor-one-instance-usable",
        "ACP-S01",
        "of one instance all may be usable",
        usable,
        ("/memories/0/instances", 1),
    )
    one.warned(
        "descriptor-total-of-one",
        "ACP-S01",
        "two instances",
        "the size of one of several is given as the total",
        ("/memories/0/instances", 2),
    )


def _efficiency(base: Page) -> None:
    why = "watts given as milliwatts are three orders of magnitude"
    tdp = "/power/tdp_mw"
    edits = (("/power/idle_mw", ...), ("/power/cap_max_mw", ...), ("/power/cap_min_mw", ...))
    # 16.384 T on 16 bits: 50 T per joule at most.
    most = base.good("descriptor-efficient", "ACP-P02", "50 T per joule", *edits, (tdp, "328"))
    most.warned("descriptor-too-efficient", "ACP-P02", "a milliwatt less", why, (tdp, "327"))
    # 10 G per joule at least.
    least = base.good(
        "descriptor-inefficient", "ACP-P02", "10 G per joule", *edits, (tdp, "1638400")
    )
    least.warned("descriptor-too-inefficient", "ACP-P02", "a milliwatt more", why, (tdp, "1638401"))
    least.good(
        "descriptor-of-unknown-efficiency",
        "ACP-P02",
        "nothing is known of a class that nobody registered",
        (tdp, "1638401"),
        ("/subject/device_class", "vendor.example/dream-machine"),
    )
