"""Drawings of a run as inline SVG: timeline, memory, plan.

Colours, fonts and strokes are classes of the page's style sheet, so that a drawing follows light
and dark. ``d0`` to ``d7`` are the colours of the devices, in the plan's order. Every text of a
document passes `escape`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from cep.report.view import ArenaRow, Edge, RunView, StepRow, bytes_text, time_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cep.report.plan_view import PlanView

COLOURS: Final = 8
"""Colours of devices before they repeat."""

DRAWN_STEPS: Final = 2000
"""Steps that are drawn at most; the tables and the trace have all."""

_WIDTH: Final = 1080
_LEFT: Final = 204
_ROW: Final = 40
_CHARACTER: Final = 6.6
"""Width of a character of the small labels, in pixels; a little more than it is."""


def colour(facts: RunView | PlanView, slot: str) -> str:
    """Return the class of a device's colour."""
    return f"d{[device.slot for device in facts.devices].index(slot) % COLOURS}"


def shortened(text: str, width: float) -> str:
    """Return as much of a text as fits into a width in pixels; empty if that says nothing."""
    room = int(width / _CHARACTER)
    if len(text) <= room:
        return text
    return f"{text[: room - 1]}…" if room > 3 else ""  # noqa: PLR2004 - a syllable


def timeline(facts: RunView) -> str:
    """Draw queues × time of one run."""
    if facts.timeline is None:
        return ""
    end = facts.timeline.end_ns
    scale = (_WIDTH - _LEFT - 12) / end
    bottom = len(facts.queues) * _ROW + 8
    rows = {queue: number * _ROW + 8 for number, (queue, _) in enumerate(facts.queues)}
    parts = [_axis(end, scale, bottom)]
    for queue, slot in facts.queues:
        y = rows[queue]
        parts.append(
            f'<rect class="lane" x="{_LEFT}" y="{y}" width="{_WIDTH - _LEFT - 12}" '
            f'height="{_ROW - 8}" rx="4"/>'
            f'<rect class="{colour(facts, slot)}" x="0" y="{y + 9}" width="10" height="14" rx="3"/>'
            f'<text class="name" x="18" y="{y + 21}">{escape(shortened(queue, _LEFT - 42))}'
            f"<title>{escape(queue)} on {escape(slot)}</title></text>"
        )
    drawn = facts.steps[:DRAWN_STEPS]
    parts += [_bar(facts, step, rows[step.queue], scale) for step in drawn if step.span is not None]
    return svg("timeline", _WIDTH, bottom + 26, parts, "Timeline of the steps by queue")


def _bar(facts: RunView, step: StepRow, y: int, scale: float) -> str:
    begin, end = step.span or (0, 0)
    x, width = _LEFT + begin * scale, max((end - begin) * scale - 1, 1.5)
    kind = "copy" if step.is_transfer else colour(facts, step.slot)
    label = shortened(f"{step.index} · {step.label}", width - 10)
    text = f'<text class="on" x="{x + 6:.1f}" y="{y + 20}">{escape(label)}</text>' if label else ""
    return (
        f'<g><rect class="{kind}" x="{x:.1f}" y="{y + 2}" width="{width:.1f}" '
        f'height="{_ROW - 12}" rx="{min(4, width / 3):.1f}"/>{text}<title>{escape(told(step))}'
        "</title></g>"
    )


def told(step: StepRow) -> str:
    """Return what is known of a step, for a tooltip."""
    lines = [f"step {step.index} on {step.slot}: {step.label}"]
    if step.ops:
        lines.append(composition(step))
    if step.span is not None:
        begin, end = step.span
        lines.append(f"{time_text(end - begin)}, from {time_text(begin)} to {time_text(end)}")
    if step.predicted_ns is not None:
        lines.append(f"predicted {time_text(step.predicted_ns)}")
    return "\n".join(lines)


def composition(step: StepRow, most: int = 12) -> str:
    """Return the operations of a step: ``linear ×6, gelu``."""
    listed = [name if count == 1 else f"{name} ×{count}" for name, count in step.ops[:most]]
    return ", ".join(listed) + ("…" if len(step.ops) > most else "")


def _axis(end: int, scale: float, bottom: int) -> str:
    parts = []
    for tick in _ticks(end, 8):
        x = _LEFT + tick * scale
        parts.append(
            f'<line class="grid" x1="{x:.1f}" y1="4" x2="{x:.1f}" y2="{bottom}"/>'
            f'<text class="tick" x="{x:.1f}" y="{bottom + 16}">{_round(tick)}</text>'
        )
    return "".join(parts)


def _round(tick: int) -> str:
    """Return a round time without needless zeros."""
    return re.sub(r"\.0+(?= )", "", time_text(tick))


def _ticks(end: int, most: int) -> range:
    """Return round numbers from 0 to at most `end`."""
    step = 1
    while end // step >= most:
        digit = int(str(step)[0])
        step = step * 5 // 2 if digit == 2 else step * 2  # noqa: PLR2004 - 1, 2, 5, 10, …
    return range(0, end + 1, step)


def memory(facts: RunView) -> str:
    """Draw how full each arena is, step by step."""
    return "".join(_arena(facts, arena) for arena in facts.arenas)


def _arena(facts: RunView, arena: ArenaRow) -> str:
    width, height, top = 520, 120, 14
    count = max(1, len(arena.live_bytes))
    points = [(0.0, float(height))]
    for index, live in enumerate(arena.live_bytes):
        y = top + (height - top) * (1 - live / arena.size_bytes)
        points += [(index * width / count, y), ((index + 1) * width / count, y)]
    points.append((float(width), float(height)))
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    peak = max(arena.live_bytes, default=0)
    saved = 1 - arena.size_bytes / arena.sum_bytes if arena.sum_bytes else 0
    reuse = f", {saved:.0%} less than without reuse" if saved >= 0.005 else ""  # noqa: PLR2004
    shown = colour(facts, arena.slot)
    drawing = svg(
        "arena",
        width,
        height + 4,
        [
            f'<line class="limit" x1="0" y1="{top}" x2="{width}" y2="{top}"/>',
            f'<polygon class="{shown} area" points="{line}"/>',
            f'<polyline class="{shown} edge" points="{line}"/>',
            f'<line class="base" x1="0" y1="{height}" x2="{width}" y2="{height}"/>',
        ],
        f"Memory in use in arena {arena.id} by step",
    )
    return (
        f'<figure class="card"><figcaption><i class="{shown}"></i><b>{escape(arena.id)}</b>'
        f"<span>{bytes_text(peak)} in use at the peak, of {bytes_text(arena.size_bytes)}{reuse}"
        f"</span></figcaption>{drawing}</figure>"
    )


_BOX_WIDTH: Final = 230
_BOX_HEIGHT: Final = 54
_GAP_X: Final = 70
_GAP_Y: Final = 40
_TOP: Final = 92


def graph(facts: RunView) -> str:
    """Draw the steps by queue, with the values between them."""
    steps = facts.steps[: DRAWN_STEPS // 10]
    levels = _levels(steps, facts.edges)
    columns = {queue: number for number, (queue, _) in enumerate(facts.queues)}
    places = {
        step.index: (
            columns[step.queue] * (_BOX_WIDTH + _GAP_X) + 20,
            _TOP + levels[step.index] * (_BOX_HEIGHT + _GAP_Y),
        )
        for step in steps
    }
    width = len(columns) * (_BOX_WIDTH + _GAP_X) - _GAP_X + 60
    depth = max(levels.values(), default=0) + 1
    floor = _TOP + depth * (_BOX_HEIGHT + _GAP_Y)
    parts = [_column(facts, queue, slot, columns[queue], floor) for queue, slot in facts.queues]
    parts += _flows(facts.edges, places, floor)
    parts += [_box(facts, step, *places[step.index]) for step in steps]
    return svg("graph", width, floor + 40, parts, "Steps of the plan by queue")


def _levels(steps: Sequence[StepRow], edges: Sequence[Edge]) -> dict[int, int]:
    """Return a row for each step, below all that it depends on and that precede it in its queue."""
    sources: dict[int, list[int]] = {}
    for edge in edges:
        if edge.source is not None and edge.target is not None:
            sources.setdefault(edge.target, []).append(edge.source)
    levels: dict[int, int] = {}
    latest: dict[str, int] = {}
    for step in steps:
        above = [levels[i] for i in sources.get(step.index, ()) if i in levels]
        above.append(latest.get(step.queue, -1))
        levels[step.index] = latest[step.queue] = max(above) + 1
    return levels


def _column(facts: RunView, queue: str, slot: str, number: int, floor: int) -> str:
    x = number * (_BOX_WIDTH + _GAP_X) + 20
    shown = colour(facts, slot)
    return (
        f'<rect class="{shown} band" x="{x - 14}" y="0" width="{_BOX_WIDTH + 28}" '
        f'height="{floor + 32}" rx="10"/>'
        f'<rect class="{shown}" x="{x}" y="14" width="10" height="14" rx="3"/>'
        f'<text class="name" x="{x + 18}" y="26">{escape(shortened(slot, _BOX_WIDTH - 20))}</text>'
        f'<text class="sub" x="{x + 18}" y="42">{escape(shortened(queue, _BOX_WIDTH - 20))}</text>'
    )


def _box(facts: RunView, step: StepRow, x: int, y: int) -> str:
    shown = colour(facts, step.slot)
    took = step.span[1] - step.span[0] if step.span else step.p50_ns
    first = f"{step.index} · {step.label}"
    title = shortened(first, _BOX_WIDTH - 100)
    second = composition(step, 4) if len(step.ops) > 1 else "1 op" if step.ops else "transfer"
    time = "" if took is None else time_text(took)
    kind = "box pill" if step.is_transfer else "box"
    return (
        f'<g><rect class="{kind}" x="{x}" y="{y}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" '
        f'rx="{_BOX_HEIGHT // 2 if step.is_transfer else 8}"/>'
        f'<rect class="{"copy" if step.is_transfer else shown}" x="{x + 12}" y="{y + 12}" '
        f'width="4" height="{_BOX_HEIGHT - 24}" rx="2"/>'
        f'<text class="name" x="{x + 24}" y="{y + 23}">{escape(title)}</text>'
        f'<text class="time" x="{x + _BOX_WIDTH - 14}" y="{y + 23}">{escape(time)}</text>'
        f'<text class="sub" x="{x + 24}" y="{y + 41}">'
        f"{escape(shortened(second, _BOX_WIDTH - 44))}</text>"
        f"<title>{escape(told(step))}</title></g>"
    )


def _flows(edges: Sequence[Edge], places: dict[int, tuple[int, int]], floor: int) -> Iterable[str]:
    """Yield the lines between steps; one for all values between the same two."""
    between: dict[tuple[int | None, int | None], list[Edge]] = {}
    for edge in edges:
        between.setdefault((edge.source, edge.target), []).append(edge)
    for (source, target), together in between.items():
        if (source is not None and source not in places) or (
            target is not None and target not in places
        ):
            continue
        told_of = "\n".join(f"{e.value}: {e.type}, {bytes_text(e.size_bytes)}" for e in together)
        x1, y1, x2, y2 = _ends(places, source, target, floor)
        shown = "flow outside" if source is None or target is None else "flow"
        label = ""
        if source is None:
            # Beside the middle, where the lines from other steps arrive; above all, there are none.
            room = _BOX_WIDTH - 12 if y2 == _TOP else _BOX_WIDTH / 2
            label = _port("port end", x1 + 18, y1 - 5, together, room)
        elif target is None:
            label = _port("port", x2, y2 + 14, together, _BOX_WIDTH - 12)
        yield (
            f'<g><path class="{shown}" d="{_curve(x1, y1, x2, y2)}"/>{label}'
            f"<title>{escape(told_of)}</title></g>"
        )


def _port(kind: str, x: float, y: float, edges: Sequence[Edge], room: float) -> str:
    """Return the names of what the caller gives or gets."""
    names = shortened(", ".join(edge.value for edge in edges), room)
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}">{escape(names)}</text>'


def _ends(
    places: dict[int, tuple[int, int]], source: int | None, target: int | None, floor: int
) -> tuple[float, float, float, float]:
    middle = _BOX_WIDTH / 2
    if source is None:
        x, y = places[target or 0]
        return (x + _BOX_WIDTH - 26, y - 14, x + _BOX_WIDTH - 26, y)
    x1, y1 = places[source]
    if target is None:
        return (x1 + middle, y1 + _BOX_HEIGHT, x1 + middle, floor - 8)
    x2, y2 = places[target]
    return (x1 + middle, y1 + _BOX_HEIGHT, x2 + middle, y2)


def _curve(x1: float, y1: float, x2: float, y2: float) -> str:
    gap = y2 - y1
    if x1 == x2 and gap > _GAP_Y + 1:
        # Around the boxes in between, which stand in the same column.
        side = x1 + _BOX_WIDTH / 2 + 24
        return (
            f"M{x1:.0f} {y1:.0f} C{x1:.0f} {y1 + 26:.0f} {side:.0f} {y1:.0f} {side:.0f} "
            f"{y1 + 44:.0f} L{side:.0f} {y2 - 44:.0f} C{side:.0f} {y2:.0f} {x2:.0f} "
            f"{y2 - 26:.0f} {x2:.0f} {y2:.0f}"
        )
    bend = min(gap / 2, 60) if x1 == x2 else max(20.0, gap / 2)
    return (
        f"M{x1:.0f} {y1:.0f} C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"
    )


def svg(kind: str, width: int, height: int, parts: Iterable[str], label: str) -> str:
    """Return a drawing of a size in pixels, with a label for those who cannot see it."""
    return (
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )
