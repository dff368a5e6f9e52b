"""Attacks with wrong, stolen and replaced keys."""

from __future__ import annotations

from typing import Any

from tuf.api.metadata import DelegatedRole, TargetFile

from acp.distribution.names import document_path
from acp.distribution.operating import rotate, sign
from acp.distribution.signing import tuf_key
from acp.distribution.simulator.attack import attack
from acp.distribution.simulator.world import RIVAL, URI, VENDOR, World, identity


@attack("arbitrary-metadata", "REG-M1", "signs a timestamp with a key of its own")
def _(world: World) -> None:
    timestamp = world.held("timestamp")
    timestamp.version += 1
    world.serve("timestamp.json", world.forge(timestamp, "thief"))


@attack("altered-metadata", "REG-M1", "alters the timestamp, and leaves its signature")
def _(world: World) -> None:
    data = world.served("timestamp.json")
    version = world.held("timestamp").version
    world.instead["metadata/timestamp.json"] = data.replace(
        b'"version":%d' % version, b'"version":%d' % (version + 1)
    )


def _exchange(world: World, old: str, new: str, *roles: str) -> None:
    rotate(
        world.repository,
        roles,
        now=world.now,
        add=[world.keys[new].public],
        remove=[world.keys[old].public.keyid],
    )
    sign(world.repository, [world.keys["root-a"], world.keys["root-b"]])


@attack(
    "stolen-key-after-rotation",
    "REG-M1",
    "has the online key that was replaced; signs a timestamp of a higher version",
    repair=lambda world: world.refresh("rival-registry"),
)
def _(world: World) -> None:
    stolen = world.held("timestamp")
    _exchange(world, "online", "rival-registry", "snapshot", "timestamp")
    world.refresh("rival-registry")
    world.fetch()
    stolen.version += 100
    world.serve("timestamp.json", world.forge(stolen, "online"))


@attack(
    "stolen-key-during-rotation",
    "REG-M1",
    "has the online key that is being replaced; shows the new root, and an old timestamp",
    repair=lambda world: world.refresh("rival-registry"),
    keeps_roots=True,
)
def _(world: World) -> None:
    stolen = world.held("timestamp")
    _exchange(world, "online", "rival-registry", "snapshot", "timestamp")
    world.refresh("rival-registry")
    stolen.version += 100
    world.serve("timestamp.json", world.forge(stolen, "online"))


@attack("root-below-threshold", "REG-M1", "has one of three root keys, of which two must sign")
def _(world: World) -> None:
    root = world.held("root")
    root.version += 1
    root.add_key(tuf_key(world.keys["thief"].public), "timestamp")
    world.serve("2.root.json", world.forge(root, "root-a"))


@attack(
    "root-of-new-keys-only",
    "REG-M1",
    "signs a root that names its own keys with these, and not with those of the root before",
)
def _(world: World) -> None:
    root = world.held("root")
    root.version += 1
    for keyid in list(root.roles["root"].keyids):
        root.revoke_key(keyid, "root")
    for name in ("thief", "rival-documents"):
        root.add_key(tuf_key(world.keys[name].public), "root")
    world.serve("2.root.json", world.forge(root, "thief", "rival-documents"))


@attack(
    "root-counts-a-key-twice",
    "REG-L3",
    "made the operator's root keys sign a root that has one key under two ids",
    repair=None,
)
def _(world: World) -> None:
    root = world.held("root")
    root.version += 1
    twin = tuf_key(world.keys["online"].public)
    twin.keyid = "0" * 64
    root.add_key(twin, "timestamp")
    world.serve("2.root.json", world.forge(root, "root-a", "root-b"))


@attack(
    "wrong-delegation", "REG-M1", "is one issuer; signs the role of another, with the online key"
)
def _(world: World) -> None:
    role = world.held(VENDOR)
    role.version += 1
    world.serve_roles({VENDOR: world.forge(role, "rival-registry")})


@attack("foreign-path", "REG-N2", "is one issuer; lists a document below the name of another")
def _(world: World) -> dict[str, Any]:
    envelope = world.document(7)
    path = document_path(VENDOR, identity(envelope))
    target = TargetFile.from_data(path, envelope, ["sha256"])
    target.unrecognized_fields = {
        "custom": {"kind": "SystemDescriptor", "uri": URI, "revision": "7"}
    }
    role = world.held(RIVAL)
    role.version += 1
    role.targets[path] = target
    world.serve_roles({RIVAL: world.forge(role, "rival-registry")})
    return {"reference": f"{VENDOR}/{URI}@7"}


@attack(
    "overlapping-delegation", "REG-L3", "has the keys of targets; lets itself speak for an issuer"
)
def _(world: World) -> None:
    targets = world.held("targets")
    targets.version += 1
    # Before the genuine one, which it would shadow.
    genuine = dict(targets.delegations.roles)
    targets.delegations.roles = {
        "evil.example": DelegatedRole(
            "evil.example", [], 1, terminating=True, paths=[f"{VENDOR}/*"]
        )
    } | genuine
    targets.add_key(tuf_key(world.keys["thief"].public), "evil.example")
    world.serve_roles({"targets": world.forge(targets, "targets")})


@attack(
    "forged-document",
    "ENV-T1",
    "has every key of the registry, the issuer's too, and none that the trust policy trusts",
)
def _(world: World) -> dict[str, Any]:
    envelope = world.document(7, signer="thief")
    path = document_path(VENDOR, identity(envelope))
    target = TargetFile.from_data(path, envelope, ["sha256"])
    target.unrecognized_fields = {
        "custom": {"kind": "SystemDescriptor", "uri": URI, "revision": "7"}
    }
    role = world.held(VENDOR)
    role.version += 1
    role.targets[path] = target
    world.serve_roles({VENDOR: world.forge(role, "vendor-registry")})
    folder, _, name = path.rpartition("/")
    world.instead[f"targets/{folder}/{target.hashes['sha256']}.{name}"] = envelope
    return {"reference": f"{VENDOR}/{URI}@7"}
