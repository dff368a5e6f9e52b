from __future__ import annotations

import sys

import pytest

from tests.cep.plans import all_of, at, buffer, descriptor, fork, mutated, op, value
from tests.cep.verify.cases import refused_by, test_cases

HUGE = "*".join(f"{letter}^16" for letter in "abcdefghijklmnopqrstuvwxyz")


def symbol(name, least="1", most="8", **more):
    """A symbol, and an input that says it."""

    def change(case):
        case.plan["symbols"].append({"name": name, "min": least, "max": most, **more})
        case.plan["values"].append(value(f"in_{name}", "IN", name))
        case.plan["inputs"].append({"name": f"in_{name}", "value": f"in_{name}"})

    return change


def many_symbols(case):
    for letter in "acdefghijklmnopqrstuvwxyz":
        case.plan["symbols"].append({"name": letter, "min": "1", "max": str(2**48)})
        case.plan["values"].append(value(f"in_{letter}", "IN", letter))
        case.plan["inputs"].append({"name": f"in_{letter}", "value": f"in_{letter}"})


CASES = {
    # T1
    "a value twice": ("fork", at("values/4", value("a", "TEMP", "b", "4")), "CEP-T1"),
    "a symbol twice": ("fork", at("symbols/1", {"name": "b", "min": "1", "max": "2"}), "CEP-T1"),
    "an op that makes what another makes": ("fork", at("ops/1/outputs", ["a"]), "CEP-T1"),
    "an op that makes an input": ("fork", at("ops/1/outputs", ["x"]), "CEP-T1"),
    "an op that makes one value twice": ("fork", at("ops/1/outputs", ["n", "n"]), "CEP-T1"),
    "an op that reads what nobody declared": ("fork", at("ops/0/inputs", ["z"]), "CEP-T1"),
    "an op that makes what nobody declared": (
        "fork", at("ops/3", op("neg", ["x"], "z")), "CEP-T1",
    ),
    "a value that nothing makes": ("fork", at("values/4", value("z", "TEMP", "b", "4")), "CEP-T1"),
    "a buffer of nothing": ("fork", at("buffers/1/value", "z"), "CEP-T1"),
    "an input that is not declared": ("fork", at("inputs/0/value", "z"), ("CEP-T1", "CEP-T5")),
    "an input of another role": ("fork", at("values/0/role", "TEMP"), "CEP-T1"),
    "an input given twice": ("fork", at("inputs/1", {"name": "x2", "value": "x"}), "CEP-T1"),
    "an output of role TEMP": ("fork", at("values/3/role", "TEMP"), "CEP-T1"),
    "role OUT of no output": ("fork", at("values/1/role", "OUT"), "CEP-T1"),
    "an input as an output": ("fork", at("outputs/0/value", "x"), "CEP-T1"),
    "a result of role CONST": ("fork", at("values/1/role", "CONST"), ("CEP-T1", "CEP-T5")),
    "a constant that is not declared": ("chain", at("constants/0/value", "z"), "CEP-T1"),
    "a constant of role IN": ("chain", at("values/1/role", "IN"), "CEP-T1"),
    "a constant twice": (
        "chain",
        lambda case: case.plan["constants"].append(case.plan["constants"][0]),
        "CEP-T1",
    ),
    # T2
    "an op that does not exist": ("fork", at("ops/0/target", "cep-core/1:frobnicate"), "CEP-T2"),
    "an op of another version": ("fork", at("ops/0/target", "cep-core/2:relu"), "CEP-T2"),
    "an op of an opset that is not pinned": (
        "fork", at("ops/0/target", "x.example.com/own/1:relu"), "CEP-T2",
    ),
    # T3
    "another dtype than is made": (
        "fork", all_of(at("values/1/dtype", "i32"), at("values/2/dtype", "i32")), "CEP-T3",
    ),
    "another shape than is made": ("fork", at("values/3/shape", ["4", "b"]), "CEP-T3"),
    "another rank than is made": ("fork", at("values/3/shape", ["b", "4", "1"]), "CEP-T3"),
    "a size that is right for one b only": ("fork", at("values/3/shape", ["8", "4"]), "CEP-T3"),
    "an inner size that does not fit": ("chain", at("values/0/shape", ["b", "3"]), "CEP-T3"),
    "an unknown attribute": (
        "fork", at("ops/0/attributes", [{"name": "inplace", "flag": True}]), "CEP-T3",
    ),
    "a missing attribute": ("fork", at("ops/2/attributes", ...), "CEP-T3"),
    "an attribute of another kind": (
        "fork", at("ops/2/attributes/0", {"name": "alpha", "token": "one"}), "CEP-T3",
    ),
    "an operand too few": ("fork", at("ops/2/inputs", ["a"]), "CEP-T3"),
    "an operand too many": ("fork", at("ops/2/inputs", ["a", "n", "a"]), "CEP-T3"),
    # T4
    "a size that can be negative": (
        "fork",
        all_of(*(at(f"values/{i}/shape", ["b - 2", "4"]) for i in range(4)),
               lambda case: case.plan["values"].append(value("tell", "IN", "b")),
               lambda case: case.plan["inputs"].append({"name": "tell", "value": "tell"})),
        "CEP-T4",
    ),
    "more bytes than fit 63 bits": (
        "fork",
        all_of(symbol("c", most=str(2**48)), symbol("d", most=str(2**48)),
               at("values/0/shape", ["b", "c*d"]), *(
                   at(f"values/{i}/shape", ["b", "c*d"]) for i in (1, 2, 3))),
        "CEP-T4",
    ),
    "a size of thousands of digits": (
        "fork",
        all_of(many_symbols, *(
            at(f"values/{i}/shape", [*["b" if j == 0 else HUGE for j in range(16)]])
            for i in range(4))),
        "CEP-T4",
    ),
    # T5
    "a symbol without any size": ("fork", symbol("c", "5", "4"), "CEP-T5"),
    "no multiple in the range": ("fork", symbol("c", "5", "7", divisor="4"), "CEP-T5"),
    "a symbol beyond all memory": ("fork", symbol("c", most=str(2**64 - 1)), "CEP-T5"),
    "a symbol that no input says": (
        "fork", at("symbols/1", {"name": "c", "min": "1", "max": "2"}), "CEP-T5",
    ),
    "a dim of an undeclared symbol": ("fork", at("values/1/shape", ["c", "4"]), "CEP-T5"),
    "an attribute of an undeclared symbol": (
        "fork",
        at("ops/2/attributes/1", {"name": "size", "dims": {"items": ["c"]}}),
        "CEP-T5",
    ),
    "a dtype that nobody computes with": ("fork", at("values/1/dtype", "f8e4m3fn"), "CEP-T5"),
    "a constant of symbolic size": ("chain", at("values/1/shape", ["4", "b"]), "CEP-T5"),
    # T6
    "deterministic on devices that do not say so": (
        "fork", at("constraints/deterministic", new=True), "CEP-T6",
    ),
}  # fmt: skip


@pytest.mark.parametrize(**test_cases(CASES))
def test_changed_plans_are_refused(base, change, codes):
    assert refused_by(base, change) == codes


def deterministic(level):
    ops = [
        {"op": f"cep-core/1:{name}",
         "variants": [{"engine": "core", "numerics": {"determinism": level}}]}
        for name in ("add.Tensor", "neg", "relu")
    ]  # fmt: skip

    def change(case):
        case.plan["constraints"]["deterministic"] = True
        for name in case.descriptors:
            case.descriptors[name] = descriptor(name, "host", ops=ops)

    return change


def test_deterministic_on_devices_that_say_so():
    assert refused_by("fork", deterministic("SAME_UNIT")) == []
    assert refused_by("fork", deterministic("NONE")) == ["CEP-T6"]


def test_a_symbol_may_have_one_size_only():
    assert refused_by("fork", at("symbols/0", {"name": "b", "min": "4", "max": "4"})) == []
    assert refused_by("fork", at("symbols/0", {"name": "b", "min": "0", "max": "0"})) == []


def test_an_unused_input_is_accepted():
    assert refused_by("fork", symbol("c")) == []


def test_scalars_have_a_buffer_too():
    case = fork()
    for i in range(4):
        case.plan["values"][i].pop("shape")
    case.plan.pop("symbols")
    assert case.verify().ok


def test_a_value_without_elements_needs_no_room():
    case = fork()
    for i in range(4):
        case.plan["values"][i]["shape"] = ["b", "0"]
    for place in range(4):
        case.plan["buffers"][place] = buffer("xany"[place], "left", 64, 0)
    assert case.verify().ok


def with_size(dim, **spans):
    """A change that has the caller give a tensor of a size, which nothing needs."""

    def change(case):
        for name, (least, most) in spans.items():
            case.plan["symbols"].append({"name": name, "min": str(least), "max": str(most)})
        for given in (*spans, dim):
            name = f"v{len(case.plan['inputs'])}"
            case.plan["values"].append(value(name, "IN", given))
            case.plan["inputs"].append({"name": name, "value": name})

    return change


SQUARE = "-2*p*q + p^2 + q^2"
WIDE = {"p": (1, 2**20), "q": (1, 2**20)}


def test_a_proof_of_z3_is_told():
    pytest.importorskip("z3")
    report = mutated("fork", with_size(SQUARE, **WIDE)).verify()
    assert report.ok
    (told,) = [d.message for d in report.diagnostics if d.code == "CEP-T4"]
    assert told.startswith(f"only Z3 has proven that {SQUARE} >= 0")


def test_without_z3_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "z3", None)
    report = mutated("fork", with_size(SQUARE, **WIDE)).verify()
    (told,) = report.diagnostics
    assert told.code == "CEP-T4"
    assert told.message.startswith(f"{SQUARE} >= 0 cannot be proven")
    assert "install acp-cep[smt]" in told.message


def test_sizes_that_break_a_plan_are_named():
    report = mutated("fork", with_size("-b + 7")).verify()
    assert [d.message for d in report.diagnostics] == ["-b + 7 >= 0 refuted by b = 8"]
