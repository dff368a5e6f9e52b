"""What reads a document fast and what explains a refusal judge alike."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acp import documents, refusal
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
