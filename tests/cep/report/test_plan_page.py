from __future__ import annotations

import json
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from acp.diagnostics import Refused
from cep import report
from cep.cli import main
from cep.report import plan_drawing
from cep.v1.plan import Plan
from tests.cep.plans import (
    TOGETHER,
    all_of,
    at,
    buffer,
    chain,
    fork,
    mutated,
    pipeline,
    run,
    together,
)

HOSTILE = "</style></title><script>alert(1)</script><img src=x onerror='alert(2)'>\"&"


def facts_of(case):
    return report.plan_view(Plan.from_json(case.plan), "sha256:" + "0" * 64)


def page_of(case):
    return report.plan_page(facts_of(case)).decode()


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.names, self.open = [], set(), []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def assert_harmless(page):
    tags = Tags(page)
    assert tags.open == []
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(tags.tags)
    assert not {n for n in tags.names if n.startswith("on")} | ({"src", "href"} & tags.names)
    assert "url(" not in page
    assert "default-src 'none'" in page
    for drawing in page.split("<svg")[1:]:
        ET.fromstring("<svg" + drawing.partition("</svg>")[0] + "</svg>")  # noqa: S314


def test_facts_are_those_of_the_plan():
    facts = facts_of(chain())
    assert facts.sequence == (0, 1, 2)
    assert facts.levels == (0, 1, 2)
    waits = [(wait.step, wait.source, wait.queue, wait.epoch) for wait in facts.waits]
    assert waits == [(1, 0, "left", 1)]
    lives = [(life.buffer, life.begin, life.end) for life in facts.lives]
    # x from the start, h until it is copied, its copy until relu has run, y to the end.
    assert lives == [(0, 0, 1), (1, 0, 2), (2, 1, 3), (3, 2, 3)]
    assert facts.weight_bytes == 64


def test_steps_that_need_not_wait_stand_side_by_side():
    facts = facts_of(fork())
    assert facts.levels == (0, 0, 1)


def test_a_step_comes_after_what_it_waits_for_even_if_it_is_listed_before():
    swapped = [run("left", [0], [0], [1], ("right", 1)), run("right", [1], [0], [2])]
    facts = facts_of(mutated("fork", at("steps", swapped)))
    assert facts.sequence == (1, 0)
    assert facts.levels == (1, 0)


def test_the_longest_path_is_the_predicted_time():
    def change(case):
        for step, time in zip(case.plan["steps"], ("100", "30", "7"), strict=True):
            step["estimate"] = {"p50_ns": time, "p99_ns": "500"}

    facts = facts_of(mutated("fork", change))
    assert facts.path_ns == 107
    assert "99 %: 500 ns" in report.plan_page(facts).decode()


def test_the_page_is_whole_and_loads_nothing():
    page = page_of(chain())
    assert_harmless(page)
    for said in ("0 · mm", "copy h", "step 1 waits for step 0: epoch 1 of left", "Not verified",
                 "buffer 2: h, bytes 0 to 127, 128 B", "f32[b, 4]", "1 to 8"):  # fmt: skip
        assert said in page
    assert page.count('class="d0 life"') == 2
    assert page.count('class="head"') == 1


def test_texts_of_the_plan_cannot_break_out():
    plan = Plan.from_json(chain().plan)
    evil = {slot: HOSTILE + slot for slot in ("left", "right")}
    plan = plan.replace(
        uri=HOSTILE,
        issuer=HOSTILE,
        expires_at=HOSTILE,
        source=plan.source.replace(capture_tool=HOSTILE, graph_digest=HOSTILE),
        devices=tuple(
            d.replace(slot=evil[d.slot], descriptor_digest=HOSTILE) for d in plan.devices
        ),
        queues=tuple(q.replace(id=evil[q.id], device=evil[q.device]) for q in plan.queues),
        arenas=tuple(
            a.replace(id=evil[a.id], device=evil[a.device], memory=HOSTILE) for a in plan.arenas
        ),
        buffers=tuple(b.replace(arena=evil[b.arena]) for b in plan.buffers),
        steps=tuple(
            s.replace(
                queue=evil[s.queue], waits=tuple(w.replace(queue=evil[w.queue]) for w in s.waits)
            )
            for s in plan.steps
        ),
        inputs=tuple(b.replace(name=HOSTILE) for b in plan.inputs),
    )
    page = report.plan_page(report.plan_view(plan, HOSTILE, HOSTILE)).decode()
    assert_harmless(page)
    assert "<script" not in page


@pytest.mark.parametrize(
    "change",
    [
        at("steps/0/waits", [{"queue": "right", "epoch": 1}]),
        at("steps/0/waits", [{"queue": "right", "epoch": 99}]),
        all_of(at("buffers/2", buffer("n", "left", 128)), at("steps/2/waits", ...)),
        at("buffers/3/offset", str(2**64 - 64)),
        at("arenas/0/bytes", "1"),
        at("buffers/4", buffer("a", "left", 512)),
    ],
    ids=["cycle", "epoch that never comes", "race", "far outside", "small arena", "unused buffer"],
)
def test_plans_that_would_be_refused_are_drawn_as_they_are(change):
    assert_harmless(page_of(mutated("fork", change)))


def test_a_reference_that_leads_nowhere_is_refused():
    with pytest.raises(Refused, match="CEP-I6"):
        facts_of(mutated("fork", at("buffers/0/arena", "nowhere")))


def test_only_the_first_steps_are_drawn():
    def change(case):
        case.plan["steps"] += [run("left", [2], [1, 2], [3])] * plan_drawing.DRAWN_STEPS

    page = page_of(mutated("fork", change))
    assert page.count('<rect class="box"') == plan_drawing.DRAWN_STEPS
    assert f"The first {plan_drawing.DRAWN_STEPS} steps are drawn." in page


def test_the_command_writes_the_page(tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps(chain().plan))
    words = ["show", str(tmp_path / "plan.json"), "--html", str(tmp_path / "plan.html")]
    result = CliRunner(catch_exceptions=False).invoke(main, words)
    assert result.exit_code == 0
    assert result.stdout == f"wrote {tmp_path / 'plan.html'}\n"
    assert_harmless((tmp_path / "plan.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", TOGETHER)
def test_members_of_a_collective_are_drawn_one_above_the_other(kind):
    case = together(kind)
    facts = facts_of(case)
    left, right = (i for i, step in enumerate(case.plan["steps"]) if "collective" in step)
    assert facts.levels[left] == facts.levels[right] == 1
    assert facts.steps[left].label == kind.lower().replace("_", " ")
    assert facts.steps[left].label in page_of(case)


def test_a_stream_shows_its_lags_and_all_copies():
    facts, page = facts_of(pipeline()), page_of(pipeline())
    assert (facts.waits[0].source, facts.waits[0].lag) == (None, 2)
    assert "2 micro-batches before<small>right @ 1</small>" in page
    assert "16.0 KiB" in page or "16 KiB" in page
