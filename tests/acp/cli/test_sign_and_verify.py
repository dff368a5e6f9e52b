from __future__ import annotations

import base64
import json

import pytest

from acp.canonical import digest
from tests.acp.cli.conftest import NOW
from tests.acp.examples import RECORD, STATUS, SYSTEM, changed, descriptor


@pytest.fixture
def verify(run, folder):
    def verify(file, *options, policy="policy.json"):
        words = ("verify", file, "--policy", folder / policy, "--now", NOW, "--format", "json")
        return run(*words, *options)

    return verify


def status_list(*revoked, **members):
    entries = [
        {"digest": digest(one), "reason": "recalled", "effective_at": "2026-11-19T00:00:00Z"}
        for one in revoked
    ]
    return STATUS | ({"entries": entries} if entries else {}) | members


@pytest.mark.parametrize("value", [descriptor(), SYSTEM, RECORD, STATUS])
def test_what_is_signed_verifies(sign, verify, value):
    answer = verify(sign(value))
    assert answer.status == 0
    (one,) = answer.json["documents"]
    assert one["digest"] == digest(value)
    assert one["issuer"] == "example.com"
    assert len(one["keyids"]) == 1
    assert one["revocation_checked"] is False


def test_the_exact_bytes_of_the_file_are_signed(run, folder, write):
    text = b"\n  " + json.dumps(descriptor(), indent=3).encode() + b"\n"
    file, output = write(text), folder / "out.dsse.json"
    assert run("sign", file, "--key", folder / "vendor.pem", "-o", output, "--now", NOW).status == 0
    assert base64.b64decode(json.loads(output.read_bytes())["payload"]) == text


def test_answer_of_sign(run, folder):
    words = ["sign", folder / "device.json", "--key", folder / "vendor.pem", "--now", NOW]
    answer = run(*words, "-o", folder / "o.json", "--format", "json")
    assert answer.json["digest"] == digest(descriptor())
    assert answer.json["payload_type"] == "application/vnd.acp.capability-descriptor.v1+json"
    assert answer.json["output"] == str(folder / "o.json")


def test_text_of_verify(run, folder, sign):
    answer = run("verify", sign(descriptor()), "--policy", folder / "policy.json", "--now", NOW)
    assert f"verified: CapabilityDescriptor {digest(descriptor())}" in answer.text
    assert "revocation not checked" in answer.text


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"{", "ENV-J1"),
        (changed(descriptor(), "/issuer", ...), "ENV-S1"),
        (changed(descriptor(), "/power/idle_mw", "800000"), "ACP-P01"),
        (changed(descriptor(), "/expires_at", "2026-02-01T00:00:00Z"), "ACP-T01"),
    ],
)
def test_what_is_invalid_is_not_signed(run, folder, write, value, code):
    output = folder / "out.dsse.json"
    words = ["sign", write(value), "--key", folder / "vendor.pem", "-o", output, "--now", NOW]
    answer = run(*words, "--format", "json")
    assert answer.status == 1
    assert answer.found[0][0] == code
    assert not output.exists()


def test_tampered_payload_type_and_signature_are_refused(verify, sign):
    file = sign(descriptor())
    good = json.loads(file.read_bytes())
    last = base64.b64decode(good["signatures"][0]["sig"])
    sig = base64.b64encode(bytes([last[0] ^ 1]) + last[1:]).decode()
    payload = base64.b64encode(base64.b64decode(good["payload"]) + b" ").decode()
    for bad in (
        good | {"payload": payload},
        good | {"payloadType": "application/vnd.acp.system-descriptor.v1+json"},
        good | {"signatures": [good["signatures"][0] | {"sig": sig}]},
    ):
        file.write_text(json.dumps(bad), encoding="utf-8")
        answer = verify(file)
        assert (answer.status, answer.found) == (1, [("ENV-T1", "/signatures")])
        assert answer.json["documents"] == [{"file": str(file), "ok": False}]


def only_the_hint_differs(one, other):
    """Whether two envelopes are the same but for key ids, which are not authenticated."""
    try:
        meaning = [
            (read["payload"], read["payloadType"], [sig["sig"] for sig in read["signatures"]])
            for read in (json.loads(one), json.loads(other))
        ]
    except (ValueError, KeyError):
        return False
    return meaning[0] == meaning[1]


def test_a_flipped_bit_anywhere_but_in_the_key_id_is_refused(verify, sign):
    file = sign(descriptor())
    good = file.read_bytes()
    for index in range(0, len(good), 97):
        file.write_bytes(good[:index] + bytes([good[index] ^ 1]) + good[index + 1 :])
        answer = verify(file)
        if not only_the_hint_differs(file.read_bytes(), good):
            assert answer.status == 1, index
            assert answer.found
        file.write_bytes(good)
    assert verify(file).status == 0


def test_wrong_key(verify, sign):
    answer = verify(sign(descriptor(), key="stranger"))
    assert (answer.status, answer.found) == (1, [("ENV-T1", "/signatures")])


def test_key_that_is_not_granted_for_the_issuer(verify, sign):
    answer = verify(sign(changed(descriptor(), "/issuer", "other.example")))
    assert (answer.status, answer.found[0][0]) == (1, "ENV-T3")


def test_bare_documents_do_not_verify(verify, folder):
    answer = verify(folder / "device.json")
    assert (answer.status, answer.found[0][0]) == (1, "ENV-E1")


def test_rules_are_checked_after_trust(verify, sign):
    answer = verify(sign(descriptor()), "--now", "2027-01-01T00:00:00Z")
    assert (answer.status, answer.found) == (1, [("ACP-T01", "/expires_at")])


def test_critical_extensions(run, folder, write, verify):
    value = descriptor() | {"extensions": {"a.example": {"a": 1}}, "critical": ["a.example"]}
    output = folder / "out.dsse.json"
    words = ["sign", write(value), "--key", folder / "vendor.pem", "-o", output, "--now", NOW]
    assert run(*words).status == 1
    assert run(*words, "--understand", "a.example").status == 0
    assert verify(output).found == [("ACP-X01", "/critical/0")]
    assert verify(output, "--understand", "a.example").status == 0


def test_floors_of_the_policy_refuse_old_revisions(verify, sign, folder):
    policy = json.loads((folder / "policy.json").read_bytes())
    floor = {"issuer": "example.com", "uri": descriptor()["uri"], "min_revision": 4}
    (folder / "floor.json").write_text(json.dumps(policy | {"floors": [floor]}), encoding="utf-8")
    old, new = sign(descriptor(), "old"), sign(changed(descriptor(), "/revision", "4"), "new")
    assert verify(old, policy="floor.json").found == [("ACP-T02", "/revision")]
    assert verify(new, policy="floor.json").status == 0
    assert verify(old).status == 0


def test_revocation(verify, sign):
    device = sign(descriptor())
    revoked = sign(status_list(descriptor()), "revoked")
    answer = verify(device, "--status", revoked)
    assert (answer.status, answer.found) == (1, [("ACP-T01", "")])
    assert "recalled" in answer.json["diagnostics"][0]["message"]


def test_a_status_list_that_does_not_name_the_document(verify, sign):
    answer = verify(sign(descriptor()), "--status", sign(status_list(SYSTEM), "status"))
    assert answer.status == 0
    assert answer.json["documents"][0]["revocation_checked"] is True


@pytest.mark.parametrize(
    ("value", "key", "code"),
    [
        pytest.param(status_list(), None, "ENV-E1", id="not signed"),
        pytest.param(status_list(), "stranger", "ENV-T1", id="signed by a stranger"),
        pytest.param(SYSTEM, "vendor", "ENV-E3", id="no status list"),
    ],
)
def test_a_status_list_that_is_not_trusted_refuses_everything(
    verify, sign, write, value, key, code
):
    status = sign(value, "status", key=key) if key else write(value, "bare.json")
    answer = verify(sign(descriptor()), "--status", status)
    assert (answer.status, answer.found[0][0]) == (1, code)


def test_a_stale_status_list_refuses_everything(verify, sign):
    status = sign(status_list(next_update="2026-12-01T00:00:00Z"), "status")
    answer = verify(sign(descriptor()), "--status", status, "--now", "2026-12-02T00:00:00Z")
    assert (answer.status, answer.found) == (1, [("ACP-T01", "/next_update")])


def test_thresholds_are_met_by_signing_again(run, folder, verify):
    two = ["--key", folder / "vendor.pub.pem", "--key", folder / "stranger.pub.pem"]
    policy = ["policy", "create", *two, "--threshold", "2", "--issuer", "example.com"]
    policy += ["--type", "capability-descriptor", "-o", folder / "two.json"]
    assert run(*policy).status == 0
    once, twice = folder / "once.dsse.json", folder / "twice.dsse.json"
    base = ["--now", NOW, "-o"]
    run("sign", folder / "device.json", "--key", folder / "vendor.pem", *base, once)
    assert verify(once, policy="two.json").found[0][0] == "ENV-T2"
    assert run("sign", once, "--key", folder / "stranger.pem", *base, twice).status == 0
    assert verify(twice, policy="two.json").status == 0
    both = ["--key", folder / "vendor.pem", "--key", folder / "stranger.pem"]
    assert run("sign", folder / "device.json", *both, *base, twice).status == 0
    assert verify(twice, policy="two.json").status == 0


def test_the_same_key_cannot_sign_twice(run, folder, sign):
    once = sign(descriptor())
    words = ["sign", once, "--key", folder / "vendor.pem", "-o", folder / "x.json", "--now", NOW]
    assert run(*words, "--format", "json").found == [("ENV-E4", "/signatures")]


@pytest.mark.parametrize(
    ("key", "code"),
    [("absent.pem", "ENV-K3"), ("vendor.pub.pem", "ENV-K1"), ("open.pem", "ENV-K2")],
)
def test_unusable_keys(run, folder, key, code):
    (folder / "open.pem").write_bytes((folder / "vendor.pem").read_bytes())
    (folder / "open.pem").chmod(0o644)
    (folder / "vendor.pub.pem").chmod(0o600)
    words = ["sign", folder / "device.json", "--key", folder / key, "-o", folder / "x.json"]
    answer = run(*words, "--now", NOW, "--format", "json")
    assert (answer.status, answer.found) == (1, [(code, "")])


def test_encrypted_keys(run, folder, write):
    secret, wrong = write(b"correct horse\n", "secret"), write(b"battery\n", "wrong")
    key = folder / "locked.pem"
    assert run("keygen", "-o", key, "--passphrase-file", secret).status == 0
    words = ["sign", folder / "device.json", "--key", key, "-o", folder / "x.json", "--now", NOW]
    words += ["--format", "json"]
    assert run(*words, "--passphrase-file", secret).status == 0
    assert run(*words, "--passphrase-file", wrong).found == [("ENV-K2", "")]
    assert run(*words, "--passphrase-file", folder / "absent").found == [("ENV-F1", "")]
    assert run(*words).found == [("ENV-K2", "")]


@pytest.mark.parametrize("name", ["", "absent/x.json"])
def test_unwritable_output(run, folder, name):
    words = ["sign", folder / "device.json", "--key", folder / "vendor.pem", "--now", NOW]
    answer = run(*words, "-o", folder / name, "--format", "json")
    assert (answer.status, answer.found) == (1, [("ENV-F2", "")])


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "ENV-F1"), (b"{}", "ENV-T5"), (b"{", "ENV-J1"), (b"null", "ENV-T5")],
)
def test_unusable_policies(run, sign, folder, write, content, code):
    policy = folder / "absent.json" if content is None else write(content, "bad-policy.json")
    answer = run("verify", sign(descriptor()), "--policy", policy, "--format", "json")
    assert answer.status == 1
    assert {one for one, _ in answer.found} == {code}
    assert answer.json["diagnostics"][0]["file"] == str(policy)


def test_verify_needs_a_policy(run, sign):
    assert run("verify", sign(descriptor())).status == 2


@pytest.mark.parametrize("name", ["device.json", "device.dsse.yaml", "other.yml"])
def test_an_envelope_does_not_replace_what_somebody_wrote(run, folder, name):
    before = (folder / "device.json").read_bytes()
    words = ["--key", folder / "vendor.pem", "-o", folder / name, "--now", NOW]
    answer = run("sign", folder / "device.json", *words)
    assert answer.status == 2
    assert f"such as {name.partition('.')[0]}.dsse.json" in answer.errors
    assert (folder / "device.json").read_bytes() == before
    assert not (folder / name).exists() or name == "device.json"


def test_an_envelope_may_replace_itself(run, folder):
    signed = folder / "device.dsse.json"
    for document, key in (("device.json", "vendor"), ("device.dsse.json", "stranger")):
        words = ["--key", folder / f"{key}.pem", "-o", signed, "--now", NOW]
        assert run("sign", folder / document, *words).status == 0
    assert len(json.loads(signed.read_bytes())["signatures"]) == 2


def test_standard_input_is_signed_into_a_file_that_is_there(run, folder):
    text = (folder / "device.json").read_bytes()
    words = ["--key", folder / "vendor.pem", "-o", folder / "device.json", "--now", NOW]
    assert run("sign", "-", *words, stdin=text).status == 0
