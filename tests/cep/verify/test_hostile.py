"""What is made to hurt is refused with its own code, in bounded time and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from acp import documents
from acp.acceptance import accept
from acp.canonical import canonicalize
from acp.diagnostics import Refused
from acp.policy import TrustPolicy
from acp.v1.capability import CapabilityDescriptor
from acp.v1.measurement import MeasurementRecord
from acp.v1.status import StatusList
from acp.v1.system import SystemDescriptor
from cep.store import SUFFIX, Store
from cep.v1.graph import Graph
from cep.v1.plan import Plan
from cep.v1.receipt import Statement
from cep.verify import verify
from cep.verify.streams import MAX_UNROLLED
from tests.cep.plans import BASES, NOW, POLICY, WEIGHTS_FILE, errors, fork, mutated, sha256
from tests.cep.verify.hostile import (
    DESCRIPTORS,
    ENVELOPES,
    FILES,
    MILLION,
    PLANS,
    TEXTS,
    sums_of_sums,
    with_file,
)

MOST_SECONDS = 20
MOST_GROWTH = 1 << 30


def peak_bytes():
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(x.split()[1]) for x in status.splitlines() if x.startswith("VmHWM")) * 1024


@contextmanager
def bounded(seconds=MOST_SECONDS, growth=MOST_GROWTH):
    """Fail where something takes too long or too much memory."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, began = peak_bytes(), time.process_time()
    yield
    assert time.process_time() - began < seconds
    assert peak_bytes() - before < growth


def judged(data, case=None, **kwargs):
    case = case or fork()
    given = {"descriptors": case.envelopes, "policy": POLICY, "now": NOW, "unsigned": True}
    with bounded():
        return verify(data, **{**given, **kwargs})


@pytest.fixture
def store(tmp_path):
    Store(tmp_path).add(WEIGHTS_FILE)
    return Store(tmp_path)


@pytest.mark.parametrize(("base", "change", "codes"), PLANS.values(), ids=PLANS)
def test_plans(base, change, codes, store):
    case = mutated(base, change)
    case.seal()
    report = judged(canonicalize(case.plan), case, store=store)
    assert errors(report) == codes.split()
    assert all(len(d.message) < 10_000 for d in report.diagnostics)


@pytest.mark.parametrize(("data", "code"), TEXTS.values(), ids=TEXTS)
def test_texts(data, code):
    assert errors(judged(data())) == [code]


@pytest.mark.parametrize("data", ENVELOPES.values(), ids=ENVELOPES)
def test_envelopes(data):
    assert errors(judged(data(), unsigned=False)) == ["CEP-I1"]


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_files_of_weights(data, tmp_path):
    made = data()
    case = with_file(made)
    (tmp_path / f"{sha256(made).removeprefix('sha256:')}{SUFFIX}").write_bytes(made)
    report = judged(canonicalize(case.plan), case, store=Store(tmp_path))
    assert errors(report) == ["CEP-I2"]


@pytest.mark.parametrize(("change", "codes"), DESCRIPTORS.values(), ids=DESCRIPTORS)
def test_descriptors(change, codes):
    case = mutated("fork", change)
    case.seal()
    assert errors(judged(canonicalize(case.plan), case)) == (codes or [])


KINDS = (CapabilityDescriptor, SystemDescriptor, MeasurementRecord, StatusList, Plan, Graph,
         Statement, TrustPolicy)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("opened", [b"[", b'{"spec":['], ids=repr)
def test_every_kind_of_document_a_million_deep(kind, opened):
    read = TrustPolicy.from_bytes if kind is TrustPolicy else partial(documents.load, kind=kind)
    with bounded(), pytest.raises(Refused) as refused:
        read(opened * MILLION)
    assert "ENV-J3" in {d.code for d in refused.value.diagnostics}


def test_a_descriptor_a_million_deep():
    with bounded(), pytest.raises(Refused) as refused:
        accept(b"[" * MILLION, POLICY, now=NOW, expected=(CapabilityDescriptor,))
    assert [d.code for d in refused.value.diagnostics] == ["ENV-J3"]


def test_what_doubles_when_written_out_costs_what_is_written():
    """A graph that would have 2^2000 nodes as a tree is judged like any other of 2000 ops."""
    case = mutated("fork", sums_of_sums(2000))
    case.seal()
    report = judged(canonicalize(case.plan), case)
    assert set(errors(report)) <= {"CEP-K3"}, report.diagnostics[:3]
    assert report.plan is not None


@pytest.fixture
def sealed():
    case = BASES["chain"]()
    case.seal()
    return case


def place(folder):
    return folder / f"{sha256(WEIGHTS_FILE).removeprefix('sha256:')}{SUFFIX}"


def test_a_store_follows_links_but_believes_bytes_only(sealed, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(WEIGHTS_FILE)
    (tmp_path / "store").mkdir()
    place(tmp_path / "store").symlink_to(elsewhere)
    judge = Store(tmp_path / "store")
    assert judged(canonicalize(sealed.plan), sealed, store=judge).ok
    elsewhere.write_bytes(WEIGHTS_FILE[:-1] + b"\x00")
    report = judged(canonicalize(sealed.plan), sealed, store=Store(tmp_path / "store"))
    assert errors(report) == ["CEP-I2"]


@pytest.mark.parametrize("kind", ["secret", "folder", "loop", "nowhere", "pipe", "endless"])
def test_what_stands_in_the_place_of_weights(sealed, tmp_path, kind):
    secret = tmp_path / "secret"
    secret.write_text("do not tell", encoding="ascii")
    at = place(tmp_path)
    match kind:
        case "secret":
            at.symlink_to(secret)
        case "folder":
            at.mkdir()
        case "loop":
            at.symlink_to(at)
        case "nowhere":
            at.symlink_to(tmp_path / "nothing")
        case "pipe":
            os.mkfifo(at)
        case _:
            at.symlink_to("/dev/zero")
    report = judged(canonicalize(sealed.plan), sealed, store=Store(tmp_path))
    assert errors(report) == ["CEP-I2"]
    assert "do not tell" not in str(report.diagnostics)


SAID = ("a member twice", "half a surrogate pair", "an integer of a million digits")
CHANGED = ("two steps that wait for each other", "a product of sixteen long sums",
           "a key that is a path")  # fmt: skip


def refused_by_the_command(folder, case, data, *options):
    """Run `cep verify` as users do, and return what it says."""
    (folder / "plan.json").write_bytes(data)
    (folder / "policy.json").write_bytes(POLICY.to_bytes())
    (folder / "devices").mkdir()
    for n, envelope in enumerate(case.envelopes):
        (folder / "devices" / f"{n}.dsse.json").write_bytes(envelope)
    words = ["verify", "plan.json", "--descriptors", "devices", "--policy", "policy.json",
             "--now", NOW.strftime("%Y-%m-%dT%H:%M:%SZ"), *options]  # fmt: skip
    code = f"import sys; from cep.cli import main; sys.argv[1:] = {words!r}; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Traceback" not in said
    assert len(said) < 100_000
    return said


@pytest.mark.parametrize("name", SAID)
def test_the_command_refuses_texts(name, tmp_path):
    data, code = TEXTS[name]
    assert code in refused_by_the_command(tmp_path, fork(), data(), "--unsigned")


@pytest.mark.parametrize("name", CHANGED)
def test_the_command_refuses_plans(name, tmp_path):
    base, change, codes = PLANS[name]
    case = mutated(base, change)
    case.seal()
    Store(tmp_path).add(WEIGHTS_FILE)
    data = canonicalize(case.plan)
    said = refused_by_the_command(tmp_path, case, data, "--unsigned", "--store", ".")
    assert all(code in said for code in codes.split())


def test_the_command_refuses_envelopes(tmp_path):
    data = ENVELOPES["a hundred thousand signatures"]()
    assert "CEP-I1" in refused_by_the_command(tmp_path, fork(), data)


@pytest.mark.parametrize("spare", [0, 10_000])
def test_as_many_copies_as_are_written_out_are_bounded(spare):
    case = fork()
    case.plan["features"] = ["streams"]
    case.plan["buffers"] += [
        case.plan["buffers"][0] | {"offset": str(384 + 64 * i), "size": "128"}
        for i in range(0, 2 * spare, 2)
    ]
    case.plan["arenas"][0]["bytes"] = str(384 + 128 * spare)
    case.descriptors["left"]["memories"][0]["capacity_bytes_per_instance"] = str(2**50)
    case.descriptors["right"]["memories"][0]["capacity_bytes_per_instance"] = str(2**50)
    # Three steps, their accesses and waits, buffers and arenas.
    parts = 3 * 3 + 7 + 2 + (4 + spare) + 2
    most = MAX_UNROLLED // parts - 1
    for copies, codes in ((most, []), (most + 1, ["CEP-O4"])):
        case.plan["stream"] = {"microbatches": 2**32 - 1, "ring_depth": copies}
        case.plan["steps"][1]["waits"] = [{"queue": "left", "epoch": 2, "lag": copies}]
        with bounded():
            assert errors(case.verify()) == codes
