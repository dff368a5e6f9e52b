from __future__ import annotations

import doctest
import json
import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import acp.conditions
from acp.conditions import ConditionError, Name, Term, parse, parse_where, paths, unmet
from acp.conditions.grammar import MAX_LENGTH, OPERATORS, quoted
from tests.acp.examples import SPEC, descriptor

TEXT = SPEC.read_text(encoding="utf-8")
EXAMPLES = [
    json.loads(line)
    for line in re.search(r"```jsonl id=conditions\n(.*?)```", TEXT, re.DOTALL)[1].splitlines()
]


@pytest.mark.parametrize(("text", "met"), EXAMPLES)
def test_the_conditions_of_the_spec(text, met):
    if met is None:
        with pytest.raises(ConditionError):
            parse(text)
    else:
        assert (unmet(parse(text), paths(descriptor())) is None) is met


def test_the_example_in_the_documentation_of_the_package():
    result = doctest.testmod(acp.conditions)
    assert result.attempted > 0
    assert result.failed == 0


def test_the_limit_of_the_text_is_that_of_the_code():
    assert f"at most {MAX_LENGTH:,} characters long" in " ".join(TEXT.split())


def test_a_condition_is_taken_apart():
    one, two = parse(' a.b[c/1:d.e] % 8 >= -3 and "x" in y ').comparisons
    assert one.left == Term(Name("a.b[c/1:d.e]", one.left.value.steps), 8)
    assert [(step.name, step.in_brackets) for step in one.left.value.steps] == [
        ("a", False), ("b", False), ("c/1:d.e", True),
    ]  # fmt: skip
    assert (one.operator, one.right, one.text) == (">=", Term(-3), "a.b[c/1:d.e] % 8 >= -3")
    assert (two.left, two.operator, two.text) == (Term("x"), "in", '"x" in y')
    assert parse('a in (1, -2,3)and b == "c"').comparisons[0].right == (1, -2, 3)


NOTHING = {
    "no comparison": ("a", 1, "'the end'"),
    "nothing": ("", 0, "a value is expected"),
    "spaces": ("  ", 2, "a value is expected"),
    "a word too many": ("a == 1 b", 7, "'b' where 'and' or the end"),
    "no end of the list": ("a in (1, 2", 10, "')' is expected"),
    "an empty list": ("a in ()", 6, "a number or a text"),
    "no list": ("a in 3", 5, "'(' is expected"),
    "a name in the list": ("a in (b)", 6, "a number or a text"),
    "a literal in a literal": ('1 in "a"', 5, "what a name stands for"),
    "in a remainder": ("1 in a % 2", 5, "what a name stands for"),
    "a remainder by nothing": ("a % 0 == 1", 4, "at least 1"),
    "a remainder by less": ("a % -2 == 1", 4, "at least 1"),
    "a remainder by a name": ("a % b == 1", 4, "at least 1"),
    "a remainder of a number": ("7 % 2 == 1", 2, "'%' where"),
    "texts in order": ('a <= "b"', 2, "never holds"),
    "flags in order": ("a > true", 2, "never holds"),
    "a remainder that is a text": ('a % 2 == "b"', 6, "never holds"),
    "a list of two kinds": ('a in (1, "b")', 2, "never holds"),
    "a number of 20 digits": ("a == 12345678901234567890", 5, "begins nothing"),
    "a number with a zero in front": ("a == 01", 5, "begins nothing"),
    "a fraction": ("a == 1.5", 6, "begins nothing"),
    "a keyword": ("in == 1", 0, "a value is expected"),
    "below a keyword": ("and.b == 1", 0, "is no name"),
    "an open text": ('a == "b', 5, "begins nothing"),
    "an open bracket": ("a[b == 1", 1, "begins nothing"),
    "two conditions": ("a == 1 or b == 1", 7, "'and' or the end"),
    "a call": ("a(b) == 1", 1, "'(' where"),
    "a line feed": ("a ==\n1", 4, "begins nothing"),
    "an escape": ('a == "\\n"', 5, "begins nothing"),
    "another alphabet": ("ä == 1", 0, "begins nothing"),
    "digits of another alphabet": ("a == ٣", 5, "begins nothing"),
    "chained": ("1 < a < 3", 6, "'and' or the end"),
    "too long": ("a == 1 and " * 200 + "a == 1", MAX_LENGTH, "at most 2048"),
}


@pytest.mark.parametrize(("text", "at", "reason"), NOTHING.values(), ids=NOTHING)
def test_what_is_no_condition(text, at, reason):
    with pytest.raises(ConditionError, match=re.escape(reason)) as refusal:
        parse(text)
    assert refusal.value.at == at
    assert str(refusal.value).endswith(f"at character {at + 1}")


def refused_at(read, text):
    try:
        read(text)
    except ConditionError as error:
        return error.at
    return None


WORDS = ["a", "b.c[d]", "and", "in", "(", ")", ",", "%", "1", "-2", '"x"', "true", " ", *OPERATORS]


@settings(max_examples=400)
@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
@example("(" * MAX_LENGTH)
@example("a[" * 1000)
@example('"' * MAX_LENGTH)
@example("a." * 1023 + "a")
@example("a in (" + "1," * 1000)
@example("-" * MAX_LENGTH)
def test_any_text_is_a_condition_or_refused_at_a_place(text):
    began = time.process_time()
    places = [refused_at(read, text) for read in (parse, parse_where)]
    assert all(0 <= at <= len(text) for at in places if at is not None)
    assert time.process_time() - began < 1


NAMES = st.sampled_from(["a", "a.b", "a.b[c]", "a[0]", "x._y1[sm_90a].z"])
LITERALS = (
    st.integers(-(10**19) + 1, 10**19 - 1)
    | st.booleans()
    | st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters='"\\')
    )
)


@given(NAMES, st.integers(0, 10**19 - 1), st.sampled_from(["==", "!="]), LITERALS)
def test_what_is_spelled_is_what_is_read(name, modulus, operator, literal):
    left = f"{name} % {modulus}" if modulus and type(literal) is int else name
    (found,) = parse(f"{left} {operator} {quoted(literal)}").comparisons
    assert (str(found.left.value), found.operator, found.right) == (name, operator, Term(literal))
    assert found.left.modulus == (modulus if type(literal) is int else 0)
