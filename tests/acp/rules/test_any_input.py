"""Whatever a document says, it is accepted or refused, and never a crash."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from acp import rules
from acp.canonical import canonicalize, digest
from acp.diagnostics import Refused
from acp.documents import identify
from acp.holdings import Holdings, missing
from acp.tokens import DTYPES
from acp.v1.capability import CapabilityDescriptor
from acp.v1.measurement import MeasurementRecord
from acp.v1.status import StatusList
from acp.v1.system import SystemDescriptor
from tests.acp.examples import NOW, RECORD, STATUS, SYSTEM, annex, changed, descriptor

KINDS = {
    CapabilityDescriptor: descriptor(),
    SystemDescriptor: SYSTEM,
    MeasurementRecord: RECORD,
    StatusList: STATUS,
}


def places(value, path=""):
    """Every JSON Pointer below a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, member in inner:
        yield f"{path}/{name}"
        if isinstance(member, dict | list):
            yield from places(member, f"{path}/{name}")


strings = st.sampled_from(
    [
        *("", "/", "0", "1", "-1", "18446744073709551615", "18446744073709551616", "1.5"),
        *("hbm", "l2", "tensor", "mem:", "mem:.", "dense", "2:4", "CACHE", "UNIT", "example.com"),
        *("2026-11-20T00:00:00Z", "9999-12-31T23:59:59Z", "sha256:" + "0" * 64, "/engines/0"),
    ]
) | st.text(max_size=8)
names = st.sampled_from(["a", "id", "engine", "issuer", "example.com"])
scalars = st.none() | st.booleans() | st.integers(-2, 2**33) | st.floats(allow_nan=False) | strings
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
)


def at(value, path):
    """The value at a JSON Pointer."""
    for token in path.split("/")[1:]:
        value = value[int(token) if isinstance(value, list) else token]
    return value


def likely(value, path):
    """Values that often fit at `path`: those of its namesakes, other numbers and names, absence."""
    old = at(value, path)
    name = path.rpartition("/")[2]
    namesakes = [at(value, one) for one in places(value) if one.endswith(f"/{name}")]
    found = st.sampled_from(namesakes) | st.just(...)
    if isinstance(old, str) and old.isdecimal():
        found |= st.integers(0, 2**64 - 1).map(str)
    elif isinstance(old, str):
        found |= strings
    elif isinstance(old, list):
        found |= st.just(old * 2) | st.just(old[::-1]) | st.just(old[1:])
    return found


def mutated(data, value):
    """A value with a few changes, most of them to what often fits."""
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(value))))
        changes = likely(value, path) if data.draw(st.integers(0, 9)) else values
        value = changed(value, path, data.draw(changes))
    return value


@given(st.data())
def test_mutated_documents(data):
    kind = data.draw(st.sampled_from(list(KINDS)))
    value = mutated(data, KINDS[kind])
    try:
        document = kind.from_json(value)
    except Refused:
        return
    assert canonicalize(document.to_json()) == canonicalize(value)
    assert identify(value, list(KINDS)) is kind
    revoked = StatusList.from_json(
        STATUS
        | {
            "issuer": document.issuer,
            "entries": [
                {
                    "digest": digest(value),
                    "reason": "test",
                    "effective_at": "2026-01-01T00:00:00Z",
                }
            ],
        }
    )
    for one in rules.check(document, rules.Context(now=NOW, status_lists=(revoked,))):
        assert one.code.startswith("ACP-")
        assert one.message
        assert len(one.message) < 5000


def test_many_rates_and_many_variants_are_judged_one_after_the_other():
    dtypes = sorted(DTYPES)
    rates = [
        {
            "a": dtypes[i % len(dtypes)],
            "b": dtypes[i // len(dtypes) % len(dtypes)],
            "acc": "f16",
            "out": "f16",
            "sparsity": "dense" if i % 2 else f"{i % 7 + 1}:{i % 9 + 1}",
            "peak_ops_per_s": str(i + 1),
            "tile": {"m": i + 1, "n": i + 2, "k": i + 3},
        }
        for i in range(4000)
    ]
    variants = [
        {
            "engine": "tensor",
            "operands": {"*": {"dtypes": dtypes}},
            "where": [f"self.shape[0] % {i + 5} == 0"],
            "numerics": {"acc": "f16"},
        }
        for i in range(4000)
    ]
    value = descriptor()
    value["engines"] = [{"id": "tensor", "kind": "MATRIX", "rates": rates}]
    value["ops"] = [{"op": "cep-core/1:mm", "variants": variants}]
    value["provenance"] += [
        {
            "paths": [f"/engines/0/rates/{i}/peak_ops_per_s"],
            "basis": "VENDOR_CLAIM",
            "source_value": "1",
            "source_sparsity": "2:4",
        }
        for i in range(4000)
    ]
    document = CapabilityDescriptor.from_json(value)
    started = time.process_time()
    found = rules.check(document, rules.Context(now=NOW))
    assert time.process_time() - started < 10, "as measured: half a second"
    assert {"ACP-C02", "ACP-C06"} <= {one.code for one in found}


TOGETHER = [
    (CapabilityDescriptor, descriptor()),
    (CapabilityDescriptor, annex("slice")),
    (SystemDescriptor, annex("system")),
    (MeasurementRecord, annex("record")),
]


@given(st.data())
def test_mutated_documents_that_judge_others(data):
    index = data.draw(st.integers(0, len(TOGETHER) - 1))
    kind, value = TOGETHER[index]
    try:
        odd = kind.from_json(mutated(data, value))
    except Refused:
        return
    documents = [kind.from_json(value) for kind, value in TOGETHER]
    held = Holdings.of([*documents, odd], references=[documents[0]])
    for document in (*documents, odd):
        missing(document, held)
        for one in rules.check(document, rules.Context(now=NOW, held=held)):
            assert one.code.startswith("ACP-")
            assert 0 < len(one.message) < 5000
