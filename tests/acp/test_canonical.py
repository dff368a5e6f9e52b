from __future__ import annotations

import gc
import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from acp.canonical import (
    MAX_INTEGER,
    Decoded,
    Limits,
    canonicalize,
    decode,
    digest,
    digest_bytes,
    read,
)
from acp.diagnostics import DecodeError

MILLION = 1_000_000

REFUSED = {
    "empty": (b"", "ENV-J1", ""),
    "white space only": (b" \n", "ENV-J1", ""),
    "truncated": (b'{"a": [1, 2', "ENV-J1", ""),
    "trailing bytes": (b"{} x", "ENV-J1", ""),
    "trailing comma": (b"[1,]", "ENV-J1", ""),
    "comment": (b"/* */ 1", "ENV-J1", ""),
    "single quotes": (b"'a'", "ENV-J1", ""),
    "leading zero": (b"01", "ENV-J1", ""),
    "plus sign": (b"+1", "ENV-J1", ""),
    "bare fraction": (b".5", "ENV-J1", ""),
    "raw control character": (b'"\t"', "ENV-J1", ""),
    "no-break space": (b"1\xc2\xa0", "ENV-J1", ""),
    "arabic digit": ("٣".encode(), "ENV-J1", ""),
    "byte order mark": (b"\xef\xbb\xbf{}", "ENV-J1", ""),
    "UTF-16": ("{}".encode("utf-16"), "ENV-J1", ""),
    "not UTF-8": (b'"\xff"', "ENV-J1", ""),
    "overlong UTF-8": (b'"\xc0\xaf"', "ENV-J1", ""),
    "surrogate in UTF-8": (b'"\xed\xa0\x80"', "ENV-J1", ""),
    "lone surrogate": (b'{"a": ["\\uD800"]}', "ENV-J1", "/a/0"),
    "lone low surrogate": (b'"\\uDC00"', "ENV-J1", ""),
    "surrogates in wrong order": (b'"\\uDE00\\uD83D"', "ENV-J1", ""),
    "lone surrogate in a name": (b'{"\\ud800": 1}', "ENV-J1", ""),
    "noncharacter": ('{"a": "\ufffe"}'.encode(), "ENV-J1", "/a"),
    "escaped noncharacter": (b'"\\uFDD0"', "ENV-J1", ""),
    "astral noncharacter": ('"\U0010ffff"'.encode(), "ENV-J1", ""),
    "escaped astral noncharacter": (b'"\\ud83f\\udffe"', "ENV-J1", ""),
    "duplicate name": (b'{"a": 1, "b": 2, "a": 1}', "ENV-J2", "/a"),
    "duplicate name, other spelling": (b'{"a": 1, "\\u0061": 1}', "ENV-J2", "/a"),
    "duplicate name, deep": (b'{"x": [0, {"a/b": {}, "a/b": {}}]}', "ENV-J2", "/x/1/a~1b"),
    "duplicate name in a malformed text": (b'{"a": 1, "a": 1} x', "ENV-J1", ""),
    "65 levels": (b"[" * 65 + b"]" * 65, "ENV-J3", ""),
    "a million arrays": (b"[" * MILLION + b"]" * MILLION, "ENV-J3", ""),
    "a million open arrays": (b"[" * MILLION, "ENV-J3", ""),
    "a million open objects": (b'{"a":' * MILLION, "ENV-J3", ""),
    "deep behind an unbalanced string": (b'["\\"]]]]", ' + b"[" * 99 + b"]" * 100, "ENV-J3", ""),
    "integer beyond 2^53 - 1": (b"9007199254740992", "ENV-J4", ""),
    "integer below -(2^53 - 1)": (b"[-9007199254740992]", "ENV-J4", ""),
    "integer of a million digits": (b"1" * MILLION, "ENV-J4", ""),
    "integer of a million digits beside a duplicate": (
        b'{"a": 1, "a": ' + b"1" * MILLION + b"}",
        "ENV-J4",
        "",
    ),
    "integral fraction beyond 2^53 - 1": (b"9007199254740993.0", "ENV-J4", ""),
    "integral exponent beyond 2^53 - 1": (b"1e20", "ENV-J4", ""),
    "overflow": (b"1e400", "ENV-J4", ""),
    "overflow without exponent": (b"1" * 400 + b".5", "ENV-J4", ""),
    "all of them in an array": (b"[1,-9007199254740993.0]", "ENV-J4", ""),
    "an exponent in an object": (b'{"a":1e20}', "ENV-J4", ""),
    "an integer of 65 bits in an array": (b"[36893488147419103232]", "ENV-J4", ""),
    "an integer of 54 bits in an array": (b"[9007199254740992]", "ENV-J4", ""),
    "a name twice, canonical otherwise": (b'{"a":1,"a":1}', "ENV-J2", "/a"),
    "65 levels, hidden by brackets in strings": (
        b'["]",' * 65 + b"1" + b"]" * 65,
        "ENV-J3",
        "",
    ),
    "65 levels behind an escaped quote": (b'["\\"",' * 65 + b"1" + b"]" * 65, "ENV-J3", ""),
    "NaN": (b"NaN", "ENV-J4", ""),
    "Infinity": (b"[Infinity]", "ENV-J4", ""),
    "-Infinity": (b"-Infinity", "ENV-J4", ""),
}

ACCEPTED = {
    "64 levels": b"[" * 64 + b"]" * 64,
    "brackets in strings": b'["' + b"[{" * 99 + b'"]',
    "quotes and backslashes in strings": rb'["\\", "\"", "\\\"[[[", "\\\\"]',
    "largest integer": b"9007199254740991",
    "smallest integer": b"-9007199254740991",
    "large number with exponent": b"1e30",
    "many fraction digits": b"0." + b"3" * 99,
    "surrogate pair": b'"\\ud83d\\ude00"',
    "escape of an escape": rb'"\\ud800"',
    "replacement character": '"\ufffd"'.encode(),
    "white space": b" \t\r\n{ } ",
}


@pytest.mark.parametrize(("data", "code", "path"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(data, code, path):
    with pytest.raises(DecodeError) as refusal:
        decode(data)
    (diagnostic,) = refusal.value.diagnostics
    assert (diagnostic.code, diagnostic.path) == (code, path)
    assert len(diagnostic.message) < 200
    assert gc.isenabled()


@pytest.mark.parametrize("data", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepts(data):
    assert decode(data) == json.loads(data)
    assert decode(canonicalize(decode(data))) == decode(data)


CANONICAL = {
    "plain": b'{"a":[1,"x",true],"b":{"c":null}}',
    "names in the order of UTF-16": '{"\U0001f600":1,"\ue000":2}'.encode(),
    "raw characters": '["\u00e9"]'.encode(),
    "an escaped control": rb'["\u001f"]',
    "brackets in strings": b'["[{"]',
    "a fraction": b"[1.5]",
    "an exponent of ECMAScript": b"[1e+21]",
    "the largest integer": b"[9007199254740991]",
    "a scalar": b"1",
}
RESPELLED = {
    "white space": b'{"a": 1}',
    "a newline at the end": b"[]\n",
    "names out of order": b'{"b":1,"a":2}',
    "names in the order of code points": '{"\ue000":2,"\U0001f600":1}'.encode(),
    "an escape of a letter": rb'["\u0061"]',
    "an escape in upper case": rb'["\u001F"]',
    "minus zero": b"[-0]",
    "a fraction of nothing": b"[1.0]",
    "an exponent as Python writes it": b"[1e-07]",
    "an exponent as Rust writes it": b"[1e21]",
}


@pytest.mark.parametrize("data", CANONICAL.values(), ids=CANONICAL.keys())
def test_tells_what_is_canonical(data):
    assert read(data).canonical
    assert canonicalize(read(data).value) == data


@pytest.mark.parametrize("data", RESPELLED.values(), ids=RESPELLED.keys())
def test_tells_what_is_spelled_in_another_way(data):
    assert not read(data).canonical
    assert read(data).value == decode(canonicalize(decode(data)))


LIMITS = Limits(max_bytes=40, max_depth=2, max_values=5)


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        (b" " * 39 + b"1", b" " * 40 + b"1"),
        (b"[[1]]", b"[[[]]]"),
        (b"[[],[],1]", b"[1,1,1,1,1,1,1]"),
        (b'{"a":1,"b":2}', b'{"a":[],"b":[],"c":[],"d":1}'),
        (b'["","",""]', b'""' * 20),
    ],
    ids=["bytes", "depth", "elements", "members", "strings"],
)
def test_limits(within, beyond):
    decode(within, limits=LIMITS)
    with pytest.raises(DecodeError) as refusal:
        decode(beyond, limits=LIMITS)
    assert refusal.value.diagnostics[0].code == "ENV-J3"


LOOP: list[object] = []
LOOP += [LOOP, LOOP]

NOT_JSON = {
    "name that isn't a string": ({1: 2}, "ENV-J1"),
    "set": ([{1}], "ENV-J1"),
    "bytes": (b"", "ENV-J1"),
    "lone surrogate": ({"a": "\ud800"}, "ENV-J1"),
    "lone surrogate as a name": ({"\ud800": 1}, "ENV-J1"),
    "noncharacter": (["\uffff"], "ENV-J1"),
    "noncharacter beside a float": (["\uffff", 1.5], "ENV-J1"),
    "value within itself": (LOOP, "ENV-J3"),
    "integer beyond 2^53 - 1": (MAX_INTEGER + 1, "ENV-J4"),
    "integer of 6001 digits": (10**6000, "ENV-J4"),
    "not a number": (float("nan"), "ENV-J4"),
    "infinity": ([float("-inf")], "ENV-J4"),
    "integral float beyond 2^53 - 1": (1e20, "ENV-J4"),
}


@pytest.mark.parametrize(("value", "code"), NOT_JSON.values(), ids=NOT_JSON.keys())
def test_has_no_canonical_form(value, code):
    with pytest.raises(DecodeError) as refusal:
        canonicalize(value)
    assert refusal.value.diagnostics[0].code == code


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, b"true"),
        (-0.0, b"0"),
        (1e21, b"1e+21"),
        (1e-7, b"1e-7"),
        (0.000001, b"0.000001"),
        (333333333.33333329, b"333333333.3333333"),
        (MAX_INTEGER, b"9007199254740991"),
        ('\x00\x1f\x7f/\b"\\', b'"\\u0000\\u001f\x7f/\\b\\"\\\\"'),
        ({"b": 1, "a": (1, 2)}, b'{"a":[1,2],"b":1}'),
        # UTF-16 order puts the surrogates of U+1F600 before U+E000; code points do not.
        ({"\ue000": 1, "\U0001f600": 2}, '{"\U0001f600":2,"\ue000":1}'.encode()),
    ],
)
def test_canonical_form(value, expected):
    assert canonicalize(value) == expected


@pytest.mark.parametrize("name", ["arrays", "french", "structures", "unicode", "values", "weird"])
def test_vectors_of_rfc_8785(shared_data, name):
    source = (shared_data / "jcs" / "input" / f"{name}.json").read_bytes()
    expected = (shared_data / "jcs" / "output" / f"{name}.json").read_bytes()
    assert canonicalize(decode(source)) == expected


def test_digest_is_the_sha_256_of_the_canonical_form():
    empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest_bytes(b"") == empty
    assert digest({"b": 1, "a": 2}) == digest(decode(b' {"a": 2, "b": 1}'))
    assert digest({}) == digest_bytes(b"{}")


CHARACTERS = st.characters(exclude_categories=["Cs", "Cn"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.text(CHARACTERS)
    | st.floats(allow_nan=False, allow_infinity=False).filter(
        lambda number: not (MAX_INTEGER < abs(number) < 1e21)
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(CHARACTERS), inner),
    max_leaves=20,
)


@given(VALUES)
def test_canonical_form_is_a_fixpoint(value):
    data = canonicalize(value)
    assert decode(data) == value
    assert canonicalize(decode(data)) == data
    assert data == rfc8785.dumps(value)
    assert read(data) == Decoded(value, canonical=True)


@given(VALUES, st.integers(0, 4), st.booleans())
def test_spelling_does_not_matter(value, indent, ascii_only):
    respelled = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    assert canonicalize(decode(respelled)) == canonicalize(value)
    assert read(respelled).canonical == (respelled == canonicalize(value))


FRAGMENTS = st.sampled_from(
    [b"{", b"}", b"[", b"]", b'"', b"\\", b":", b",", b"1", b"-", b"e9", b".", b"null", b"\\ud800"]
)


@given(st.binary() | st.lists(FRAGMENTS).map(b"".join))
def test_any_bytes_give_a_value_or_a_diagnostic(data):
    try:
        value = decode(data)
    except DecodeError:
        with pytest.raises(DecodeError):
            decode(b" " + data)
        return
    assert decode(canonicalize(value)) == value == decode(b" " + data)
    assert read(data).canonical == (data == canonicalize(value))


nested = st.recursive(st.just([]), lambda inner: st.lists(inner, max_size=3), max_leaves=40)


def height(value):
    return 1 + max(map(height, value), default=0)


@given(nested, st.integers(0, 12))
def test_depth_is_that_of_the_deepest_array(value, wrapped):
    for _ in range(wrapped):
        value = [[], value, []]
    text, deep = json.dumps(value).encode(), height(value)
    assert decode(text, limits=Limits(max_depth=deep)) == value
    with pytest.raises(DecodeError, match="ENV-J3"):
        decode(text, limits=Limits(max_depth=deep - 1))
