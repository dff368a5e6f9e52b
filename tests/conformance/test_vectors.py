"""The vectors themselves: reproducible, well formed, and each about the rule that it names."""

from __future__ import annotations

import json
import shutil

import pytest

import acp.rules
from cep.verify import RULES
from conformance.author.__main__ import FOLDER, differences, render
from conformance.cases import Suite, VectorError
from conformance.testee import answer

SUITE = Suite.load()
REFUSED = [case for case in SUITE.cases.values() if case.sibling]
CHECKED_BY_ONE_RULE = sorted({rule.id for rule in acp.rules.RULES} | set(RULES))


def test_the_author_writes_what_is_checked_in():
    assert differences(FOLDER, render()) == []


def test_the_author_notices_a_difference(tmp_path):
    for name, data in (rendered := render()).items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "json" / "json-plain.json").unlink()
    (tmp_path / "json" / "more.json").write_text("{}")
    (tmp_path / "manifest.json").write_text("{}")
    expected = ["json/json-plain.json", "json/more.json", "manifest.json"]
    assert differences(tmp_path, rendered) == expected


def differing(case):
    ours, theirs = (one.request("") for one in (case, SUITE.cases[case.sibling]))
    return {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}


def test_a_refused_case_differs_from_its_sibling_in_one_respect():
    # A plan names its descriptors by digest, so that a change of one is a change of both.
    several = {case.id: found for case in REFUSED if len(found := differing(case)) != 1}
    assert set(map(frozenset, several.values())) <= {frozenset({"input", "descriptors"})}
    assert {SUITE.cases[name].area for name in several} <= {"plans"}


def reported(case):
    """What our library says against a case, in the way that the case asks for."""
    said = answer(case.request(""))
    outcome = "warnings" if case.expect["outcome"] == "warned" else "codes"
    return said.get(outcome, [])


@pytest.mark.parametrize("code", CHECKED_BY_ONE_RULE)
def test_without_a_rule_its_cases_are_no_longer_refused_for_it(code, monkeypatch):
    cases = [c for c in REFUSED if code in c.requires and code in c.expect["codes"]]
    assert cases
    assert all(code in reported(case) for case in cases)
    kept = tuple(rule for rule in acp.rules.RULES if rule.id != code)
    monkeypatch.setattr(acp.rules, "RULES", kept)
    if code in RULES:
        monkeypatch.delitem(RULES, code)
    # Some are refused with the same code elsewhere, where a value that makes no sense is met.
    assert any(code not in reported(case) for case in cases)


def copied(tmp_path):
    folder = tmp_path / "1"
    shutil.copytree(FOLDER, folder)
    return folder


def rewrite(folder, change):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_a_copy_of_the_vectors_is_the_same_suite(tmp_path):
    assert Suite.load(copied(tmp_path)).digest == SUITE.digest


def test_an_altered_vector_is_noticed(tmp_path):
    folder = copied(tmp_path)
    path = folder / "json" / "json-plain.json"
    path.write_bytes(path.read_bytes().replace(b"MUST", b"MAY"))
    with pytest.raises(VectorError, match="is not the file that the manifest means"):
        Suite.load(folder)


def test_a_missing_vector_is_noticed(tmp_path):
    folder = copied(tmp_path)
    (folder / "json" / "json-plain.json").unlink()
    with pytest.raises(VectorError, match="cannot be read"):
        Suite.load(folder)


def without(manifest, name):
    manifest["cases"] = [entry for entry in manifest["cases"] if entry["id"] != name]
    manifest["count"] -= 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.update(count=m["count"] + 1), "the manifest says"),
        (lambda m: m["cases"].append(m["cases"][0]), "manifest/cases: "),
        (lambda m: m["features"].update(levitation="up"), "features differ: {'levitation'}"),
        (lambda m: m["smoke"][0].update(bad="json-scalar"), "is not a good and a bad case"),
        (
            lambda m: without(m, "json-plain"),
            "json-byte-order-mark: its sibling is not an accepted",
        ),
    ],
)
def test_a_manifest_that_is_wrong_is_noticed(tmp_path, change, reason):
    folder = copied(tmp_path)
    rewrite(folder, change)
    with pytest.raises(VectorError, match=reason):
        Suite.load(folder)
