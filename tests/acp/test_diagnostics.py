from __future__ import annotations

import pickle

import pytest

from acp.diagnostics import DecodeError, Diagnostic, Refused, Severity, pointer


def test_refusal_without_a_reason_is_impossible():
    with pytest.raises(ValueError, match="at least one"):
        Refused()


def test_refusal_lists_every_reason():
    refusal = Refused(
        Diagnostic("ACP-C01", Severity.ERROR, "/engines/0", "found 1, allowed 2"),
        Diagnostic("ACP-M04", Severity.WARNING, "", "slow"),
    )
    assert str(refusal) == (
        "ACP-C01 error at /engines/0: found 1, allowed 2\nACP-M04 warning: slow"
    )


def test_because_keeps_the_class_and_survives_pickling():
    refusal = DecodeError.because("ENV-J2", "twice", "/a")
    copy = pickle.loads(pickle.dumps(refusal))  # noqa: S301 - our own bytes
    assert type(copy) is DecodeError
    assert copy.diagnostics == refusal.diagnostics


def test_json_form():
    assert Diagnostic("ENV-T6", Severity.WARNING, "/a", "m").as_json() == {
        "code": "ENV-T6",
        "severity": "warning",
        "path": "/a",
        "message": "m",
    }


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [((), ""), (("a", 0), "/a/0"), (("a/b", "m~n", ""), "/a~1b/m~0n/")],
)
def test_pointer_escapes_as_rfc_6901_says(tokens, expected):
    assert pointer(*tokens) == expected
