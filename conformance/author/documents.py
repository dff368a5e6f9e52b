"""The base documents: small, complete, and valid at `NOW`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from acp.dsse import (
    CAPABILITY_DESCRIPTOR,
    MEASUREMENT_RECORD,
    PLAN,
    RECEIPT,
    STATUS_LIST,
    SYSTEM_DESCRIPTOR,
)
from conformance.author import keys

if TYPE_CHECKING:
    from conformance.author.book import Json

ISSUER: Final = "vendor.example"
HEADER: Final[Json] = {
    "spec": "acp/1",
    "revision": "3",
    "issuer": ISSUER,
    "issued_at": "2026-01-01T00:00:00Z",
    "expires_at": "2027-01-01T00:00:00Z",
}
DIGEST: Final = "sha256:" + "5a" * 32

DESCRIPTOR: Final[Json] = {
    **HEADER,
    "uri": "https://vendor.example/chips/v1",
    "subject": {"scope": "MODEL", "vendor": ISSUER, "model": "V1", "device_class": "npu"},
    "operating_point": {"name": "default", "power_cap_mw": "50000"},
    "engines": [
        {
            "id": "matrix",
            "kind": "MATRIX",
            "count": 16,
            "clock_hz": "1000000000",
            "rates": [
                {
                    "a": "f16",
                    "b": "f16",
                    "acc": "f32",
                    "out": "f32",
                    "sparsity": "dense",
                    "peak_ops_per_s": "16384000000000",
                    "ops_per_unit_per_clock": "1024",
                }
            ],
        },
        {
            "id": "vector",
            "kind": "VECTOR",
            "rates": [
                {
                    "a": "f32",
                    "b": "f32",
                    "out": "f32",
                    "sparsity": "dense",
                    "peak_ops_per_s": "512000000000",
                }
            ],
        },
    ],
    "memories": [
        {
            "id": "dram",
            "kind": "lpddr5",
            "role": "DEVICE",
            "instances": 2,
            "capacity_bytes_per_instance": "8589934592",
            "usable_bytes": "17000000000",
            "line_bytes": "64",
            "alignment_bytes": "256",
        },
        {
            "id": "cache",
            "kind": "sram",
            "role": "CACHE",
            "level": 1,
            "instances": 1,
            "capacity_bytes_per_instance": "4194304",
            "line_bytes": "64",
            "alignment_bytes": "128",
            "engines": ["matrix"],
            "backing_id": "dram",
        },
    ],
    "ops": [
        {
            "op": "cep-core/1:mm",
            "variants": [{"engine": "matrix", "operands": {"*": {"dtypes": ["f16"]}}}],
        },
        {
            "op": "cep-core/1:add.Tensor",
            "variants": [{"engine": "vector", "operands": {"*": {"dtypes": ["f32"]}}}],
        },
    ],
    "power": {"idle_mw": "2000", "tdp_mw": "50000", "cap_min_mw": "20000", "cap_max_mw": "60000"},
    "energy": [{"event": "mem:dram.read", "per": "BYTE", "femtojoules": "40000"}],
    "partitions": {
        "counters": {"cores": "16"},
        "profiles": [{"name": "half", "consumes": {"cores": "8"}}],
    },
    "ports": [{"id": "pcie", "link_kind": "pcie5", "bytes_per_s_per_direction": "63000000000"}],
    "provenance": [{"paths": ["/engines/0/rates", "/memories"], "basis": "VENDOR_CLAIM"}],
}

SYSTEM: Final[Json] = {
    **HEADER,
    "uri": "https://vendor.example/systems/box",
    "nodes": [
        {"id": "cpu", "descriptor_digest": "sha256:" + "11" * 32},
        {"id": "npu", "descriptor_digest": "sha256:" + "22" * 32, "unit_id": "N-1"},
    ],
    "switches": [
        {
            "id": "sw",
            "ports": [
                {"id": "up", "link_kind": "pcie5", "bytes_per_s_per_direction": "63000000000"},
                {"id": "down", "link_kind": "pcie5", "bytes_per_s_per_direction": "63000000000"},
            ],
        }
    ],
    "links": [
        {
            "id": "a",
            "a": {"node": "cpu", "port": "pcie0"},
            "b": {"node": "sw", "port": "up"},
            "kind": "pcie5",
            "a_to_b_bytes_per_s": "63000000000",
            "b_to_a_bytes_per_s": "63000000000",
        },
        {
            "id": "b",
            "a": {"node": "sw", "port": "down"},
            "b": {"node": "npu", "port": "pcie"},
            "kind": "pcie5",
            "a_to_b_bytes_per_s": "63000000000",
            "b_to_a_bytes_per_s": "63000000000",
        },
    ],
    "memory_views": [{"initiator": "npu", "target": "cpu", "bytes_per_s": "60000000000"}],
    "power_domains": [{"members": ["cpu", "npu"], "cap_mw": "300000"}],
}

RECORD: Final[Json] = {
    **HEADER,
    "uri": "https://vendor.example/chips/v1/mm",
    "subject_digest": DIGEST,
    "unit_id": "N-1",
    "claim_path": "/engines/0/rates/0/peak_ops_per_s",
    "environment": {"software": [{"component": "driver", "version_range": "==1.0"}]},
    "method": {"harness_uri": "https://vendor.example/harness"},
    "points": [{"op": "cep-core/1:mm", "n": "100", "p50": "15000000000000", "unit": "OPS_PER_S"}],
    "observer": {"id": ISSUER, "relation": "VENDOR"},
}

STATUS: Final[Json] = {
    "spec": "acp/1",
    "issuer": ISSUER,
    "sequence": "5",
    "issued_at": "2026-11-01T00:00:00Z",
    "next_update": "2026-12-01T00:00:00Z",
    "entries": [{"digest": DIGEST, "reason": "withdrawn", "effective_at": "2026-11-01T00:00:00Z"}],
}

ALL_TYPES: Final = [
    CAPABILITY_DESCRIPTOR,
    MEASUREMENT_RECORD,
    PLAN,
    RECEIPT,
    STATUS_LIST,
    SYSTEM_DESCRIPTOR,
]


def entry(name: str, **members: str) -> Json:
    """Return a policy's entry for the key of this name."""
    return {"keyid": keys.keyid(name), "public_key": keys.pem(name), **members}


def grant(
    *names: str,
    types: tuple[str, ...] = (CAPABILITY_DESCRIPTOR,),
    issuers: tuple[str, ...] = (ISSUER,),
    threshold: int | None = None,
) -> Json:
    """Return a policy's grant to keys."""
    given = {} if threshold is None else {"threshold": threshold}
    return {
        "document_types": list(types),
        "issuers": list(issuers),
        "keyids": [keys.keyid(name) for name in names],
        **given,
    }


def policy(*names: str, grants: list[Json] | None = None) -> Json:
    """Return a policy that knows these keys, and by default grants each a descriptor."""
    return {
        "spec": "acp-trust/1",
        "keys": [entry(name) for name in names],
        "grants": grants or [grant(*names)],
    }
