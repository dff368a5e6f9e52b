"""Puts inputs to the decoder and the verifier, and watches what becomes of them."""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import yaml

from acp import canonical, documents, rules
from acp import rule_texts as acp_texts
from acp.acceptance import accept
from acp.conversion import Form, read, write
from acp.diagnostics import Refused, Severity
from acp.policy import TrustPolicy
from acp.v1.capability import CapabilityDescriptor
from acp.v1.system import SystemDescriptor
from cep import rule_texts as cep_texts
from cep.store import StoreError, _entries
from cep.verify import RULESET, Report, verify
from tests.fuzz import documents as corpus_of_documents
from tests.fuzz import inputs
from tests.fuzz.inputs import NOW, POLICY

CODES = frozenset({*acp_texts.TEXTS, *cep_texts.TEXTS, *RULESET})
SLOW_NS = 2_000_000_000
HANG_S = 20
MOST_BYTES = 1 << 30
CHUNK = 2500
OUT = Path(__file__).resolve().parents[2] / "out" / "fuzz"


class Hang(BaseException):
    """An input took longer than any may."""


class Unexpected(Exception):
    """Something else came out than a verdict."""


@dataclass
class Tally:
    """What was seen.

    Attributes:
        inputs: Number of inputs.
        kinds: Inputs by kind.
        codes: Inputs by code that they were refused with; `accepted` for those that weren't.
        failures: What went wrong, with the number of the input.
        slowest: Longest processor time, number of the input, and what it was.
        largest: Largest growth of the process during one input, and what it was.
        bytes: Length of all inputs together.
        peak_bytes: Largest process.
    """

    inputs: int = 0
    kinds: Counter = field(default_factory=Counter)
    codes: Counter = field(default_factory=Counter)
    failures: list = field(default_factory=list)
    slowest: tuple = (0, 0, "")
    largest: tuple = (0, 0, "")
    bytes: int = 0
    busy_ns: int = 0
    peak_bytes: int = 0

    def add(self, other):
        """Add what another process has seen."""
        self.inputs += other.inputs
        self.kinds += other.kinds
        self.codes += other.codes
        self.failures += other.failures
        self.slowest = max(self.slowest, other.slowest)
        self.largest = max(self.largest, other.largest)
        self.bytes += other.bytes
        self.busy_ns += other.busy_ns
        self.peak_bytes = max(self.peak_bytes, other.peak_bytes)


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def answer(one):
    """Return the codes that refuse an input, or none if it is accepted.

    Raises:
        Unexpected: Neither of the two, or a code that the specifications do not know.
    """
    found = ANSWERS[one.kind](one)
    unknown = set(found) - CODES
    if unknown:
        raise Unexpected(f"codes that nobody knows: {sorted(unknown)}")
    return found


def _plan(one):
    if one.kind == "plan" and len(one.data) % 8 == 0:
        _decoded(one.data)
    report = verify(
        one.data,
        descriptors=one.base.vouched,
        policy=POLICY,
        now=NOW,
        unsigned=one.kind == "plan",
    )
    if not isinstance(report, Report):
        raise Unexpected(f"no report but {report!r}")
    found = [d.code for d in report.diagnostics if d.severity is Severity.ERROR]
    if report.ok == bool(found):
        raise Unexpected(f"ok is {report.ok}, with the errors {found}")
    if not all(d.message and len(d.message) < 20_000 for d in report.diagnostics):
        raise Unexpected("a message is empty or endless")
    return found


def _decoded(data):
    """What is decoded is what other readers of JSON find, and what is written says the same."""
    try:
        value = canonical.decode(data)
    except Refused:
        return
    if value != json.loads(data) or canonical.decode(canonical.canonicalize(value)) != value:
        raise Unexpected("the value is not that of the text")


def _descriptor(one):
    try:
        accept(one.data, POLICY, now=NOW, expected=(CapabilityDescriptor, SystemDescriptor))
    except Refused as refusal:
        return [d.code for d in refusal.diagnostics]
    return []


def _weights(one):
    try:
        entries = _entries(Path("weights"), one.data)
    except StoreError as refusal:
        return [d.code for d in refusal.diagnostics]
    if any(not 0 <= e.start <= e.end <= len(one.data) for e in entries.values()):
        raise Unexpected("a tensor lies outside its file")
    return []


def _document(one):
    """What is accepted survives every form, and the rules have an answer to it."""
    form = FORMS[one.kind]
    try:
        document = read(one.data, form, [one.base.kind] if one.kind == "binary" else ALL)
    except Refused as refusal:
        return _messages(refusal.diagnostics)
    found = rules.check(document, rules.Context(now=NOW))
    identity = documents.digest(document)
    for other in Form:
        try:
            written = write(document, other)
        except Refused as refusal:
            if form is other or {d.code for d in refusal.diagnostics} - {"ENV-Y1", "ENV-P1"}:
                raise Unexpected(f"what was read cannot be written: {refusal}") from refusal
            continue
        if documents.digest(read(written, other, [type(document)])) != identity:
            raise Unexpected(f"as {other} it is another document")
    if form is Form.YAML and len(one.data) % 4 == 0:
        _yaml_agrees(one.data, document)
    return _messages([d for d in found if d.severity is Severity.ERROR])


def _yaml_agrees(data, document):
    """Another parser of YAML finds the same."""
    try:
        value = yaml.safe_load(data)
    except yaml.YAMLError:
        return  # it may refuse more
    if value != document.to_json():
        raise Unexpected("another parser of YAML finds another document")


def _sealed(one):
    try:
        accept(one.data, TRUSTING, now=NOW, expected=ALL)
    except Refused as refusal:
        return _messages(refusal.diagnostics)
    return []


def _messages(diagnostics):
    if not all(d.message and len(d.message) < 20_000 for d in diagnostics):
        raise Unexpected("a message is empty or endless")
    return [d.code for d in diagnostics]


FORMS = {"json": Form.JSON, "yaml": Form.YAML, "binary": Form.PROTOBUF}
ALL = tuple(documents.SIGNED.values())
TRUSTING = TrustPolicy.from_bytes(canonical.canonicalize(corpus_of_documents.POLICY))
ANSWERS = {
    "plan": _plan,
    "envelope": _plan,
    "descriptor": _descriptor,
    "weights": _weights,
    **dict.fromkeys(FORMS, _document),
    "sealed": _sealed,
}
CORPORA = {"plans": inputs.made, "documents": corpus_of_documents.made}


def _stop(*_):
    raise Hang


@contextmanager
def watched():
    """End what takes too long: by a signal, or the whole process where no signal gets through."""
    signal.signal(signal.SIGALRM, _stop)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()


def judged(seed, numbers, corpus="plans"):
    """Return what becomes of some inputs."""
    tally, at_first, made = Tally(), peak_bytes(), CORPORA[corpus]
    with watched():
        for number in numbers:
            if number % 100 == 0:
                faulthandler.dump_traceback_later(HANG_S * 5, exit=True)
            one = made(seed, number)
            signal.setitimer(signal.ITIMER_REAL, HANG_S)
            before, began, what = peak_bytes(), time.process_time_ns(), f"{one.kind}: {one.how}"
            try:
                found = answer(one)
            except (Hang, Exception):  # noqa: BLE001 - anything is a finding here
                found = ["failed"]
                tally.failures.append((number, what, traceback.format_exc()))
            taken, grown = time.process_time_ns() - began, peak_bytes() - before
            if taken > SLOW_NS:
                tally.failures.append((number, what, f"took {taken / 1e9:.1f} s"))
            tally.inputs += 1
            tally.kinds[one.kind] += 1
            tally.codes.update(set(found) or {"accepted"})
            tally.slowest = max(tally.slowest, (taken, number, what))
            tally.largest = max(tally.largest, (grown, number, what))
            tally.bytes += len(one.data)
            tally.busy_ns += taken
    tally.peak_bytes = peak_bytes()
    grown = tally.peak_bytes - at_first
    if grown > MOST_BYTES:
        tally.failures.append((numbers[0], "all", f"the process grew by {grown} bytes"))
    return tally


def _begin(corpus):
    os.nice(10)
    judged(0, range(20), corpus)  # what is loaded on first use is no growth


def fuzz(count, seed, *, workers=2, corpus="plans"):
    """Return what becomes of inputs 0 to `count`, judged by several processes."""
    total, began = Tally(), time.monotonic()
    chunks = [range(n, min(n + CHUNK, count)) for n in range(0, count, CHUNK)]
    context = multiprocessing.get_context("spawn")
    begin = partial(_begin, corpus)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=begin) as pool:
        waiting = {chunk: pool.submit(judged, seed, chunk, corpus) for chunk in chunks}
        for done, (chunk, future) in enumerate(waiting.items(), 1):
            try:
                total.add(future.result())
            except BrokenProcessPool:
                total.failures.append((chunk[0], "all", "a process ended; see its output"))
                break
            if done % 20 == 0:
                rate = total.inputs / (time.monotonic() - began)
                print(f"  {total.inputs} inputs, {rate:.0f} a second, "  # noqa: T201
                      f"{len(total.failures)} failures", file=sys.stderr, flush=True)  # fmt: skip
    kept(seed, total, CORPORA[corpus])
    return total


def kept(seed, tally, made):
    """Write down the inputs that failed."""
    for number, what, problem in tally.failures[:20]:
        OUT.mkdir(parents=True, exist_ok=True)
        (OUT / f"{seed}-{number}.bin").write_bytes(made(seed, number).data)
        print(f"input {number} ({what}): {problem}", file=sys.stderr)  # noqa: T201
