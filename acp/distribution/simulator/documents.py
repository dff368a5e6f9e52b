"""Attacks with genuine documents: revoked ones, ones under a wrong name, altered ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tuf.api.metadata import TargetFile

from acp import dsse
from acp.canonical import canonicalize
from acp.distribution.names import document_path, status_path
from acp.distribution.simulator.attack import attack
from acp.distribution.simulator.world import URI, VENDOR, World, identity
from acp.v1.status import StatusList


@attack("revoked-document", "ACP-T01", "asks the client to use a document that its issuer revoked")
def _(world: World) -> dict[str, Any]:
    revoked = world.publish(2)
    world.fetch(revoked)
    world.publish(3)
    world.revoke(revoked)
    world.fetch()
    return {"reference": revoked}


@attack("swapped-document", "REG-N3", "has the issuer's registry key; lists revision 1 as 7")
def _(world: World) -> dict[str, Any]:
    envelope = world.document(1)
    target = TargetFile.from_data(document_path(VENDOR, identity(envelope)), envelope, ["sha256"])
    target.unrecognized_fields = {
        "custom": {"kind": "SystemDescriptor", "uri": URI, "revision": "7"}
    }
    _list(world, target, envelope)
    return {"reference": f"{VENDOR}/{URI}@7"}


@attack("other-digest", "REG-N3", "has the issuer's registry key; lists a document as another one")
def _(world: World) -> dict[str, Any]:
    envelope = world.document(1)
    digest = "sha256:" + "7" * 64
    target = TargetFile.from_data(document_path(VENDOR, digest), envelope, ["sha256"])
    target.unrecognized_fields = {
        "custom": {"kind": "SystemDescriptor", "uri": f"{URI}/x", "revision": "1"}
    }
    _list(world, target, envelope)
    return {"reference": f"{VENDOR}/{digest}"}


@attack("two-of-one-revision", "REG-L2", "has the issuer's registry key; lists two revisions 1")
def _(world: World) -> None:
    envelope = world.document(1)
    target = TargetFile.from_data(document_path(VENDOR, "sha256:" + "8" * 64), envelope, ["sha256"])
    target.unrecognized_fields = {
        "custom": {"kind": "SystemDescriptor", "uri": URI, "revision": "1"}
    }
    _list(world, target, envelope)


@attack(
    "status-of-stranger", "ENV-T1", "has the issuer's registry key; lists a status list of its own"
)
def _(world: World) -> None:
    _list_status(world, sequence=9, signer="thief")


@attack("status-stale", "ACP-T01", "has every key, and serves a status list that is out of date")
def _(world: World) -> None:
    _list_status(world, sequence=9, signer="vendor-documents", days=-1)


@attack("status-forked", "REG-S1", "has every key; serves another status list of the same sequence")
def _(world: World) -> None:
    _list_status(world, sequence=1, signer="vendor-documents", days=9)


@attack("altered-document", "REG-M4", "alters one byte of a document")
def _(world: World) -> None:
    world.publish(2)
    for path in (world.repository.public / "targets" / VENDOR).iterdir():
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        world.instead[f"targets/{VENDOR}/{path.name}"] = bytes(data)


@attack("weak-hash", "REG-L2", "has the issuer's registry key; lists a document by MD5")
def _(world: World) -> None:
    world.publish(2)
    role = world.held(VENDOR)
    role.version += 1
    for target in role.targets.values():
        target.hashes = {"md5": "0" * 32}
    world.serve_roles({VENDOR: world.forge(role, "vendor-registry")})


@attack("huge-document", "REG-D1", "has the issuer's registry key; lists a document of 1 TB")
def _(world: World) -> None:
    world.publish(2)
    role = world.held(VENDOR)
    role.version += 1
    for target in role.targets.values():
        target.length = 10**12
    world.serve_roles({VENDOR: world.forge(role, "vendor-registry")})


def _list(world: World, target: TargetFile, data: bytes) -> None:
    role = world.held(VENDOR)
    role.version += 1
    role.targets[target.path] = target
    world.serve_roles({VENDOR: world.forge(role, "vendor-registry")})
    folder, _, name = target.path.rpartition("/")
    world.instead[f"targets/{folder}/{target.hashes['sha256']}.{name}"] = data


def _list_status(world: World, *, sequence: int, signer: str, days: int = 10) -> None:
    made = StatusList(
        spec="acp/1",
        issuer=VENDOR,
        sequence=sequence,
        issued_at=f"{world.now - timedelta(days=5):%Y-%m-%dT%H:%M:%SZ}",
        next_update=f"{world.now + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}",
    )
    payload = canonicalize(made.to_json())
    envelope = dsse.sign(payload, dsse.STATUS_LIST, [world.keys[signer]]).to_bytes()
    target = TargetFile.from_data(status_path(VENDOR), envelope, ["sha256"])
    target.unrecognized_fields = {"custom": {"kind": "StatusList", "sequence": str(sequence)}}
    _list(world, target, envelope)
