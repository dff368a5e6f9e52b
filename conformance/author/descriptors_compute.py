"""Rates of engines: gains by sparsity and width, where they come from, and facts stated twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from conformance.author.descriptors import Page, page_of_descriptor

if TYPE_CHECKING:
    from conformance.author.book import Book, Edit, Json

_RATES: Final = "/engines/0/rates"
_DENSE_PEAK: Final = 16_384_000_000_000


def write() -> Book:
    """Write the cases down."""
    base = page_of_descriptor("rates", "ACP-C02 ACP-C03 ACP-C05 ACP-C06 ACP-I03")
    _sparse(base)
    _narrower(base)
    _origin(base)
    _sources(base)
    _twice(base)
    return base.book


def row(**members: Any) -> Json:
    """Return a rate of the matrix engine that nothing but its peak says how to compute."""
    return {
        "a": "f16",
        "b": "f16",
        "acc": "f32",
        "out": "f32",
        "sparsity": "dense",
        "peak_ops_per_s": str(_DENSE_PEAK),
        **members,
    }


def _sparse(base: Page) -> None:
    why = "leaving out half of the work saves at most half of the time"
    most = _DENSE_PEAK * 2 * 103 // 100
    sparse = row(sparsity="2:4", peak_ops_per_s=str(most))
    good = base.good(
        "descriptor-sparse",
        "ACP-C02",
        "a sparse rate has its pattern's gain, and 3 % for rounding",
        (f"{_RATES}/-", sparse),
    )
    peak = f"{_RATES}/1/peak_ops_per_s"
    good.bad(
        "descriptor-sparse-too-fast", "ACP-C02", "one more", "3 % is exact", (peak, str(most + 1))
    )
    good.bad(
        "descriptor-sparse-twice-applied",
        "ACP-C02",
        "the sparse rate is four times the dense one",
        why,
        (peak, str(4 * _DENSE_PEAK)),
    )
    good.bad(
        "descriptor-sparse-of-other-dtypes",
        "ACP-C02",
        "the dense row sums in f16, so that the sparse one has no sibling",
        "a gain over another product is no gain by sparsity",
        (f"{_RATES}/0/acc", "f16"),
    )
    for name, pattern in (("nothing-left-out", "4:4"), ("more-than-all", "4:2")):
        good.bad(
            f"descriptor-sparse-{name}",
            "ACP-C02",
            f"the pattern is {pattern}",
            "n:m keeps n of each m, fewer than all",
            (f"{_RATES}/1/sparsity", pattern),
        )
    base.good(
        "descriptor-sparse-quarter",
        "ACP-C02",
        "a pattern that keeps a quarter may be four times as fast",
        (f"{_RATES}/-", row(sparsity="1:4", peak_ops_per_s=str(4 * _DENSE_PEAK))),
    )
    base.bad(
        "descriptor-sparse-alone",
        "ACP-C02",
        "the only rate of the engine is called sparse",
        "a sparse rate without a dense one is most often a dense one, or a gain over nothing",
        (f"{_RATES}/0/sparsity", "2:4"),
    )


def _narrower(base: Page) -> None:
    why = "halving operands doubles what fits through the same wires"
    accepts = ("/ops/0/variants/0/operands/*/dtypes", ["f16", "f8e4m3fn", "f32", "i8"])
    half = row(a="f8e4m3fn", b="f8e4m3fn", peak_ops_per_s=str(_DENSE_PEAK * 21 // 10))
    good = base.good(
        "descriptor-narrower",
        "ACP-C03",
        "operands of half the width may be 2.1 times as fast",
        accepts,
        (f"{_RATES}/-", half),
    )
    good.warned(
        "descriptor-narrower-too-fast",
        "ACP-C03",
        "one more",
        why,
        (f"{_RATES}/1/peak_ops_per_s", str(_DENSE_PEAK * 21 // 10 + 1)),
    )
    for name, requires, other in (
        ("other-accumulator", "another accumulator", {"acc": "f16"}),
        ("integers", "integers have units of their own", {"a": "i8", "b": "i8", "acc": "i32"}),
    ):
        fast = half | other | {"peak_ops_per_s": str(8 * _DENSE_PEAK)}
        base.good(
            f"descriptor-narrower-{name}",
            "ACP-C03",
            f"what is compared differs in its width alone: {requires}",
            accepts,
            (f"{_RATES}/-", fast),
        )
    slow = row(a="f32", b="f32", peak_ops_per_s=str(_DENSE_PEAK // 8))
    wide = base.good(
        "descriptor-wide-operands-slow",
        "ACP-C03",
        "nothing follows from rates on f32, which are often slow by choice",
        accepts,
        (f"{_RATES}/-", slow),
    )
    wide.warned(
        "descriptor-tf32-slow",
        "ACP-C03",
        "the operands are tf32 in place of f32",
        "tf32 is made for speed, so that eight times its rate is more than a narrower dtype gains",
        (f"{_RATES}/1/a", "tf32"),
        (f"{_RATES}/1/b", "tf32"),
    )


def _origin(base: Page) -> None:
    computed = base.good(
        "descriptor-computed-rate",
        "ACP-C05",
        "a rate that can be computed needs no source",
        ("/provenance/0/paths/0", "/engines/1"),
    )
    computed.warned(
        "descriptor-rate-from-nowhere",
        "ACP-C05",
        "`ops_per_unit_per_clock` removed",
        "a number that follows from nothing and comes from nowhere cannot be checked",
        (f"{_RATES}/0/ops_per_unit_per_clock", ...),
    )
    computed.good(
        "descriptor-rate-with-source",
        "ACP-C05",
        "a rate with a source needs no factors",
        (f"{_RATES}/0/ops_per_unit_per_clock", ...),
        ("/provenance/0/paths/-", f"{_RATES}/0/peak_ops_per_s"),
    )


def _sources(base: Page) -> None:
    def entry(value: int, sparsity: str, of: int) -> Json:
        return {
            "paths": [f"{_RATES}/{of}/peak_ops_per_s"],
            "basis": "VENDOR_CLAIM",
            "source_value": str(value),
            "source_sparsity": sparsity,
        }

    both: Edit = (
        _RATES,
        [row(), row(sparsity="2:4", peak_ops_per_s=str(2 * _DENSE_PEAK))],
    )
    why = "the source prints the sparse rate in large type, and its footnote in small"
    for of, name in ((0, "dense"), (1, "sparse")):
        good = base.good(
            f"descriptor-source-of-{name}",
            "ACP-C06",
            f"the source's sparse rate, converted once, is the {name} one",
            both,
            ("/provenance/-", entry(2 * _DENSE_PEAK, "2:4", of)),
        )
        good.warned(
            f"descriptor-source-of-{name}-twice",
            "ACP-C06",
            "the source states half of that for 2:4, so that the factor was applied twice",
            why,
            ("/provenance/1/source_value", str(_DENSE_PEAK)),
        )
    base.good(
        "descriptor-source-dense",
        "ACP-C06",
        "a sparse rate may be computed from the source's dense one",
        both,
        ("/provenance/-", entry(_DENSE_PEAK, "dense", 1)),
    )


def _twice(base: Page) -> None:
    why = "readers of the first and of the last of two statements act on different claims"
    rows = base.good(
        "descriptor-same-row-twice",
        "ACP-I03",
        "to state a fact twice, alike, is no contradiction",
        (f"{_RATES}/-", row()),
    )
    rows.bad(
        "descriptor-row-contradicted",
        "ACP-I03",
        "the second row is a little slower",
        why,
        (f"{_RATES}/1/peak_ops_per_s", str(_DENSE_PEAK - 1)),
    )
    base.good(
        "descriptor-row-not-exposed",
        "ACP-I03",
        "what the silicon can do may differ from what the software lets it do",
        (f"{_RATES}/-", row(peak_ops_per_s=str(2 * _DENSE_PEAK), exposed=False)),
    )
    energies = base.good(
        "descriptor-energy-per-op",
        "ACP-I03",
        "the energy of an operation is another fact than that of a byte",
        ("/energy/-", {"event": "mem:dram.read", "per": "OP", "femtojoules": "1"}),
    )
    energies.bad(
        "descriptor-energy-contradicted",
        "ACP-I03",
        "both are per byte",
        why,
        ("/energy/1/per", "BYTE"),
    )
    shared = base.good(
        "descriptor-shared-rate",
        "ACP-I03",
        "what reads and writes share is at least each and at most their sum",
        ("/memories/0/read_bytes_per_s", "60000000000"),
        ("/memories/0/write_bytes_per_s", "40000000000"),
        ("/memories/0/combined_bytes_per_s", "100000000000"),
    )
    for name, mutation, rate in (
        ("below-reads", "the shared rate is below that of reads alone", "59999999999"),
        ("above-sum", "the shared rate is above the sum of both", "100000000001"),
    ):
        edit = ("/memories/0/combined_bytes_per_s", rate)
        shared.bad(f"descriptor-shared-rate-{name}", "ACP-I03", mutation, why, edit)
    managed = base.good(
        "descriptor-cache-by-hardware",
        "ACP-I03",
        "a cache is managed by hardware",
        ("/memories/1/managed", "HW"),
    )
    managed.bad(
        "descriptor-cache-by-software",
        "ACP-I03",
        "the cache is managed by software",
        "a plan that places data in a memory must know whether it stays there",
        ("/memories/1/managed", "SW"),
    )
    driver = {"component": "driver", "version_range": ">=1.0"}
    software = base.good(
        "descriptor-software",
        "ACP-I03",
        "two components have two ranges",
        ("/software", [driver, {"component": "compiler", "version_range": ">=2.0"}]),
    )
    software.bad(
        "descriptor-software-contradicted",
        "ACP-I03",
        "both ranges are of one component",
        why,
        ("/software/1/component", "driver"),
    )
    arch = base.good(
        "descriptor-arch",
        "ACP-I03",
        "an architecture that is registered for the class, and one that nobody registered",
        ("/subject/arch", ["xdna:2", "vendor.example/v:1"]),
    )
    arch.bad(
        "descriptor-arch-of-another-class",
        "ACP-I03",
        "the architecture is one of GPUs",
        "who looks for GPUs by class and who looks for them by architecture find different devices",
        ("/subject/arch/0", "cuda:sm_90a"),
    )
    arch.good(
        "descriptor-arch-of-custom",
        "ACP-I03",
        "a device of no other class may have any architecture",
        ("/subject/device_class", "custom"),
    )
