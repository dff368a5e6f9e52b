from __future__ import annotations

import json
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from click.testing import CliRunner

from acp.diagnostics import Refused
from cep import report
from cep.cli import main
from cep.receipt import ReceiptReport, verify_receipt
from cep.report.view import bytes_text, ratio_text, time_text
from cep.v1.plan import Plan
from tests.reference_runtime.plans import ISSUER, KEY, NOW, POLICY, bound, chain, fork

X = np.ones((2, 4), np.float32)
HOSTILE = "</style></title><script>alert(1)</script><img src=x onerror='alert(2)'>\"&"


def ran(world, runs=3):
    """A checked receipt and the timeline of some runs."""
    with bound(world) as plan:
        for _ in range(runs):
            plan.run({"x": X})
        form = {"plan": plan.admitted.digest, "runs": [one.form() for one in plan.history]}
        envelope = plan.receipt(KEY, ISSUER).to_bytes()
    checked = verify_receipt(envelope, world.envelope, policy=POLICY, now=NOW)
    return checked, json.dumps(form).encode(), envelope


@pytest.fixture
def facts(tmp_path):
    checked, form, _ = ran(chain(tmp_path))
    timeline = report.Timeline.from_bytes(form, checked.plan_digest, 3)
    return report.view(checked, timeline)


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_facts_are_those_of_plan_and_receipt(facts):
    assert facts.ok
    assert [step.label for step in facts.steps] == ["mm", "copy h", "relu"]
    assert [step.slot for step in facts.steps] == ["left", "right", "right"]
    assert facts.steps[0].predicted_ns == 1000
    assert facts.steps[1].is_transfer
    assert facts.timeline.sizes == {"b": 2}
    flows = [(edge.source, edge.target, edge.value, edge.size_bytes) for edge in facts.edges]
    assert flows == [(None, 0, "x", 32), (0, 1, "h", 32), (1, 2, "h", 32), (2, None, "y", 32)]
    left, right = facts.arenas
    # x and h are there until h is copied; the copy of h until relu has run, y from then on.
    assert left.live_bytes == (256, 128, 0)
    assert right.live_bytes == (0, 128, 256)
    assert left.sum_bytes == 256
    assert [device.moved_bytes for device in facts.devices] == [64, 128]
    assert facts.weight_bytes == 64
    spans = [step.span for step in facts.steps]
    assert facts.devices[0].busy_ns == spans[0][1] - spans[0][0]
    assert 0 < facts.devices[0].share < 1


def test_without_a_timeline_sizes_are_the_largest(tmp_path):
    checked, _, _ = ran(chain(tmp_path))
    facts = report.view(checked)
    assert facts.edges[0].size_bytes == 8 * 4 * 4
    assert facts.run_ns == sum(step.p50_ns for step in facts.steps)
    text = report.page(facts).decode()
    assert "--timeline FILE" in text
    assert 'class="timeline"' not in text


@pytest.mark.parametrize("with_times", [True, False])
def test_the_page_is_whole_and_loads_nothing(tmp_path, with_times):
    checked, form, _ = ran(chain(tmp_path))
    timeline = report.Timeline.from_bytes(form, checked.plan_digest, 3) if with_times else None
    page = report.page(report.view(checked, timeline)).decode()
    elements = Elements(page)
    assert elements.open == []
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(elements.tags)
    names = {name for name, _ in elements.attributes}
    assert not {name for name in names if name.startswith("on")} | ({"src", "href"} & names)
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page
    for drawing in page.split("<svg")[1:]:
        ET.fromstring("<svg" + drawing.partition("</svg>")[0] + "</svg>")  # noqa: S314
    for said in ("Receipt holds", "Simulated", checked.plan_digest, ISSUER, "mm", "sim:left"):
        assert said in page


def test_texts_of_documents_cannot_break_out(tmp_path):
    checked, form, _ = ran(chain(tmp_path))
    timeline = report.Timeline.from_bytes(form, checked.plan_digest, 3)
    receipt = checked.receipt
    binding = tuple(
        one.replace(unit_id=HOSTILE, adapter=HOSTILE, distribution=HOSTILE)
        for one in receipt.binding
    )
    verifier = receipt.verifier.replace(version=HOSTILE)
    receipt = receipt.replace(
        binding=binding, verifier=verifier, issuer=HOSTILE, started_at=HOSTILE, step_chain=HOSTILE
    )
    plan = checked.plan
    evil = {"left": HOSTILE, "right": HOSTILE + "2"}
    plan = plan.replace(
        uri=HOSTILE,
        issuer=HOSTILE,
        devices=tuple(one.replace(slot=evil[one.slot]) for one in plan.devices),
        queues=tuple(
            one.replace(id=HOSTILE + one.id, device=evil[one.device]) for one in plan.queues
        ),
        arenas=tuple(
            one.replace(id=HOSTILE + one.id, device=evil[one.device]) for one in plan.arenas
        ),
        buffers=tuple(one.replace(arena=HOSTILE + one.arena) for one in plan.buffers),
        steps=tuple(one.replace(queue=HOSTILE + one.queue) for one in plan.steps),
        ops=tuple(one.replace(target="cep-core/1:" + HOSTILE) for one in plan.ops),
    )
    changed = ReceiptReport(checked.diagnostics, HOSTILE, receipt, plan, (HOSTILE,), (HOSTILE,))
    page = report.page(report.view(changed, timeline)).decode()
    elements = Elements(page)
    assert elements.open == []
    assert not {"script", "img"} & set(elements.tags)
    assert not [name for name, _ in elements.attributes if name.startswith("on")]
    assert elements.tags.count("style") == 1
    json.loads(report.trace(report.view(changed, timeline)))


def test_a_receipt_that_does_not_hold_is_shown_as_such(facts, tmp_path):
    (tmp_path / "other").mkdir()
    checked, _, _ = ran(chain(tmp_path / "other"))
    broken = ReceiptReport(
        (*Refused.because("CEP-P4", "found another chain").diagnostics,),
        checked.plan_digest,
        checked.receipt,
        checked.plan,
        checked.keyids,
    )
    page = report.page(report.view(broken)).decode()
    assert "Receipt does not hold" in page
    assert "found another chain" in page
    assert "Receipt holds" in report.page(facts).decode()
    unchecked = ReceiptReport((), checked.plan_digest, checked.receipt, checked.plan)
    assert "signatures not checked" in report.page(report.view(unchecked)).decode()


def test_the_trace_has_every_step(facts):
    events = json.loads(report.trace(facts))["traceEvents"]
    steps = [event for event in events if event["ph"] == "X"]
    assert [event["name"] for event in steps] == ["0: mm", "1: copy h", "2: relu"]
    assert [event["cat"] for event in steps] == ["run", "transfer", "run"]
    assert all(event["dur"] >= 0 for event in steps)
    names = {e["args"]["name"] for e in events if e["name"] == "process_name"}
    assert names == {"left", "right"}


def test_no_trace_without_times(tmp_path):
    checked, _, _ = ran(chain(tmp_path))
    with pytest.raises(Refused, match="needs the times"):
        report.trace(report.view(checked))


GOOD = {"plan": "p", "runs": [{"run": 0, "sizes": {"b": "2"}, "end_ns": 9, "steps": [[1, 2]]}]}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"plan": "q"}, "CEP-P2"),
        ({"plan": 3}, "ENV-S3"),
        ({"runs": []}, "ENV-S3"),
        ({"runs": [3]}, "ENV-S3"),
        ({"runs": [GOOD["runs"][0] | {"steps": []}]}, "ENV-S3"),
        ({"runs": [GOOD["runs"][0] | {"steps": [[2, 1]]}]}, "ENV-S3"),
        ({"runs": [GOOD["runs"][0] | {"steps": [[-1, 1]]}]}, "ENV-S3"),
        ({"runs": [GOOD["runs"][0] | {"steps": [[0.5, 1]]}]}, "ENV-S3"),
        ({"runs": [GOOD["runs"][0] | {"steps": ["01"]}]}, "ENV-S3"),
        ({"runs": [GOOD["runs"][0] | {"sizes": {"b": "x"}}]}, "ENV-S3"),
        ({"runs": [GOOD["runs"][0] | {"end_ns": 0}]}, "ENV-S3"),
    ],
)
def test_what_is_no_timeline_is_refused(change, code):
    report.Timeline.from_bytes(json.dumps(GOOD).encode(), "p", 1)
    with pytest.raises(Refused) as caught:
        report.Timeline.from_bytes(json.dumps(GOOD | change).encode(), "p", 1)
    assert caught.value.diagnostics[0].code == code


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("steps", 0, "queue"), "nowhere"),
        (("steps", 0, "reads"), [99]),
        (("steps", 0, "run", "ops"), [99]),
        (("buffers", 0, "arena"), "nowhere"),
        (("buffers", 0, "value"), "nothing"),
        (("queues", 0, "device"), "nobody"),
    ],
)
def test_a_plan_that_refers_to_nothing_is_refused(path, value):
    world = fork()
    checked, _, _ = ran(world)
    inner = world.members
    for token in path[:-1]:
        inner = inner[token]
    inner[path[-1]] = value
    plan = Plan.from_json(world.members)
    changed = ReceiptReport((), checked.plan_digest, checked.receipt, plan)
    with pytest.raises(Refused, match="CEP-I6"):
        report.view(changed)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 ns"), (999, "999 ns"), (1500, "1.50 µs"), (12_345_678, "12.3 ms"), (2e9, "2.00 s")],
)
def test_times_are_readable(number, text):
    assert time_text(number) == text


def test_other_numbers_are_readable():
    assert bytes_text(1536) == "1.50 KiB"
    assert bytes_text(512) == "512 B"
    assert bytes_text(300 * 2**20) == "300 MiB"
    assert ratio_text(100, 150) == "1.50×"
    assert ratio_text(None, 150) == ratio_text(0, 150) == ratio_text(100, None) == ""


class TestCommand:
    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "store").mkdir()
        world = chain(tmp_path / "store")
        _, form, envelope = ran(world)
        (tmp_path / "r.json").write_bytes(envelope)
        (tmp_path / "plan.cep").write_bytes(world.envelope)
        (tmp_path / "t.json").write_bytes(form)
        (tmp_path / "policy.json").write_bytes(POLICY.to_bytes())
        return tmp_path

    def call(self, folder, *arguments):
        line = ["report", str(folder / "r.json"), "--plan", str(folder / "plan.cep")]
        line += ["-o", str(folder / "report.html"), "--format", "json", *arguments]
        result = CliRunner().invoke(main, line, env={"CEP_POLICY": None})
        return result.exit_code, json.loads(result.stdout)

    def test_page_and_trace(self, folder):
        times = ("--timeline", str(folder / "t.json"), "--trace", str(folder / "trace.json"))
        code, answer = self.call(folder, *times)
        assert (code, answer["diagnostics"]) == (0, [])
        assert b"Receipt holds" in (folder / "report.html").read_bytes()
        assert json.loads((folder / "trace.json").read_bytes())["traceEvents"]

    def test_without_a_policy_the_page_says_so(self, folder):
        (folder / "policy.json").unlink()
        code, answer = self.call(folder)
        assert code == 0
        assert {d["code"] for d in answer["diagnostics"]} == {"ENV-T6"}
        assert b"signatures not checked" in (folder / "report.html").read_bytes()

    def test_a_broken_receipt_is_drawn_and_fails(self, folder):
        code, answer = self.call(folder, "--now", "2020-01-01T00:00:00Z")
        assert code == 1
        assert "CEP-P6" in {d["code"] for d in answer["diagnostics"]}
        assert b"does not hold" in (folder / "report.html").read_bytes()

    def test_a_timeline_of_another_plan(self, folder):
        (folder / "t.json").write_bytes(json.dumps(GOOD).encode())
        code, answer = self.call(folder, "--timeline", str(folder / "t.json"))
        assert (code, [d["code"] for d in answer["diagnostics"]]) == (1, ["CEP-P2"])
        assert answer["diagnostics"][0]["file"].endswith("t.json")

    def test_junk(self, folder):
        (folder / "r.json").write_bytes(b"{")
        code, answer = self.call(folder)
        assert (code, [d["code"] for d in answer["diagnostics"]]) == (1, ["ENV-J1"])
