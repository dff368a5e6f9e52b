from __future__ import annotations

import re
from pathlib import Path

import pytest

from acp import rule_texts as documents
from cep import rule_texts as plans
from cep.verify import RULESET
from schemas.generate.rule_texts import MODULES, RuleTextError, emit_rule_texts, read_rules
from tests.cep.spec_example import rule_texts

ROOT = Path(__file__).resolve().parents[2]
TEXTS = documents.TEXTS | plans.TEXTS


def squeezed(text):
    """A text without white space, links and list marks of Markdown."""
    return re.sub(r"\s", "", re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text))


@pytest.mark.parametrize("path", sorted({page for pages in MODULES.values() for page in pages}))
def test_every_rule_of_the_pages_has_its_text(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    start, end = r"^(?:\*\*|\| )", r"(?:\*\*| \|)"
    defined = re.findall(rf"(?m){start}((?:ENV|ACP|CEP|REG|RUN)-[A-Z]\d+){end}", text)
    assert defined
    assert set(defined) <= set(TEXTS)
    for code in defined:
        if TEXTS[code].place.startswith(path):
            assert squeezed(TEXTS[code].demand.split("\n")[0])[-20:-1] in squeezed(text)


def test_rules_of_the_verifier_have_demand_reason_and_example_of_the_specification():
    spec = (ROOT / "spec" / "cep.md").read_text(encoding="utf-8")
    for code, text in rule_texts(spec):
        told = TEXTS[code]
        assert squeezed(told.reason)
        assert squeezed(told.reason) in squeezed(text)
        assert told.example == "" or told.example in text
        assert bool(told.example) == ("```json" in text)
        if told.example:
            body = squeezed(text.partition("```json")[0]).partition("Reason:")[0]
            assert squeezed(told.demand).startswith(body)
    assert "MUST NOT exceed 20,000,000" in TEXTS["CEP-M3"].demand
    assert set(RULESET) <= set(TEXTS)


PAGE = """# A page

## 3. Order

**CEP-A1** One MUST be [first](x.md):

1. of all,
2. and MUST be
   alone.

It MUST be said.

This is prose.

**CEP-A2** Two MUST be second.

Reason: it
is so.

```json
[{"op": "add"}]
```

But no later.

| Code | Refused is |
|---|---|
| CEP-A3 | the rest |
"""


def test_where_a_rule_ends():
    rules = read_rules(PAGE, "spec/page.md")
    assert rules["CEP-A1"].demand == (
        "One MUST be first:\n\n1. of all,\n2. and MUST be alone.\n\nIt MUST be said."
    )
    assert rules["CEP-A1"].place == "spec/page.md, 3. Order"
    assert rules["CEP-A2"].reason == "it is so."
    assert rules["CEP-A2"].example == '[{"op": "add"}]'
    assert rules["CEP-A2"].demand.startswith("Two MUST be second.\n\nBut no later.")
    assert rules["CEP-A3"].demand == "Refused is the rest."


@pytest.mark.parametrize(
    "text", ["**CEP-A1** One.\n\n**CEP-A1** Two.\n", "**CEP-A1** \n\n## Next\n"]
)
def test_a_rule_is_there_once_and_demands_something(text):
    with pytest.raises(RuleTextError, match="CEP-A1"):
        read_rules(text, "spec/page.md")


def test_the_module_reads_back_what_was_read(tmp_path):
    (tmp_path / "page.md").write_text(PAGE)
    namespace: dict[str, dict] = {}
    exec(emit_rule_texts(tmp_path, ["page.md"]), namespace)  # noqa: S102 - what is under test
    read = read_rules(PAGE, "page.md")
    assert set(namespace["TEXTS"]) == set(read)
    for code, text in namespace["TEXTS"].items():
        for member in ("code", "place", "demand", "reason", "example", "example_of"):
            assert getattr(text, member) == getattr(read[code], member)
