"""Valid documents of every kind as JSON values, and the means to change them."""

from __future__ import annotations

import copy
import json
import re
from datetime import UTC, datetime
from pathlib import Path

SPEC = Path(__file__).resolve().parents[2] / "spec" / "acp.md"

NOW = datetime(2026, 11, 20, tzinfo=UTC)

_TERM = {"issued_at": "2026-01-01T00:00:00Z", "expires_at": "2027-01-01T00:00:00Z"}

_HEADER = {"spec": "acp/1", "revision": "3", "issuer": "example.com", **_TERM}

SYSTEM = {
    **_HEADER,
    "uri": "https://example.com/acp/box",
    "nodes": [
        {"id": "cpu", "descriptor_digest": "sha256:" + "1" * 64},
        {"id": "gpu", "descriptor_digest": "sha256:" + "2" * 64, "unit_id": "GPU-1"},
    ],
    "switches": [
        {
            "id": "sw",
            "ports": [
                {"id": "p0", "link_kind": "pcie5", "bytes_per_s_per_direction": "63000000000"}
            ],
        }
    ],
    "links": [
        {
            "id": "up",
            "a": {"node": "cpu", "port": "pcie0"},
            "b": {"node": "sw", "port": "p0"},
            "kind": "pcie5",
            "a_to_b_bytes_per_s": "63000000000",
            "b_to_a_bytes_per_s": "63000000000",
        },
        {
            "id": "down",
            "a": {"node": "sw"},
            "b": {"node": "gpu"},
            "kind": "pcie5",
            "a_to_b_bytes_per_s": "63000000000",
            "b_to_a_bytes_per_s": "63000000000",
        },
    ],
    "memory_views": [{"initiator": "gpu", "target": "cpu", "bytes_per_s": "60000000000"}],
    "power_domains": [{"members": ["cpu", "gpu"], "cap_mw": "1000000"}],
}

RECORD = {
    **_HEADER,
    "uri": "https://example.com/acp/e100/mm",
    "subject_digest": "sha256:" + "3" * 64,
    "unit_id": "GPU-1",
    "claim_path": "/engines/0/rates/0/peak_ops_per_s",
    "environment": {"software": [{"component": "driver", "version_range": "==1.0"}]},
    "method": {"harness_uri": "https://example.com/harness"},
    "points": [
        {"op": "cep-core/1:mm", "n": "100", "p50": "900000000000000", "unit": "OPS_PER_S"},
    ],
    "observer": {"id": "example.com", "relation": "VENDOR"},
}

STATUS = {
    "spec": "acp/1",
    "issuer": "example.com",
    "sequence": "5",
    "issued_at": "2026-11-01T00:00:00Z",
    "next_update": "2026-12-01T00:00:00Z",
}


def descriptor():
    """The complete descriptor of spec/acp.md."""
    section = SPEC.read_text(encoding="utf-8").partition("## 6. A complete descriptor")[2]
    return json.loads(re.search(r"```json\n(.*?)```", section, re.DOTALL).group(1))


def annex(name):
    """A document of section 6 of spec/acp.md: `system`, `slice` or `record`."""
    text = SPEC.read_text(encoding="utf-8")
    return json.loads(re.search(rf"```json id={name}\n(.*?)```", text, re.DOTALL).group(1))


def changed(document, path, value):
    """A copy of a JSON value with the member at a JSON Pointer set, or removed by `...`."""
    result = copy.deepcopy(document)
    *tokens, last = [int(t) if t.isdecimal() else t for t in path.split("/")[1:]]
    inner = result
    for token in tokens:
        inner = inner[token]
    if value is ...:
        del inner[last]
    elif isinstance(inner, list) and last == len(inner):
        inner.append(value)
    else:
        inner[last] = value
    return result
