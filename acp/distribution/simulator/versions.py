"""Attacks with old, mixed and withheld versions."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from acp.distribution.names import status_path
from acp.distribution.operating import rotate, sign
from acp.distribution.simulator.attack import attack
from acp.distribution.simulator.world import VENDOR, World, identity, meta_of


@attack("rollback-timestamp", "REG-M2", "serves the timestamp of yesterday")
def _(world: World) -> None:
    old = world.served("timestamp.json")
    world.publish(2)
    world.fetch()
    world.instead["metadata/timestamp.json"] = old


@attack("rollback-snapshot", "REG-M2", "has the online key; signs a timestamp for an old snapshot")
def _(world: World) -> None:
    old = meta_of_snapshot(world)
    world.publish(2)
    world.fetch()
    timestamp = world.held("timestamp")
    timestamp.version += 1
    timestamp.snapshot_meta = old
    world.serve("timestamp.json", world.forge(timestamp, "online"))


@attack(
    "rollback-role", "REG-M2", "has the online key; signs a snapshot with an issuer's old version"
)
def _(world: World) -> None:
    old = world.held("snapshot").meta[f"{VENDOR}.json"]
    world.publish(2)
    world.fetch()
    snapshot, timestamp = world.held("snapshot"), world.held("timestamp")
    snapshot.meta[f"{VENDOR}.json"] = old
    _serve_snapshot(world, snapshot, timestamp)


@attack("role-removed", "REG-M2", "has the online key; signs a snapshot without an issuer")
def _(world: World) -> None:
    snapshot, timestamp = world.held("snapshot"), world.held("timestamp")
    del snapshot.meta[f"{VENDOR}.json"]
    _serve_snapshot(world, snapshot, timestamp)


@attack("rollback-revision", "REG-M6", "has the issuer's registry key; unlists the newest revision")
def _(world: World) -> None:
    newest = world.publish(2)
    world.fetch()
    role = world.held(VENDOR)
    del role.targets[f"{VENDOR}/{newest.removeprefix('sha256:')}.json"]
    role.version += 1
    world.serve_roles({VENDOR: world.forge(role, "vendor-registry")})


@attack("rollback-status", "REG-S1", "has the issuer's registry key; lists an old status list")
def _(world: World) -> dict[str, Any]:
    old = world.held(VENDOR).targets[status_path(VENDOR)]
    document = world.publish(2)
    world.fetch()
    world.revoke(identity(world.document(9)))
    world.fetch()
    role = world.held(VENDOR)
    role.targets[status_path(VENDOR)] = old
    role.version += 1
    world.serve_roles({VENDOR: world.forge(role, "vendor-registry")})
    return {"reference": document}


@attack("status-withheld", "REG-S1", "has the issuer's registry key; unlists the status list")
def _(world: World) -> None:
    role = world.held(VENDOR)
    del role.targets[status_path(VENDOR)]
    role.version += 1
    world.serve_roles({VENDOR: world.forge(role, "vendor-registry")})


@attack("freeze", "REG-M3", "serves the same files for ever", repair=lambda world: world.refresh())
def _(world: World) -> None:
    timestamp = world.held("timestamp")
    timestamp.version += 1
    timestamp.expires = world.now.replace(microsecond=0) + timedelta(seconds=2)
    world.serve("timestamp.json", world.forge(timestamp, "online"))
    world.fetch()
    world.publish(2)
    time.sleep(max(0.0, (timestamp.expires - world.now).total_seconds()))


@attack("mix-snapshot", "REG-M4", "serves an old snapshot under the name of the new one")
def _(world: World) -> None:
    old = world.served(f"{world.held('snapshot').version}.snapshot.json")
    world.publish(2)
    world.instead[f"metadata/{world.held('snapshot').version}.snapshot.json"] = old


@attack("mix-role", "REG-M4", "serves an issuer's old metadata under the name of the new one")
def _(world: World) -> None:
    old = world.served(f"{world.held(VENDOR).version}.{VENDOR}.json")
    world.publish(2)
    world.instead[f"metadata/{world.held(VENDOR).version}.{VENDOR}.json"] = old


@attack("mix-document", "REG-M4", "serves one revision in place of another")
def _(world: World) -> None:
    world.publish(2)
    stored = (world.repository.public / "targets" / VENDOR).iterdir()
    files = {path.name: path.read_bytes() for path in stored if "status" not in path.name}
    first, second = sorted(files)
    world.instead[f"targets/{VENDOR}/{first}"] = files[second]
    world.instead[f"targets/{VENDOR}/{second}"] = files[first]


def _rotated_online(world: World) -> None:
    """Give snapshot and timestamp another key, which ends the memory of their versions."""
    thief = world.keys["thief"]
    old = world.keys["online"].public.keyid
    rotate(
        world.repository,
        ("snapshot", "timestamp"),
        now=world.now,
        add=[thief.public],
        remove=[old],
    )
    sign(world.repository, [world.keys["root-a"], world.keys["root-c"]])
    world.refresh("thief")


@attack(
    "fast-forward",
    "REG-M2",
    "had the online key for an hour: the client saw version 1000000; the operator's are lower",
    repair=_rotated_online,
)
def _(world: World) -> None:
    snapshot, timestamp = world.held("snapshot"), world.held("timestamp")
    snapshot.version = timestamp.version = 1_000_000 - 1
    _serve_snapshot(world, snapshot, timestamp)
    world.fetch()
    world.instead.clear()


@attack("root-skips", "REG-M2", "has the root keys; serves a root of the version after next")
def _(world: World) -> None:
    root = world.held("root")
    root.version += 2
    world.serve("2.root.json", world.forge(root, "root-a", "root-b"))


@attack("unpinned", "REG-L1", "has the online key; signs a snapshot that states no hashes")
def _(world: World) -> None:
    snapshot, timestamp = world.held("snapshot"), world.held("timestamp")
    snapshot.meta[f"{VENDOR}.json"].hashes = None
    _serve_snapshot(world, snapshot, timestamp)


def meta_of_snapshot(world: World) -> Any:
    """Return how the current timestamp refers to the snapshot."""
    return world.held("timestamp").snapshot_meta


def _serve_snapshot(world: World, snapshot: Any, timestamp: Any) -> None:
    snapshot.version += 1
    timestamp.version += 1
    forged = world.forge(snapshot, "online")
    timestamp.snapshot_meta = meta_of(forged)
    world.serve(f"{snapshot.version}.snapshot.json", forged)
    world.serve("timestamp.json", world.forge(timestamp, "online"))
