"""`acp match` and the verifier answer alike: is this variant for this use of an operation?"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acp.matching import Answer, Needs, Question, Tensor, Use, match, read_tensor
from acp.matching.opsets import UseError, complete
from acp.matching.variants import against
from acp.v1.capability import CapabilityDescriptor, OperationVariant
from cep.expr import Dim
from cep.graph import Node
from cep.opset import OPERATIONS, PREFIX
from cep.opset.definition import Call, TensorType
from cep.verify.capability import mismatch
from tests.cep.opset.cases import CASES, tensor
from tests.cep.plans import descriptor, fork

SIZES = ({"b": 1, "n": 2}, {"b": 3, "n": 5}, {"b": 8, "n": 9})
DTYPES = ["f64", "f32", "f16", "bf16", "i64", "i32", "i8", "i1"]


def concrete(value, sizes):
    """A dim, or an attribute, with numbers for its symbols."""
    if isinstance(value, Dim):
        return value.evaluate(sizes)
    return tuple(concrete(v, sizes) for v in value) if isinstance(value, tuple) else value


def fixed(found, sizes):
    return TensorType(found.dtype, tuple(Dim.constant(d.evaluate(sizes)) for d in found.shape))


def attribute_of_node(value, sizes):
    if isinstance(value, tuple):
        return tuple(attribute_of_node(v, sizes) for v in value)
    return Dim.constant(value.evaluate(sizes)) if isinstance(value, Dim) else value


def calls():
    """Every call of every operation, at some sizes, with what the verifier sees of it."""
    for name, cases in CASES.items():
        for operands, attributes in cases:
            for sizes in SIZES:
                types = tuple(fixed(tensor(text), sizes) for text in operands)
                held = {n: attribute_of_node(v, sizes) for n, v in attributes.items()}
                made = OPERATIONS[PREFIX + name].types(Call(types, held, {}))
                values = dict(enumerate((*types, *made)))
                inputs = tuple(range(len(types)))
                outputs = tuple(range(len(types), len(values)))
                node = Node(PREFIX + name, inputs, held, outputs)
                asked = Use(
                    PREFIX + name,
                    tuple(("", Tensor(t.dtype, concrete(t.shape, {}))) for t in types),
                    attributes={n: concrete(v, sizes) for n, v in attributes.items()},
                )
                yield node, values, asked


CALLS = list(calls())


def conditions(names, attributes):
    """Texts of conditions about what a use has, and about what it has not."""
    owner = st.sampled_from([*names, "other"])
    number = st.one_of(
        st.builds("{}.shape[{}]".format, owner, st.integers(-3, 2)),
        st.builds("{}.{}".format, owner, st.sampled_from(["rank", "elements"])),
        st.builds("attributes.{}".format, st.sampled_from([*attributes, "dim"])),
        st.builds("attributes.{}[{}]".format, st.sampled_from([*attributes, "dim"]), st.just(0)),
    )
    side = st.builds("{}{}".format, number, st.sampled_from(["", "", " % 2", " % 4"]))
    integer = st.integers(-1, 9)
    listed = st.lists(integer, min_size=1, max_size=3).map(
        lambda some: f"({', '.join(map(str, some))})"
    )
    return st.one_of(
        st.builds(
            "{} {} {}".format,
            side,
            st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
            integer.map(str) | side,
        ),
        st.builds("{} in {}".format, side, listed),
        st.builds('{}.dtype {} "{}"'.format, owner, st.sampled_from(["==", "!="]),
                  st.sampled_from(DTYPES)),
        st.builds("{} in attributes.{}".format, integer, st.sampled_from([*attributes, "dim"])),
        st.builds("attributes.{} == {}".format, st.sampled_from([*attributes, "dim"]),
                  st.sampled_from(["true", "false", '"none"', "1"])),
        st.just("no condition"),
    )  # fmt: skip


def limits(names):
    some = st.fixed_dictionaries(
        {},
        optional={
            "dtypes": st.lists(st.sampled_from(DTYPES), min_size=1, max_size=5, unique=True),
            "rank": st.tuples(st.integers(0, 3), st.integers(0, 3)).map(
                lambda ends: {"min": min(ends), "max": max(ends)}
            ),
            "layouts": st.sampled_from([["contiguous"], ["contiguous", "x"], ["channels_last"]]),
            "sparsity": st.sampled_from([["dense"], ["dense", "2:4"], ["2:4"]]),
            "quant": st.sampled_from([["mxfp4"]]),
        },
    ).filter(bool)
    return st.dictionaries(st.sampled_from(["*", *names, "other"]), some, max_size=3)


@st.composite
def claims(draw):
    node, values, asked = draw(st.sampled_from(CALLS))
    operation = OPERATIONS[node.target]
    names = [*(one.name for one in operation.operands), *operation.results]
    variant = {
        "engine": "core",
        "operands": draw(limits(names)),
        "where": draw(
            st.lists(conditions(names, [p.name for p in operation.parameters]), max_size=2)
        ),
    }
    return node, values, asked, {name: value for name, value in variant.items() if value}


@settings(max_examples=250, deadline=None)
@given(claims())
def test_a_variant_is_for_a_use_where_the_verifier_says_so(case):
    node, values, asked, claim = case
    variant = OperationVariant.from_json(claim)
    judged = SimpleNamespace(view=SimpleNamespace(types=values, ranges={}))
    reasons = list(against(variant, complete(asked)))
    found = Answer.of(reasons)
    told = mismatch(judged, variant, node)
    assert found is (Answer.YES if told is None else Answer.NO), (told, reasons)


def test_the_cases_of_the_comparison_fall_on_both_sides():
    yes = no = 0
    for node, values, asked in CALLS[::25]:
        for dtype in ("f32", "i64"):
            variant = OperationVariant.from_json(
                {"engine": "core", "operands": {"*": {"dtypes": [dtype]}}}
            )
            judged = SimpleNamespace(view=SimpleNamespace(types=values, ranges={}))
            agreed = Answer.of(against(variant, complete(asked))) is Answer.YES
            assert agreed is (mismatch(judged, variant, node) is None)
            yes, no = yes + agreed, no + (not agreed)
    assert min(yes, no) > 20


def test_a_plan_is_refused_by_cep_c2_exactly_where_an_op_of_it_does_not_match():
    variants = {
        "any": {},
        "f32": {"operands": {"*": {"dtypes": ["f32"]}}},
        "f16": {"operands": {"*": {"dtypes": ["f16"]}}},
        "rank 2": {"operands": {"*": {"rank": {"min": 2, "max": 2}}}},
        "rank 3": {"operands": {"*": {"rank": {"min": 3, "max": 3}}}},
        "fours": {"where": ["self.shape[-1] % 4 == 0"]},
        "eights": {"where": ["self.shape[-1] % 8 == 0"]},
        "result": {"operands": {"out": {"dtypes": ["f16"]}}},
    }
    names = ("cep-core/1:relu", "cep-core/1:neg", "cep-core/1:add.Tensor")
    x = read_tensor("f32[8, 4]")
    for label, variant in variants.items():
        ops = [{"op": n, "variants": [{"engine": "core", **variant}]} for n in sorted(names)]
        case = fork()
        case.plan["symbols"][0]["min"] = "8"
        for name in case.descriptors:
            described = descriptor(name, "host", ops=ops)
            del described["engines"][0]["rates"]  # some claims here leave no op for them
            case.descriptors[name] = described
        codes = {one.code for one in case.verify().diagnostics if one.severity == "error"}
        document = CapabilityDescriptor.from_json(case.descriptors["left"])
        answers = {
            match(document, Question(use=complete(Use(op, operands, (), attributes)))).answer
            for op, operands, attributes in (
                (names[0], (("", x),), {}),
                (names[1], (("", x),), {}),
                (names[2], (("", x), ("", x)), {"alpha": 1}),
            )
        }
        assert ("CEP-C2" in codes) is (answers != {Answer.YES}), label


def test_results_follow_from_operands():
    made = complete(Use("cep-core/1:mm", (("", read_tensor("f16[8, 4]")),
                                          ("", read_tensor("f16[4, 2]")))))  # fmt: skip
    assert [name for name, _ in made.operands] == ["self", "mat2"]
    assert made.results == (("out", Tensor("f16", (8, 2))),)
    swapped = complete(Use("cep-core/1:mm", (("mat2", read_tensor("f16[4, 2]")),
                                             ("self", read_tensor("f16[8, 4]")))))  # fmt: skip
    assert swapped == made


def test_what_all_operands_have_is_given_to_those_that_may_have_it():
    made = complete(Use("cep-core/1:embedding", default=Tensor("f16")))
    assert dict(made.operands) == {"weight": Tensor("f16"), "indices": Tensor()}
    assert not made.complete


def test_a_dtype_without_type_rules_leaves_the_result_open():
    f8 = read_tensor("f8e4m3fn[8, 8]")
    made = complete(Use("cep-core/1:mm", (("", f8), ("", f8))))
    assert made.complete
    assert made.results == (("out", Tensor()),)


@pytest.mark.parametrize(
    ("op", "operands", "attributes", "told"),
    [
        ("mm2", ["f32[2, 2]"] * 2, {}, "no operation 'mm2'"),
        ("mm", ["f32[2, 2]"] * 3, {}, "mat2 of mm is one tensor, not 2"),
        ("mm", ["f32[2, 3]"] * 2, {}, "no use of cep-core/1:mm"),
        ("mm", ["f32[2, 2]", "f16[2, 2]"], {}, "must be f32"),
        ("relu", ["f32[2]"], {"dim": 1}, "no attribute 'dim'"),
        ("_softmax", ["f32[2]"], {}, "needs the attribute 'dim'"),
        ("_softmax", ["f32[2]"], {"dim": 3}, "axis 3"),
    ],
)
def test_what_is_no_use_is_said(op, operands, attributes, told):
    use = Use(f"cep-core/1:{op}", tuple(("", read_tensor(t)) for t in operands), (), attributes)
    with pytest.raises(UseError, match=told):
        complete(use)
    with pytest.raises(UseError, match="no operand 'x'"):
        complete(Use("cep-core/1:mm", (("x", Tensor()),)))


def test_any_variant_that_matches_may_be_taken_so_all_must_keep_the_numbers():
    ops = [
        {
            "op": "cep-core/1:relu",
            "variants": [
                {"engine": "core", "numerics": {"acc": "f32", "determinism": "CROSS_MODEL"}},
                {
                    "engine": "core",
                    "operands": {"*": {"dtypes": ["f32"]}},
                    "numerics": {"acc": "f16", "determinism": "NONE"},
                },
            ],
        }
    ]
    document = CapabilityDescriptor.from_json(descriptor("left", ops=ops))
    for dtype, expected in {"f32": Answer.OPEN, "f64": Answer.YES}.items():
        use = complete(Use("cep-core/1:relu", (("", Tensor(dtype, (8,))),)))
        needs = Needs(acc="f32", determinism="SAME_UNIT")
        assert match(document, Question(use=use, needs=needs)).answer is expected
