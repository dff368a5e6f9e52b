"""What a rule is: an id of spec/cep.md, and a function from a plan to what breaks the rule.

Rules run in stages. A stage runs only if the stages before it found no error, so that a rule can
rely on what earlier rules have shown: that references resolve, that types are known, that the
order of steps has no cycle. Within a stage all rules run, and all their findings are reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from acp.diagnostics import Diagnostic, Severity, pointer

if TYPE_CHECKING:
    from cep.verify.subject import Subject

MAX_FINDINGS: Final = 100
"""Most places at which one rule is reported."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A place that breaks a rule.

    Attributes:
        path: Tokens of the JSON Pointer into the plan.
        message: What was found, what is allowed, and what to do.
        severity: Errors refuse the plan.
    """

    path: tuple[str | int, ...]
    message: str
    severity: Severity = Severity.ERROR


Check: TypeAlias = "Callable[[Subject], Iterator[Finding]]"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        code: Id in spec/cep.md: ``CEP-M3``.
        stage: When it runs, from 1.
        check: Finds what breaks it.
    """

    code: str
    stage: int
    check: Check

    def diagnostics(self, subject: Subject) -> Iterator[Diagnostic]:
        """Run the rule."""
        for count, finding in enumerate(self.check(subject)):
            if count == MAX_FINDINGS:
                return
            yield Diagnostic(self.code, finding.severity, pointer(*finding.path), finding.message)


RULES: Final[dict[str, Rule]] = {}


def once(keys: Iterable[object], judge: Callable[[int], Iterator[Finding]]) -> Iterator[Finding]:
    """Judge each of several things, but not again what has the key of one that was found sound."""
    sound: set[object] = set()
    for i, key in enumerate(keys):
        if key not in sound:
            findings = list(judge(i))
            yield from findings
            if not findings:
                sound.add(key)


def rule(code: str, stage: int) -> Callable[[Check], Check]:
    """Register the function below as a rule."""

    def register(check: Check) -> Check:
        if code in RULES:
            raise ValueError(f"{code} is implemented twice")
        RULES[code] = Rule(code, stage, check)
        return check

    return register
