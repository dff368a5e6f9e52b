from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cep.planner.layout import ALIGNMENT_BYTES, Life, aligned, lay_out


@st.composite
def lives(draw):
    made = []
    for n in range(draw(st.integers(0, 24))):
        first = draw(st.integers(-1, 12))
        made.append(
            Life(f"v{n}", draw(st.integers(0, 700)), first, first + draw(st.integers(0, 6)))
        )
    return made


@given(lives())
def test_no_two_living_values_overlap(given_lives):
    layout = lay_out(given_lives)
    assert set(layout.offsets) == {v.name for v in given_lives}
    for i, a in enumerate(given_lives):
        assert layout.offsets[a.name] % ALIGNMENT_BYTES == 0
        assert layout.offsets[a.name] + a.size <= layout.bytes
        for b in given_lives[i + 1 :]:
            together = a.first <= b.last and b.first <= a.last
            start = max(layout.offsets[a.name], layout.offsets[b.name])
            end = min(layout.offsets[a.name] + a.size, layout.offsets[b.name] + b.size)
            assert not together or start >= end


@given(lives())
def test_the_arena_is_no_smaller_than_what_lives_at_once(given_lives):
    peak = max(
        (
            sum(aligned(v.size) for v in given_lives if v.first <= step <= v.last)
            for step in range(-1, 20)
        ),
        default=0,
    )
    size = lay_out(given_lives).bytes
    assert peak <= size <= sum(aligned(v.size) for v in given_lives)


def test_memory_is_reused():
    chain = [Life(f"v{n}", 1000, n, n + 1) for n in range(50)]
    assert lay_out(chain).bytes == 2 * aligned(1000)


def test_nothing_needs_no_room():
    assert lay_out([]).bytes == 0
