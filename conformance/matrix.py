"""Rule by rule: the sentence in spec/, the code that reports it, and the vectors on both sides.

``python -m conformance.matrix`` prints the matrix and fails on a gap: a rule without a sentence,
without code, or without an accepting and a refusing vector. Codes of tools, which docs/errors.md
or an annex lists in a table, need none of these.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from conformance.cases import Suite, VectorError

ROOT: Final = Path(__file__).resolve().parents[1]

_PACKAGES: Final = ("acp", "cep", "reference_runtime")
_TALK: Final = ("acp/rule_texts.py", "cep/rule_texts.py", "cep/findings.py", "cep/mutate/")
"""What names rules and reports none: explanations, and faults for a verifier to find."""

_SENTENCE: Final = re.compile(r"^\*\*((?:ACP|CEP|ENV|REG)-[A-Z]\d{1,2})\*\*", re.MULTILINE)
_TOOL: Final = re.compile(r"^\| ((?:ACP|CEP|ENV|REG)-[A-Z]\d{1,2}) \|", re.MULTILINE)
_LITERAL: Final = re.compile(r"\"((?:ACP|CEP|ENV|REG)-[A-Z]\d{1,2})\"")

UNTESTABLE: Final = {
    "ENV-F1": "is about files",
    "ENV-F2": "is about files",
    "ENV-F3": "is about what is installed",
    "ENV-K2": "is about files of private keys, which no message carries",
    "ENV-K3": "is about files",
    "ENV-T6": "is about an offer that an implementation may make, and the suite may not ask for",
    **{
        f"REG-{rule}": "is about a registry over time, which `acp registry simulate` attacks"
        for rule in (
            *("C1", "C2", "C3", "D1", "D2", "D3", "D4", "L1", "L2", "L3", "M1", "M2", "M3", "M4"),
            *("M5", "M6", "N1", "N2", "N3", "P1", "P2", "P3", "P4", "P5", "R1", "R2", "S1", "S2"),
            "S3",
        )
    },
}
"""Rules that no vector can be about, and why."""


@dataclass(slots=True)
class Row:
    """One rule.

    Attributes:
        rule: Its id.
        spec: Files that hold its sentence.
        code: Files that report it.
        accepting: Ids of cases that keep it.
        refusing: Ids of cases that break it, and expect it to be reported as error or warning.
    """

    rule: str
    spec: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)
    accepting: list[str] = field(default_factory=list)
    refusing: list[str] = field(default_factory=list)

    @property
    def gaps(self) -> list[str]:
        """What is missing."""
        needed = {"sentence": self.spec, "code": self.code}
        if self.rule not in UNTESTABLE:
            needed |= {"accepting vector": self.accepting, "refusing vector": self.refusing}
        found = [f"no {name}" for name, present in needed.items() if not present]
        if len(self.spec) > 1:
            found.append("more than one sentence")
        if self.rule in UNTESTABLE and (self.accepting or self.refusing):
            found.append("vectors, though it is listed as untestable")
        return found


def rows(root: Path, suite: Suite) -> list[Row]:
    """Return the matrix of a checkout, by rule id."""
    found: dict[str, Row] = {}

    def row(rule: str) -> Row:
        return found.setdefault(rule, Row(rule))

    for name, rule in _sentences(root):
        row(rule).spec.append(name)
    for name, rule in _reports(root):
        row(rule).code.append(name)
    for case in suite.cases.values():
        for rule in case.requires:
            if case.expect["outcome"] == "accepted":
                row(rule).accepting.append(case.id)
            elif rule in case.expect["codes"]:
                row(rule).refusing.append(case.id)
    return sorted(found.values(), key=lambda one: one.rule)


def _sentences(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted((root / "spec").glob("*.md")):
        for rule in _SENTENCE.findall(path.read_text("utf-8")):
            yield path.relative_to(root).as_posix(), rule


def _reports(root: Path) -> Iterator[tuple[str, str]]:
    listed = [root / "docs" / "errors.md", *(root / "spec").glob("*.md")]
    tools = {rule for path in listed for rule in _TOOL.findall(path.read_text("utf-8"))}
    tools -= {rule for _, rule in _sentences(root)}
    for package in _PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if name.startswith(_TALK):
                continue
            for rule in sorted(set(_LITERAL.findall(path.read_text("utf-8"))) - tools):
                yield name, rule


def main(form: str = "text") -> int:
    """Print the matrix; return 0, 1 if there is a gap, or 2 if there is nothing to look at."""
    if not (ROOT / "spec").is_dir():
        sys.stderr.write("the matrix needs a checkout of the repository, with spec/\n")
        return 2
    try:
        matrix = rows(ROOT, Suite.load())
    except VectorError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    gaps = [one for one in matrix if one.gaps]
    if form == "json":
        shown = [
            {
                "rule": one.rule,
                "spec": one.spec,
                "code": one.code,
                "accepting": one.accepting,
                "refusing": one.refusing,
                "gaps": one.gaps,
            }
            for one in matrix
        ]
        sys.stdout.write(json.dumps({"ok": not gaps, "rules": shown}) + "\n")
    else:
        for line in _lines(matrix):
            sys.stdout.write(line + "\n")
    return 1 if gaps else 0


def _lines(matrix: list[Row]) -> Iterator[str]:
    yield f"{'rule':<8} {'accepting':>9} {'refusing':>8}  {'spec':<16} code"
    for one in matrix:
        spec = ", ".join(path.removeprefix("spec/") for path in one.spec) or "-"
        vectors = f"{len(one.accepting):>9} {len(one.refusing):>8}"
        yield f"{one.rule:<8} {vectors}  {spec:<16} {', '.join(one.code) or '-'}"
    untestable = [one.rule for one in matrix if one.rule in UNTESTABLE]
    for rule in untestable:
        yield f"{rule} has no vectors: it {UNTESTABLE[rule]}"
    gaps = [one for one in matrix if one.gaps]
    for one in gaps:
        yield f"gap: {one.rule}: {', '.join(one.gaps)}"
    yield f"{len(matrix)} rules, {len(gaps)} with gaps"


if __name__ == "__main__":
    sys.exit(main())
