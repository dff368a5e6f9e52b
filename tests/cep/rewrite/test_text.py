"""spec/rewrites.md, checked against the code."""

from __future__ import annotations

import re

from cep.rewrite import FAMILIES, MAX_FOLDED, RULES
from cep.rewrite.folding import FOLDABLE, LEAST_COUNTED, MOVES


def text(repository):
    return (repository / "spec" / "rewrites.md").read_text(encoding="utf-8")


def test_the_table_has_every_rule(repository):
    section = text(repository).partition("\n## 3. Rules\n")[2].partition("\n## 4.")[0]
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \| (\w+) \|", section, flags=re.MULTILINE)
    assert sorted(rows) == sorted((r.id, r.group, r.error) for r in RULES.values())
    assert {f.__name__.rpartition(".")[2] for f in FAMILIES} == {r.group for r in RULES.values()}


def test_the_operations_that_may_be_folded_are_listed(repository):
    section = text(repository).partition("\n## 4. Folded constants\n")[2]
    words = set(re.findall(r"`([\w.]+)`", section.partition("- makes no NaN")[0])) - {"i1"}
    compared = {"eq", "ge", "gt", "le", "lt", "ne", ".Tensor", ".Scalar"}
    assert compared <= words
    both = {
        f"{name}{form}" for name in compared if "." not in name for form in (".Tensor", ".Scalar")
    }
    assert (words - compared) | both == FOLDABLE
    moving = section.partition("which move")[0]
    assert set(re.findall(r"`([\w.]+)`", moving)) == MOVES
    prose = " ".join(section.split())
    assert f"at least {LEAST_COUNTED:,};" in prose
    assert f"at most {MAX_FOLDED:,}." in prose
