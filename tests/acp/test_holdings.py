from __future__ import annotations

from acp.canonical import digest
from acp.holdings import Holdings, missing
from acp.v1.capability import CapabilityDescriptor
from acp.v1.measurement import MeasurementRecord
from acp.v1.system import SystemDescriptor
from tests.acp.examples import annex, changed, descriptor

DEVICE = CapabilityDescriptor.from_json(descriptor())
SLICE = CapabilityDescriptor.from_json(annex("slice"))
RECORD = MeasurementRecord.from_json(annex("record"))
SYSTEM = SystemDescriptor.from_json(annex("system"))


def test_documents_are_found_by_what_others_call_them():
    value = changed(
        descriptor(), "/partitions/profiles/0/descriptor_digest", digest(annex("slice"))
    )
    whole = CapabilityDescriptor.from_json(value)
    held = Holdings.of([whole, SLICE, RECORD, SYSTEM], references=[DEVICE])
    assert held.descriptors == {digest(value): whole, digest(annex("slice")): SLICE}
    assert held.records == {digest(annex("record")): RECORD}
    assert held.by_subject == {digest(descriptor()["subject"]): (RECORD,)}
    assert held.parents == {digest(annex("slice")): (whole,)}
    assert held.references == {("example.com", "E100"): (DEVICE,)}


def test_to_hold_no_record_is_not_to_look():
    assert Holdings.of([DEVICE]).records is None
    assert Holdings().records is None


def test_what_is_missing_is_told_once_and_in_order():
    nothing = Holdings()
    assert missing(SYSTEM, nothing) == (digest(descriptor()),)
    assert missing(SYSTEM, Holdings.of([DEVICE])) == ()
    assert missing(SLICE, nothing) == (digest(descriptor()),)
    assert missing(DEVICE, nothing) == ()
    name = digest(annex("record"))
    entries = [{"paths": ["/engines"], "basis": "MEASURED", "measurement_ref": name}] * 2
    measured = CapabilityDescriptor.from_json(descriptor() | {"provenance": entries})
    assert missing(measured, nothing) == (name,)
    assert missing(measured, Holdings.of([RECORD])) == ()
    assert missing(RECORD, nothing) == ()
