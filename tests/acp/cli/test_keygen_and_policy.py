from __future__ import annotations

import json
import stat
import subprocess
import sys

import pytest

from acp.keys import Algorithm, PrivateKey, PublicKey
from acp.policy import TrustPolicy
from tests.acp.cli.conftest import NOW


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_keygen(run, tmp_path, algorithm):
    file = tmp_path / "vendor.pem"
    answer = run("keygen", "-o", file, "--algorithm", algorithm, "--format", "json")
    assert answer.status == 0
    private, public = PrivateKey.load(file), PublicKey.load(tmp_path / "vendor.pub.pem")
    assert private.public == public
    assert answer.json["keyid"] == public.keyid
    assert public.algorithm == algorithm == answer.json["algorithm"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("taken", ["vendor.pem", "vendor.pub.pem"])
def test_keygen_overwrites_nothing_and_leaves_nothing_half(run, tmp_path, taken):
    (tmp_path / taken).write_text("precious", encoding="utf-8")
    answer = run("keygen", "-o", tmp_path / "vendor.pem", "--format", "json")
    assert (answer.status, answer.found) == (1, [("ENV-K3", "")])
    assert (tmp_path / taken).read_text(encoding="utf-8") == "precious"
    assert [file.name for file in tmp_path.iterdir()] == [taken]


def test_keygen_in_a_folder_that_is_not_there(run, tmp_path):
    answer = run("keygen", "-o", tmp_path / "no" / "vendor.pem", "--format", "json")
    assert (answer.status, answer.found) == (1, [("ENV-K3", "")])


def test_keygen_asks_twice_for_a_passphrase(run, tmp_path):
    answer = run("keygen", "-o", tmp_path / "k.pem", "--encrypt", stdin="long\nlong\n")
    assert answer.status == 0
    assert PrivateKey.load(tmp_path / "k.pem", b"long")
    assert run("keygen", "-o", tmp_path / "l.pem", "--encrypt", stdin="a\nb\n").status == 1
    assert not (tmp_path / "l.pem").exists()


def test_keygen_with_an_empty_passphrase_file(run, tmp_path, write):
    words = ["keygen", "-o", tmp_path / "k.pem", "--passphrase-file", write(b"\n", "empty")]
    assert run(*words, "--format", "json").found == [("ENV-K2", "")]
    assert run(*words, "--encrypt").status == 2


def test_policy_create_add_and_show(run, folder):
    file = folder / "policy.json"
    words = ["--key", folder / "stranger.pub.pem", "--issuer", "*.example.com", "--type", "plan"]
    term = ["--not-before", "2026-01-01T00:00:00Z", "--not-after", "2027-01-01T00:00:00Z"]
    assert run("policy", "add", file, *words, *term, "--adapter", "acp-cep").status == 0
    policy = TrustPolicy.load(file)
    stranger = PublicKey.load(folder / "stranger.pub.pem").keyid
    assert len(policy.keys) == len(policy.grants) == 2
    assert policy.grants[1].keyids == (stranger,)
    assert policy.grants[1].document_types == ("application/vnd.cep.plan.v1+json",)
    assert policy.keys[1].not_after == "2027-01-01T00:00:00Z"
    assert policy.allows_adapter("acp_cep")
    answer = run("policy", "show", file)
    assert answer.status == 0
    assert "plan of *.example.com, signed with" in answer.text
    assert f"{stranger} from 2026-01-01T00:00:00Z until 2027-01-01T00:00:00Z" in answer.text
    assert run("policy", "show", file, "--format", "json").json["policy"] == json.loads(
        file.read_bytes()
    )


def test_policy_add_knows_its_keys(run, folder):
    words = ["--key", folder / "vendor.pub.pem", "--issuer", "example.com", "--type", "receipt"]
    assert run("policy", "add", folder / "policy.json", *words).status == 0
    assert len(TrustPolicy.load(folder / "policy.json").keys) == 1


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (["--issuer", "Example.com", "--type", "plan"], 2),
        (["--issuer", "example.com", "--type", "poem"], 2),
        (["--issuer", "example.com", "--type", "plan", "--adapter", "a b"], 2),
        (["--issuer", "example.com", "--type", "plan", "--threshold", "0"], 2),
        (["--issuer", "example.com", "--type", "plan", "--threshold", "2"], 1),
        (["--issuer", "example.com"], 2),
        (["--type", "plan"], 2),
    ],
)
def test_policy_with_wrong_options(run, folder, options, status):
    output = folder / "new.json"
    words = ["policy", "create", "--key", folder / "vendor.pub.pem", "-o", output]
    assert run(*words, *options).status == status
    assert not output.exists()


@pytest.mark.parametrize(("key", "code"), [("absent", "ENV-F1"), ("vendor.pem", "ENV-K1")])
def test_policy_with_wrong_key(run, folder, key, code):
    words = ["policy", "create", "--key", folder / key, "--issuer", "example.com"]
    words += ["--type", "plan", "-o", folder / "new.json", "--format", "json"]
    answer = run(*words)
    assert (answer.status, answer.found) == (1, [(code, "")])
    assert answer.json["diagnostics"][0]["file"] == str(folder / key)


def test_an_issuer_that_is_no_name_is_told_so_in_words(run, folder):
    words = ["--key", folder / "vendor.pub.pem", "--type", "plan", "-o", folder / "p.json"]
    answer = run("policy", "create", *words, "--issuer", "https://example.com")
    assert answer.status == 2
    assert "'https://example.com' is no DNS name" in answer.errors
    assert not (folder / "p.json").exists()


def test_without_a_terminal_a_passphrase_comes_from_a_file(tmp_path):
    """In a session of its own, in which there is no terminal to open."""
    code = "from acp.cli import main; main()"
    command = [sys.executable, "-c", code, "keygen", "--encrypt", "-o", str(tmp_path / "k.pem")]
    done = subprocess.run(
        command, input="a\na\n", capture_output=True, text=True, check=False,
        start_new_session=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "give --passphrase-file" in done.stderr
    assert not (tmp_path / "k.pem").exists()


def test_a_key_that_is_refused_is_told_of_its_file(run, folder):
    words = ("-o", folder / "x.dsse.json", "--format", "json")
    answer = run("sign", folder / "device.json", "--key", folder / "no.pem", *words, "--now", NOW)
    [one] = answer.json["diagnostics"]
    assert (one["code"], one["file"]) == ("ENV-K3", str(folder / "no.pem"))
    assert one["message"] == "No such file or directory"
