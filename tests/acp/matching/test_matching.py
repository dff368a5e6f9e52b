from __future__ import annotations

import json
import re

import pytest

from acp.conditions import parse
from acp.matching import (
    Answer,
    MaxError,
    Needs,
    Question,
    Tensor,
    Use,
    match,
    read_tensor,
)
from acp.matching.numerics import holds
from acp.matching.opsets import UseError, complete
from acp.v1.capability import CapabilityDescriptor
from tests.acp.examples import SPEC, changed, descriptor

SQUARE = read_tensor("f16[4096, 4096]")
TABLE = [
    json.loads(line)
    for line in re.search(r"```jsonl id=matches\n(.*?)```", SPEC.read_text("utf-8"), re.DOTALL)[1]
    .strip()
    .splitlines()
]
MM = Use("example.com/op/1:mm", (("a", SQUARE), ("b", SQUARE)), (("out", SQUARE),))
VARIANT = "/ops/0/variants/0"


@pytest.mark.parametrize(("asked", "expected"), TABLE, ids=range(len(TABLE)))
def test_the_table_of_the_spec(asked, expected):
    operands = tuple((name, read_tensor(text)) for name, text in asked.pop("operands").items())
    question = Question(use=Use(asked.pop("op"), operands), needs=Needs(**asked))
    found = match(CapabilityDescriptor.from_json(descriptor()), question)
    assert found.answer == expected


def device(**changes):
    """The example of the spec, which claims `MM`, with other members."""
    value = changed(descriptor(), "/ops/0/op", MM.op)
    for path, member in changes.items():
        value = changed(value, path.replace("__", "/"), member)
    return CapabilityDescriptor.from_json(value)


def answer(document, use=MM, **needs):
    return match(document, Question(use=use, needs=Needs(**needs)))


def told(found):
    return [reason.message for one in found.candidates for reason in one.reasons]


def test_a_use_that_is_claimed_is_answered_with_engine_rate_and_memory():
    found = answer(device())
    assert found.answer is Answer.YES
    assert found.best.engine == "tensor"
    assert found.best.rate.peak_ops_per_s == 989_400_000_000_000
    assert found.best.memory == "hbm"
    assert found.nearest is None


def test_an_op_that_is_not_listed_is_not_claimed():
    found = answer(device(), use=Use("example.com/op/1:conv"))
    assert found.answer is Answer.NO
    assert found.reasons[0].message.startswith("example.com/op/1:conv is not among")


@pytest.mark.parametrize(
    ("operand", "expected"),
    {
        "f16[4096, 4096]": Answer.YES,
        "bf16[4096, 4096]": Answer.NO,
        "f16[4096]": Answer.NO,
        "f16": Answer.OPEN,
        "[8, 8]": Answer.OPEN,
        "[8]": Answer.NO,
    }.items(),
)
def test_operands(operand, expected):
    use = Use(MM.op, (("a", read_tensor(operand)), ("b", SQUARE)))
    assert answer(device(), use=use).answer is expected


WHERE = {
    "a.shape[1] % 16 == 0": Answer.YES,
    "a.shape[1] % 16 == 1": Answer.NO,
    "a.shape[2] == 1": Answer.NO,
    "a.elements == 16777216": Answer.YES,
    'a.dtype in ("f16", "bf16")': Answer.YES,
    "attributes.alpha == 1": Answer.NO,
    "third.rank == 2": Answer.NO,
    "a.shape[0] == b.shape[1]": Answer.YES,
    "out.shape[0] <= 4096": Answer.YES,
}


@pytest.mark.parametrize(("condition", "expected"), WHERE.items())
def test_conditions(condition, expected):
    assert answer(device(**{f"{VARIANT}/where": [condition]})).answer is expected


@pytest.mark.parametrize(
    "condition", ["a.shape[1] % 16 == 0", "attributes.alpha == 1", "out.rank == 2"]
)
def test_what_a_question_does_not_say_leaves_conditions_open(condition):
    document = device(**{f"{VARIANT}/where": [condition]})
    use = Use(MM.op, (("a", Tensor("f16")), ("b", Tensor("f16"))))
    found = answer(document, use=use)
    assert found.answer is Answer.OPEN
    assert f"{condition} must hold" in told(found)


def test_an_attribute_that_a_complete_use_does_not_have_is_not_there():
    document = device(**{f"{VARIANT}/where": ["attributes.alpha == 1"]})
    given = Use(MM.op, MM.operands, MM.results, {"alpha": 1})
    assert answer(document, use=given).answer is Answer.YES
    other = Use(MM.op, MM.operands, MM.results, {"alpha": 2})
    assert told(answer(document, use=other)) == [
        "attributes.alpha == 1 does not hold; attributes.alpha is 2"
    ]


NEEDS = {
    "memory": ({"memory_bytes": 85520809984}, Answer.YES),
    "more memory": ({"memory_bytes": 85520809985}, Answer.NO),
    "bandwidth": ({"memory_bytes_per_s": 3350000000000}, Answer.YES),
    "more bandwidth": ({"memory_bytes_per_s": 3350000000001}, Answer.NO),
    "rate": ({"ops_per_s": 989400000000000}, Answer.YES),
    "more than the dense rate": ({"ops_per_s": 989400000000001}, Answer.NO),
    "the accumulator": ({"acc": "f32"}, Answer.YES),
    "a narrower accumulator": ({"acc": "bf16"}, Answer.YES),
    "a wider accumulator": ({"acc": "f64"}, Answer.NO),
    "no determinism": ({"determinism": "NONE"}, Answer.YES),
    "determinism": ({"determinism": "SAME_UNIT"}, Answer.NO),
    "a bound": ({"max_error": MaxError("ULP", 10**6)}, Answer.NO),
}


@pytest.mark.parametrize(("needs", "expected"), NEEDS.values(), ids=NEEDS)
def test_needs(needs, expected):
    assert answer(device(), **needs).answer is expected


@pytest.mark.parametrize(
    ("claim", "expected", "reason"),
    [
        ({"form": "ULP", "coeff_ppm": "500000"}, Answer.YES, ""),
        ({"form": "ULP", "coeff_ppm": "1500000"}, Answer.NO, "claimed are 1500000 ppm ULP"),
        ({"form": "ABS_REL", "coeff_ppm": "1"}, Answer.NO, "which do not compare"),
    ],
)
def test_bounds_compare_within_one_form(claim, expected, reason):
    document = device(**{f"{VARIANT}/numerics/bound": claim})
    found = answer(document, max_error=MaxError("ULP", 10**6))
    assert found.answer is expected
    assert reason in "".join(told(found))


def test_an_imprecise_accumulator_is_not_the_one_it_names():
    document = device(**{f"{VARIANT}/numerics/imprecise_acc": True})
    assert "may keep fewer bits" in told(answer(document, acc="f32"))[0]


def test_sparse_operands_ask_for_the_sparse_rate():
    sparse = SQUARE._replace(sparsity="2:4")
    use = Use(MM.op, (("a", sparse), ("b", SQUARE)))
    assert answer(device(), use=use).best.rate.peak_ops_per_s == 1_978_900_000_000_000


def test_a_rate_that_software_does_not_reach_does_not_count():
    document = device(**{"/engines/0/rates/0/exposed": False})
    found = answer(document, ops_per_s=1)
    assert found.answer is Answer.NO
    assert "f16 × f16 + f32 dense (not exposed)" in told(found)[0]


def test_only_memory_that_the_engine_reaches_counts():
    assert answer(device(**{"/memories/0/engines": ["other"]}), memory_bytes=1).answer is Answer.NO


def test_the_nearest_variant_is_the_one_against_which_least_stands():
    second = {
        "engine": "tensor",
        "operands": {"*": {"dtypes": ["i8"], "rank": {"min": 4, "max": 4}}},
    }
    document = device(**{"/ops/0/variants/1": second})
    found = answer(document, use=Use(MM.op, (("a", read_tensor("bf16[2, 2]")),)))
    assert found.answer is Answer.NO
    assert (found.nearest.variant, found.best) == (0, None)
    assert len(found.candidates[1].reasons) > len(found.candidates[0].reasons)


def test_engines_are_asked_where_no_operation_is():
    document = device()

    def found(dtype, **needs):
        return match(document, Question(dtype=dtype, needs=Needs(**needs))).answer

    assert found("f16", ops_per_s=9 * 10**14) is Answer.YES
    assert found("f16", acc="f32") is Answer.YES
    assert found("f16", acc="f64") is Answer.NO
    assert found("bf16") is Answer.NO
    assert found(None, memory_bytes=2**36) is Answer.YES
    assert found(None, memory_bytes=2**37) is Answer.NO


def test_every_comparison_of_a_requirement_that_is_not_met_is_told():
    requirement = parse("power.tdp_mw <= 400000 and revision == 3 and memories[hbm].level == 1")
    found = match(device(), Question(requirement))
    assert [reason.message for reason in found.reasons] == [
        "power.tdp_mw <= 400000: power.tdp_mw is 700000",
        "memories[hbm].level == 1: memories[hbm].level is not stated",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    {
        "f16[4096, 4096]": Tensor("f16", (4096, 4096)),
        "f32[]": Tensor("f32", ()),
        " i8[8]@2:4 ": Tensor("i8", (8,), "2:4"),
        "example.com/f9": Tensor("example.com/f9"),
        "[3]": Tensor(None, (3,)),
    }.items(),
)
def test_tensors_are_read(text, expected):
    assert read_tensor(text) == expected
    assert read_tensor(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "f16[", "f16[x]", "f16[-1]", "F16", "f16[1,,2]", "f16[9" + "9" * 19 + "]",
     "f16[4294967296, 4294967296]", "f" * 4096 + "[", "f" * 5000],
)  # fmt: skip
def test_what_is_no_tensor_is_refused(text):
    with pytest.raises(ValueError, match=r"is no tensor|sizes are whole|more than 2\^63"):
        read_tensor(text)


def test_without_an_opset_operands_need_names():
    assert complete(MM) == MM
    with pytest.raises(UseError, match="name each"):
        complete(Use(MM.op, (("", SQUARE),)))
    given = complete(Use(MM.op, (("a", Tensor(None, (2,))),), default=Tensor("f16")))
    assert given.operands == (("a", Tensor("f16", (2,))),)


def test_what_holds_what():
    wide = {("f64", "f32"), ("f32", "tf32"), ("f32", "bf16"), ("tf32", "f16"), ("f16", "f8e4m3fn"),
            ("i32", "i8"), ("i32", "ui8"), ("ui32", "ui8"), ("i8", "i1"), ("f32", "i16"),
            ("bf16", "ui8"), ("f16", "f4e2m1fn"), ("bf16", "f8e8m0fnu")}  # fmt: skip
    assert all(holds(*pair) for pair in wide)
    assert not any(holds(b, a) for a, b in wide)
    for pair in (("f16", "bf16"), ("bf16", "f16"), ("ui8", "i8"), ("i8", "ui8"), ("f32", "i32"),
                 ("i64", "f32"), ("f16", "i16"), ("f8e4m3fn", "f8e4m3fnuz"), ("x", "y"),
                 ("x", "f32")):  # fmt: skip
        assert not holds(*pair)
    assert holds("x", "x")
