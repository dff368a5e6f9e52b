from __future__ import annotations

import json
import time

import pytest
from click.testing import CliRunner

from acp.v1.capability import Memory, OperatingPoint, Port, Power, Subject
from reference_runtime import registry
from reference_runtime.commands import probe
from reference_runtime.probe import inventory, listing
from reference_runtime.probe.inventory import Answer, ask, driving
from reference_runtime.probe.sources import SOURCES
from reference_runtime.probe.sources.found import Found, told
from tests.reference_runtime.simulated import SimulatedAdapter

CHILD = "import json, os, sys, time\nsource = sys.argv[1]\n"
GPU = Found(
    subject=Subject(
        scope="UNIT", vendor="example.com", model="X100", device_class="gpu", unit_id="GPU-1"
    ),
    operating_point=OperatingPoint(name="default"),
    memories=(
        Memory(
            id="memory", kind="dram", role="DEVICE", instances=1, capacity_bytes_per_instance=2**30
        ),
    ),
    power=Power(cap_max_mw=700_000),
    ports=(Port(id="pcie", link_kind="pcie5", count=16, bytes_per_s_per_direction=63 * 10**9),),
    provenance=(told(("/subject", "/memories", "/power"), "https://example.com/driver"),),
    facts={"pci": "0000:65:00.0"},
)


def asked(code, *, patience_s=20.0):
    (answer,) = ask(["one"], patience_s, ("-c", CHILD + code))
    return answer


def test_a_source_answers_from_a_process_of_its_own():
    answer = asked(f"print({json.dumps(json.dumps({'found': [GPU.to_json()]}))})")
    assert answer == Answer("one", (GPU,))


MISBEHAVING = {
    "crashes": ("os.abort()", "its process ended with status -6"),
    "dies with words": ("sys.exit('libgpu: no such symbol')", "status 1: libgpu: no such symbol"),
    "says nothing": ("pass", "its answer cannot be read"),
    "says no JSON": ("print('Hello from the driver!')", "its answer cannot be read"),
    "says something else": ("print('[1]')", "its answer cannot be read"),
    "describes nonsense": (
        """print('{"found": [{"members": {"subject": 1}, "facts": {}}]}')""",
        "its answer cannot be read",
    ),
    "never ends": ("print('x' * 10**7)", "its answer cannot be read"),
    "has a reason": ("""print('{"nothing": "no driver"}')""", "no driver"),
}


@pytest.mark.parametrize("case", MISBEHAVING)
def test_a_source_that_misbehaves_found_nothing(case):
    code, reason = MISBEHAVING[case]
    answer = asked(code)
    assert answer.found == ()
    assert reason in answer.nothing


def test_a_source_that_hangs_is_not_waited_for():
    start = time.monotonic()
    answer = asked("time.sleep(60)", patience_s=0.3)
    assert "does not come back in time" in answer.nothing
    assert time.monotonic() - start < 30


def test_what_a_driver_prints_is_no_answer():
    answers = ask(["cpu"])
    assert [a.source for a in answers] == ["cpu"]
    assert len(answers[0].found) == 1


def test_an_adapter_drives_the_unit_or_a_stack_on_it():
    sim = SimulatedAdapter("one").describe()[0]

    def named(unit):
        return ("a", type("Device", (), {"unit_id": unit})())

    assert driving(GPU, [named("GPU-1")]) == ("a",)
    assert driving(GPU, [named("GPU-1:torch")]) == ("a",)
    assert driving(GPU, [named("GPU-10"), ("b", sim)]) == ()


@pytest.fixture
def two_answers(monkeypatch):
    answers = (Answer("nvidia", (GPU,)), Answer("amd", nothing="the package is not installed"))
    monkeypatch.setattr(inventory, "ask", lambda *_, **__: answers)
    monkeypatch.setattr(registry, "installed", tuple)
    return answers


@pytest.mark.usefixtures("two_answers")
def test_the_inventory_says_what_is_here_and_why_nothing_else_is(tmp_path):
    result = CliRunner().invoke(probe, ["--inventory", "-o", str(tmp_path / "new")])
    assert result.exit_code == 0, result.output
    assert "X100" in result.stdout
    assert "no adapter" in result.stdout
    assert "nothing by amd: the package is not installed" in result.stdout
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("two_answers")
def test_the_inventory_is_there_for_programs():
    result = CliRunner().invoke(probe, ["--inventory", "--format", "json"])
    answer = json.loads(result.stdout)
    (one,) = answer["found"]
    assert (one["source"], one["driven_by"], one["facts"]) == ("nvidia", [], GPU.facts)
    assert Found.from_json(one) == GPU
    assert "ops" not in one["members"]
    assert answer["nothing"] == {"amd": "the package is not installed"}


@pytest.mark.usefixtures("two_answers")
def test_a_device_without_an_adapter_is_listed_and_not_described(tmp_path):
    result = CliRunner().invoke(probe, ["-o", str(tmp_path)])
    assert result.exit_code == 1
    assert "X100" in result.stdout
    assert "RUN-A2" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_only_the_named_sources_are_asked(monkeypatch):
    monkeypatch.setattr(registry, "installed", tuple)
    result = CliRunner().invoke(
        probe, ["--inventory", "--source", "cpu", "--format", "json"], catch_exceptions=False
    )
    answer = json.loads(result.stdout)
    assert [one["source"] for one in answer["found"]] == ["cpu"]
    assert answer["nothing"] == {}


def test_an_unknown_source_is_refused():
    result = CliRunner().invoke(probe, ["--source", "tarot"])
    assert result.exit_code == 2
    assert all(name in result.stderr for name in SOURCES)


def test_the_table_has_a_row_for_each_device():
    lines = listing.as_text([Answer("nvidia", (GPU,))], {"GPU-1": ("cuda", "other")}).splitlines()
    assert len(lines) == 2
    assert lines[1].split() == ["nvidia", "gpu", "X100", "-", "1", "GiB", "cuda,", "other"]


def test_a_descriptor_takes_from_the_driver_what_its_adapter_does_not_tell():
    from datetime import UTC, datetime, timedelta

    from acp.rules import Context, check
    from acp.v1.capability import CapabilityDescriptor
    from reference_runtime.probe.documents import Header, probed
    from reference_runtime.probe.micro import Measured

    now = datetime.now(UTC)
    header = Header("example.com", now, timedelta(days=1))
    device = SimulatedAdapter("one").describe()[0]
    made = probed("one", device, Measured(_points(), ()), header, GPU).descriptor
    assert (made.power, made.ports) == (GPU.power, GPU.ports)
    assert made.memories == device.memories
    paths = [p.paths for p in made.provenance if p.source_uri == "https://example.com/driver"]
    assert paths == [("/power",)]
    read = CapabilityDescriptor.from_json(made.to_json())
    assert [d for d in check(read, Context(now=now)) if d.severity == "error"] == []


def _points():
    from acp.v1.measurement import MeasurementPoint

    return (MeasurementPoint(op="call", n=1, p50=1, unit="NANOSECONDS"),)
