from __future__ import annotations

from time import process_time

import pytest

from acp.authoring import commented
from acp.authoring import descriptor as kind
from acp.changes import Act, Verdict, compare
from acp.changes.directions import OF_THE_DOCUMENT
from acp.diagnostics import StructureError
from acp.v1.capability import CapabilityDescriptor
from acp.v1.measurement import MeasurementRecord
from acp.v1.status import StatusList
from acp.v1.system import SystemDescriptor
from acp.yaml_text import decode
from tests.acp.authoring.test_commented import revealed
from tests.acp.examples import RECORD, STATUS, SYSTEM, changed, descriptor

DIGEST = "sha256:" + "9" * 64
VARIANT = {
    "engine": "tensor",
    "operands": {"*": {"dtypes": ["f16", "bf16"], "rank": {"min": 2, "max": 3}}},
    "where": ["self.shape[1] % 16 == 0"],
    "numerics": {
        "acc": "f32",
        "bound": {"form": "ULP", "coeff_ppm": "2000000"},
        "determinism": "SAME_UNIT",
        "reduction_order": "FIXED",
    },
}
OLD = changed(descriptor(), "/ops/0/variants/0", VARIANT)
OLD |= {
    "ports": [{"id": "p", "link_kind": "pcie5", "bytes_per_s_per_direction": "63000000000"}],
    "queues": [{"kind": "COPY", "max": 2}],
    "partitions": {"counters": {"slices": "7"}, "profiles": [
        {"name": "1g", "consumes": {"slices": "1"}}]},
}  # fmt: skip
SECOND = {"engine": "tensor", "operands": {"*": {"dtypes": ["i8"]}}}
WORSE_SECOND = SECOND | {"operands": {"*": {"dtypes": ["f16"]}}}


def found(path, value, old=OLD, kind=CapabilityDescriptor):
    new = changed(old, path, value)
    return [(one.verdict, one.place) for one in compare(kind.from_json(old), kind.from_json(new))]


V = "/ops/0/variants/0"
MM = "ops[cep-core/1:mm].variants[0]"
RATE = "engines[tensor].rates[f16 × f16 + f32 → f32, dense]"
SPARSE = "engines[tensor].rates[f16 × f16 + f32 → f32, 2:4]"
WORSE = {
    "a lower rate": ("/engines/0/rates/0/peak_ops_per_s", "1", f"{RATE}.peak_ops_per_s"),
    "a rate less": ("/engines/0/rates/1", ..., SPARSE),
    "a rate that is hidden": ("/engines/0/rates/0/exposed", False, f"{RATE}.exposed"),
    "an op less": ("/ops/0/op", "cep-core/1:bmm", "ops[cep-core/1:mm]"),
    "less memory": ("/memories/0/usable_bytes", "1", "memories[hbm].usable_bytes"),
    "a slower memory": (
        "/memories/0/combined_bytes_per_s", "1", "memories[hbm].combined_bytes_per_s"),
    "a rate that is no longer stated": (
        "/memories/0/combined_bytes_per_s", ..., "memories[hbm].combined_bytes_per_s"),
    "a larger alignment": ("/memories/0/alignment_bytes", "512", "memories[hbm].alignment_bytes"),
    "an engine that no longer reaches all": (
        "/memories/0/engines", ["tensor"], "memories[hbm].engines"),
    "another memory": ("/memories/1/id", "l3", "memories[l2]"),
    "more power": ("/power/tdp_mw", "700001", "power.tdp_mw"),
    "a smaller range of caps": ("/power/cap_max_mw", "699999", "power.cap_max_mw"),
    "more energy": ("/energy/0/femtojoules", "31001", "energy[mem:hbm.read per BYTE].femtojoules"),
    "energy that is no longer stated": ("/energy", ..., "energy[mem:hbm.read per BYTE]"),
    "a slower port": (
        "/ports/0/bytes_per_s_per_direction", "1", "ports[p].bytes_per_s_per_direction"),
    "fewer queues": ("/queues", ..., "queues[COPY].max"),
    "no queue": ("/queues/1", {"kind": "COMPUTE", "max": 0}, "queues[COMPUTE].max"),
    "fewer slices": ("/partitions/counters/slices", "6", "partitions.counters.slices"),
    "a larger partition": (
        "/partitions/profiles/0/consumes/slices", "2", "partitions.profiles[1g].consumes.slices"),
    "a dtype less": (f"{V}/operands/*/dtypes", ["f16"], MM),
    "a smaller rank": (f"{V}/operands/*/rank", {"min": 2, "max": 2}, MM),
    "an operand of its own": (f"{V}/operands/mat2", {"dtypes": ["f16"]}, MM),
    "a result of its own": (f"{V}/operands/out", {"dtypes": ["f16"]}, MM),
    "a narrower condition": (f"{V}/where", ["self.shape[1] % 32 == 0"], MM),
    "a condition more": (f"{V}/where/1", "mat2.rank == 2", MM),
    "a condition that does not compare": (f"{V}/where", ["self.shape[1] % 24 == 0"], MM),
    "a narrower accumulator": (f"{V}/numerics/acc", "f16", MM),
    "an imprecise accumulator": (f"{V}/numerics/imprecise_acc", True, MM),
    "a larger bound": (f"{V}/numerics/bound/coeff_ppm", "2000001", MM),
    "a bound that does not compare": (f"{V}/numerics/bound/form", "DOT", MM),
    "less determinism": (f"{V}/numerics/determinism", "NONE", MM),
    "any order": (f"{V}/numerics/reduction_order", "ANY", MM),
    "numbers that are no longer stated": (f"{V}/numerics", ..., MM),
    "a variant that may be taken and claims less": (
        "/ops/0/variants/1", WORSE_SECOND, "ops[cep-core/1:mm].variants[1]"),
}  # fmt: skip
BETTER = {
    "a higher rate": ("/engines/0/rates/0/peak_ops_per_s", "9" * 16, f"{RATE}.peak_ops_per_s"),
    "a rate more": (
        "/engines/0/rates/2",
        OLD["engines"][0]["rates"][0] | {"a": "bf16", "b": "bf16"},
        "engines[tensor].rates[bf16 × bf16 + f32 → f32, dense]",
    ),
    "more memory": ("/memories/0/usable_bytes", "85899345920", "memories[hbm].usable_bytes"),
    "a latency that is stated": ("/memories/0/latency_ns", "500", "memories[hbm].latency_ns"),
    "a smaller alignment": ("/memories/0/alignment_bytes", "64", "memories[hbm].alignment_bytes"),
    "all engines": ("/memories/1/engines", ..., "memories[l2].engines"),
    "less power": ("/power/tdp_mw", "690000", "power.tdp_mw"),
    "less energy": ("/energy/0/femtojoules", "1", "energy[mem:hbm.read per BYTE].femtojoules"),
    "more queues": ("/queues/1", {"kind": "COMPUTE", "max": 2}, "queues[COMPUTE].max"),
    "a smaller partition": (
        "/partitions/profiles/0/consumes", {"slices": "0"},
        "partitions.profiles[1g].consumes.slices"),
    "a dtype more": (f"{V}/operands/*/dtypes", ["f16", "bf16", "f32"], MM),
    "any dtype": (f"{V}/operands/*/dtypes", ..., MM),
    "a larger rank": (f"{V}/operands/*/rank", {"min": 1, "max": 3}, MM),
    "a wider condition": (f"{V}/where", ["self.shape[1] % 8 == 0"], MM),
    "no condition": (f"{V}/where", ..., MM),
    "a wider accumulator": (f"{V}/numerics/acc", "f64", MM),
    "a smaller bound": (f"{V}/numerics/bound/coeff_ppm", "1", MM),
    "more determinism": (f"{V}/numerics/determinism", "SAME_MODEL", MM),
    "a variant for other uses": (
        "/ops/0/variants/1", SECOND, "ops[cep-core/1:mm].variants[1]"),
    "a coherence domain": (
        "/memories/0/coherence_domain", "box", "memories[hbm].coherence_domain"),
}  # fmt: skip
OTHER = {
    "another kind of memory": ("/memories/0/kind", "hbm3e", "memories[hbm].kind"),
    "another model": ("/subject/model", "E101", "subject.model"),
    "another clock": ("/engines/0/clock_hz", "1", "engines[tensor].clock_hz"),
    "how subnormals are chosen": (f"{V}/numerics/subnormals_selectable", True, MM),
    "software": ("/software", [{"component": "d", "version_range": ">=1"}], "software[d]"),
    "an extension": ("/extensions", {"example.com": {"a": [{"id": 1}]}}, "extensions.example.com"),
}


@pytest.mark.parametrize(("path", "value", "place"), WORSE.values(), ids=WORSE)
def test_worse(path, value, place):
    assert (Verdict.WORSE, place) in found(path, value)


@pytest.mark.parametrize(("path", "value", "place"), BETTER.values(), ids=BETTER)
def test_better(path, value, place):
    assert found(path, value) == [(Verdict.BETTER, place)]


@pytest.mark.parametrize(("path", "value", "place"), OTHER.values(), ids=OTHER)
def test_otherwise(path, value, place):
    assert found(path, value) == [(Verdict.OTHER, place)]


def test_the_way_back_of_what_is_better_is_worse():
    for path, value, _ in BETTER.values():
        new = changed(OLD, path, value)
        back = compare(CapabilityDescriptor.from_json(new), CapabilityDescriptor.from_json(OLD))
        assert back, path
        assert {one.verdict for one in back} <= {Verdict.WORSE}, path


def test_no_change_of_any_member_goes_unsaid():
    """Each member of each message, once left out and once with another value."""
    whole = decode(revealed(commented({}, kind())).encode())
    old = CapabilityDescriptor.from_json(whole)
    for path, value in leaves(whole):
        if path.split("/")[1] in OF_THE_DOCUMENT:
            continue
        for new in others(value):
            if new is ... and path.rpartition("/")[2] in MEANT:
                continue
            try:
                document = CapabilityDescriptor.from_json(changed(whole, path, new))
            except StructureError:
                continue
            assert compare(old, document), (path, new)


MEANT = {"usable_bytes", "exposed", "determinism"}
"""What says nothing in the whole example: its absence means the same."""


def others(value):
    yield ...
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
    elif value.isdigit():
        yield str(int(value) + 1)
    else:
        yield f"{value}1"
        yield "MATRIX"


def leaves(value, path=""):
    """The places of all values that are no objects or lists."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}/{name.replace('/', '~1')}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}/{index}")
    else:
        yield path, value


def test_order_and_the_document_itself_do_not_matter():
    new = changed(OLD, "/revision", "9")
    new["expires_at"] = "2028-01-01T00:00:00Z"
    for name in ("memories", "provenance"):
        new[name] = new[name][::-1]
    new["engines"][0]["rates"].reverse()
    assert compare(CapabilityDescriptor.from_json(OLD), CapabilityDescriptor.from_json(new)) == ()


def test_variants_are_paired_by_what_they_accept():
    two = changed(OLD, "/ops/0/variants/1", SECOND)
    swapped = changed(two, "/ops/0/variants", two["ops"][0]["variants"][::-1])
    assert compare(*map(CapabilityDescriptor.from_json, (two, swapped))) == ()
    lost = changed(two, "/ops/0/variants", [SECOND])
    (one,) = compare(*map(CapabilityDescriptor.from_json, (two, lost)))
    assert (one.verdict, one.act, one.place) == (Verdict.WORSE, Act.REMOVED, MM)


def test_a_variant_that_another_one_covers_is_no_loss():
    twice = changed(OLD, "/ops/0/variants/1", VARIANT | {"where": ["self.shape[1] % 32 == 0"]})
    (one,) = compare(*map(CapabilityDescriptor.from_json, (twice, OLD)))
    assert (one.verdict, one.act) == (Verdict.OTHER, Act.REMOVED)
    assert "claims as much" in one.message


def test_quantities_are_told_in_words():
    new = changed(OLD, "/engines/0/rates/0/peak_ops_per_s", "494700000000000")
    (one,) = compare(*map(CapabilityDescriptor.from_json, (OLD, new)))
    assert one.message == "989.4 T ops/s → 494.7 T ops/s (−50 %)"
    assert one.path == "/engines/0/rates/0/peak_ops_per_s"


SYSTEMS = {
    "a slower link": ("/links/0/a_to_b_bytes_per_s", "1", Verdict.WORSE,
                      "links[up].a_to_b_bytes_per_s"),
    "a link less": ("/links/0", ..., Verdict.WORSE, "links[up]"),
    "another device": ("/nodes/0/descriptor_digest", DIGEST, Verdict.WORSE,
                       "nodes[cpu].descriptor_digest"),
    "a label more": ("/nodes/0/labels", ["eu"], Verdict.BETTER, "nodes[cpu].labels"),
    "a coherent view": ("/memory_views/0/coherent", True, Verdict.BETTER,
                        "memory_views[gpu → cpu].coherent"),
    "a lower limit": ("/power_domains/0/cap_mw", "1", Verdict.WORSE,
                      "power_domains[cpu, gpu].cap_mw"),
    "no limit": ("/power_domains", ..., Verdict.BETTER, "power_domains[cpu, gpu]"),
    "no copies": ("/links/0/p2p", "NONE", Verdict.OTHER, "links[up].p2p"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "value", "verdict", "place"), SYSTEMS.values(), ids=SYSTEMS)
def test_systems(path, value, verdict, place):
    assert found(path, value, SYSTEM, SystemDescriptor) == [(verdict, place)]


def test_copies_between_the_ends_of_a_link_are_ranked():
    direct = changed(SYSTEM, "/links/0/p2p", "DIRECT")
    assert found("/links/0/p2p", "HOST_MEDIATED", direct, SystemDescriptor) == [
        (Verdict.WORSE, "links[up].p2p")
    ]


def test_records_and_status_lists():
    assert found("/points/0/p50", "1", RECORD, MeasurementRecord) == [
        (Verdict.OTHER, "points[cep-core/1:mm, OPS_PER_S].p50")
    ]
    entry = {"digest": DIGEST, "reason": "wrong", "effective_at": "2026-11-01T00:00:00Z"}
    assert found("/entries", [entry], STATUS, StatusList) == [(Verdict.WORSE, f"entries[{DIGEST}]")]


def test_documents_of_two_kinds_do_not_compare():
    with pytest.raises(ValueError, match="do not compare"):
        compare(StatusList.from_json(STATUS), SystemDescriptor.from_json(SYSTEM))


def test_hostile_lists_of_conditions_cost_little():
    where = [f"a.shape[{n}] != {n}" for n in range(16)]
    old = [{"engine": "tensor", "where": [*where, f"a.shape[0] != {n}"]} for n in range(1500)]
    new = [{"engine": "tensor", "where": [*where, f"a.shape[1] != {n}"]} for n in range(1500)]
    documents = [
        CapabilityDescriptor.from_json(changed(OLD, "/ops/0/variants", variants))
        for variants in (old, new, old[:1])
    ]
    began = process_time()
    assert compare(documents[0], documents[1])
    assert compare(documents[0], documents[2])
    assert compare(documents[2], documents[0])
    assert process_time() - began < 20


def test_many_variants_cost_little():
    variants = [
        {"engine": "tensor", "operands": {"a": {"dtypes": [f"example.com/t{n}"]}}}
        for n in range(2000)
    ]
    moved = [one | {"where": [f"a.shape[0] % {n + 2} == 0"]} for n, one in enumerate(variants)]
    old = CapabilityDescriptor.from_json(changed(OLD, "/ops/0/variants", variants))
    new = CapabilityDescriptor.from_json(changed(OLD, "/ops/0/variants", moved))
    changes = compare(old, new)
    assert len(changes) == 2000
    assert {one.verdict for one in changes} == {Verdict.WORSE}
