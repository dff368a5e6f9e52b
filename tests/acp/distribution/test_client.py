from __future__ import annotations

import copy
import os
import random
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from acp import dsse
from acp.canonical import canonicalize
from acp.diagnostics import Refused
from acp.distribution.client import Reader, Source, fetch, listed
from acp.distribution.names import Reference, document_path, stored_path
from acp.distribution.offline import recall
from acp.distribution.operating import KeySet, delegate, rotate, sign
from acp.distribution.publishing import publish
from acp.distribution.simulator.world import REFERENCE, RIVAL, URI, VENDOR, identity
from acp.distribution.state import Draft, State
from acp.v1.status import StatusList
from tests.acp.distribution.refusing import refused


def reader(world, **changes):
    return Reader(world.policy, changes.pop("now", world.now), **changes)


def source(world, **changes):
    return Source(**{"address": world.address, "state": world.state, **changes})


def offline(world, reference=REFERENCE, *, now=None, **changes):
    [found] = recall([reference], source(world, **changes), reader(world, now=now or world.now))
    return found


def test_every_form_of_reference_finds_the_document(world):
    digest = world.publish(2)
    forms = (REFERENCE, f"{REFERENCE}@2", f"{REFERENCE}@latest", f"{VENDOR}/{digest}", digest)
    for text in forms:
        found = world.fetch(text)
        assert found.accepted.digest == digest
        assert found.accepted.document.revision == 2
        assert found.accepted.status_sequences == (1,)
        assert found.warnings == ()
    assert world.fetch(f"{REFERENCE}@1").accepted.document.revision == 1


def test_what_was_fetched_is_not_downloaded_again(world):
    assert world.fetch().downloaded
    before = world.remembered()
    assert not world.fetch().downloaded
    assert world.remembered() == before


def test_a_folder_is_a_registry_too(world):
    folder = str(world.repository.public)
    given = source(world, address=folder, root=world.root_file)
    [found] = fetch([REFERENCE], given, reader(world))
    assert found.accepted.issuer == VENDOR


def test_several_documents_of_several_issuers(world):
    rivals = f"{RIVAL}/https://{RIVAL}/systems/one"
    given = source(world, root=world.root_file)
    found = fetch([REFERENCE, rivals], given, reader(world))
    assert [one.accepted.issuer for one in found] == [VENDOR, RIVAL]


def test_all_or_nothing(world):
    world.fetch()
    before = world.remembered()
    world.publish(2)
    with refused("REG-N2"):
        fetch([REFERENCE, f"{REFERENCE}@9"], source(world), reader(world))
    assert world.remembered() == before


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (f"{VENDOR}/{URI}@9", "acp fetch --list vendor.example"),
        (f"{VENDOR}/urn:other", "does not list"),
        ("stranger.example/urn:x", "the registry has no issuer stranger.example; it has rival"),
        ("sha256:" + "0" * 64, "asked was rival.example, vendor.example"),
    ],
)
def test_what_is_not_there(world, reference, words):
    with refused("REG-N2", words):
        world.fetch(reference)


def test_the_first_root_is_not_taken_from_the_registry(world):
    with refused("REG-R1", "--root"):
        fetch([REFERENCE], source(world), reader(world))


def test_a_root_of_another_registry(world, tmp_path):
    world.fetch()
    before = world.remembered()
    other = world.forge(world.held("root"), "thief").data
    with refused("REG-R2", "remove the state's folder"):
        fetch([REFERENCE], source(world, root=other), reader(world))
    assert world.remembered() == before
    with refused("REG-R2"):
        offline(world, root=other)
    with refused("REG-M1", "the root that was given"):
        new = source(world, state=tmp_path / "new", root=other)
        fetch([REFERENCE], new, reader(world))
    with refused("REG-M5", "the root that was given"):
        new = source(world, state=tmp_path / "new", root=b"{}")
        fetch([REFERENCE], new, reader(world))


def test_roots_are_followed_one_by_one_and_any_may_be_given(world):
    world.fetch()
    for _ in range(3):
        rotate(world.repository, ["root"], now=world.now)
        sign(world.repository, [world.keys["root-a"], world.keys["root-c"]])
        world.refresh()
    world.fetch()
    assert sorted(State(world.state).current.roots()) == [1, 2, 3, 4]
    for version in (1, 2, 4):
        root = world.served(f"{version}.root.json")
        fetch([REFERENCE], source(world, root=root), reader(world))
        assert offline(world, root=root).accepted.issuer == VENDOR


def test_a_verified_root_is_kept_when_the_rest_is_refused(world):
    world.fetch()
    rotate(world.repository, ["root"], now=world.now)
    sign(world.repository, [world.keys["root-a"], world.keys["root-c"]])
    world.refresh()
    world.instead["metadata/timestamp.json"] = b"{}"
    with refused("REG-M5"):
        world.fetch()
    assert sorted(State(world.state).current.roots()) == [1, 2]


def test_a_digest_is_found_although_another_issuer_claims_it(world):
    digest = world.publish(2)
    role = world.held(RIVAL)
    role.version += 1
    claimed = world.held(VENDOR).targets[document_path(VENDOR, digest)]
    envelope = world.repository.target(claimed)
    claimed.path = document_path(RIVAL, digest)
    role.targets[claimed.path] = claimed
    world.serve_roles({RIVAL: world.forge(role, "rival-registry")})
    stored = stored_path(claimed.path, claimed.hashes["sha256"])
    world.instead[f"targets/{stored}"] = envelope
    assert world.fetch(digest).accepted.issuer == VENDOR
    with refused("REG-N3", "issuer is vendor.example, listed rival.example"):
        world.fetch(f"{RIVAL}/{digest}")


def test_issuers_without_a_grant_are_not_asked(world):
    digest = world.publish(2, RIVAL)
    grants = tuple(one for one in world.policy.grants if VENDOR in one.issuers)
    policy = type(world.policy)(spec="acp-trust/1", keys=world.policy.keys, grants=grants)
    with refused("REG-N2", f"asked was {VENDOR}"):
        fetch([digest], source(world, root=world.root_file), Reader(policy, world.now))


def test_an_issuer_without_status_list(world):
    role = world.held(VENDOR)
    del role.targets[f"{VENDOR}/status.json"]
    role.version += 1
    world.serve_roles({VENDOR: world.forge(role, "vendor-registry")})
    [warning] = world.fetch().warnings
    assert (warning.code, warning.severity) == ("REG-S2", "warning")
    assert not world.fetch().accepted.status_sequences
    with refused("REG-S2"):
        world.fetch(require_status=True)
    assert offline(world).warnings == (warning,)


def test_an_issuer_recovers_from_the_highest_sequence(world, monkeypatch):
    """Whoever stole the document key published sequence 2^64 - 1; the policy gets a new key."""
    world.fetch()
    stolen = world.held(VENDOR)
    monkeypatch.setattr("acp.distribution.publishing._Change._require_next", lambda *_: None)

    def publish_list(sequence, key):
        made = StatusList(
            spec="acp/1",
            issuer=VENDOR,
            sequence=sequence,
            issued_at=f"{world.now - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
            next_update=f"{world.now + timedelta(days=9):%Y-%m-%dT%H:%M:%SZ}",
        )
        payload = canonicalize(made.to_json())
        envelope = dsse.sign(payload, dsse.STATUS_LIST, [world.keys[key]]).to_bytes()
        publish(world.publisher(), [envelope])

    publish_list(2**64 - 1, "vendor-documents")
    world.fetch()
    old_policy = world.policy
    world.keys["stolen"] = world.keys["vendor-documents"]
    world.keys["vendor-documents"] = world.keys["thief"]
    monkeypatch.setattr("acp.distribution.publishing._Change.status", lambda _: None)
    publish_list(2, "vendor-documents")
    digest = world.publish(2)
    assert world.fetch(digest).accepted.status_sequences == (2,)
    assert old_policy != world.policy
    assert stolen.version < world.held(VENDOR).version


def unlist(world, digest):
    """Serve a listing without a document, as the thief of the issuer's registry key can."""
    role = world.held(VENDOR)
    del role.targets[document_path(VENDOR, digest)]
    role.version += 1
    world.serve_roles({VENDOR: world.forge(role, "vendor-registry")})


def test_the_latest_does_not_go_down_by_detours(world):
    rivals = world.publish(5, RIVAL)
    digest = world.publish(2)
    world.fetch()
    unlist(world, digest)
    for reference in (REFERENCE, f"{REFERENCE}@1", f"{VENDOR}/{digest}"):
        with refused("REG-M6"):
            world.fetch(reference)
    with refused("REG-M6"):
        listed(VENDOR, source(world))
    # While the vendor is refused, the rival is found; that does not end the memory.
    assert world.fetch(rivals).accepted.issuer == RIVAL
    with refused("REG-M6"):
        world.fetch()
    assert offline(world, digest).accepted.digest == digest
    world.instead.clear()
    for _ in range(2):
        world.publish(world.held(VENDOR).version + 1)
    assert world.fetch().accepted.document.revision > 2


def test_an_issuer_recovers_from_the_highest_revision(world):
    role = world.held(VENDOR)
    target = copy.deepcopy(next(iter(role.targets.values())))
    target.path = document_path(VENDOR, "sha256:" + "5" * 64)
    target.unrecognized_fields = {
        "custom": {"kind": "SystemDescriptor", "uri": URI, "revision": str(2**64 - 1)}
    }
    role.targets[target.path] = target
    role.version += 1
    world.serve_roles({VENDOR: world.forge(role, "vendor-registry")})
    world.fetch(f"{REFERENCE}@1")
    world.instead.clear()
    for revision in (2, 3):
        world.publish(revision)
    with refused("REG-M6"):
        world.fetch(f"{REFERENCE}@1")
    keys = KeySet((world.keys["thief"].public,))
    delegate(world.repository, VENDOR, keys, now=world.now)
    sign(world.repository, [world.keys["targets"]])
    world.keys["vendor-registry"] = world.keys["thief"]
    digest = world.publish(6)
    assert world.fetch().accepted.digest == digest


def test_what_one_issuer_does_spoils_nothing_of_another(world):
    """Offline, documents of an issuer are there although others were fetched since."""
    first = world.fetch()
    world.publish(2)
    world.fetch(f"{RIVAL}/https://{RIVAL}/systems/one")
    found = offline(world)
    assert found.envelope == first.envelope
    [warning] = found.warnings
    assert "newer documents and revocations are not known here" in warning.message
    assert world.fetch().accepted.document.revision == 2
    assert offline(world).warnings == ()


def test_a_file_system_without_links(world, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    world.fetch()
    digest = world.publish(2)
    assert world.fetch().accepted.digest == digest
    assert offline(world).accepted.digest == digest


def test_offline(world):
    fetched = world.fetch()
    world.instead["metadata/timestamp.json"] = b"{}"
    found = offline(world)
    assert (found.envelope, found.warnings) == (fetched.envelope, ())
    assert offline(world, fetched.accepted.digest).accepted == fetched.accepted


def test_offline_says_what_is_out_of_date(world):
    world.fetch()
    later = offline(world, now=world.now + timedelta(days=10))
    [warning] = later.warnings
    assert warning.code == "REG-C3"
    assert "timestamp of the registry is out of term since" in warning.message
    much_later = offline(world, now=world.now + timedelta(days=40))
    messages = " ".join(one.message for one in much_later.warnings)
    assert "snapshot of the registry" in messages
    assert "the status list of vendor.example, sequence 1, was due" in messages
    with refused("ACP-T01"):
        offline(world, now=world.now + timedelta(days=200))


def test_offline_gives_only_what_was_fetched(world, tmp_path):
    with refused("REG-C3", "holds nothing"):
        offline(world, state=tmp_path / "none")
    world.fetch()
    world.publish(2)
    world.fetch()
    with refused("REG-C3", "nothing of rival.example was fetched"):
        offline(world, f"{RIVAL}/urn:x")
    listed(VENDOR, source(world))
    world.publish(3)
    listed(VENDOR, source(world))
    with refused("REG-C3", "was never fetched"):
        offline(world)
    with refused("REG-N2"):
        offline(world, f"{REFERENCE}@9")


def test_a_revocation_that_was_seen_counts_offline(world):
    digest = world.publish(2)
    world.fetch(digest)
    world.revoke(digest)
    assert offline(world, digest).accepted.digest == digest
    for _ in range(2):
        with refused("ACP-T01", "withdrawn"):
            world.fetch(digest)
        with refused("ACP-T01", "withdrawn"):
            offline(world, digest)


def damages(world):
    generation = State(world.state).current.path
    digest = identity(world.document(1)).removeprefix("sha256:")
    return {
        "anchor.json": b"{}",
        "metadata/timestamp.json": b"{}",
        "metadata/snapshot.json": world.forge(world.held("snapshot"), "thief").data,
        "metadata/targets.json": world.forge(world.held("targets"), "thief").data,
        f"metadata/{VENDOR}.json": world.forge(world.held(VENDOR), "thief").data,
        f"documents/{VENDOR}/{digest}.json": b"{}",
        f"documents/{VENDOR}/status.json": b"{}",
    }, generation


def test_a_state_that_does_not_verify_is_refused_offline_and_mended_online(world):
    world.fetch()
    found, generation = damages(world)
    for name, content in found.items():
        path = generation / name
        if not path.exists():  # the digest depends on the second of issue
            path = next((generation / "documents" / VENDOR).glob("[0-9a-f]*.json"))
        genuine = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
        with refused("REG-C2"):
            offline(world)
        path.write_bytes(genuine)
        assert offline(world).accepted.issuer == VENDOR
    path.write_bytes(b"{}")
    world.fetch()
    assert offline(world).accepted.issuer == VENDOR


def test_a_missing_file_of_the_state(world):
    world.fetch()
    (State(world.state).current.path / "anchor.json").unlink()
    with refused("REG-C2", "remove its folder"):
        world.fetch()


def test_clients_wait_for_each_other(world):
    world.fetch()
    results = []

    def client():
        results.append(world.fetch().accepted.digest)

    world.publish(2)
    threads = [threading.Thread(target=client) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    assert len(set(results)) == 1


def test_a_client_that_waits_too_long(world):
    world.fetch()
    with (
        State(world.state).changing(1),
        refused("REG-C2", "another client is using"),
        State(world.state).changing(0.1),
    ):
        pass


class Crash(BaseException):
    """The process ends here."""


class Countdown:
    """Lets some calls of a function through, and ends the process at the next."""

    def __init__(self, function, count):
        self.function, self.left, self.crashed = function, count, False

    def call(self):
        """Return a function, which unlike an object becomes a method of a class."""

        def call(*arguments, **more):
            self.left -= 1
            if self.left < 0:
                self.crashed = True
                raise Crash
            return self.function(*arguments, **more)

        return call


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.rename", "pathlib.Path.symlink_to"])
def test_a_crash_leaves_the_old_state_or_the_new_one(world, monkeypatch, step):
    world.fetch()
    module, _, name = step.rpartition(".")
    owner = {"os": os, "pathlib.Path": Path}[module]
    crashes = 0
    for count in range(20):
        world.publish(2 + count)
        countdown = Countdown(getattr(owner, name), count)
        with monkeypatch.context() as patched:
            # A process that is killed clears nothing up.
            patched.setattr(Draft, "discard", lambda _: None)
            patched.setattr(owner, name, countdown.call())
            try:
                world.fetch()
            except Crash:
                crashes += 1
        assert offline(world).accepted.document.revision in {1 + count, 2 + count}
        assert world.fetch().accepted.document.revision == 2 + count
        assert {path.name for path in world.state.iterdir()} == {
            "lock",
            "current",
            State(world.state).current.path.name,
        }
        if not countdown.crashed:
            break
    assert crashes
    assert not countdown.crashed, "the last round went through"


def test_listing(world):
    world.publish(2)
    found = listed(VENDOR, source(world, root=world.root_file))
    assert [(one.uri, one.revision, one.kind) for one in found] == [
        (URI, 1, "SystemDescriptor"),
        (URI, 2, "SystemDescriptor"),
    ]


def test_an_issuer_that_published_nothing(world):
    keys = KeySet((world.keys["thief"].public,))
    delegate(world.repository, "new.example", keys, now=world.now)
    sign(world.repository, [world.keys["targets"]])
    world.refresh()
    with refused("REG-N2", "has published nothing"):
        world.fetch("new.example/urn:x")


def test_whatever_a_server_says_is_refused_or_true(world):
    """Mutations of every metadata file: a refusal without a trace, or the genuine document."""
    world.fetch()
    digest = world.publish(2)
    chance = random.Random(20261121)  # noqa: S311 - repeatable, not secret
    files = [path for path in (world.repository.public / "metadata").iterdir() if path.is_file()]
    before = world.remembered()
    refusals = 0
    for _ in range(150):
        path = chance.choice(files)
        data = bytearray(path.read_bytes())
        for _ in range(chance.choice([1, 1, 3, 20])):
            place = chance.randrange(len(data))
            match chance.randrange(4):
                case 0:
                    data[place] = chance.randrange(256)
                case 1:
                    del data[place : place + chance.randrange(1, 40)]
                case 2:
                    data[place:place] = chance.choice(
                        [b"[", b"{", b"null", b"1e999", b'"', b"\xff"]
                    )
                case _:
                    data[place:place] = data[place : place + chance.randrange(1, 80)]
        world.instead.clear()
        world.instead[f"metadata/{path.name}"] = bytes(data)
        try:
            found = world.fetch()
        except Refused:
            refusals += 1
            assert world.remembered() == before
        else:
            assert found.accepted.digest == digest
            before = world.remembered()
    assert refusals


def test_no_state_outside_of_its_folder(world, tmp_path):
    before = {path.name for path in tmp_path.iterdir()}
    world.fetch()
    assert {path.name for path in tmp_path.iterdir()} == before | {"state"}


def test_reference_is_remembered(world):
    assert world.fetch().reference == Reference.parse(REFERENCE)
