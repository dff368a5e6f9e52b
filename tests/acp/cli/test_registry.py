from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.acp.cli.conftest import NOW
from tests.acp.examples import descriptor

URI = "https://example.com/acp/e100"
REFERENCE = f"example.com/{URI}"
ONLINE = ("--online-key", "online.pem")
LISTING = ("--registry-key", "listing.pem")


@pytest.fixture
def place(folder, run, sign, monkeypatch):
    """A folder with a registry of one issuer that lists nothing, served as a folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state-home"))
    for name in ("root-a", "root-b", "targets", "online", "listing"):
        assert run("keygen", "-o", f"{name}.pem").status == 0
    roots = ("--root-key", "root-a.pub.pem", "--root-key", "root-b.pub.pem")
    others = ("--targets-key", "targets.pub.pem", "--online-key", "online.pub.pem")
    answer = run("registry", "init", "registry", *roots, "--root-threshold", 2, *others)
    assert (answer.status, answer.errors) == (0, "")
    sign(descriptor(), "device")
    return folder


@pytest.fixture
def begun(place, run):
    """The registry of `place`, with a delegation, signed and published."""
    ready = run("registry", "delegate", "registry", "example.com", "--key", "listing.pub.pem")
    assert ready.status == 0
    for name in ("root-a", "root-b", "targets"):
        assert run("registry", "sign", "registry", "--key", f"{name}.pem").status == 0
    assert run("registry", "refresh", "registry", "--key", "online.pem").status == 0
    return place


@pytest.fixture
def published(begun, run):
    """The registry of `begun`, with a document."""
    line = ("publish", "registry", "device.dsse.json", "--policy", "policy.json", *LISTING)
    assert run(*line, *ONLINE, "--now", NOW).status == 0
    return begun


def fetch(run, *words, root=True):
    line = ("fetch", *words, "--registry", "registry", "--policy", "policy.json", "--now", NOW)
    return run(*line, *(["--root", "registry/public/metadata/1.root.json"] if root else []))


def test_from_keys_to_a_fetched_document(begun, run):
    line = ("publish", "registry", "device.dsse.json", "--policy", "policy.json", *LISTING)
    answer = run(*line, "--now", NOW, "--format", "json")
    assert answer.json["listed"][0].startswith("example.com/")
    assert answer.json["published"] == []
    assert fetch(run, REFERENCE).status == 1
    assert (
        "1.example.com.json" in run("registry", "refresh", "registry", "--key", "online.pem").text
    )
    answer = fetch(run, REFERENCE, "-o", "got.json", "--format", "json")
    assert answer.status == 0
    [found] = answer.json["documents"]
    assert (found["revision"], found["uri"], found["output"]) == (3, URI, "got.json")
    assert found["revocation_checked"] is False
    assert answer.found == [("REG-S2", "")]
    assert (begun / "got.json").read_bytes() == (begun / "device.dsse.json").read_bytes()
    verified = run("verify", "got.json", "--policy", "policy.json", "--now", NOW)
    assert verified.status == 0


@pytest.mark.usefixtures("place")
def test_status_tells_signers_what_they_sign(run):
    answer = run("registry", "status", "registry", "--format", "json")
    assert (answer.status, answer.found) == (1, [("REG-P3", "")])
    root = answer.json["roles"][0]
    assert root["draft_lacks"] == "0 of 2 signatures by the keys of this root"
    assert any(line.startswith("+ root: 2 of sha256:") for line in root["draft_changes"])
    signed = run("registry", "sign", "registry", "--key", "root-a.pem", "--format", "json")
    assert signed.json["lacks"] == {"root": "1 of 2 signatures by the keys of this root"}
    assert "1 of 2" in run("registry", "status", "registry").text


@pytest.mark.usefixtures("published")
def test_a_sound_registry_has_status_0(run):
    answer = run("registry", "status", "registry", "--format", "json")
    assert (answer.status, answer.found) == (0, [])
    assert [one["role"] for one in answer.json["roles"]][-1] == "example.com"
    answer = run("registry", "status", "registry", "--soon", 10, "--format", "json")
    assert (answer.status, answer.found) == (0, [("REG-M3", "")])


def test_list_and_offline(published, run):
    root = ("--root", "registry/public/metadata/1.root.json")
    answer = run("fetch", "--list", "example.com", "--registry", "registry", *root)
    assert answer.text.startswith(f"{REFERENCE}@3  CapabilityDescriptor  sha256:")
    offline = fetch(run, REFERENCE, "--offline", root=False)
    assert (offline.status, "never fetched" in offline.errors) == (1, True)
    assert fetch(run, REFERENCE, root=False).status == 0
    (published / "registry" / "public" / "metadata" / "timestamp.json").write_bytes(b"{}")
    assert fetch(run, REFERENCE, root=False).status == 1
    assert fetch(run, f"{REFERENCE}@3", "--offline", root=False).status == 0


def test_several_documents_into_a_folder(published, run, sign):
    sign(descriptor() | {"revision": "4"}, "newer")
    line = ("publish", "registry", "newer.dsse.json", "--policy", "policy.json", *LISTING, *ONLINE)
    assert run(*line, "--now", NOW).status == 0
    answer = fetch(run, f"{REFERENCE}@3", REFERENCE, "-o", "out", "--format", "json")
    outputs = [one["output"] for one in answer.json["documents"]]
    assert [one["revision"] for one in answer.json["documents"]] == [3, 4]
    assert {str(path) for path in (published / "out").iterdir()} == {
        str(published / name) for name in outputs
    }


def test_a_folder_of_envelopes(begun, run, sign):
    (begun / "all").mkdir()
    for revision in ("4", "5"):
        path = sign(descriptor() | {"revision": revision, "uri": f"{URI}/{revision}"}, revision)
        path.rename(begun / "all" / path.name)
    (begun / "all" / "other.json").write_text("{}")
    line = ("--policy", "policy.json", *LISTING, *ONLINE, "--now", NOW, "--format", "json")
    assert len(run("publish", "registry", "all", *line).json["listed"]) == 2
    (begun / "none").mkdir()
    assert run("publish", "registry", "none", *line).found == [("ENV-F1", "")]


@pytest.mark.usefixtures("published")
def test_revoke_and_renew(run):
    keys = ("--policy", "policy.json", "--key", "vendor.pem", *LISTING, *ONLINE, "--now", NOW)
    answer = run("revoke", "registry", "--renew", "example.com", *keys, "--format", "json")
    assert (answer.json["sequence"], answer.json["revoked"]) == (1, [])
    assert fetch(run, REFERENCE, "--require-status").status == 0
    why = ("--reason", "dense was sparse")
    answer = run("revoke", "registry", f"{REFERENCE}@3", *why, *keys, "--format", "json")
    assert answer.json["sequence"] == 2
    refused = fetch(run, REFERENCE, "--format", "json")
    assert (refused.status, refused.found) == (1, [("ACP-T01", "")])
    assert "dense was sparse" in refused.json["diagnostics"][0]["message"]
    again = run(
        "publish", "registry", "device.dsse.json", "--policy", "policy.json", *LISTING, "--now", NOW
    )
    assert "ACP-T01" in again.errors


def test_rotation(published, run):
    assert run("keygen", "-o", "online-2.pem").status == 0
    roles = json.loads((published / "registry/public/metadata/1.root.json").read_bytes())
    assert roles["signed"]["consistent_snapshot"] is True
    keyid = run(
        "policy",
        "create",
        "--key",
        "online.pub.pem",
        "--issuer",
        "a.example",
        "--type",
        "plan",
        "-o",
        "p.json",
        "--format",
        "json",
    ).json["policy"]["keys"][0]["keyid"]
    rotate = ("registry", "rotate", "registry", "--role", "online", "--add", "online-2.pub.pem")
    answer = run(*rotate, "--remove", keyid, "--format", "json")
    assert any(f"- timestamp: 1 of {keyid}" in line for line in answer.json["drafts"]["root"])
    for name in ("root-a", "root-b"):
        assert run("registry", "sign", "registry", "--key", f"{name}.pem").status == 0
    assert "REG-P3" in run("registry", "refresh", "registry", "--key", "online.pem").errors
    answer = run("registry", "refresh", "registry", "--key", "online-2.pem", "--format", "json")
    assert "2.root.json" in answer.json["published"]
    assert fetch(run, REFERENCE).status == 0
    for role in ("root", "targets"):
        assert run("registry", "rotate", "registry", "--role", role).status == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("fetch", "--registry", "r"), "either a REFERENCE or --list"),
        (("fetch", REFERENCE, "--registry", "r"), "Missing option '--policy'"),
        (("fetch", REFERENCE, "--policy", "p"), "Missing option '--registry'"),
        (("fetch", "--list", "example.com", "--registry", "r", "--offline"), "forbids it"),
        (("fetch", "--list", "Example", "--registry", "r"), "lower-case DNS name"),
        (("publish", "r", *LISTING, "--policy", "p"), "give a FILE"),
        (("revoke", "r", *LISTING, "--key", "k", "--policy", "p"), "either a REFERENCE"),
        (("registry", "delegate", "r", "example.com"), "either --key or --remove"),
        (("registry", "simulate", "--attack", "none"), "there is no attack 'none'"),
    ],
)
def test_wrong_usage(run, folder, monkeypatch, words, reason):
    monkeypatch.chdir(folder)
    answer = run(*words)
    assert answer.status == 2
    assert reason in answer.errors


def test_what_is_no_registry(run, folder, monkeypatch):
    monkeypatch.chdir(folder)
    line = ("publish", "none", "device.json", "--policy", "policy.json", "--registry-key")
    answer = run(*line, "vendor.pem")
    assert (answer.status, "is no registry" in answer.errors) == (1, True)
    answer = fetch(run, REFERENCE, root=False)
    assert (answer.status, "REG-R1" in answer.errors) == (1, True)


def test_one_root_key_is_warned_of(run, folder, monkeypatch):
    monkeypatch.chdir(folder)
    keys = [
        word
        for name in ("root", "targets", "online")
        for word in (f"--{name}-key", "vendor.pub.pem")
    ]
    answer = run("registry", "init", "r", *keys, "--format", "json")
    assert (answer.status, answer.found) == (0, [("REG-P5", "")])


def test_simulate(run):
    answer = run("registry", "simulate", "--attack", "altered-metadata", "--format", "json")
    assert answer.status == 0
    [found] = answer.json["attacks"]
    assert (found["code"], found["state_unchanged"], found["recovered"]) == ("REG-M1", True, True)
    answer = run("registry", "simulate", "--list")
    assert "freeze: serves the same files for ever; must end in REG-M3" in answer.text


WITHOUT = """
import sys
sys.modules["tuf"] = None
from acp.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    "words",
    [
        ("registry", "status", "registry"),
        ("fetch", REFERENCE, "--registry", "registry", "--policy", "policy.json"),
        ("publish", "registry", "--renew", "example.com", *LISTING, "--policy", "policy.json"),
    ],
)
def test_without_the_extra_it_says_what_to_install(place, words):
    line = [sys.executable, "-c", WITHOUT, *words]
    done = subprocess.run(line, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ENV-F3" in done.stderr
    assert "pip install 'acp-cep[registry]'" in done.stderr


def test_what_is_refused_is_told_of_its_file(begun, run, sign):
    sign(descriptor(), "strange", key="stranger")
    (begun / "device.yaml").write_text("spec: acp/1\n", encoding="utf-8")
    line = ("--policy", "policy.json", *LISTING, "--now", NOW, "--format", "json")
    for name, code in (("strange.dsse.json", "ENV-T1"), ("device.yaml", "ENV-E1")):
        answer = run("publish", "registry", "device.dsse.json", name, *line)
        assert [(one["file"], one["code"]) for one in answer.json["diagnostics"]] == [(name, code)]
        answer = run("verify", name, *line[:2], *line[-4:])
        assert [(one["file"], one["code"]) for one in answer.json["diagnostics"]] == [(name, code)]
