from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from acp import canonical, yaml_emit, yaml_text
from acp.diagnostics import DecodeError, Place
from tests.acp.examples import RECORD, STATUS, SYSTEM, descriptor

DOCUMENTS = {"descriptor": descriptor(), "system": SYSTEM, "record": RECORD, "status": STATUS}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: b", {"a": "b"}),
        ("a: 0\nb: -9007199254740991\nc: 528", {"a": 0, "b": -9007199254740991, "c": 528}),
        ("a: true\nb: false\nc: null", {"a": True, "b": False, "c": None}),
        ("- a\n- - b\n  - {c: [d]}", ["a", ["b", {"c": ["d"]}]]),
        ('{"a": [1, true, null, "x\\/y", {}]}', {"a": [1, True, None, "x/y", {}]}),
        ("# note\na: b  # note\n", {"a": "b"}),
        ("---\na: b\n...\n", {"a": "b"}),
        ("tile: {m: 64, n: 8, k: 16, y: 1}", {"tile": {"m": 64, "n": 8, "k": 16, "y": 1}}),
        ("a: \"no\"\nb: '2:4'\nc: \"\"", {"a": "no", "b": "2:4", "c": ""}),
        ("a: |\n  x\n  y\nb: >\n  x\n  y\n", {"a": "x\ny\n", "b": "x y\n"}),
        ("a: https://a.example#y\nb: sha256:0f", {"a": "https://a.example#y", "b": "sha256:0f"}),
        ('a: "\\N\\u2028\\U0001F600"', {"a": "\x85\u2028\U0001f600"}),
        ("a", "a"),
    ],
)  # fmt: skip
def test_what_a_text_stands_for(text, value):
    assert yaml_text.decode(text.encode()) == value
    assert canonical.canonicalize(value)


AMBIGUOUS = (
    *(
        "no",
        "No",
        "NO",
        "yes",
        "on",
        "off",
        "y",
        "N",
        "TRUE",
        "Null",
        "~",
        "=",
        "<<",
        "2:4",
        "1:30",
    ),
    *("007", "0o17", "0x1F", "0b1", "1_000", "+1", "-0", "1.5", "1e3", ".5", "-.5e1", "1.", ".inf"),
    *("-.INF", ".nan", "2026-01-01", "2026-01-01T00:00:00Z", "3m.com", "12 apples", "-x", "1.2.3"),
)


@pytest.mark.parametrize("scalar", AMBIGUOUS)
def test_what_readers_disagree_about_is_refused(scalar):
    with pytest.raises(DecodeError, match="ENV-Y3") as refused:
        yaml_text.decode(f"engines:\n- count: {scalar}".encode())
    (found,) = refused.value.diagnostics
    assert (found.path, found.place) == ("/engines/0/count", Place(2, 10))
    assert yaml_text.decode(f'a: "{scalar}"'.encode()) == {"a": scalar}
    assert yaml_emit.encode({"a": scalar}) == f'a: "{scalar}"\n'.encode()


REFUSED = {
    "no value": ("a:\nb: c", "ENV-Y3", "/a", (1, 3)),
    "no element": ("a:\n  -\n  - b", "ENV-Y3", "/a/0", (2, 4)),
    "anchor": ("a: &x 1\nb: 2", "ENV-Y2", "/a", (1, 4)),
    "anchor of a map": ("a: &x {b: c}", "ENV-Y2", "/a", (1, 4)),
    "anchor of a name": ("&x a: b", "ENV-Y2", "", (1, 1)),
    "alias": ("a: *x", "ENV-Y2", "/a", (1, 4)),
    "tag": ("a: !!str 1", "ENV-Y2", "/a", (1, 4)),
    "tag of a list": ("a: !x [1]", "ENV-Y2", "/a", (1, 4)),
    "no-tag": ("a: ! x", "ENV-Y2", "/a", (1, 4)),
    "code": ("a: !!python/object/apply:os.system [id]", "ENV-Y2", "/a", (1, 4)),
    "merge": ("<<: {a: 1}", "ENV-Y3", "", (1, 1)),
    "directive": ("%YAML 1.1\n---\na: b", "ENV-Y2", "", (1, 1)),
    "integer as a name": ("1: b", "ENV-Y2", "", (1, 1)),
    "flag as a name": ("a: {true: b}", "ENV-Y2", "/a", (1, 5)),
    "list as a name": ("? [a]\n: b", "ENV-Y2", "", (1, 3)),
    "repeated name": ("a: 1\nb: 2\na: 3", "ENV-J2", "/a", (3, 1)),
    "repeated name, quoted": ('{a: {b: 1, "b": 2}}', "ENV-J2", "/a/b", (1, 12)),
    "large integer": ("a: 9007199254740992", "ENV-J4", "/a", (1, 4)),
    "endless integer": ("a: " + "9" * 6000, "ENV-J4", "/a", (1, 4)),
    "second document": ("a: 1\n---\nb: 2", "ENV-Y1", "", (2, 1)),
    "unclosed": ('{"a": "b"', "ENV-Y1", "", (2, 1)),
    "tab": ("a:\n\tb: c", "ENV-Y1", "", (2, 1)),
    "tab as a space": ("a: b\tc", "ENV-Y1", "", (1, 5)),
    "comment without a space": ("a: |#x\n  b", "ENV-Y1", "/a", (1, 4)),
    "mark within": ("a: b\ufeffc", "ENV-Y1", "", (1, 5)),
    "nested on one line": ("a: b: c", "ENV-Y1", "", (1, 5)),
    "other break": ("a: b\u2028c", "ENV-Y1", "", (1, 5)),
    "surrogate": ('a: "\\ud800"', "ENV-Y1", "", None),
    "noncharacter": ('a: "\\uffff"', "ENV-J1", "/a", None),
    "control character": ("a: b\x07", "ENV-Y1", "", None),
    "zero": ("a: b\x00", "ENV-Y1", "", None),
    "nothing": ("", "ENV-Y1", "", None),
    "only a comment": ("# a: b", "ENV-Y1", "", None),
    "mark": ("\ufeffa: b", "ENV-Y1", "", (1, 1)),
    "deep": ("[" * 65 + "]" * 65, "ENV-Y1", "/0" * 64, (1, 65)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_say_where(name):
    text, code, path, place = REFUSED[name]
    with pytest.raises(DecodeError) as refused:
        yaml_text.decode(text.encode())
    (found,) = refused.value.diagnostics
    assert (found.code, found.path) == (code, path)
    if place:
        assert found.place == place


def test_other_encodings_are_refused():
    for data in (b"a: \xff", "a: b".encode("utf-16"), b"a: \xed\xa0\x80"):
        with pytest.raises(DecodeError, match="ENV-Y1"):
            yaml_text.decode(data)


MOST = yaml_text.LIMITS.max_bytes
HURTFUL = {
    "many integers": b"[" + b"1," * (MOST // 2 - 2) + b"1]",
    "many empty lists": b"[" + b"[]," * (MOST // 3 - 2) + b"1]",
    "many short maps": b"- a: 1\n" * (MOST // 7),
    "many directives": b"\n".join(b"%%TAG !a%d! b" % n for n in range(100_000)) + b"\n--- a",
    "many documents": b"--- a\n" * (MOST // 6),
    "many anchors": b"[" + b",".join(b"&a%d 1" % n for n in range(100_000)) + b"]",
    "deep lists": b"[" * MOST,
    "deep maps": b"{a: " * (MOST // 4),
    "deep blocks": b"- " * (MOST // 2),
    "deep names": b"? " * (MOST // 2),
    "too long": b"a" * (MOST + 1),
    "unclosed text": b'"' + b"a\n" * (MOST // 2 - 1),
    "laughs": b"a: &a [x,x]\n" + b"".join(b"b%d: &b%d [*a,*a]\n" % (n, n) for n in range(9)),
}


@pytest.mark.parametrize("name", HURTFUL)
def test_what_is_made_to_hurt_costs_little(name):
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(DecodeError, match="ENV-Y"):
        yaml_text.decode(HURTFUL[name])
    assert time.process_time() - began < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 * 1024


def test_the_largest_text_passes():
    data = b"- 1\n" * yaml_text.LIMITS.max_values
    assert len(yaml_text.decode(data)) == yaml_text.LIMITS.max_values
    with pytest.raises(DecodeError, match="200000 elements"):
        yaml_text.decode(data + b"- 1\n")
    assert yaml_text.decode(b"a" * MOST) == "a" * MOST


def test_places():
    data = b'# a device\nengines:\n- id: tensor\n  rates: [{a: f16}]\n"a/b~c": 1\n'
    wanted = ["", "/engines/0", "/engines/0/rates/0/a", "/engines/0/count", "/a~1b~0c", "/x"]
    assert yaml_text.places(data, wanted) == {
        "": (2, 1),
        "/engines/0": (3, 3),
        "/engines/0/rates/0/a": (4, 15),
        "/engines/0/count": (3, 3),
        "/a~1b~0c": (5, 10),
        "/x": (2, 1),
    }


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_survive(name):
    value = DOCUMENTS[name]
    data = yaml_emit.encode(value)
    assert yaml_text.decode(data) == value
    assert yaml_text.decode(json.dumps(value).encode()) == value, "JSON is YAML"


TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(AMBIGUOUS)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
@example(
    {"a b": ["c: d", "e #f", "- g", "? h", "!i", "%j", "@k", "`l", "'m", '"n', "\\", "\ufeff"]}
)
@example(
    ["", " ", "\n", "\t", "a ", " a", "a\n", "\r\n", "\x85", "\u2028", "\x7f", "\x1b[0m", "é", "😀"]
)
@example({"k" * 2000: {"n": 1, "y": "n"}, "": []})
def test_every_value_survives(value):  # fmt: skip
    try:
        canonical.canonicalize(value)
    except DecodeError:
        return  # a noncharacter
    assert yaml_text.decode(yaml_emit.encode(value)) == value


@given(VALUES)
def test_readers_of_yaml_1_1_find_the_same(value):
    try:
        canonical.canonicalize(value)
    except DecodeError:
        return
    assert yaml.safe_load(yaml_emit.encode(value)) == value


PIECES = st.sampled_from([
    *("a", "b: ", "- ", "-", "? ", ": ", "\n", "\n  ", " ", "'", '"', "{", "}", "[", "]", ","),
    *(", ", "#", " #", "|", ">", "|-", ">+", "|2", "1", "\r", "\\", "\\n", "%", "@", "!", "&"),
    *("*", "---", "...", "\xa0", "null", "true", "no", "=", "<<", "1e3", "2:4", "2026-01-01"),
])  # fmt: skip


@settings(max_examples=500)
@given(st.text() | st.binary(max_size=200) | st.lists(PIECES, max_size=12).map("".join))
def test_any_text_is_read_or_refused(data):
    data = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
    try:
        value = yaml_text.decode(data)
        other = yaml.safe_load(data)
    except (DecodeError, yaml.YAMLError):
        return
    assert value == other, "nobody sees another document than we do"


def test_encode_refuses_what_cannot_be_read():
    deep = 1
    for _ in range(65):
        deep = [deep]
    for value, code in ((deep, "ENV-Y1"), ([1] * 200_001, "ENV-Y1"), (1.5, "ENV-Y3")):
        with pytest.raises(DecodeError, match=code):
            yaml_emit.encode(value)


def test_the_parser_in_python_agrees(monkeypatch):
    monkeypatch.delattr(yaml, "CSafeLoader")
    for name, (text, code, _, _) in REFUSED.items():
        # It lets escaped surrogates through; we don't.
        with pytest.raises(DecodeError, match="ENV-J1" if name == "surrogate" else code):
            yaml_text.decode(text.encode())
    for value in DOCUMENTS.values():
        assert yaml_text.decode(yaml_emit.encode(value)) == value


def test_json_is_read_without_yaml(tmp_path):
    file = tmp_path / "device.json"
    file.write_text(json.dumps(descriptor()))
    program = (
        "import sys; from acp.cli import main\n"
        f"try: main(['validate', {str(file)!r}, '--now', '2026-11-20T00:00:00Z'])\n"
        "except SystemExit as left: assert not left.code\n"
        "print(sorted({'yaml', 'google.protobuf'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert done.stdout.splitlines()[-1] == b"[]"
