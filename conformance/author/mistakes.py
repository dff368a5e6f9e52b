"""Mistakes that were published, with the numbers of the devices they were made about.

The devices bear the name of no company; what matters is that the wrong number is the one that was
printed, and that the right one beside it is accepted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from conformance.author.descriptors import Page, page_of_descriptor

if TYPE_CHECKING:
    from conformance.author.book import Book, Json

_T: Final = 10**12
_GIB: Final = 2**30


def write() -> Book:
    """Write the area down."""
    base = page_of_descriptor("mistakes", "ACP-C01 ACP-C02 ACP-M03 ACP-M04")
    _sparse_rates(base)
    _units(base)
    _memories(base)
    return base.book


def rate(dtype: str, acc: str, tenths: int, per_clock: int, sparsity: str = "dense") -> Json:
    """Return a rate, given in tenths of a T."""
    return {
        "a": dtype,
        "b": dtype,
        "acc": acc,
        "out": acc,
        "sparsity": sparsity,
        "peak_ops_per_s": str(tenths * _T // 10),
        "ops_per_unit_per_clock": str(per_clock),
    }


def _device(base: Page, name: str, rule: str, why: str, **members: Any) -> Page:
    """Accept a device with these members, of which everything else is left out."""
    engines: Any = members.pop("engines", [{"id": "matrix", "kind": "MATRIX"}])
    dtypes = sorted({one[a] for e in engines for one in e.get("rates", ()) for a in "ab"})
    about = {"dtypes": dtypes} if dtypes else {"rank": {"min": 2, "max": 2}}
    ops = [
        {
            "op": "cep-core/1:mm",
            "variants": [{"engine": e["id"], "operands": {"*": about}} for e in engines],
        }
    ]
    memory = base.document["memories"][:1]
    told = {"memories": memory, **members, "engines": engines, "ops": ops}
    told.setdefault("provenance", [{"paths": ["/engines", "/memories"], "basis": "VENDOR_CLAIM"}])
    absent = {name: ... for name in ("power", "energy", "partitions", "ports") if name not in told}
    point = {"operating_point": {"name": "default"}}
    edits = [(f"/{name}", value) for name, value in (absent | point | told).items()]
    return base.good(name, rule, why, *edits)


def _sparse_rates(base: Page) -> None:
    dense = rate("f16", "f32", 9894, 1024)
    sparse = rate("f16", "f32", 19789, 2048, "2:4")
    tensor = {"id": "tensor", "kind": "MATRIX", "count": 528, "clock_hz": "1830000000"}
    good = _device(
        base,
        "mistake-sparse-right",
        "ACP-C01 ACP-C02",
        "989.4 T dense and 1978.9 T sparse follow from 528 units at 1.83 GHz",
        engines=[tensor | {"rates": [dense, sparse]}],
    )
    peak = "/engines/0/rates/{}/peak_ops_per_s"
    good.bad(
        "mistake-sparse-as-dense",
        "ACP-C01",
        "the dense rate is 1979 T, as the data sheet prints in large type",
        "1979 is the sparse rate; a plan by it takes twice as long as it says",
        (peak.format(0), str(1979 * _T)),
    )
    good.bad(
        "mistake-sparse-doubled",
        "ACP-C02",
        "the sparse rate is 3958 T, and its factors are not given",
        "the factor of two applied to 1979 T, which has it already",
        (peak.format(1), str(3958 * _T)),
        ("/engines/0/rates/1/ops_per_unit_per_clock", ...),
    )
    source = {
        "paths": ["/engines/0/rates/1/peak_ops_per_s"],
        "basis": "VENDOR_CLAIM",
        "source_value": str(1979 * _T),
        "source_sparsity": "2:4",
    }
    bare = [{**one, "ops_per_unit_per_clock": ...} for one in (dense, sparse)]
    bare = [{name: v for name, v in one.items() if v is not ...} for one in bare]
    told = _device(
        base,
        "mistake-sparse-told",
        "ACP-C06",
        "the source states 1979 T for 2:4, and that is the sparse rate",
        engines=[{"id": "tensor", "kind": "MATRIX", "rates": bare}],
        provenance=[{"paths": ["/engines", "/memories"], "basis": "VENDOR_CLAIM"}, source],
    )
    told.warned(
        "mistake-sparse-doubled-throughout",
        "ACP-C06",
        "1979 T dense and 3958 T sparse: all ratios within the document are right",
        "the source's rate was taken for dense and doubled once more",
        (peak.format(0), str(1979 * _T)),
        (peak.format(1), str(3958 * _T)),
    )


def _units(base: Page) -> None:
    vector = {"id": "vector", "kind": "VECTOR", "count": 132, "clock_hz": "1980000000"}
    good = _device(
        base,
        "mistake-f64-right",
        "ACP-C01",
        "33.5 T of f64 follow from 132 units at 1.98 GHz",
        engines=[vector | {"rates": [rate("f64", "f64", 335, 128)]}],
    )
    good.bad(
        "mistake-f64-of-matrix-units",
        "ACP-C01",
        "the rate is 67 T, that of the matrix units",
        "code that has no matrix product gets half of it",
        ("/engines/0/rates/0/peak_ops_per_s", str(67 * _T)),
    )
    matrix = {"id": "matrix", "kind": "MATRIX", "count": 108, "clock_hz": "1410000000"}
    whole = _device(
        base,
        "mistake-units-right",
        "ACP-C01",
        "312 T follow from 108 units at 1.41 GHz",
        engines=[matrix | {"rates": [rate("f16", "f32", 3120, 2048)]}],
    )
    whole.bad(
        "mistake-disabled-units",
        "ACP-C01",
        "128 units, as the full die has",
        "a fifth of the units that work is given does not exist",
        ("/engines/0/count", 128),
    )


def _memories(base: Page) -> None:
    def one(kind: str, capacity: int, rate: int, **members: Any) -> list[Json]:
        return [
            {
                "id": "memory",
                "kind": kind,
                "role": "DEVICE",
                "instances": 1,
                "capacity_bytes_per_instance": str(capacity),
                "combined_bytes_per_s": str(rate),
                **members,
            }
        ]

    static = _device(
        base,
        "mistake-static-right",
        "ACP-M04",
        "230 MB at 80 TB/s are read in 2.9 µs",
        memories=one("sram", 230 * 10**6, 80 * _T),
    )
    static.bad(
        "mistake-static-gigabytes",
        "ACP-M04",
        "230 GB",
        "no die holds 230 GB of static memory; a plan by it does not fit a thousandth",
        ("/memories/0/capacity_bytes_per_instance", str(230 * 10**9)),
    )
    stacks = _device(
        base,
        "mistake-stacks-right",
        "ACP-M03",
        "8 stacks of HBM3 at 5.3 TB/s",
        memories=one("hbm3", 192 * _GIB, 53 * _T // 10, stacks=8),
    )
    stacks.bad(
        "mistake-stacks-too-fast",
        "ACP-M03",
        "6.81 TB/s",
        "851 GB/s a stack are more than HBM3 has lines for",
        ("/memories/0/combined_bytes_per_s", str(681 * _T // 100)),
    )
    source = {
        "paths": ["/memories/0/capacity_bytes_per_instance"],
        "basis": "VENDOR_CLAIM",
        "source_value": str(141 * 10**9),
    }
    told = _device(
        base,
        "mistake-gigabytes-right",
        "ACP-M05",
        "the source states 141 GB, and that is 141000000000 bytes",
        memories=one("hbm3e", 141 * 10**9, 48 * _T // 10),
        provenance=[{"paths": ["/memories"], "basis": "VENDOR_CLAIM"}, source],
    )
    told.warned(
        "mistake-gigabytes-as-gibibytes",
        "ACP-M05",
        "141 GiB, which are 151397597184 bytes",
        "10 GB of it are not there",
        ("/memories/0/capacity_bytes_per_instance", str(141 * _GIB)),
    )
    cache = {
        "id": "l2",
        "kind": "sram",
        "role": "CACHE",
        "level": 2,
        "instances": 8,
        "capacity_bytes_per_instance": str(4 * 2**20),
        "usable_bytes": str(8 * 4 * 2**20),
    }
    total = _device(
        base,
        "mistake-total-right",
        "ACP-S01",
        "8 caches of 4 MiB are 32 MiB",
        memories=[*one("hbm3", 192 * _GIB, 53 * _T // 10), cache],
    )
    total.warned(
        "mistake-total-of-one",
        "ACP-S01",
        "the total is 4 MiB",
        "the size of one of eight caches is given as that of all",
        ("/memories/1/usable_bytes", str(4 * 2**20)),
    )
