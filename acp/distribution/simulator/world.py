"""One registry with two issuers, a server for it, and a client: the stage of all attacks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, TypeAlias

from tuf.api.metadata import Metadata, MetaFile, Signed
from typing_extensions import override

from acp import dsse
from acp.canonical import JsonValue, canonicalize
from acp.distribution.client import Fetched, Reader, Source, fetch
from acp.distribution.operating import KeySet, begin, delegate, sign
from acp.distribution.publication import refresh
from acp.distribution.publishing import Publisher, publish, revoke
from acp.distribution.repository import Held, Repository
from acp.distribution.signing import KeySigner
from acp.distribution.transport import Patience
from acp.documents import digest
from acp.keys import PrivateKey
from acp.policy import Grant, TrustedKey, TrustPolicy
from acp.v1.status import StatusEntry
from acp.v1.system import SystemDescriptor

VENDOR: Final = "vendor.example"
RIVAL: Final = "rival.example"
URI: Final = "https://vendor.example/systems/one"
REFERENCE: Final = f"{VENDOR}/{URI}"

_KEYS: Final = (
    "root-a",
    "root-b",
    "root-c",
    "targets",
    "online",
    "vendor-registry",
    "vendor-documents",
    "rival-registry",
    "rival-documents",
    "thief",
)

Answer: TypeAlias = "bytes | Callable[[Handler], None]"


class Handler(SimpleHTTPRequestHandler):
    """Serves the registry's files, or what an attacker puts in their place."""

    def __init__(self, *args: Any, instead: dict[str, Answer], **kwargs: Any) -> None:
        """Serve `instead` where it has the path that is asked for."""
        self._instead = instead
        super().__init__(*args, **kwargs)

    @override
    def do_GET(self) -> None:
        answer = self._instead.get(self.path.lstrip("/"))
        with suppress(ConnectionError, TimeoutError):
            if answer is None:
                super().do_GET()
            elif isinstance(answer, bytes):
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            else:
                answer(self)

    @override
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class World:
    """A registry in a folder, who has which key, what is served, and the client.

    Attributes:
        keys: Private keys by name.
        repository: The registry as its operator has it.
        instead: Answers of the server that differ from the files, by path below its address.
        address: Where the registry is served.
        state: Folder of the client's memory.
    """

    def __init__(self, folder: Path, address: str, instead: dict[str, Answer]) -> None:
        """Begin a registry with one document of each issuer, and status lists."""
        self.keys = {name: PrivateKey.generate() for name in _KEYS}
        self.instead = instead
        self.address = address
        self.state = folder / "state"
        self.root_file = b""
        self.repository = self._begin(folder / "registry")

    @property
    def now(self) -> datetime:
        """The present."""
        return datetime.now(UTC)

    @property
    def policy(self) -> TrustPolicy:
        """A policy that trusts each issuer's document key for the issuer's documents."""
        owners = {VENDOR: "vendor-documents", RIVAL: "rival-documents"}
        kinds = (dsse.SYSTEM_DESCRIPTOR, dsse.STATUS_LIST)
        publics = {issuer: self.keys[name].public for issuer, name in owners.items()}
        return TrustPolicy(
            spec="acp-trust/1",
            keys=tuple(map(TrustedKey.of, publics.values())),
            grants=tuple(
                Grant(document_types=kinds, issuers=(issuer,), keyids=(key.keyid,))
                for issuer, key in publics.items()
            ),
        )

    def fetch(self, reference: str = REFERENCE, **changes: Any) -> Fetched:
        """Fetch as the client does, with little patience."""
        patience = Patience(grace_s=1.0, min_bytes_per_s=2000, silence_s=2.0, total_s=30.0)
        source = Source(self.address, self.state, root=self.root_file, patience=patience)
        reader = Reader(self.policy, self.now, **changes)
        [found] = fetch([reference], source, reader)
        return found

    def remembered(self) -> dict[str, bytes | str]:
        """Return all that the client has on its disk: every file, and where each link leads."""
        return {
            str(path.relative_to(self.state)): (
                str(path.readlink()) if path.is_symlink() else path.read_bytes()
            )
            for path in sorted(self.state.rglob("*"))
            if path.is_symlink() or path.is_file()
        }

    def document(self, revision: int, issuer: str = VENDOR, signer: str = "") -> bytes:
        """Return a signed document of an issuer."""
        name = issuer.partition(".")[0]
        value: JsonValue = {
            "spec": "acp/1",
            "uri": f"https://{issuer}/systems/one",
            "revision": str(revision),
            "issuer": issuer,
            "issued_at": _written(self.now - timedelta(days=1)),
            "expires_at": _written(self.now + timedelta(days=100)),
            "nodes": [{"id": "n0", "descriptor_digest": "sha256:" + "0" * 64}],
        }
        payload = canonicalize(SystemDescriptor.from_json(value).to_json())
        key = self.keys[signer or f"{name}-documents"]
        return dsse.sign(payload, dsse.SYSTEM_DESCRIPTOR, [key]).to_bytes()

    def publisher(self, issuer: str = VENDOR) -> Publisher:
        """Return an issuer who has the online key, too."""
        key = self.keys[f"{issuer.partition('.')[0]}-registry"]
        online = (self.keys["online"],)
        return Publisher(self.repository, self.policy, (key,), self.now, self.now, online)

    def publish(self, revision: int, issuer: str = VENDOR) -> str:
        """Publish a document; return its digest."""
        envelope = self.document(revision, issuer)
        publish(self.publisher(issuer), [envelope])
        return identity(envelope)

    def revoke(self, *digests: str, issuer: str = VENDOR) -> None:
        """Publish the next status list of an issuer."""
        entries = [
            StatusEntry(digest=one, reason="withdrawn", effective_at=_written(self.now))
            for one in digests
        ]
        key = self.keys[f"{issuer.partition('.')[0]}-documents"]
        revoke(self.publisher(issuer), issuer, entries, [key])

    def refresh(self, *online: str) -> None:
        """Publish what is complete."""
        done = refresh(
            self.repository, [self.keys[name] for name in online or ("online",)], now=self.now
        )
        assert not done.findings, done.findings  # noqa: S101 - a stage that is not set up is no stage

    # What an attacker can do who has stolen keys

    def served(self, file: str) -> bytes:
        """Return a metadata file as the operator published it."""
        return (self.repository.public / "metadata" / file).read_bytes()

    def forge(self, signed: Signed, *names: str) -> Held:
        """Return metadata that says anything, signed with stolen keys."""
        metadata: Metadata[Any] = Metadata(signed)
        for name in names:
            metadata.sign(KeySigner(self.keys[name]), append=True)
        return Held(metadata, metadata.to_bytes())

    def held(self, name: str) -> Any:
        """Return what the current metadata of a role says, to be changed at will."""
        repository = self.repository
        if name in {"timestamp", "snapshot", "root"}:
            held = {
                "timestamp": repository.timestamp,
                "snapshot": repository.snapshot,
                "root": repository.root,
            }[name]()
        else:
            held = repository.role(name)
        assert held is not None  # noqa: S101 - the stage has all of them
        return Metadata.from_bytes(held.data).signed

    def serve(self, file: str, held: Held) -> None:
        """Serve a metadata file in place of the operator's."""
        self.instead[f"metadata/{file}"] = held.data

    def serve_roles(self, roles: dict[str, Held], *, online: str = "online") -> None:
        """Serve roles with a snapshot and a timestamp that agree with them."""
        snapshot, timestamp = self.held("snapshot"), self.held("timestamp")
        for name, held in roles.items():
            snapshot.meta[f"{name}.json"] = meta_of(held)
            self.serve(f"{held.signed.version}.{name}.json", held)
        snapshot.version += 1
        timestamp.version += 1
        forged = self.forge(snapshot, online)
        timestamp.snapshot_meta = meta_of(forged)
        self.serve(f"{snapshot.version}.snapshot.json", forged)
        self.serve("timestamp.json", self.forge(timestamp, online))

    def _begin(self, path: Path) -> Repository:
        public = {name: key.public for name, key in self.keys.items()}
        roots = (public["root-a"], public["root-b"], public["root-c"])
        online = KeySet((public["online"],))
        roles = {
            "root": KeySet(roots, threshold=2),
            "targets": KeySet((public["targets"],)),
            "snapshot": online,
            "timestamp": online,
        }
        self.repository = begin(path, roles, now=self.now)
        for issuer, name in ((RIVAL, "rival-registry"), (VENDOR, "vendor-registry")):
            delegate(self.repository, issuer, KeySet((public[name],)), now=self.now)
        sign(self.repository, [self.keys[name] for name in ("root-a", "root-b", "targets")])
        self.refresh()
        self.root_file = self.served("1.root.json")
        for issuer in (VENDOR, RIVAL):
            self.publish(1, issuer)
            self.revoke(issuer=issuer)
        return self.repository


def meta_of(held: Held) -> MetaFile:
    """Return how other metadata refers to this."""
    return MetaFile.from_data(held.signed.version, held.data, ["sha256"])


def identity(envelope: bytes) -> str:
    """Return the digest of the document in an envelope."""
    return digest(json.loads(dsse.Envelope.from_bytes(envelope).payload))


@contextmanager
def staged(folder: Path) -> Iterator[World]:
    """Give a world in a folder, served on this machine."""
    instead: dict[str, Answer] = {}
    public = folder / "registry" / "public"
    handler = partial(Handler, instead=instead, directory=str(public))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield World(folder, f"http://127.0.0.1:{server.server_port}", instead)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
