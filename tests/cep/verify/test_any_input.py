"""Whatever the input is, the verifier answers with a report, and starts light."""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
from contextlib import suppress

import pytest

from acp.canonical import canonicalize
from acp.diagnostics import Refused, Severity
from cep.graph import graph_digest
from cep.store import Store
from cep.v1.plan import Plan
from cep.verify import FAMILIES, RULES, RULESET, Report, verify
from tests.cep.plans import (
    BASES,
    NOW,
    POLICY,
    WEIGHTS_FILE,
    at,
    buffer,
    errors,
    mutated,
    op,
    run,
    value,
)

FORBIDDEN = ("torch", "numpy", "onnx", "onnxruntime", "openvino", "safetensors", "sympy", "z3",
             "transformers", "cep.planner", "cep.capture", "reference_runtime")  # fmt: skip


def judged(payload, case, **kwargs):
    report = verify(
        payload,
        **{
            "descriptors": case.envelopes,
            "policy": POLICY,
            "now": NOW,
            "unsigned": True,
            **kwargs,
        },
    )
    assert isinstance(report, Report)
    assert report.ok == (not errors(report))
    assert all(d.code and d.message and d.severity in Severity for d in report.diagnostics)
    assert len(report.diagnostics) < 5000
    return report


VALUES = (
    None, True, False, 0, 1, -1, 2, 3, 7, 255, 2**31, 2**32 - 1, 2**53 - 1, 1.5, "", "0", "1", "-1",
    "64", "128", "4096", "18446744073709551615", "9223372036854775807", "b", "b^16", "8*b", "b - 1",
    "x", "a", "n", "y", "h", "w", "left", "right", "bus", "core", "ram", "f32", "i64", "i1",
    "cep-core/1:add.Tensor", "cep-core/1:mm", "cep-core/1:full", "cep-core/1:view",
    "cep-core/1:native_layer_norm", "IN", "OUT", "TEMP", "CONST", "STATE", "nan", "inf",
    "0x1.0000000000000p+0", "sha256:" + "0" * 64, [], {}, [0], [0, 0], ["x"], ["b", "4"], [{}],
)  # fmt: skip


def places(value, path=()):
    """Every place in a JSON value that can be changed."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*path, name)
            yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield (*path, index)
            yield from places(inner, (*path, index))


def tampered(chosen, plan):
    """A copy of a plan with one to three members changed, removed, doubled or exchanged."""
    made = copy.deepcopy(plan)
    for _ in range(chosen.randint(1, 3)):
        every = list(places(made))
        *outer, last = chosen.choice(every)
        inner = made
        for token in outer:
            inner = inner[token]
        match chosen.randrange(5):
            case 0 | 1:
                inner[last] = chosen.choice(VALUES)
            case 2:
                del inner[last]
            case 3 if isinstance(inner, list):
                inner.append(copy.deepcopy(inner[last]))
            case _:
                *elsewhere, name = chosen.choice(every)
                other = made
                try:
                    for token in elsewhere:
                        other = other[token]
                    inner[last] = copy.deepcopy(other[name])
                except (LookupError, TypeError):
                    continue
    return made


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    "count", [250, pytest.param(10_000, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_a_tampered_plan_gets_a_report(tmp_path, base, count):
    chosen, case = random.Random(count), BASES[base]()  # noqa: S311 - reproducible
    case.seal()
    store = Store(tmp_path)
    store.add(WEIGHTS_FILE)
    envelopes, seen = case.envelopes, set()
    for _ in range(count):
        made = tampered(chosen, case.plan)
        try:
            payload = canonicalize(made)
        except Exception:  # noqa: BLE001 - a float or a huge integer: not a document at all
            payload = json.dumps(made).encode()
        seen.update(errors(judged(payload, case, descriptors=envelopes, store=store)))
        with suppress(Refused, TypeError, KeyError):
            made["source"]["graph_digest"] = graph_digest(Plan.from_json(made))
            payload = canonicalize(made)
            seen.update(errors(judged(payload, case, descriptors=envelopes, store=store)))
    assert len(seen) > 10, "the changes reach many rules"


@pytest.mark.parametrize("base", BASES)
def test_a_plan_with_any_byte_changed_is_refused(base):
    chosen, case = random.Random(3), BASES[base]()  # noqa: S311 - reproducible
    case.seal()
    payload, envelopes = canonicalize(case.plan), case.envelopes
    from acp.dsse import PLAN
    from tests.cep.plans import signed

    envelope = signed(case.plan, PLAN)
    for _ in range(150):
        at_byte, bit = chosen.randrange(len(payload)), 1 << chosen.randrange(8)
        changed = bytearray(payload)
        changed[at_byte] ^= bit
        judged(bytes(changed), case, descriptors=envelopes)
        at_byte = chosen.randrange(len(envelope))
        changed = bytearray(envelope)
        changed[at_byte] ^= bit
        report = judged(bytes(changed), case, descriptors=envelopes, unsigned=False)
        assert not report.ok or report.plan_digest == case_digest(case)


def case_digest(case):
    from acp.documents import digest

    return digest(case.plan)


RUBBISH = [
    b"", b"\x00", b"{}", b"[]", b"null", b"0", b'""', b"\xef\xbb\xbf{}", b"[" * 10**6,
    b'{"a":' * 10**5, b"9" * 10**6, b'{"spec":"cep/1"}', b'"' + b"a" * 10**6,
]  # fmt: skip


@pytest.mark.parametrize("payload", RUBBISH, ids=lambda p: repr(p[:12]))
@pytest.mark.parametrize("unsigned", [True, False])
def test_rubbish_gets_a_report(payload, unsigned):
    report = judged(payload, BASES["fork"](), descriptors=(), unsigned=unsigned)
    assert not report.ok
    assert report.plan is None


def many(count):
    """A change that appends a long line of ops, whose steps take turns between the queues."""

    def change(case):
        plan, last = case.plan, "x"
        epochs = {"left": 2, "right": 1}
        for n in range(count):
            queue, other = ("left", "right") if n % 2 else ("right", "left")
            plan["values"].append(value(f"v{n}", "TEMP", "b", "4"))
            plan["ops"].append(op("relu", [last], f"v{n}"))
            plan["buffers"].append(buffer(f"v{n}", "left", 512 + 128 * (n % 2)))
            before = (other, epochs[other])
            plan["steps"].append(run(queue, [3 + n], [3 + n if n else 0], [4 + n], before))
            epochs[queue] += 1
            last = f"v{n}"
        del plan["steps"][-1]["writes"]

    return change


def test_a_long_plan_is_accepted():
    report = mutated("fork", many(2000)).verify()
    assert report.ok, report.diagnostics[:3]


EXTREME = {
    "no reads, no writes": at("steps/0", {"queue": "left", "run": {"ops": [0]}}),
    "every op twice": at("steps/0/run/ops", [0, 1, 2] * 1000),
    "one buffer read a thousand times": at("steps/0/reads", [0] * 1000),
    "one buffer written a thousand times": at("steps/0/writes", [1] * 1000),
    "a thousand waits": at("steps/2/waits", [{"queue": "right", "epoch": 1}] * 1000),
    "a value of sixteen axes": at("values/0/shape", ["b"] * 16),
    "a size of five hundred characters": at("values/0/shape", ["+".join(["b"] * 250), "4"]),
    "a symbol of no size": at("symbols/0/max", "0"),
    "a step that reads its result": at("steps/0/reads", [1]),
    "a device of nothing": at("devices", [{"slot": "left", "predicate": "true"}]),
}


@pytest.mark.parametrize("change", EXTREME.values(), ids=EXTREME)
def test_extremes_get_a_report(change):
    case = mutated("fork", change)
    if change is EXTREME["a thousand waits"]:
        assert case.verify().ok
    else:
        assert not case.verify().ok


def test_the_families_hold_all_rules():
    modules = {rule.check.__module__ for rule in RULES.values()}
    assert modules == {family.__name__ for family in FAMILIES}
    assert set(RULES) < set(RULESET)


def test_every_rule_is_documented():
    assert all(rule.check.__doc__ for rule in RULES.values())


def test_the_verifier_starts_light():
    code = (
        "import sys, cep.verify\n"
        f"found = [m for m in {FORBIDDEN!r} if m in sys.modules]\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_verifier_runs_light(tmp_path):
    case = BASES["chain"]()
    case.seal()
    Store(tmp_path).add(WEIGHTS_FILE)
    (tmp_path / "plan").write_bytes(canonicalize(case.plan))
    (tmp_path / "policy").write_text(POLICY.model_dump_json(), encoding="utf-8")
    for n, envelope in enumerate(case.envelopes):
        (tmp_path / f"e{n}").write_bytes(envelope)
    code = f"""
import sys
from datetime import datetime
from pathlib import Path
from acp.policy import TrustPolicy
from cep.graph import graph_digest
from cep.store import Store
from cep.v1.plan import Plan
from cep.verify import verify
d = Path({str(tmp_path)!r})
report = verify((d / "plan").read_bytes(), unsigned=True,
    descriptors=[p.read_bytes() for p in sorted(d.glob("e*"))],
    policy=TrustPolicy.model_validate_json((d / "policy").read_text()),
    now=datetime.fromisoformat({NOW.isoformat()!r}), store=Store(d))
assert report.ok, report.diagnostics
found = [m for m in {FORBIDDEN!r} if m in sys.modules]
assert not found, found
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
