from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from acp import files
from acp.diagnostics import FileRefusedError


def refused(function, *arguments, **options):
    with pytest.raises(FileRefusedError) as caught:
        function(*arguments, **options)
    (one,) = caught.value.diagnostics
    assert caught.value.file == str(arguments[0])
    return one.code, one.message


def test_read(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert files.read(tmp_path / "a", max_bytes=3) == b"abc"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent", "No such file"),
        (".", "Is a directory"),
        ("a\0b", "null byte"),
        ("x" * 300, "too long"),
    ],
)
def test_what_cannot_be_read(tmp_path, name, words):
    code, message = refused(files.read, tmp_path / name)
    assert code == "ENV-F1"
    assert words in message


def test_reading_is_bounded_whatever_the_file_is():
    code, message = refused(files.read, Path("/dev/zero"), max_bytes=1000)
    assert code == "ENV-F1"
    assert "1000 bytes" in message


def test_write_replaces_as_a_whole(tmp_path):
    file = tmp_path / "a"
    files.write(file, b"one")
    files.write(file, b"two")
    assert file.read_bytes() == b"two"
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_write_respects_mode_and_umask(tmp_path):
    old = os.umask(0o027)
    try:
        files.write(tmp_path / "a", b"")
        files.write(tmp_path / "b", b"", mode=0o600)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o600


def test_write_can_insist_on_a_new_file(tmp_path):
    files.write(tmp_path / "a", b"one", replace=False)
    assert refused(files.write, tmp_path / "a", b"two", replace=False)[0] == "ENV-F2"
    assert (tmp_path / "a").read_bytes() == b"one"
    assert len(list(tmp_path.iterdir())) == 1


def test_write_follows_links(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    files.write(tmp_path / "link", b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"x"


def test_write_to_a_device_does_not_replace_it():
    files.write(Path("/dev/null"), b"x")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize("name", [".", "no/a", "a\0b", "x" * 300])
def test_what_cannot_be_written(tmp_path, name):
    assert refused(files.write, tmp_path / name, b"")[0] == "ENV-F2"
    assert list(tmp_path.iterdir()) == []


def test_standard_output_is_for_answers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refused(files.write, Path("-"), b"")[0] == "ENV-F2"
    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"old")

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    assert "No space left" in refused(files.write, tmp_path / "a", b"new")[1]
    assert (tmp_path / "a").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1
