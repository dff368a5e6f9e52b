"""The page of a run report: one file, no scripts, nothing loaded, light and dark."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Final

from cep.report import drawing
from cep.report.parts import code, document, pill, row, section, table, tiles
from cep.report.view import DeviceRow, StepRow, bytes_text, ratio_text, time_text

if TYPE_CHECKING:
    from cep.report.view import RunView

_MOST_ROWS: Final = 500


def page(facts: RunView) -> bytes:
    """Return the page, in UTF-8."""
    body = "".join(
        (
            _header(facts),
            _tiles(facts),
            section("Timeline", _timeline_note(facts), _timeline(facts)),
            section("Devices", "Busy time and bytes of one run.", _devices(facts), kind="table"),
            section(
                "Plan",
                "Each column is a queue, each box a step, each line the values that one step "
                "leaves for another.",
                f'<div class="scroll">{drawing.graph(facts)}</div>',
            ),
            section(
                "Predicted and measured",
                "What the planner expected of each step, as a mark, and the median of what was "
                "measured, as a bar. A prediction holds for the sizes that the plan was compiled "
                "for; runs of other sizes take other times.",
                _steps(facts),
                kind="table",
            ),
            section(
                "Memory",
                "Bytes of each arena that hold a value which is still needed, step by step, at "
                "the largest sizes of the symbols.",
                f'<div class="figures">{drawing.memory(facts)}</div>',
            ),
            section("Receipt", "", _receipt(facts), kind="table"),
        )
    )
    return document(_title(facts), body, _footer(facts))


def _title(facts: RunView) -> str:
    return f"Run of {facts.plan.uri}"


def _header(facts: RunView) -> str:
    receipt = facts.receipt
    pills = [_verdict(facts)]
    if receipt.verifier.verdict == "ACCEPTED":
        pills.append(pill("good", "✓ Plan proven before it ran"))
    if any(device.simulated for device in facts.devices):
        pills.append(pill("warn", "Simulated: no result about hardware"))
    if receipt.trips:
        pills.append(pill("bad", f"{len(receipt.trips)} trips"))
    findings = "".join(f"<li>{escape(finding)}</li>" for finding in facts.findings[:20])
    problems = f'<ul class="problems">{findings}</ul>' if findings else ""
    return (
        f'<header><p class="eyebrow">Run report</p><h1>{escape(facts.plan.uri)}</h1>'
        f'<p class="digest">{escape(facts.plan_digest)}</p>'
        f'<div class="pills">{"".join(pills)}</div>'
        f"<p>Run by <b>{escape(receipt.issuer)}</b>, {escape(_when(facts))}. Plan by "
        f"<b>{escape(facts.plan.issuer)}</b>, revision {facts.plan.revision}.</p>"
        f"{problems}</header>"
    )


def _verdict(facts: RunView) -> str:
    if not facts.ok:
        return pill("bad", "✕ Receipt does not hold")
    if not facts.keyids:
        return pill("warn", "Receipt consistent, signatures not checked")
    return pill("good", "✓ Receipt holds")


def _when(facts: RunView) -> str:
    began, ended = facts.receipt.started_at, facts.receipt.finished_at
    readable = began.replace("T", " ").replace("Z", " UTC")
    return readable if began == ended else f"{readable} to {ended[11:].replace('Z', ' UTC')}"


def _tiles(facts: RunView) -> str:
    computing = sum(1 for step in facts.steps if not step.is_transfer)
    copies = len(facts.steps) - computing
    arenas = sum(arena.size_bytes for arena in facts.arenas)
    numbers = [
        (time_text(facts.run_ns), "the run drawn below" if facts.timeline else "sum of the steps"),
        (f"{facts.receipt.runs:,}", "run" if facts.receipt.runs == 1 else "runs"),
        (str(len(facts.devices)), "device" if len(facts.devices) == 1 else "devices"),
        (str(computing), f"regions, {copies} transfer{'' if copies == 1 else 's'}"),
        (f"{len(facts.plan.ops):,}", "operations"),
        (bytes_text(arenas), f"buffers, and {bytes_text(facts.weight_bytes)} of weights"),
    ]
    return tiles(numbers)


def _timeline_note(facts: RunView) -> str:
    if facts.timeline is None:
        return ""
    sizes = ", ".join(f"{escape(n)} = {size}" for n, size in sorted(facts.timeline.sizes.items()))
    at = f" at {sizes}" if sizes else ""
    return (
        f"Run {facts.timeline.run}{at}. What is not covered by a bar is copying of inputs and "
        "outputs, waiting, and dispatch."
    )


def _timeline(facts: RunView) -> str:
    if facts.timeline is None:
        return (
            '<p class="empty">The times of single runs are not part of a receipt. Run with '
            "<code>--timeline FILE</code> and give that file to the report to see them here.</p>"
        )
    return f'<div class="scroll">{drawing.timeline(facts)}</div>'


def _devices(facts: RunView) -> str:
    rows = "".join(_device(facts, device) for device in facts.devices)
    return table(
        ("Device", "Driven by", "#Steps", "#Operations", "#Busy", "Share of the run", "#Moved"),
        rows,
    )


def _device(facts: RunView, device: DeviceRow) -> str:
    shown = drawing.colour(facts, device.slot)
    simulated = " <em>simulated</em>" if device.simulated else ""
    width = min(100.0, device.share * 100)
    return row(
        f'<i class="{shown}"></i><b>{escape(device.slot)}</b>{simulated}'
        f"<small>{escape(device.unit)}</small>",
        escape(device.adapter),
        f"#{device.steps}",
        f"#{device.ops:,}",
        f"#{time_text(device.busy_ns)}",
        f'<span class="meter"><span class="{shown}" style="width:{width:.1f}%"></span></span>'
        f"{device.share:.0%}",
        f"#{bytes_text(device.moved_bytes)}",
    )


def _steps(facts: RunView) -> str:
    shown = facts.steps[:_MOST_ROWS]
    longest = max(
        (max(step.predicted_ns or 0, step.p50_ns or 0) for step in shown), default=0
    ) or 1  # fmt: skip
    rows = "".join(_step(facts, step, longest) for step in shown)
    if len(facts.steps) > len(shown):
        rows += row(f"and {len(facts.steps) - len(shown)} more steps", *[""] * 6)
    return table(
        ("Step", "Device", "", "#Predicted", "#Median", "#99 %", "#Measured ÷ predicted"), rows
    )


def _step(facts: RunView, step: StepRow, longest: int) -> str:
    shown = drawing.colour(facts, step.slot)
    detail = drawing.composition(step, 6) if len(step.ops) > 1 else ""
    return row(
        f"<b>{step.index}</b> {escape(step.label)}<small>{escape(detail)}</small>",
        f'<i class="{shown}"></i>{escape(step.slot)}',
        _pair(step, longest, shown),
        f"#{_time(step.predicted_ns)}",
        f"#{_time(step.p50_ns)}",
        f"#{_time(step.p99_ns)}",
        f"#{ratio_text(step.predicted_ns, step.p50_ns)}",
    )


def _pair(step: StepRow, longest: int, shown: str) -> str:
    """Return measured as a bar, predicted as a mark on it."""
    bar = (step.p50_ns or 0) / longest * 100
    mark = (
        f'<span class="mark" style="left:{step.predicted_ns / longest * 100:.1f}%"></span>'
        if step.predicted_ns is not None
        else ""
    )
    return (
        f'<span class="meter wide"><span class="{shown}" style="width:{bar:.1f}%"></span>'
        f"{mark}</span>"
    )


def _time(ns: int | None) -> str:
    return "" if ns is None else time_text(ns)


def _receipt(facts: RunView) -> str:
    receipt = facts.receipt
    rows = [
        ("Plan", code(facts.plan_digest)),
        *(
            (f"Descriptor of {escape(device.slot)}", code(digest))
            for device, digest in zip(facts.devices, receipt.descriptors, strict=False)
        ),
        (
            "Verified by",
            f"{escape(receipt.verifier.version)}: {receipt.verifier.verdict}, by rules "
            + code(receipt.verifier.ruleset),
        ),
        ("Inputs", code(receipt.inputs_root)),
        ("Outputs", code(receipt.outputs_root)),
        ("Steps", code(receipt.step_chain)),
        ("Signed with", ", ".join(map(code, facts.keyids)) or "no key that was checked"),
        ("Recomputed", escape(", ".join(facts.recomputed)) or "nothing"),
        ("Trips", _listed(f"step {t.step}: {t.quantity}, {t.action}" for t in receipt.trips)),
        (
            "Alternates taken",
            _listed(
                f"run {a.run}, step {a.step}: alternate {a.alternate}"
                for a in receipt.alternates_taken
            ),
        ),
    ]
    return table((), "".join(row(name, found) for name, found in rows))


def _listed(items: Iterable[str]) -> str:
    return escape("; ".join(items)) or "none"


def _footer(facts: RunView) -> str:
    return (
        "Everything above comes from the plan and its receipt"
        + (" and a timeline, which is not signed" if facts.timeline else "")
        + ". Check it with <code>cep receipt verify</code>. "
        + escape(facts.receipt.verifier.version)
    )
