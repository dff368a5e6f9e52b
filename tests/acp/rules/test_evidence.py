from __future__ import annotations

import time

import pytest

from acp import rules
from acp.canonical import digest
from acp.diagnostics import Severity
from acp.holdings import Holdings
from acp.v1.capability import CapabilityDescriptor
from acp.v1.measurement import MeasurementRecord
from tests.acp.examples import NOW, annex, changed, descriptor

RECORD = annex("record")
DRIVER = {"component": "driver", "version_range": ">=1,<2"}


def measured(**members):
    """The descriptor of the spec, with rates that its record verifies."""
    entry = {
        "paths": ["/engines/0/rates"],
        "basis": "MEASURED",
        "measurement_ref": digest(RECORD),
    }
    value = descriptor() | {"software": [DRIVER]} | members
    return value | {"provenance": [*value["provenance"], entry]}


def found(value, records=(RECORD,), references=()):
    documents = [MeasurementRecord.from_json(one) for one in records]
    trusted = [CapabilityDescriptor.from_json(one) for one in references]
    context = rules.Context(now=NOW, held=Holdings.of(documents, references=trusted))
    return rules.check(CapabilityDescriptor.from_json(value), context)


def places(value, **options):
    return [(one.code, one.path) for one in found(value, **options)]


REF = "/provenance/2/measurement_ref"
PEAK = "/engines/0/rates/0/peak_ops_per_s"


def test_a_claim_with_its_record():
    assert places(measured()) == []


def test_who_holds_no_record_looks_at_none():
    value = changed(measured(), REF, "sha256:" + "0" * 64)
    assert places(value, records=()) == []
    assert places(value) == [("ACP-V01", REF)]


def test_a_measured_value_names_its_record_even_if_nobody_looks():
    assert places(changed(measured(), REF, ...), records=()) == [("ACP-V01", REF)]


@pytest.mark.parametrize(
    ("version_range", "used", "fits"),
    [
        (">=1,<2", "==1.4", True),
        (">=1,<2", "==2.0", False),
        ("==1.4", "==1.4", True),
        ("==1.*", "==1.*", True),
        (">=1", "==1.*", False),
        (">=1", "1.4", False),
        (">=1", ">=1", True),
        (">=1", ">=1.1", False),
        ("at least one", "==1.4", False),
        (">=1.5.dev0", "==1.5.dev3", True),
    ],
)
def test_versions(version_range, used, fits):
    record = changed(RECORD, "/environment/software/0/version_range", used)
    value = measured(software=[{"component": "driver", "version_range": version_range}])
    value = changed(value, REF, digest(record))
    assert places(value, records=[record]) == ([] if fits else [("ACP-V01", REF)])


@pytest.mark.parametrize(
    ("name", "fits"), [("lts", True), ("beta", True), ("alpha", False), (None, True)]
)
def test_any_entry_for_the_component_may_be_what_is_stated(name, fits):
    used = [
        {"component": "driver", "name": one, "version_range": "==1.4"} for one in ("lts", "beta")
    ]
    used.append({"component": "driver", "version_range": "==7"})
    record = changed(RECORD, "/environment/software", used)
    stated = DRIVER if name is None else DRIVER | {"name": name}
    value = changed(measured(software=[stated]), REF, digest(record))
    assert places(value, records=[record]) == ([] if fits else [("ACP-V01", REF)])


@pytest.mark.parametrize(
    ("op", "counts"),
    [("mem:hbm.read", True), ("copy", True), ("mem:l2.read", False), ("mem:hbm", False)],
)
def test_a_point_is_about_the_memory_that_it_names(op, counts):
    path = "/memories/0/combined_bytes_per_s"
    point = {"op": op, "n": "3", "p50": "9000000000000", "unit": "BYTES_PER_S"}
    record = RECORD | {"claim_path": path, "points": [point]}
    assert places(descriptor(), records=[record]) == ([("ACP-V02", path)] if counts else [])


@pytest.mark.parametrize(
    ("setting", "stated", "other"),
    [
        ("power_cap_mw", "700000", "300000"),
        ("ecc", True, False),
        ("partition_mode", "whole", "half"),
        ("clock_policy", "boost", "fixed"),
    ],
)
def test_a_record_in_another_setting_neither_verifies_nor_refutes(setting, stated, other):
    point = {"name": "default", setting: stated}
    for seen, codes in ((stated, ["ACP-V02"]), (..., ["ACP-V02"]), (other, ["ACP-V01"])):
        record = changed(RECORD, "/points/0/p50", "1000")
        record = changed(record, "/environment/power_cap_mw", ...)
        record = record if seen is ... else changed(record, f"/environment/{setting}", seen)
        value = changed(measured(operating_point=point), REF, digest(record))
        assert {one.code for one in found(value, records=[record])} == set(codes)


def test_a_unit_is_measured_itself():
    subject = {**descriptor()["subject"], "scope": "UNIT", "unit_id": "E100-0001"}
    record = RECORD | {"subject_digest": digest(subject)}
    value = changed(measured(subject=subject), REF, digest(record))
    assert places(value, records=[record]) == []
    other = record | {"unit_id": "E100-0002"}
    value = changed(value, REF, digest(other))
    assert places(value, records=[other]) == [("ACP-V01", REF)]


@pytest.mark.parametrize(
    ("claim_path", "fits"),
    [
        ("/engines/0/rates/0/peak_ops_per_s", True),
        ("/engines/0/rates", True),
        ("/engines", True),
        ("", True),
        ("/engines/0/rates2", False),
        ("/memories/0", False),
        ("/engines/0/rates/2", False),
        ("/engines/9/rates/0/peak_ops_per_s", False),
        ("/engines/0/rates/0/tile", False),
    ],
)
def test_a_record_is_about_the_claim(claim_path, fits):
    record = changed(RECORD, "/claim_path", claim_path) if claim_path else RECORD
    value = changed(measured(), REF, digest(record))
    assert places(value, records=[record]) == ([] if fits else [("ACP-V01", REF)])


def test_the_fastest_measurement_bounds_and_the_fastest_reaches():
    # 791 T/s were seen; by the way, a small product that is slow says nothing.
    slow = {**RECORD["points"][0], "operations": "1000", "p50": "5000"}
    record = changed(RECORD, "/points", [slow, *RECORD["points"], slow])
    for peak, codes in (
        ("767000000000000", ["ACP-V02"]),
        ("768000000000000", []),
        ("1318000000000000", []),
        ("1319000000000000", ["ACP-V03"]),
    ):
        value = changed(descriptor(), PEAK, peak)
        del value["engines"][0]["clock_hz"]
        del value["engines"][0]["rates"][1]
        got = found(value, records=[record])
        assert [one.code for one in got if one.code.startswith("ACP-V")] == codes
        assert all(one.path == PEAK for one in got if one.code.startswith("ACP-V"))


def test_v02_is_an_error_and_names_who_measured():
    value = changed(descriptor(), PEAK, "1000")
    (one,) = [one for one in found(value) if one.code == "ACP-V02"]
    assert one.severity is Severity.ERROR
    assert "example.com measured 791015" in one.message
    assert "'E100-0001' (cep-core/1:mm, f16, f16)" in one.message


def test_a_row_that_its_own_record_reaches_is_reached():
    rows = changed(RECORD, "/points/0/p50", "139000000")
    own = changed(RECORD, "/claim_path", PEAK)
    assert places(descriptor(), records=[rows]) == [("ACP-V03", PEAK)]
    assert places(descriptor(), records=[rows, own]) == []


@pytest.mark.parametrize(
    ("claim_path", "member", "value"),
    [
        ("/memories/0/combined_bytes_per_s", "bytes", "3600000000"),
        ("/ports/0/bytes_per_s_per_direction", "bytes", "480000000"),
    ],
)
def test_memories_and_ports_are_measured_in_bytes(claim_path, member, value):
    point = {"op": "copy", "n": "3", "p50": "1000000", "unit": "NANOSECONDS", member: value}
    record = RECORD | {"claim_path": claim_path, "points": [point]}
    assert places(descriptor(), records=[record]) == [("ACP-V02", claim_path)]
    quick = {**point, "unit": "MILLIWATTS"}
    assert places(descriptor(), records=[record | {"points": [quick]}]) == []


@pytest.mark.parametrize(
    "claim_path",
    [
        "/memories/9/combined_bytes_per_s",
        "/memories/0/latency_ns",
        "/memories/1/combined_bytes_per_s",
        "/engines/9",
        "/engines/0/rates/99/peak_ops_per_s",
        "/engines/0/rates/01",
        "/power/tdp_mw",
        "/engines/0/clock_hz",
    ],
)
def test_records_about_nothing_comparable_are_passed_over(claim_path):
    points = [
        {"op": "x", "n": "1", "p50": "1", "unit": "NANOSECONDS", "operations": "9", "bytes": "9"},
        {"op": "x", "n": "1", "p50": "0", "unit": "NANOSECONDS", "operations": "9", "bytes": "9"},
    ]
    record = RECORD | {"claim_path": claim_path, "points": points}
    assert places(descriptor(), records=[record]) == []


def test_v04_names_the_reference_and_the_number():
    value = changed(descriptor(), "/memories/0/combined_bytes_per_s", "3600000000000")
    (one,) = found(value, records=(), references=[descriptor()])
    assert (one.code, one.severity) == ("ACP-V04", Severity.WARNING)
    assert one.path == "/memories/0/combined_bytes_per_s"
    assert "the reference by example.com says 3350000000000" in one.message


@pytest.mark.parametrize(
    "change",
    [
        ("/subject/model", "E200"),
        ("/operating_point/partition_mode", "half"),
        ("/operating_point/ecc", False),
        ("/operating_point/power_cap_mw", "300000"),
    ],
)
def test_a_reference_for_something_else_is_none(change):
    value = changed(descriptor(), "/memories/0/combined_bytes_per_s", "3600000000000")
    value = changed(value, *change)
    assert places(value, records=(), references=[descriptor()]) == []


def test_many_records_of_many_points_cost_in_proportion():
    value = descriptor()
    row = value["engines"][0]["rates"][0]
    del value["engines"][0]["clock_hz"]
    value["engines"][0]["rates"] += [{**row, "out": f"x{i}"} for i in range(2_000)]
    points = RECORD["points"] * 50
    records = [
        RECORD | {"revision": str(i + 1), "points": points, "claim_path": f"/engines/0/rates/{i}"}
        for i in range(400)
    ]
    documents = [MeasurementRecord.from_json(one) for one in records]
    context = rules.Context(now=NOW, held=Holdings.of(documents))
    document = CapabilityDescriptor.from_json(value)
    begun = time.process_time()
    rules.check(document, context)
    assert time.process_time() - begun < 10


def test_what_is_stated_often_is_compared_once():
    value = measured(software=[DRIVER] * 4_000)
    records = [RECORD | {"revision": str(i + 1)} for i in range(1_000)]
    begun = time.process_time()
    assert places(changed(value, REF, digest(records[0])), records=records) == []
    assert time.process_time() - begun < 10
