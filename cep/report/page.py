"""The page of a run report: one file, no scripts, nothing loaded, light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Final

from cep.report import drawing
from cep.report.view import DeviceRow, StepRow, bytes_text, ratio_text, time_text

if TYPE_CHECKING:
    from cep.report.view import RunView

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_MOST_ROWS: Final = 500


def page(facts: RunView) -> bytes:
    """Return the page, in UTF-8."""
    style = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    body = "".join(
        (
            _header(facts),
            _tiles(facts),
            _section("Timeline", _timeline_note(facts), _timeline(facts)),
            _section("Devices", "Busy time and bytes of one run.", _devices(facts), kind="table"),
            _section(
                "Plan",
                "Each column is a queue, each box a step, each line the values that one step "
                "leaves for another.",
                f'<div class="scroll">{drawing.graph(facts)}</div>',
            ),
            _section(
                "Predicted and measured",
                "What the planner expected of each step, as a mark, and the median of what was "
                "measured, as a bar. A prediction holds for the sizes that the plan was compiled "
                "for; runs of other sizes take other times.",
                _steps(facts),
                kind="table",
            ),
            _section(
                "Memory",
                "Bytes of each arena that hold a value which is still needed, step by step, at "
                "the largest sizes of the symbols.",
                f'<div class="figures">{drawing.memory(facts)}</div>',
            ),
            _section("Receipt", "", _receipt(facts), kind="table"),
        )
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(_title(facts))}</title>'
        f"<style>{style}</style></head><body><main>{body}</main>"
        f"<footer>{_footer(facts)}</footer></body></html>"
    ).encode()


def _title(facts: RunView) -> str:
    return f"Run of {facts.plan.uri}"


def _section(title: str, note: str, content: str, kind: str = "card") -> str:
    told = f"<p>{note}</p>" if note else ""
    return f'<section><h2>{title}</h2>{told}<div class="{kind}">{content}</div></section>'


def _header(facts: RunView) -> str:
    receipt = facts.receipt
    pills = [_verdict(facts)]
    if receipt.verifier.verdict == "ACCEPTED":
        pills.append(_pill("good", "✓ Plan proven before it ran"))
    if any(device.simulated for device in facts.devices):
        pills.append(_pill("warn", "Simulated: no result about hardware"))
    if receipt.trips:
        pills.append(_pill("bad", f"{len(receipt.trips)} trips"))
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
        return _pill("bad", "✕ Receipt does not hold")
    if not facts.keyids:
        return _pill("warn", "Receipt consistent, signatures not checked")
    return _pill("good", "✓ Receipt holds")


def _when(facts: RunView) -> str:
    began, ended = facts.receipt.started_at, facts.receipt.finished_at
    readable = began.replace("T", " ").replace("Z", " UTC")
    return readable if began == ended else f"{readable} to {ended[11:].replace('Z', ' UTC')}"


def _pill(kind: str, text: str) -> str:
    return f'<span class="pill {kind}">{escape(text)}</span>'


def _tiles(facts: RunView) -> str:
    computing = sum(1 for step in facts.steps if not step.is_transfer)
    copies = len(facts.steps) - computing
    arenas = sum(arena.size_bytes for arena in facts.arenas)
    tiles = [
        (time_text(facts.run_ns), "the run drawn below" if facts.timeline else "sum of the steps"),
        (f"{facts.receipt.runs:,}", "run" if facts.receipt.runs == 1 else "runs"),
        (str(len(facts.devices)), "device" if len(facts.devices) == 1 else "devices"),
        (str(computing), f"regions, {copies} transfer{'' if copies == 1 else 's'}"),
        (f"{len(facts.plan.ops):,}", "operations"),
        (bytes_text(arenas), f"buffers, and {bytes_text(facts.weight_bytes)} of weights"),
    ]
    cells = "".join(
        f'<div class="tile"><b>{escape(number)}</b><span>{escape(name)}</span></div>'
        for number, name in tiles
    )
    return f'<div class="tiles">{cells}</div>'


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
    return _table(
        ("Device", "Driven by", "#Steps", "#Operations", "#Busy", "Share of the run", "#Moved"),
        rows,
    )


def _device(facts: RunView, device: DeviceRow) -> str:
    shown = drawing.colour(facts, device.slot)
    simulated = " <em>simulated</em>" if device.simulated else ""
    width = min(100.0, device.share * 100)
    return _row(
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
        rows += _row(f"and {len(facts.steps) - len(shown)} more steps", *[""] * 6)
    return _table(
        ("Step", "Device", "", "#Predicted", "#Median", "#99 %", "#Measured ÷ predicted"), rows
    )


def _step(facts: RunView, step: StepRow, longest: int) -> str:
    shown = drawing.colour(facts, step.slot)
    detail = drawing.composition(step, 6) if len(step.ops) > 1 else ""
    return _row(
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
        ("Plan", _code(facts.plan_digest)),
        *(
            (f"Descriptor of {escape(device.slot)}", _code(digest))
            for device, digest in zip(facts.devices, receipt.descriptors, strict=False)
        ),
        (
            "Verified by",
            f"{escape(receipt.verifier.version)}: {receipt.verifier.verdict}, by rules "
            + _code(receipt.verifier.ruleset),
        ),
        ("Inputs", _code(receipt.inputs_root)),
        ("Outputs", _code(receipt.outputs_root)),
        ("Steps", _code(receipt.step_chain)),
        ("Signed with", ", ".join(map(_code, facts.keyids)) or "no key that was checked"),
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
    return _table((), "".join(_row(name, found) for name, found in rows))


def _listed(items: Iterable[str]) -> str:
    return escape("; ".join(items)) or "none"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _table(heads: Sequence[str], rows: str) -> str:
    cells = "".join(_cell("th", head) for head in heads)
    head = f"<thead><tr>{cells}</tr></thead>" if heads else ""
    return f'<div class="scroll"><table>{head}<tbody>{rows}</tbody></table></div>'


def _row(*cells: str) -> str:
    return f"<tr>{''.join(_cell('td', cell) for cell in cells)}</tr>"


def _cell(tag: str, content: str) -> str:
    """Return a cell; a number sign in front says that it holds a number."""
    if content.startswith("#"):
        return f'<{tag} class="number">{content[1:]}</{tag}>'
    return f"<{tag}>{content}</{tag}>"


def _footer(facts: RunView) -> str:
    return (
        "Everything above comes from the plan and its receipt"
        + (" and a timeline, which is not signed" if facts.timeline else "")
        + ". Check it with <code>cep receipt verify</code>. "
        + escape(facts.receipt.verifier.version)
    )
