from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata

from acp import dsse, files
from acp.canonical import canonicalize
from acp.diagnostics import Severity
from acp.distribution.inspection import inspect
from acp.distribution.operating import (
    TOP_LEVEL,
    KeySet,
    begin,
    delegate,
    describe_change,
    lacks,
    renew,
    rotate,
    sign,
)
from acp.distribution.publication import refresh
from acp.distribution.publishing import publish, resolve, revoke
from acp.distribution.repository import Repository
from acp.distribution.signing import our_id, tuf_key
from acp.distribution.simulator.world import REFERENCE, RIVAL, URI, VENDOR, identity
from acp.keys import Algorithm, PrivateKey
from acp.v1.status import StatusList
from tests.acp.distribution.refusing import refused


def errors(world, **term):
    _, found = inspect(world.repository, now=world.now + timedelta(**term), soon=timedelta(days=3))
    return [(one.code, one.severity) for one in found]


def served(world):
    return {
        str(path.relative_to(world.repository.public)): path.read_bytes()
        for path in world.repository.public.rglob("*")
        if path.is_file()
    }


# REG-P1: one consistent state at any moment


class Crash(BaseException):
    """The process ends here."""


def crash_after(count, monkeypatch):
    """Let `count` files be written, and end the process before or after the next."""
    genuine = files.write
    left = [count]

    def write(path, data, **more):
        left[0] -= 1
        if left[0] < 0:
            raise Crash
        genuine(path, data, **more)

    monkeypatch.setattr(files, "write", write)
    return left


def test_after_a_crash_at_any_write_readers_read_and_publishers_go_on(world, monkeypatch):
    """Each of several publications that rotates keys too ends after one more file is written."""
    world.fetch()
    revision = 1
    for count in range(14):
        revision += 1
        envelope = world.document(revision)
        rotate(world.repository, ["root"], now=world.now)
        renew(world.repository, "targets", now=world.now)
        sign(world.repository, [world.keys[name] for name in ("root-a", "root-b", "targets")])
        with monkeypatch.context() as patched:
            left = crash_after(count, patched)
            with suppress(Crash):
                publish(world.publisher(), [envelope])
        assert world.fetch().accepted.document.revision in {revision - 1, revision}
        publish(world.publisher(), [envelope])
        assert world.fetch().accepted.document.revision == revision
        if left[0] >= 0:
            break
    assert left[0] >= 0, "the last round went through"
    assert count > 6
    assert errors(world) == []


def test_no_published_file_is_ever_changed(world):
    before = served(world)
    world.publish(2)
    world.revoke()
    world.refresh()
    after = served(world)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"metadata/timestamp.json"}


def test_the_timestamp_comes_last(world, monkeypatch):
    order = []
    genuine = files.write

    def write(path, data, **more):
        genuine(path, data, **more)
        if "public" in path.parts:
            order.append(path.name)

    monkeypatch.setattr(files, "write", write)
    world.publish(2)
    versions = [name for name in order if name.endswith((f"{VENDOR}.json", ".snapshot.json"))]
    assert [name.partition(".")[2] for name in versions] == [f"{VENDOR}.json", "snapshot.json"]
    assert order[-1] == "timestamp.json"
    assert order.index(versions[0]) > 0, "the document comes first"


def test_a_refresh_of_nothing_new_signs_the_timestamp_alone(world):
    done = refresh(world.repository, [world.keys["online"]], now=world.now)
    assert done.files == ["timestamp.json"]
    later = refresh(world.repository, [world.keys["online"]], now=world.now + timedelta(days=20))
    assert [name.partition(".")[2] for name in later.files] == ["snapshot.json", "json"]


def test_a_missing_file_is_told(world):
    snapshot = world.held("snapshot").version
    (world.repository.public / "metadata" / f"{snapshot}.snapshot.json").unlink()
    with refused("REG-P1", "restore it from a backup"):
        world.refresh()
    world.repository.public.joinpath("metadata", "timestamp.json").write_bytes(b"{")
    with refused("REG-P1"):
        world.refresh()


# REG-P2: one publisher at a time

PUBLISH = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from acp.distribution.publishing import Publisher, publish
from acp.distribution.repository import Repository
from acp.keys import PrivateKey
from acp.policy import TrustPolicy
folder, *names = sys.argv[1:]
folder = Path(folder)
now = datetime.now(UTC)
keys = [PrivateKey.load(folder / f"{name}.pem") for name in ("registry", "online")]
policy = TrustPolicy.load(folder / "policy.json")
repository = Repository.open(folder / "registry")
for name in names:
    publisher = Publisher(repository, policy, (keys[0],), now, now, (keys[1],))
    publish(publisher, [(folder / name).read_bytes()])
"""


def test_two_publishers_at_once(world, tmp_path):
    world.keys["vendor-registry"].save(tmp_path / "registry.pem")
    world.keys["online"].save(tmp_path / "online.pem")
    (tmp_path / "policy.json").write_bytes(world.policy.to_bytes())
    digests = set()
    for number in range(8):
        envelope = other(world, number)
        digests.add(identity(envelope))
        (tmp_path / f"{number}.json").write_bytes(envelope)
    running = [
        subprocess.Popen([sys.executable, "-c", PUBLISH, tmp_path, *names])
        for names in (
            ["0.json", "1.json", "2.json", "3.json"],
            ["4.json", "5.json", "6.json", "7.json"],
        )
    ]
    fetched = 0
    while any(one.poll() is None for one in running):
        assert world.fetch().accepted.issuer == VENDOR
        fetched += 1
    assert [one.returncode for one in running] == [0, 0]
    assert fetched
    for digest in digests:
        assert world.fetch(digest).accepted.digest == digest
    assert errors(world) == []


def other(world, number):
    """A document under a uri of its own."""
    envelope = dsse.Envelope.from_bytes(world.document(1))
    value = json.loads(envelope.payload) | {"uri": f"{URI}/{number}"}
    key = world.keys["vendor-documents"]
    return dsse.sign(canonicalize(value), dsse.SYSTEM_DESCRIPTOR, [key]).to_bytes()


def test_a_publisher_that_waits_too_long(world):
    again = Repository.open(world.repository.path)
    with world.repository.locked(), refused("REG-P2", "another publisher"), again.locked(0.1):
        pass


# REG-P3: thresholds


def test_a_draft_waits_for_its_threshold(world):
    rotate(world.repository, ["root"], now=world.now)
    assert lacks(world.repository, "root").startswith("0 of 2 signatures by the keys of the root")
    sign(world.repository, [world.keys["root-c"]])
    assert "1 of 2" in lacks(world.repository, "root")
    done = refresh(world.repository, [world.keys["online"]], now=world.now)
    assert done.files == ["timestamp.json"]
    [finding] = done.findings
    assert (finding.code, finding.severity) == ("REG-P3", Severity.WARNING)
    sign(world.repository, [world.keys["root-a"]])
    assert lacks(world.repository, "root") == ""
    assert "2.root.json" in refresh(world.repository, [world.keys["online"]], now=world.now).files
    assert world.repository.draft_names() == []


def test_new_root_keys_need_the_old_ones(world):
    thief, keys = world.keys["thief"], world.keys
    rotate(
        world.repository,
        ["root"],
        now=world.now,
        add=[thief.public],
        remove=[keys["root-a"].public.keyid],
    )
    sign(world.repository, [thief, keys["root-b"]])
    assert lacks(world.repository, "root") == "1 of 2 signatures by the keys of the root before"
    sign(world.repository, [keys["root-a"]])
    assert lacks(world.repository, "root") == ""
    world.refresh()
    assert world.fetch().accepted.issuer == VENDOR


def test_an_issuer_with_a_threshold(world):
    pair = [PrivateKey.generate(), PrivateKey.generate(Algorithm.ECDSA_P256)]
    keys = KeySet(tuple(key.public for key in pair), threshold=2)
    delegate(world.repository, VENDOR, keys, now=world.now)
    sign(world.repository, [world.keys["targets"]])
    world.keys["vendor-registry"] = pair[0]
    publisher = world.publisher()
    listed = publish(publisher, [world.document(2)])
    assert any("refuse it" in one.message for one in listed.published.findings)
    assert lacks(world.repository, VENDOR) == "1 of 2 signatures"
    with refused("REG-M1"):
        world.fetch()
    sign(world.repository, [pair[1]])
    world.refresh()
    assert world.fetch().accepted.document.revision == 2


def test_new_keys_of_targets(world):
    new = PrivateKey.generate()
    old = world.keys["targets"].public.keyid
    rotate(world.repository, ["targets"], now=world.now, add=[new.public], remove=[old])
    sign(world.repository, [world.keys["root-a"], world.keys["root-b"], new])
    world.refresh()
    assert world.held("targets").version == 2
    assert world.fetch().accepted.issuer == VENDOR


def test_new_keys_of_targets_without_targets(world):
    new = PrivateKey.generate()
    old = world.keys["targets"].public.keyid
    rotate(world.repository, ["targets"], now=world.now, add=[new.public], remove=[old])
    sign(world.repository, [world.keys["root-a"], world.keys["root-b"]])
    before = served(world)
    with refused("REG-P3", "not signed by the keys that the new root names"):
        world.refresh()
    assert served(world) == before


@pytest.mark.parametrize("name", ["thief", "targets"])
def test_a_wrong_online_key(world, name):
    before = served(world)
    with refused("REG-P3", "snapshot needs 1 of the keys sha256:"):
        world.refresh(name)
    assert served(world) == before


def test_a_key_that_nobody_waits_for(world):
    with refused("REG-P3", "drafts are: none"):
        sign(world.repository, [world.keys["thief"]])
    renew(world.repository, "targets", now=world.now)
    with refused("REG-P3", "drafts are: targets"):
        sign(world.repository, [world.keys["thief"]])


def test_a_key_that_does_not_count_for_the_issuer(world):
    publisher = world.publisher()
    wrong = type(publisher)(
        publisher.repository, publisher.policy, (world.keys["thief"],), world.now, world.now
    )
    with refused("REG-P3", "does not count for vendor.example"):
        publish(wrong, [world.document(2)])
    assert world.repository.draft_names() == []


def test_without_the_online_key_the_draft_waits(world):
    publisher = world.publisher()
    offline = type(publisher)(
        publisher.repository, publisher.policy, publisher.keys, world.now, world.now
    )
    for revision in (2, 3):
        listed = publish(offline, [world.document(revision)])
        assert listed.published is None
        assert listed.waits_for == {}
    assert world.fetch().accepted.document.revision == 1
    assert not any("drafts" in name for name in served(world))
    world.refresh()
    assert world.fetch().accepted.document.revision == 3
    assert world.fetch(f"{REFERENCE}@2").accepted.document.revision == 2
    assert not list((world.repository.drafts / "targets").rglob("*.json"))


def test_a_draft_that_is_wrong_does_not_stop_the_others(world):
    envelope = world.document(2)
    publisher = world.publisher()
    offline = type(publisher)(
        publisher.repository, publisher.policy, publisher.keys, world.now, world.now
    )
    publish(offline, [envelope])
    for path in (world.repository.drafts / "targets").rglob("*.json"):
        path.write_bytes(b"{}")
    world.publish(2, RIVAL)
    assert world.fetch(f"{RIVAL}/https://{RIVAL}/systems/one@2").accepted.issuer == RIVAL
    done = refresh(world.repository, [world.keys["online"]], now=world.now)
    [finding] = done.findings
    assert "missing or another one" in finding.message
    publish(offline, [envelope])
    world.refresh()
    assert world.fetch().accepted.document.revision == 2


# REG-P4, REG-S3: what may be listed


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"signer": "thief"}, "ENV-T1"),
        ({"signer": "rival-documents"}, "ENV-T3"),
        ({"revision": 1}, "REG-P4"),
    ],
)
def test_what_readers_would_refuse_is_not_listed(world, change, code):
    before = served(world)
    world.publish(2)
    after = served(world)
    envelope = world.document(**({"revision": 3} | change))
    with refused(code):
        publish(world.publisher(), [world.document(4), envelope])
    assert served(world) == after != before
    assert world.repository.draft_names() == []


def test_a_revoked_document_is_not_listed_again(world):
    envelope = world.document(2)
    publish(world.publisher(), [envelope])
    world.revoke(identity(envelope))
    with refused("ACP-T01"):
        publish(world.publisher(), [envelope])


def test_the_same_document_with_more_signatures(world):
    envelope = world.document(2)
    publish(world.publisher(), [envelope])
    publish(world.publisher(), [envelope])
    payload = dsse.Envelope.from_bytes(envelope).payload
    keys = [world.keys["vendor-documents"], world.keys["thief"]]
    more = dsse.sign(payload, dsse.SYSTEM_DESCRIPTOR, keys).to_bytes()
    publish(world.publisher(), [more])
    assert world.fetch().envelope == more


def test_a_draft_by_a_stranger_is_not_signed_along(world):
    role = world.held(VENDOR)
    role.version += 1
    foreign = next(iter(world.held(RIVAL).targets.values()))
    foreign.path = f"{VENDOR}/{'9' * 64}.json"
    foreign.unrecognized_fields = {
        "custom": {"kind": "SystemDescriptor", "uri": "urn:x", "revision": "9"}
    }
    role.targets[foreign.path] = foreign
    for signers in ((), ("thief",), ("rival-registry",)):
        world.repository.write_draft(VENDOR, world.forge(role, *signers).metadata)
        assert resolve(world.repository, REFERENCE)[0] == VENDOR
        digest = world.publish(world.fetch().accepted.document.revision + 1)
        assert world.fetch().accepted.digest == digest
        assert foreign.path not in world.held(VENDOR).targets


def test_an_issuer_without_delegation(world):
    publisher = world.publisher()
    delegate(world.repository, VENDOR, None, now=world.now)
    with refused("REG-P3", "only for: rival.example"):
        publish(publisher, [world.document(2)])
    sign(world.repository, [world.keys["targets"]])
    world.refresh()
    with refused("REG-N2", "has no issuer vendor.example"):
        world.fetch()


def status_list(world, sequence):
    made = StatusList(
        spec="acp/1",
        issuer=VENDOR,
        sequence=sequence,
        issued_at=f"{world.now - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
        next_update=f"{world.now + timedelta(days=9):%Y-%m-%dT%H:%M:%SZ}",
    )
    key = world.keys["vendor-documents"]
    return dsse.sign(canonicalize(made.to_json()), dsse.STATUS_LIST, [key]).to_bytes()


def test_a_status_list_made_elsewhere(world):
    publish(world.publisher(), [status_list(world, 7)])
    assert world.fetch().accepted.status_sequences == (7,)
    with refused("REG-S3", "cannot follow sequence 7"):
        publish(world.publisher(), [status_list(world, 7)])


def test_a_status_list_takes_nothing_back(world):
    digest = world.publish(2)
    world.revoke(digest)
    with refused("REG-S3", f"lacks {digest}"):
        publish(world.publisher(), [status_list(world, 9)])
    with refused("REG-S3", "revoked already"):
        world.revoke(digest)
    with refused("REG-S3", "not trusted"):
        publisher = world.publisher()
        grants = tuple(one for one in world.policy.grants if RIVAL in one.issuers)
        stranger = type(world.policy)(spec="acp-trust/1", keys=world.policy.keys, grants=grants)
        revoke(
            type(publisher)(publisher.repository, stranger, publisher.keys, world.now, world.now),
            VENDOR,
            [],
            [world.keys["vendor-documents"]],
        )


def test_resolve(world):
    digest = world.publish(2)
    assert resolve(world.repository, REFERENCE) == (VENDOR, digest)
    assert resolve(world.repository, digest) == (VENDOR, digest)
    unknown = "sha256:" + "0" * 64
    assert resolve(world.repository, f"{VENDOR}/{unknown}") == (VENDOR, unknown)
    with refused("REG-N2"):
        resolve(world.repository, unknown)


# REG-P5: keys, names, terms


def test_ecdsa_keys_serve_every_role(tmp_path):
    keys = {name: PrivateKey.generate(Algorithm.ECDSA_P256) for name in TOP_LEVEL}
    roles = {name: KeySet((key.public,)) for name, key in keys.items()}
    repository = begin(tmp_path / "r", roles, now=datetime.now(UTC))
    sign(repository, [keys["root"], keys["targets"]])
    done = refresh(repository, [keys["snapshot"], keys["timestamp"]], now=datetime.now(UTC))
    assert done.files[-1] == "timestamp.json"
    for name, key in keys.items():
        assert our_id(tuf_key(key.public)) == key.public.keyid, name


def test_unusable_keys(world, tmp_path):
    public = world.keys["thief"].public
    for keys in (KeySet(()), KeySet((public,), threshold=2), KeySet((public, public))):
        with refused("REG-P5"):
            begin(tmp_path / "r", dict.fromkeys(TOP_LEVEL, keys), now=world.now)
        with refused("REG-P5"):
            delegate(world.repository, VENDOR, keys, now=world.now)
    good = KeySet((public,))
    with refused("REG-P5", "is a registry already"):
        begin(world.repository.path, dict.fromkeys(TOP_LEVEL, good), now=world.now)
    with refused("REG-P5", "allowed are 1 to 3650"):
        begin(tmp_path / "r", dict.fromkeys(TOP_LEVEL, good), now=world.now, terms={"root": 0})
    with refused("REG-P5", "is no registry"):
        Repository.open(tmp_path)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("issuer", ["root", "targets", "Example.com", "a", "../b.c", "*.b.c", ""])
def test_unusable_issuers(world, issuer):
    with refused("REG-P5", "not a lower-case DNS name"):
        delegate(world.repository, issuer, KeySet((world.keys["thief"].public,)), now=world.now)


def test_unusable_rotations(world):
    keys = world.keys
    with refused("REG-P5", "has no key"):
        rotate(world.repository, ["root"], now=world.now, remove=["sha256:" + "0" * 64])
    with refused("REG-P5", "already"):
        rotate(world.repository, ["root"], now=world.now, add=[keys["root-a"].public])
    with refused("REG-P5", "can never sign"):
        rotate(world.repository, ["root"], now=world.now, threshold=4)
    with refused("REG-P5", "can never sign"):
        rotate(world.repository, ["timestamp"], now=world.now, remove=[keys["online"].public.keyid])
    with refused("REG-P5", "has no delegation"):
        delegate(world.repository, "other.example", None, now=world.now)
    assert world.repository.draft_names() == []


def test_settings_that_are_none(world):
    (world.repository.path / "registry.json").write_text('{"spec": "acp-registry/1", "days": {}}')
    with refused("REG-P5", '"days"'):
        Repository.open(world.repository.path)


def test_signers_see_what_a_draft_changes(world):
    thief = world.keys["thief"].public
    online = world.keys["online"].public.keyid
    rotate(world.repository, ["timestamp"], now=world.now, add=[thief], remove=[online])
    lines = describe_change(world.repository, "root")
    assert lines[0].startswith("version 2, until ")
    assert lines[1:] == [
        f"+ timestamp: 1 of {thief.keyid}",
        f"- timestamp: 1 of {online}",
    ]


# How a registry stands


def test_a_sound_registry(world):
    roles, found = inspect(world.repository, now=world.now, soon=timedelta(days=3))
    assert found == []
    assert [one.name for one in roles] == [*TOP_LEVEL, RIVAL, VENDOR]
    assert roles[-1].documents == 2


@pytest.mark.parametrize(
    ("days", "codes"),
    [
        (5, [("REG-M3", "warning")]),
        (8, [("REG-M3", "error")]),
        (29, [("REG-M3", "error"), ("REG-M3", "warning")]),
        (400, [("REG-M3", "error")] * 6),
    ],
)
def test_terms(world, days, codes):
    assert errors(world, days=days) == codes


def test_damage(world):
    public = world.repository.public
    stored = next((public / "targets" / VENDOR).iterdir())
    genuine = stored.read_bytes()
    stored.write_bytes(genuine + b" ")
    assert errors(world) == [("REG-P1", "error")]
    stored.write_bytes(genuine)
    path = public / "metadata" / f"{world.held(VENDOR).version}.{VENDOR}.json"
    role = Metadata.from_bytes(path.read_bytes())
    path.write_bytes(world.forge(role.signed, "thief").data)
    assert errors(world) == [("REG-M1", "error"), ("REG-M4", "error")]


def test_nothing_published(world, tmp_path):
    keys = KeySet((world.keys["thief"].public,))
    repository = begin(tmp_path / "new", dict.fromkeys(TOP_LEVEL, keys), now=world.now)
    roles, found = inspect(repository, now=world.now, soon=timedelta(days=3))
    assert [(one.code, one.severity) for one in found] == [("REG-P3", "error")]
    assert [one.draft for one in roles[:2]] == [
        "0 of 1 signatures by the keys of this root",
        "0 of 1 signatures",
    ]
    with refused("REG-P3", "root was never published"):
        refresh(repository, [world.keys["thief"]], now=world.now)


def test_no_private_key_is_in_the_folder(world):
    for path in Path(world.repository.path).rglob("*"):
        if path.is_file():
            assert b"PRIVATE" not in path.read_bytes()
