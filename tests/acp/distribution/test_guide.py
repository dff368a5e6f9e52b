"""The command lines of docs/registry.md, as they stand, in their order."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from acp.cli import main
from tests.acp.examples import descriptor
from tests.docs.fences import commands


@pytest.fixture
def guide(repository):
    """The blocks of command lines."""
    page = (repository / "docs" / "registry.md").read_text(encoding="utf-8")
    return re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a descriptor that is in force."""
    today = datetime.now(UTC)
    device = descriptor() | {
        "uri": "https://example.com/chips/one",
        "revision": "7",
        "issued_at": f"{today - timedelta(days=2):%Y-%m-%dT00:00:00Z}",
        "expires_at": f"{today + timedelta(days=200):%Y-%m-%dT00:00:00Z}",
    }
    (tmp_path / "device.json").write_text(json.dumps(device), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    return tmp_path


def run(script, *, failing=()):
    """Run every `acp` of a script; return what the last one said."""
    said = ""
    for words in commands(script):
        assert words[0] == "acp"
        result = CliRunner(catch_exceptions=False).invoke(main, words[1:])
        said = result.stdout + result.stderr
        expected = 1 if tuple(words[1:3]) in failing else 0
        assert result.exit_code == expected, (words, said)
    return said


def test_the_guide_works(guide, place):
    begin, publish, fetch, rotation, revocation, simulate = guide
    # Before anything is published, that is what `status` finds wrong.
    run(begin, failing=[("registry", "status")])
    run(publish)
    shutil.copy(place / "registry/public/metadata/1.root.json", place / "root.json")
    here = fetch.replace("https://registry.example/acp", "registry")
    assert "chips/one@7  CapabilityDescriptor" in run(here)
    assert "not revoked by status list 1" in run(here.partition("acp fetch --list")[0])
    policy = run("acp policy create --key online.pub.pem --issuer a.example --type plan -o x.json")
    [keyid] = re.findall(r"sha256:[0-9a-f]{64}", policy)
    assert "published 2.root.json" in run(rotation.replace("KEYID", keyid))
    assert "chips/one@7" in run(here)
    revoked = run(revocation.replace("online.pem", "online-2.pem"))
    assert "status list 2 of example.com: 1 revoked" in revoked
    refusal = run(here.partition("acp fetch --list")[0], failing=[("fetch", fetch.split()[2])])
    assert "sparse rate given as dense" in refusal
    assert "slow-header: " in run(simulate.partition("\n")[2])
