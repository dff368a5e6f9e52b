from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acp.changes.where import Relation, implies, relation
from acp.matching import Answer, Tensor, Use
from acp.matching.conditions import unmet

SHOWN = {
    "no condition": ([], []),
    "fewer conditions": (["a.rank == 2", "a.shape[0] <= 8"], ["a.rank == 2"]),
    "two in one": (["a.rank == 2 and a.shape[0] <= 8"], ["a.shape[0] <= 8", "a.rank == 2"]),
    "spaces": (["a.shape[0]<=8"], ["a.shape[0]  <=  8"]),
    "a larger limit": (["a.shape[0] <= 8"], ["a.shape[0] <= 9"]),
    "another spelling of it": (["a.shape[0] < 9"], ["8 >= a.shape[0]"]),
    "a divisor": (["a.shape[0] % 16 == 0"], ["a.shape[0] % 8 == 0"]),
    "a remainder": (["a.shape[0] % 16 == 11"], ["a.shape[0] % 8 == 3"]),
    "no remainder": (["a.shape[0] % 16 == 0"], ["a.shape[0] % 8 != 3"]),
    "more texts": (['a.dtype == "f16"'], ['a.dtype in ("f16", "bf16")']),
    "among": (["a.shape[0] in (16, 32)"], ["a.shape[0] % 16 == 0", "a.shape[0] <= 32"]),
    "among, with the rest": (["a.rank in (1, 2, 3)", "a.rank >= 3"], ["a.rank == 3"]),
    "another number": (["a.shape[0] <= 8"], ["a.shape[0] != 9"]),
    "an odd number": (["a.shape[0] % 2 == 0"], ["a.shape[0] != 9"]),
    "between operands, by its words": (["a.rank == b.rank"], ["a.rank == b.rank"]),
    "what nobody can read, by its words": (["?"], ["?"]),
    "no size is negative": (["a.shape[0] <= 8"], ["a.shape[0] >= 0"]),
}
NOT_SHOWN = {
    "a condition": ([], ["a.rank == 2"]),
    "a smaller limit": (["a.shape[0] <= 8"], ["a.shape[0] <= 7"]),
    "another divisor": (["a.shape[0] % 8 == 0"], ["a.shape[0] % 16 == 0"]),
    "another name": (["a.shape[0] <= 8"], ["a.shape[1] <= 8"]),
    "fewer texts": (['a.dtype in ("f16", "bf16")'], ['a.dtype == "f16"']),
    "what nobody can read": ([], ["?"]),
    "an attribute may be negative": (["attributes.x <= 8"], ["attributes.x >= 0"]),
    "a size that is not there": ([], ["a.shape[0] >= 0"]),
    "a number, where a text is known": (['attributes.x != "p"'], ["attributes.x != 0"]),
    "a text, where a number is known": (["attributes.x != 0"], ['attributes.x != "p"']),
    "the other way round": (["a.rank == b.rank"], ["b.rank == a.rank"]),
}


@pytest.mark.parametrize(("stronger", "weaker"), SHOWN.values(), ids=SHOWN)
def test_what_follows_is_shown(stronger, weaker):
    assert implies(stronger, weaker)


@pytest.mark.parametrize(("stronger", "weaker"), NOT_SHOWN.values(), ids=NOT_SHOWN)
def test_what_does_not_follow_is_not_shown(stronger, weaker):
    assert not implies(stronger, weaker)


def test_relations():
    assert relation(["a.rank == 2"], []) is Relation.WIDER
    assert relation([], ["a.rank == 2"]) is Relation.NARROWER
    assert relation(["a.rank < 3"], ["a.rank <= 2"]) is Relation.SAME
    assert relation(["a.rank == 2"], ["a.rank == 3"]) is Relation.UNKNOWN


def test_long_lists_are_compared_by_their_texts():
    many = [f"a.shape[0] != {n}" for n in range(4000)]
    assert relation(many, many[1:]) is Relation.WIDER
    assert relation(many[1:], many) is Relation.NARROWER
    assert relation(many[1:], many[:-1]) is Relation.UNKNOWN


SIDE = st.sampled_from(["a.shape[0]", "a.shape[0] % 4", "a.shape[0] % 6", "attributes.x",
                        "attributes.x % 2", "attributes.x % 4"])  # fmt: skip
CONDITION = st.one_of(
    st.builds("{} {} {}".format, SIDE, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
              st.integers(-2, 9)),
    st.builds("{} {} {}".format, st.integers(-2, 9), st.sampled_from(["==", "<", ">="]), SIDE),
    st.builds("{} in ({}, {})".format, SIDE, st.integers(-2, 9), st.integers(-2, 9)),
    st.builds('attributes.x {} "{}"'.format, st.sampled_from(["==", "!="]), st.sampled_from("pq")),
    st.builds('attributes.x in ("{}", "{}")'.format, st.sampled_from("pq"), st.sampled_from("qr")),
)  # fmt: skip
LIST = st.lists(CONDITION, max_size=3)
ATTRIBUTES = [{}, *({"x": value} for value in (*range(-5, 14), "p", "q", True, (1, 2), 1.5))]


@settings(max_examples=600, deadline=None)
@given(LIST, LIST)
def test_nothing_is_shown_that_some_use_contradicts(stronger, weaker):
    if not implies(stronger, weaker):
        return
    for size in range(14):
        for attributes in ATTRIBUTES:
            tensor = Tensor("f32", (size,))
            use = Use("x/1:op", (("a", tensor),), (("out", tensor),), attributes)
            if _met(stronger, use):
                assert _met(weaker, use), (stronger, weaker, use)


def _met(conditions, use):
    return all(Answer.of(unmet(text, use)) is Answer.YES for text in conditions)
