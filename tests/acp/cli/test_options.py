from __future__ import annotations

import io

import click
import pytest

from acp.cli.options import load_private_key
from acp.diagnostics import FileRefusedError
from acp.keys import PrivateKey


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def asked(monkeypatch):
    """The questions asked on a terminal where somebody answers `long`."""
    questions = []

    def prompt(text, **options):
        assert options["hide_input"]
        questions.append(text)
        return "long"

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(click, "prompt", prompt)
    return questions


def test_the_passphrase_of_an_encrypted_key_is_asked_for(asked, tmp_path):
    key = PrivateKey.generate()
    key.save(tmp_path / "k.pem", b"long")
    assert load_private_key(tmp_path / "k.pem", None) == key
    assert asked == [f"Passphrase of {tmp_path / 'k.pem'}"]


def test_nothing_is_asked_where_no_answer_helps(asked, tmp_path):
    key = PrivateKey.generate()
    key.save(tmp_path / "plain.pem")
    assert load_private_key(tmp_path / "plain.pem", None) == key
    (tmp_path / "plain.pem").chmod(0o644)
    for name in ("plain.pem", "absent.pem"):
        with pytest.raises(FileRefusedError):
            load_private_key(tmp_path / name, None)
    assert asked == []
