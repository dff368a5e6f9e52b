from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from acp import rules
from acp.canonical import digest
from acp.v1.capability import CapabilityDescriptor
from acp.v1.measurement import MeasurementRecord
from acp.v1.status import StatusList
from acp.v1.system import SystemDescriptor
from tests.acp.examples import NOW, RECORD, STATUS, SYSTEM, changed, descriptor

DATED = [
    (CapabilityDescriptor, descriptor()),
    (SystemDescriptor, SYSTEM),
    (MeasurementRecord, RECORD),
]


def found(kind, value, now=NOW, **context):
    return [
        (one.code, one.path)
        for one in rules.check(kind.from_json(value), rules.Context(now=now, **context))
    ]


def status(*entries, issuer="example.com", sequence="5"):
    value = STATUS | {"issuer": issuer, "sequence": sequence}
    value |= {"entries": list(entries)} if entries else {}
    return StatusList.from_json(value)


def entry(document, effective_at="2026-11-10T00:00:00Z"):
    return {"digest": digest(document), "reason": "wrong clock", "effective_at": effective_at}


@pytest.mark.parametrize(("kind", "value"), [*DATED, (StatusList, STATUS)])
def test_documents_in_force_break_nothing(kind, value):
    assert found(kind, value) == []


@pytest.mark.parametrize(("kind", "value"), DATED)
def test_t01_refuses_from_the_second_of_expiry_on(kind, value):
    end = datetime(2027, 1, 1, tzinfo=UTC)
    assert found(kind, value, end - timedelta(microseconds=1)) == []
    assert found(kind, value, end) == [("ACP-T01", "/expires_at")]


@pytest.mark.parametrize(("kind", "value"), DATED)
def test_t01_refuses_before_issue_where_there_is_no_not_before(kind, value):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert found(kind, value, start) == []
    assert found(kind, value, start - timedelta(seconds=1)) == [("ACP-T01", "/issued_at")]


@pytest.mark.parametrize(("kind", "value"), DATED)
def test_t01_takes_not_before_rather_than_the_time_of_issue(kind, value):
    later = value | {"not_before": "2026-11-21T00:00:00Z"}
    assert found(kind, later) == [("ACP-T01", "/not_before")]
    assert found(kind, later, NOW + timedelta(days=1)) == []


def test_t01_compares_instants_whatever_the_time_zone_of_the_clock():
    end = datetime(2027, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=1)))
    assert found(CapabilityDescriptor, descriptor(), end) == [("ACP-T01", "/expires_at")]
    assert found(CapabilityDescriptor, descriptor(), end - timedelta(seconds=1)) == []


def test_t01_finds_a_term_that_never_is():
    value = descriptor() | {"expires_at": "2025-01-01T00:00:00Z"}
    assert found(CapabilityDescriptor, value) == [("ACP-T01", "/expires_at")]


def test_t01_refuses_a_stale_status_list():
    assert found(StatusList, STATUS, datetime(2026, 12, 1, tzinfo=UTC)) == [
        ("ACP-T01", "/next_update")
    ]


@pytest.mark.parametrize(("kind", "value"), DATED)
def test_t01_refuses_what_its_issuer_revoked(kind, value):
    assert found(kind, value, status_lists=(status(entry(value)),)) == [("ACP-T01", "")]


@pytest.mark.parametrize(
    "lists",
    {
        "of another document": (status(entry(SYSTEM)),),
        "by another issuer": (status(entry(descriptor()), issuer="rival.example"),),
        "not yet effective": (status(entry(descriptor(), "2026-11-20T00:00:01Z")),),
        "of an earlier revision": (status(entry(descriptor() | {"revision": "2"})),),
        "empty": (StatusList.from_json(STATUS),),
    }.items(),
    ids=lambda case: case[0],
)
def test_t01_ignores_a_revocation(lists):
    assert found(CapabilityDescriptor, descriptor(), status_lists=lists[1]) == []


def test_t01_looks_at_every_list_of_the_issuer():
    lists = (StatusList.from_json(STATUS), status(entry(descriptor())))
    assert found(CapabilityDescriptor, descriptor(), status_lists=lists) == [("ACP-T01", "")]


def test_t01_revocation_has_effect_from_its_second_on():
    lists = (status(entry(descriptor(), "2026-11-20T00:00:00Z")),)
    assert found(CapabilityDescriptor, descriptor(), status_lists=lists) == [("ACP-T01", "")]


@pytest.mark.parametrize(("kind", "value"), DATED)
def test_t02_refuses_a_revision_below_the_floor(kind, value):
    assert found(kind, value, min_revision=3) == []
    assert found(kind, value, min_revision=4) == [("ACP-T02", "/revision")]


def test_t02_compares_numbers_not_text():
    value = changed(descriptor(), "/revision", "10")
    assert found(CapabilityDescriptor, value, min_revision=9) == []


def test_a_clock_without_time_zone_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="time zone"):
        rules.Context(now=NOW.replace(tzinfo=None))


def test_t02_refuses_a_status_list_that_is_older_than_one_at_hand():
    newer = status(sequence="6")
    assert found(StatusList, STATUS, status_lists=(newer,)) == [("ACP-T02", "/sequence")]
    assert found(StatusList, newer.to_json(), status_lists=(StatusList.from_json(STATUS),)) == []
    stranger = status(sequence="6", issuer="rival.example")
    assert found(StatusList, STATUS, status_lists=(stranger,)) == []


def test_t02_refuses_a_status_list_below_the_floor():
    assert found(StatusList, STATUS, min_revision=5) == []
    assert found(StatusList, STATUS, min_revision=6) == [("ACP-T02", "/sequence")]
