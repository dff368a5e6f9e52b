"""Drawings of a plan as inline SVG: its steps by queue with their waits, its arenas.

As in `cep.report.drawing`, every text of a document passes `escape`, and colours are classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Final

from cep.report.drawing import colour, composition, shortened, svg, told
from cep.report.view import bytes_text, time_text

if TYPE_CHECKING:
    from cep.report.plan_view import PlanView, WaitRow
    from cep.v1.plan import Arena

DRAWN_STEPS: Final = 200
"""Steps that are drawn at most; the table has more."""

DRAWN_BUFFERS: Final = 2000
"""Buffers of one arena that are drawn at most."""

_LEFT: Final = 210
_BOX_WIDTH: Final = 224
_BOX_HEIGHT: Final = 54
_GAP_X: Final = 56
_GAP_Y: Final = 22
_WIDTH: Final = 1080
_INNER: Final = 1064
"""Width of a page without the margins of a card, in pixels."""


def order(facts: PlanView) -> str:
    """Draw queues × order: each step right of all that it comes after, with waits as arrows."""
    drawn = set(facts.sequence[:DRAWN_STEPS])
    tops = {
        queue: number * (_BOX_HEIGHT + _GAP_Y) + 12
        for number, (queue, _) in enumerate(facts.queues)
    }
    places = {
        step: (
            _LEFT + facts.levels[step] * (_BOX_WIDTH + _GAP_X),
            tops[facts.steps[step].queue],
        )
        for step in drawn
    }
    width = max(_INNER, max((x for x, _ in places.values()), default=_LEFT) + _BOX_WIDTH + 16)
    height = len(facts.queues) * (_BOX_HEIGHT + _GAP_Y) + 8
    parts = [_lane(facts, queue, slot, tops[queue], width) for queue, slot in facts.queues]
    parts += [_arrow(wait, places) for wait in facts.waits if wait.step in places]
    parts += [_box(facts, step, *places[step]) for step in sorted(drawn)]
    return svg("order", width, height, parts, "Steps of the plan by queue, with their waits")


def _lane(facts: PlanView, queue: str, slot: str, y: int, width: int) -> str:
    shown = colour(facts, slot)
    return (
        f'<rect class="{shown} band" x="0" y="{y - 7}" width="{width}" '
        f'height="{_BOX_HEIGHT + 14}" rx="10"/>'
        f'<rect class="{shown}" x="12" y="{y + 10}" width="10" height="14" rx="3"/>'
        f'<text class="name" x="30" y="{y + 22}">{escape(shortened(slot, _LEFT - 44))}</text>'
        f'<text class="sub" x="30" y="{y + 40}">{escape(shortened(queue, _LEFT - 44))}'
        f"<title>{escape(queue)} on {escape(slot)}</title></text>"
    )


def _arrow(wait: WaitRow, places: dict[int, tuple[int, int]]) -> str:
    if wait.source not in places:
        return ""
    x1, y1 = places[wait.source]
    x2, y2 = places[wait.step]
    x1, y1, y2 = x1 + _BOX_WIDTH, y1 + _BOX_HEIGHT // 2, y2 + _BOX_HEIGHT // 2
    bend = max(_GAP_X - 12, min(abs(x2 - x1) // 2, 90))
    said = f"step {wait.step} waits for step {wait.source}: epoch {wait.epoch} of {wait.queue}"
    return (
        f'<g><path class="flow" d="M{x1} {y1} C{x1 + bend} {y1} {x2 - bend - 7} {y2} {x2 - 7} {y2}"'
        f'/><path class="head" d="M{x2} {y2} l-9 -5 v10 z"/><title>{escape(said)}</title></g>'
    )


def _box(facts: PlanView, index: int, x: int, y: int) -> str:
    step = facts.steps[index]
    shown = "copy" if step.is_transfer else colour(facts, step.slot)
    time = "" if step.predicted_ns is None else time_text(step.predicted_ns)
    title = shortened(f"{index} · {step.label}", _BOX_WIDTH - 98)
    second = composition(step, 4) if len(step.ops) > 1 else "1 op" if step.ops else "transfer"
    kind = "box pill" if step.is_transfer else "box"
    return (
        f'<g><rect class="{kind}" x="{x}" y="{y}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" '
        f'rx="{_BOX_HEIGHT // 2 if step.is_transfer else 8}"/>'
        f'<rect class="{shown}" x="{x + 12}" y="{y + 12}" width="4" height="{_BOX_HEIGHT - 24}" '
        f'rx="2"/><text class="name" x="{x + 24}" y="{y + 23}">{escape(title)}</text>'
        f'<text class="time" x="{x + _BOX_WIDTH - 14}" y="{y + 23}">{escape(time)}</text>'
        f'<text class="sub" x="{x + 24}" y="{y + 41}">'
        f"{escape(shortened(second, _BOX_WIDTH - 44))}</text>"
        f"<title>{escape(told(step))}</title></g>"
    )


def arenas(facts: PlanView) -> str:
    """Draw offset × step of each arena: every buffer from its first step to its last."""
    return "".join(_arena(facts, arena) for arena in facts.plan.arenas)


def _arena(facts: PlanView, arena: Arena) -> str:
    buffers = facts.plan.buffers
    lives = [life for life in facts.lives if buffers[life.buffer].arena == arena.id]
    shown = colour(facts, arena.device)
    total = sum(one.size for one in buffers if one.arena == arena.id)
    unused = sum(one.arena == arena.id for one in buffers) - len(lives)
    note = f"{bytes_text(arena.bytes)} in {arena.memory} of {arena.device}; {len(lives)} "
    note += "buffer" if len(lives) == 1 else "buffers"
    saved = 1 - arena.bytes / total if total else 0
    if saved >= 0.005:  # noqa: PLR2004 - what rounds to a percent
        note += f", {saved:.0%} less than without reuse"
    if unused:
        note += f"; {unused} that no step uses are not drawn"
    if len(lives) > DRAWN_BUFFERS:
        note += f"; the first {DRAWN_BUFFERS} are drawn"
    return (
        f'<figure class="card"><figcaption><i class="{shown}"></i><b>{escape(arena.id)}</b>'
        f"<span>{escape(note)}</span></figcaption>"
        f"{''.join(_lives(facts, arena))}</figure>"
    )


def _lives(facts: PlanView, arena: Arena) -> Iterator[str]:
    left, top, count = 92, 6, max(1, len(facts.sequence))
    lives = [one for one in facts.lives if facts.plan.buffers[one.buffer].arena == arena.id]
    lives = lives[:DRAWN_BUFFERS]
    height = min(320, 60 + 26 * len(lives))
    across = (_WIDTH - left - 12) / count
    # A buffer may end beyond its arena in a plan that was not verified.
    ends = [facts.plan.buffers[one.buffer] for one in lives]
    reach = max([arena.bytes, *(one.offset + one.size for one in ends)]) or 1
    parts = [
        f'<rect class="lane" x="{left}" y="{top}" width="{_WIDTH - left - 12}" height="{height}"/>',
        f'<text class="port end" x="{left - 10}" y="{top + 11}">0</text>',
        f'<text class="port end" x="{left - 10}" y="{top + height}">{bytes_text(reach)}</text>',
    ]
    every = -(-count // 36)
    for position in range(0, count, every):
        x = left + position * across
        step = facts.sequence[position] if facts.sequence else 0
        parts.append(
            f'<line class="grid" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{top + height}"/>'
            f'<text class="tick" x="{x + across / 2:.1f}" y="{top + height + 17}">{step}</text>'
        )
    shown = colour(facts, arena.device)
    for life in lives:
        buffer = facts.plan.buffers[life.buffer]
        x, y = left + life.begin * across, top + buffer.offset / reach * height
        wide = max((life.end - life.begin) * across, 1.5)
        tall = max(buffer.size / reach * height, 1.0)
        said = (
            f"buffer {life.buffer}: {buffer.value}, bytes {buffer.offset} to "
            f"{buffer.offset + buffer.size - 1}, {bytes_text(buffer.size)}"
        )
        label = shortened(f"{buffer.value} · {bytes_text(buffer.size)}", wide - 16)
        text = (
            f'<text x="{x + 8:.1f}" y="{y + tall / 2 + 4:.1f}">{escape(label)}</text>'
            if tall >= 15 and label  # noqa: PLR2004 - the height of a line
            else ""
        )
        parts.append(
            f'<g><rect class="{shown} life" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" '
            f'height="{tall:.1f}" rx="{min(3, tall / 3):.1f}"/>{text}'
            f"<title>{escape(said)}</title></g>"
        )
    yield svg("lives", _WIDTH, top + height + 26, parts, f"Buffers of arena {arena.id} by step")
