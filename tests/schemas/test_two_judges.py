"""What reads a document fast and what explains a refusal judge alike."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acp import documents, refusal
from acp.canonical import canonicalize
from acp.members import Json, Table, members
from acp.message import _decoded
from cep.v1.graph import Graph
from cep.v1.plan import Plan
from cep.v1.receipt import Statement

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "documents"
KINDS = (*documents.KINDS, Graph, Plan, Statement)


def _document(kind):
    name = "".join(f"-{c.lower()}" if c.isupper() else c for c in kind.__name__)
    return json.loads((EXAMPLES / f"{name.removeprefix('-')}.json").read_text())


DOCUMENTS = [(kind, _document(kind)) for kind in KINDS]


def _places(value, path=()):
    yield path
    inner = value.items() if isinstance(value, dict) else ()
    for key, below in enumerate(value) if isinstance(value, list) else inner:
        yield from _places(below, (*path, key))


PLACES = [(kind, value, path) for kind, value in DOCUMENTS for path in _places(value) if path]
SCALARS = st.one_of(
    st.sampled_from(
        [
            "",
            "0",
            "1",
            "-1",
            "01",
            "+1",
            " 1",
            "1 ",
            "1\n",
            "1_0",
            "a",
            "A",
            "a\n",
            "a b",
            "..",
            "é",
            "\U0001d538" * 256,
            "a" * 257,
            "a.b",
            "sha256:" + "0" * 64,
            "dense",
            "2:4",
            "cep-core/1:mm",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775808",
            "QQ==",
            "QR==",
            "QQ",
            "QQ=",
            "Q Q=",
            "_w==",
            "/w==",
            "/a/~0",
            "/~2",
            "2026-02-29T00:00:00Z",
            "2026-11-20T09:00:00Z",
            "https://example.com/a",
            "x:",
            "example.com/x",
            "MODEL",
            "acp/1",
        ]
    ),
    st.text(max_size=8),
    st.integers(-2, 2),
    st.sampled_from([2**32 - 1, 2**32, 2**53 - 1, 2**53, -(2**53), 2**64, 10**30]),
    st.booleans(),
    st.sampled_from([1.0, 1.5, 1e300, None, "null"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=4,
)


def _alike(kind, value):
    data = json.dumps(value).encode()
    quick, problems = _decoded(kind, data), refusal.problems(kind, data)
    # A string that says null is unusual enough for the fast one to leave it to the other.
    assert (quick is not None) == (problems == []) or (quick is None and b"null" in data), data


@pytest.mark.parametrize(("kind", "value"), DOCUMENTS, ids=lambda x: getattr(x, "__name__", ""))
def test_valid_documents_pass_both(kind, value):
    assert _decoded(kind, json.dumps(value).encode()) is not None
    assert refusal.problems(kind, json.dumps(value).encode()) == []


@given(st.sampled_from(PLACES), st.sampled_from(["put", "drop", "add", "repeat"]), VALUES)
@settings(max_examples=2000, deadline=None)
def test_one_change_is_judged_alike(place, change, new):
    kind, document, (*path, last) = place
    value = copy.deepcopy(document)
    owner = value
    for key in path:
        owner = owner[key]
    match change:
        case "put":
            owner[last] = new
        case "drop":
            del owner[last]
        case "add" if isinstance(owner, dict):
            owner[str(new)[:12]] = new
        case "repeat" if isinstance(owner[last], list):
            owner[last] = owner[last] * 5000
    _alike(kind, value)


def test_every_member_is_judged_alike_against_every_scalar():
    odd = [
        None,
        "null",
        "",
        "1",
        "a\n",
        0,
        1,
        -1,
        2**32,
        2**64,
        True,
        1.5,
        [],
        {},
        ["a"],
        {"a": 1},
        "QQ==",
    ]
    for kind, document, (*path, last) in PLACES:
        value = copy.deepcopy(document)
        owner = value
        for key in path:
            owner = owner[key]
        for new in odd:
            owner[last] = new
            _alike(kind, value)


CLOSED = [Plan, Graph]


def _canonical_of(kind):
    return canonicalize(_document(kind))


@pytest.mark.parametrize("kind", CLOSED)
def test_a_canonical_text_is_read_once(kind):
    text = _canonical_of(kind)
    assert kind.from_canonical(text) == kind.from_text(text)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(CLOSED), key=lambda kind: kind.__name__))
def test_kinds_with_names_of_others_are_left_to_the_reader(kind):
    assert kind.from_canonical(_canonical_of(kind)) is None or not _has_free_names(kind)


def _has_free_names(kind):
    return any(isinstance(m.shape, Table | Json) for m in members(kind))


@pytest.mark.parametrize(
    "change",
    {
        "a space": lambda text: text.replace(b'"ops":', b'"ops": ', 1),
        "a space at the end": lambda text: text + b"\n",
        "two names in another order": lambda text: (
            b'{"values":'
            + canonicalize(json.loads(text)["values"])
            + b","
            + text.replace(b'"values":' + canonicalize(json.loads(text)["values"]) + b",", b"")[1:]
        ),
        "a name twice": lambda text: text.replace(
            b'"spec":"cep/1"', b'"spec":"cep/1","spec":"cep/1"'
        ),
        "a name twice, the first wrong": lambda text: text.replace(
            b'"spec":"cep/1"', b'"spec":"cep/2","spec":"cep/1"'
        ),
        "an escape": lambda text: text.replace(b'"cep/1"', b'"cep\\/1"'),
        "an escaped letter": lambda text: text.replace(b'"cep/1"', b'"\\u0063ep/1"'),
        "minus nought": lambda text: text.replace(b":[0]", b":[-0]", 1),
        "an empty member": lambda text: text.replace(b'"spec":', b'"features":[],"spec":'),
        "a null": lambda text: text.replace(b'"spec":', b'"stream":null,"spec":'),
        "a member that is not known": lambda text: text.replace(b'"spec":', b'"zzz":1,"spec":'),
    }.items(),
    ids=lambda x: x[0],
)
def test_what_is_not_canonical_is_not_taken_for_it(change):
    text = _canonical_of(Plan)
    changed = change[1](text)
    assert changed != text
    assert Plan.from_canonical(changed) is None


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_strings_that_look_like_json_do_not_hide_another_order(data):
    """Comments are the freest strings of plans: the tool that captured it, and constants' keys."""
    value = _document(Plan)
    odd = st.text(alphabet=':,{}[]captureol_sd1"', min_size=1, max_size=12)
    value["source"]["capture_tool"] = data.draw(odd)
    value["source"]["export_schema"] = data.draw(odd)
    members = data.draw(st.permutations(list(value["source"].items())))
    text = canonicalize({name: value[name] for name in value if name != "source"})
    body = ",".join(f"{json.dumps(name)}:{json.dumps(inner)}" for name, inner in members)
    at = text.index(b',"spec":')
    text = text[:at] + b',"source":{' + body.encode() + b"}" + text[at:]
    is_canonical = canonicalize(json.loads(text)) == text
    assert (Plan.from_canonical(text) is not None) == (is_canonical and b"\\" not in text)
