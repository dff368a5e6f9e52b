"""Put the cases to an implementation, and judge its answers.

Invariants, each against a way in which a suite passes without having tested anything:

* A smoke pair comes first: unless a known good document is accepted and a known bad one rejected,
  nothing else is run.
* Only `rejected`, in the right phase and with the right codes, satisfies a negative case; a crash,
  silence, a malformed answer and `error` never do.
* A negative case whose positive sibling was not accepted in the same run is blocked: it says
  nothing about the one mutation that tells them apart.
* Ids are opaque, and the order is shuffled by a seed that the report names.
* `unsupported` is an answer only to features that were not claimed, and no case passes by it.
* Every selected case is accounted for, or the run has failed.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from conformance.child import Child, ChildError
from conformance.protocol import SPEC, Json, hello

if TYPE_CHECKING:
    from conformance.cases import Case, Suite
    from conformance.expected import ExpectedFailure

MAX_RESTARTS: Final = 64
"""How often an implementation that broke is started again in one run."""

TIMEOUT_S: Final = 20.0
"""Seconds that one answer may take by default; a slow answer is no wrong answer."""

GRACE_S: Final = 2.0
"""Seconds that an implementation has to end itself once its input is closed."""

_OPAQUE_BITS: Final = 64


class Status(StrEnum):
    """What became of a case."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    BLOCKED = "blocked"
    UNSUPPORTED = "unsupported"
    EXPECTED = "expected"
    NOT_RUN = "not_run"


_GOOD: Final = frozenset({Status.PASSED, Status.UNSUPPORTED, Status.EXPECTED})


class Verdict(StrEnum):
    """What became of a run."""

    PASSED = "passed"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one case.

    Attributes:
        case: The case.
        status: What became of it.
        reason: Why it did not pass; empty if it did.
        observed: What was answered: the first code, or the reply.
        seconds: Time that the answer took.
    """

    case: Case
    status: Status
    reason: str = ""
    observed: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """The outcome of a run.

    Attributes:
        suite: The vectors.
        selected: The cases that were chosen.
        results: What became of each of them, in the suite's order.
        seed: Of the order and the ids.
        verdict: Whether the implementation passed.
        reason: Why not; empty if it did.
        implementation: Its answer to `hello`; absent if it gave none.
        restarts: How often it had to be started again.
    """

    suite: Suite
    selected: tuple[Case, ...]
    results: tuple[Result, ...]
    seed: int
    verdict: Verdict
    reason: str = ""
    implementation: Json | None = None
    restarts: int = 0

    @property
    def executed(self) -> int:
        """Number of cases that were put to the implementation."""
        return sum(one.status is not Status.NOT_RUN for one in self.results)

    @property
    def profiles(self) -> dict[str, bool]:
        """Of each profile that was claimed, whether every MUST of it passed outright."""
        claimed = self.implementation["profiles"] if self.implementation else ()
        return {name: self._conforms(self.suite.profiles.get(name)) for name in claimed}

    def _conforms(self, features: Sequence[str] | None) -> bool:
        if features is None or self.verdict is Verdict.STOPPED:
            return False
        passed = {one.case.id for one in self.results if one.status is Status.PASSED}
        if any(_overstrict(one) for one in self.results if one.case.feature in features):
            return False
        return all(
            case.id in passed
            for case in self.suite.cases.values()
            if case.level == "MUST" and case.feature in features
        )


@dataclass(slots=True)
class Examiner:
    """Runs cases against one implementation.

    Attributes:
        suite: The vectors.
        command: Program and arguments of the implementation.
        timeout_s: Seconds that one answer may take.
        max_restarts: How often it is started again.
        expected: Failures that are known, by case.
        today: The day by which known failures expire.
    """

    suite: Suite
    command: Sequence[str]
    timeout_s: float = TIMEOUT_S
    max_restarts: int = MAX_RESTARTS
    expected: Mapping[str, ExpectedFailure] = field(default_factory=dict)
    today: date = field(default_factory=date.today)
    _child: Child | None = field(default=None, init=False)
    _restarts: int = field(default=0, init=False)
    _claimed: Json | None = field(default=None, init=False)

    def run(self, selected: Sequence[Case], seed: int) -> Run:
        """Put the cases, in an order that `seed` determines.

        Raises:
            ChildError: The program can't be started.
        """
        rng = random.Random(seed)  # noqa: S311 - shuffles, guards nothing
        self._restarts = 0
        self._claimed = None
        self._child = Child(self.command, self.timeout_s)
        try:
            reason = self._greet() or self._smoke(rng)
            if reason:
                return self._stopped(selected, seed, reason)
            order = rng.sample(list(selected), len(selected))
            results = {case.id: self._put(case, rng) for case in order}
        finally:
            self._drop(GRACE_S)
        return self._judged(selected, seed, results)

    def _greet(self) -> str:
        """Say hello, and return what is wrong with the answer."""
        assert self._child is not None  # noqa: S101 - narrows
        try:
            claimed = self._child.ask(hello())
        except ChildError as error:
            return f"no answer to hello: {error}"
        if self._claimed is None:
            self._claimed = claimed
        elif claimed != self._claimed:
            return "it claims something else after a restart"
        return self._unfounded(claimed)

    def _unfounded(self, claimed: Json) -> str:
        if SPEC not in claimed["spec_versions"]:
            return f"it does not claim version {SPEC} of the specification"
        features = set(claimed["features"])
        if unknown := features - set(self.suite.features):
            return f"it claims features that the suite does not know: {', '.join(sorted(unknown))}"
        for profile in claimed["profiles"]:
            needed = self.suite.profiles.get(profile)
            if needed is None:
                return f"it claims the profile {profile!r}, which the suite does not know"
            if missing := set(needed) - features:
                listed = ", ".join(sorted(missing))
                return f"it claims the profile {profile!r} without its features {listed}"
        return ""

    def _smoke(self, rng: random.Random) -> str:
        """Put the first pair that the implementation claims to handle; return what went wrong."""
        for good, bad in self.suite.smoke:
            pair = [self.suite.cases[name] for name in (good, bad)]
            if any(not self._claims(case) for case in pair):
                continue
            for case, kind in zip(pair, ("good", "bad"), strict=True):
                result = self._put(case, rng)
                if result.status is not Status.PASSED:
                    return f"smoke test, a known {kind} document ({case.id}): {result.reason}"
            return ""
        return "it claims no feature that the suite can begin with"

    def _claims(self, case: Case) -> bool:
        return self._claimed is not None and case.feature in self._claimed["features"]

    def _put(self, case: Case, rng: random.Random) -> Result:
        """Put one case; start the implementation again if it broke on the one before."""
        if self._child is None and (reason := self._restart()):
            return Result(case, Status.NOT_RUN, reason)
        assert self._child is not None  # noqa: S101 - narrows
        request = case.request(f"{rng.getrandbits(_OPAQUE_BITS):016x}")
        begun = time.perf_counter()
        try:
            answer = self._child.ask(request)
        except ChildError as error:
            self._drop()
            return Result(case, Status.ERROR, str(error), "", time.perf_counter() - begun)
        result = judge(case, answer, claimed=self._claims(case))
        return replace(result, seconds=time.perf_counter() - begun)

    def _restart(self) -> str:
        if self._restarts >= self.max_restarts:
            return f"given up after {self._restarts} restarts"
        self._restarts += 1
        try:
            self._child = Child(self.command, self.timeout_s)
        except ChildError as error:
            return str(error)
        reason = self._greet()
        if reason:
            self._drop()
        return reason

    def _drop(self, patience_s: float = 0) -> None:
        if self._child is not None:
            self._child.close(patience_s)
        self._child = None

    def _stopped(self, selected: Sequence[Case], seed: int, reason: str) -> Run:
        results = tuple(Result(case, Status.NOT_RUN, "the run was stopped") for case in selected)
        return Run(
            self.suite,
            tuple(selected),
            results,
            seed,
            Verdict.STOPPED,
            reason,
            self._claimed,
            self._restarts,
        )

    def _judged(self, selected: Sequence[Case], seed: int, results: Mapping[str, Result]) -> Run:
        accepted = {
            name
            for name, one in results.items()
            if one.status is Status.PASSED and one.case.expect["outcome"] == "accepted"
        }
        final = tuple(self._expected(_blocked(results[case.id], accepted)) for case in selected)
        run = Run(
            self.suite,
            tuple(selected),
            final,
            seed,
            Verdict.PASSED,
            "",
            self._claimed,
            self._restarts,
        )
        bad = Counter(one.status for one in final if one.status not in _GOOD)
        reasons = [f"{count} {status.value}" for status, count in sorted(bad.items())]
        if run.executed != len(selected):
            reasons.append(f"only {run.executed} of {len(selected)} cases executed")
        if not any(one.status is Status.PASSED for one in final):
            reasons.append("no case passed")
        if not reasons:
            return run
        return replace(run, verdict=Verdict.FAILED, reason=", ".join(reasons))

    def _expected(self, result: Result) -> Result:
        """Hold a result against what is known of it."""
        known = self.expected.get(result.case.id)
        if known is None:
            return result
        if result.status is Status.PASSED:
            reason = f"passed, though {known.issue} expects it to fail; remove the entry"
            return replace(result, status=Status.FAILED, reason=reason)
        if result.status is not Status.FAILED:
            return result
        if self.today >= known.expires:
            reason = f"{result.reason}; expected until {known.expires}, {known.issue}"
            return replace(result, reason=reason)
        if result.observed != known.observed:
            reason = f"{result.reason}; {known.issue} expects {known.observed}"
            return replace(result, reason=reason)
        return replace(result, status=Status.EXPECTED, reason=f"{result.reason}; {known.issue}")


def judge(case: Case, answer: Json, *, claimed: bool) -> Result:
    """Hold an answer against the one right answer.

    Args:
        case: The case that was put.
        answer: A valid answer to it.
        claimed: Whether the implementation claims the case's feature.
    """
    reply = str(answer["reply"])
    if reply == "error":
        return Result(case, Status.ERROR, f"an error inside: {answer['message']}", reply)
    if reply == "unsupported":
        if not claimed:
            return Result(case, Status.UNSUPPORTED, "", reply)
        return Result(case, Status.FAILED, f"unsupported, but it claims {case.feature!r}", reply)
    if reply == "accepted":
        reason = _wrong_in_acceptance(case, answer)
        return Result(case, Status.FAILED if reason else Status.PASSED, reason, reply)
    return _judge_rejection(case, answer)


def _wrong_in_acceptance(case: Case, answer: Json) -> str:
    expect = case.expect
    if expect["outcome"] == "rejected":
        return f"accepted; to be rejected with {' or '.join(expect['codes'])}"
    if answer["digest"] != expect["digest"]:
        return f"accepted with {answer['digest']}; the digest is {expect['digest']}"
    warnings = list(answer.get("warnings", ()))
    if expect["outcome"] == "accepted":
        surplus = [code for code in warnings if code in case.requires]
    elif not set(expect["codes"]).intersection(warnings):
        return f"accepted without the warning {' or '.join(expect['codes'])}"
    else:
        allowed = {*expect["codes"], *expect.get("also", ())}
        surplus = [code for code in warnings if code not in allowed]
    return f"warned of {', '.join(surplus)}, which this input does not break" if surplus else ""


def _judge_rejection(case: Case, answer: Json) -> Result:
    expect = case.expect
    codes = list(answer["codes"])
    said = ", ".join(codes)
    if expect["outcome"] != "rejected":
        return Result(case, Status.FAILED, f"rejected with {said}; to be accepted", codes[0])
    wanted = set(expect["codes"])
    allowed = wanted | set(expect.get("also", ()))
    problems = []
    if not wanted.intersection(codes):
        problems.append(f"rejected with {said}; the rule is {' or '.join(expect['codes'])}")
    elif surplus := [code for code in codes if code not in allowed]:
        problems.append(f"{', '.join(surplus)} reported, which this input does not break")
    if answer["phase"] not in expect["phases"]:
        wanted_phases = " or ".join(expect["phases"])
        problems.append(f"in phase {answer['phase']}; the phase is {wanted_phases}")
    status = Status.FAILED if problems else Status.PASSED
    return Result(case, status, "; ".join(problems), codes[0])


def _overstrict(result: Result) -> bool:
    """A document MUST NOT be rejected for a warning, though to warn is only a SHOULD."""
    return result.case.expect["outcome"] == "warned" and result.observed != "accepted"


def _blocked(result: Result, accepted: set[str]) -> Result:
    """A rejection says something only if the unmutated sibling was accepted."""
    sibling = result.case.sibling
    if sibling is None or sibling in accepted or result.status is not Status.PASSED:
        return result
    reason = f"its sibling {sibling} was not accepted, so that the rejection says nothing"
    return replace(result, status=Status.BLOCKED, reason=reason)
