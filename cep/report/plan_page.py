"""The page of a plan: what is computed where, what waits for what, what lies where in memory."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from cep.report import drawing, plan_drawing
from cep.report.parts import code, document, pill, row, section, table, tiles
from cep.report.view import StepRow, bytes_text, time_text

if TYPE_CHECKING:
    from cep.report.plan_view import PlanView
    from cep.v1.graph import Binding

_MOST_ROWS: Final = 500
_MOST_VALUES: Final = 4


def plan_page(facts: PlanView) -> bytes:
    """Return the page, in UTF-8."""
    cut = len(facts.steps) > plan_drawing.DRAWN_STEPS
    only = f" The first {plan_drawing.DRAWN_STEPS} steps are drawn." if cut else ""
    body = "".join(
        (
            _header(facts),
            _tiles(facts),
            section(
                "Order",
                "Each row is a queue, whose steps run from left to right. An arrow is a wait: the "
                f"step at its end begins after the step at its start has ended.{only}",
                f'<div class="scroll">{plan_drawing.order(facts)}</div>',
            ),
            section(
                "Memory",
                "Offset × step: where each buffer lies, and from which step to which it is needed, "
                "at the largest sizes of the symbols.",
                f'<div class="stack">{plan_drawing.arenas(facts)}</div>',
            ),
            section("Steps", "", _steps(facts), kind="table"),
            section("Devices", "", _devices(facts), kind="table"),
            section("Inputs, outputs and sizes", "", _ports(facts), kind="table"),
        )
    )
    footer = (
        "Everything above is what the plan says of itself. Whether it holds is for "
        "<code>cep verify</code> to say."
    )
    return document(f"Plan {facts.plan.uri}", body, footer)


def _header(facts: PlanView) -> str:
    plan = facts.plan
    note = f"Not verified here{facts.caveat}"
    return (
        f'<header><p class="eyebrow">Plan</p><h1>{escape(plan.uri)}</h1>'
        f'<p class="digest">{escape(facts.plan_digest)}</p>'
        f'<div class="pills">{pill("warn", note)}</div>'
        f"<p>Revision {plan.revision} by <b>{escape(plan.issuer)}</b>, valid "
        f"{_day(plan.not_before or plan.issued_at)} to {_day(plan.expires_at)}. Graph "
        f"{code(plan.source.graph_digest)} from "
        f"{escape(plan.source.capture_tool or 'an unnamed tool')}.</p></header>"
    )


def _day(instant: str) -> str:
    return escape(instant.replace("T", " ").replace("Z", " UTC"))


def _copies(facts: PlanView) -> int:
    return facts.plan.stream.ring_depth if facts.plan.stream is not None else 1


def _tiles(facts: PlanView) -> str:
    copies = sum(step.is_transfer for step in facts.steps)
    devices = len(facts.devices)
    return tiles(
        [
            (str(devices), "device" if devices == 1 else "devices"),
            (str(len(facts.steps)), f"steps, {copies} of them transfers"),
            (f"{len(facts.waits):,}", "wait" if len(facts.waits) == 1 else "waits"),
            (f"{len(facts.plan.ops):,}", "operations"),
            (
                bytes_text(_copies(facts) * sum(arena.bytes for arena in facts.plan.arenas)),
                f"buffers, and {bytes_text(facts.weight_bytes)} of weights",
            ),
            (time_text(facts.path_ns) if facts.path_ns else "–", "a run, as predicted"),
        ]
    )


def _steps(facts: PlanView) -> str:
    waits: dict[int, list[str]] = {}
    for wait in facts.waits:
        target = "nothing" if wait.source is None else f"step {wait.source}"
        if wait.lag:
            target = f"{wait.lag} micro-batches before"
        told = f"{target}<small>{escape(wait.queue)} @ {wait.epoch}</small>"
        waits.setdefault(wait.step, []).append(told)
    shown = facts.steps[:_MOST_ROWS]
    rows = "".join(_step(facts, step, waits.get(step.index, ())) for step in shown)
    if len(facts.steps) > len(shown):
        rows += row(f"and {len(facts.steps) - len(shown)} more steps", *[""] * 5)
    return table(("Step", "Queue", "Waits for", "Reads", "Writes", "#Predicted"), rows)


def _step(facts: PlanView, step: StepRow, waits: Sequence[str]) -> str:
    one = facts.plan.steps[step.index]
    detail = drawing.composition(step, 4) if len(step.ops) > 1 else ""
    slow = ""
    if one.estimate and one.estimate.p99_ns:
        slow = f"<small>99 %: {time_text(one.estimate.p99_ns)}</small>"
    more = f"and {len(waits) - _MOST_VALUES} more" if len(waits) > _MOST_VALUES else ""
    return row(
        f"<b>{step.index}</b> {escape(step.label)}<small>{escape(detail)}</small>",
        f'<i class="{drawing.colour(facts, step.slot)}"></i>{escape(step.slot)}'
        f"<small>{escape(step.queue)}</small>",
        "".join(waits[:_MOST_VALUES]) + more,
        escape(_listed([facts.plan.buffers[b].value for b in one.reads])),
        escape(_listed([facts.plan.buffers[b].value for b in one.writes])),
        f"#{'' if step.predicted_ns is None else time_text(step.predicted_ns)}{slow}",
    )


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - _MOST_VALUES
    return ", ".join(texts[:_MOST_VALUES]) + (f" and {more} more" if more > 0 else "")


def _devices(facts: PlanView) -> str:
    rows = []
    for device in facts.devices:
        own = [step for step in facts.steps if step.slot == device.slot]
        arenas = [a for a in facts.plan.arenas if a.device == device.slot]
        rows.append(
            row(
                f'<i class="{drawing.colour(facts, device.slot)}"></i><b>{escape(device.slot)}</b>',
                code(device.descriptor_digest or device.predicate or ""),
                f"#{len(own)}",
                f"#{sum(number for step in own for _, number in step.ops):,}",
                f"#{bytes_text(sum(a.bytes for a in arenas))}",
            )
        )
    return table(("Device", "Descriptor", "#Steps", "#Operations", "#Arenas"), "".join(rows))


def _ports(facts: PlanView) -> str:
    types = {v.id: f"{v.dtype}[{', '.join(v.shape)}]" for v in facts.plan.values}

    def port(kind: str, binding: Binding) -> str:
        return row(kind, escape(binding.name), code(types.get(binding.value, "undefined")))

    rows = [port("Input", binding) for binding in facts.plan.inputs]
    rows += [port("Output", binding) for binding in facts.plan.outputs]
    for symbol in facts.plan.symbols:
        sizes = f"{symbol.min} to {symbol.max}"
        if (symbol.divisor or 1) > 1:
            sizes += f", multiples of {symbol.divisor}"
        rows.append(row("Size", escape(symbol.name), escape(sizes)))
    return table((), "".join(rows))
