"""What it takes to handle documents: a folder of them by command, and one in each single step.

The documents are copies of the example descriptor with other content each: another name, other
rates. *By command*: `acp validate` on a folder of 1,000 and on one file; what a further document
costs is the difference, divided by their number. The same for copies of the reference descriptors
that are shipped, which are eight times as long. *In process*: every step from bytes to a document
that may be acted on, and back to signed bytes, over all documents in turn. Beside them, in one run,
what others take for the comparable part: `json.loads`, the `jsonschema` package with the schema of
this repository, the `rfc8785` package, and `cryptography`'s bare Ed25519.

Target: at least 500 further documents a second.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import jsonschema
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from acp import canonical, documents, rules
from acp.acceptance import accept
from acp.dsse import CAPABILITY_DESCRIPTOR, Envelope, sign
from acp.keys import PrivateKey
from acp.policy import Grant, TrustedKey, TrustPolicy
from acp.v1.capability import CapabilityDescriptor
from benchmarks.workbench import BIN, ROOT, Workbench, interleaved, paired_difference, summary

COUNT = 200
FILES = 1000
TARGET_PER_S = 500
REFERENCES = ROOT / "acp" / "reference"
EXAMPLE = ROOT / "examples" / "documents" / "capability-descriptor.json"
SCHEMA = ROOT / "acp" / "schemas" / "acp.v1.capability-descriptor.schema.json"


def measure(bench: Workbench) -> dict[str, object]:
    """Return times by command and in process."""
    given = Documents.make(COUNT)
    return {
        "count": COUNT,
        "document_bytes": round(sum(map(len, given.canonical)) / COUNT),
        "command": _command(bench, [EXAMPLE]),
        "target_per_s": TARGET_PER_S,
        "references": _command(bench, _references()),
        "steps": _steps(bench, given),
    }


@dataclass(frozen=True, slots=True)
class Documents:
    """Documents in each form that a step takes.

    Attributes:
        values: Decoded.
        canonical: In canonical form.
        envelopes: Signed.
        typed: As typed documents.
        key: Signed them.
        policy: Trusts the key.
    """

    values: list[Any]
    canonical: list[bytes]
    envelopes: list[bytes]
    typed: list[CapabilityDescriptor]
    key: PrivateKey
    policy: TrustPolicy

    @classmethod
    def make(cls, count: int) -> Self:
        """Return documents that differ in content."""
        original = json.loads(EXAMPLE.read_text(encoding="utf-8"))
        values = [_varied(original, number) for number in range(count)]
        texts = [canonical.canonicalize(value) for value in values]
        key = PrivateKey.generate()
        grant = Grant(
            document_types=(CAPABILITY_DESCRIPTOR,),
            issuers=(original["issuer"],),
            keyids=(key.public.keyid,),
        )
        return cls(
            values=values,
            canonical=texts,
            envelopes=[sign(text, CAPABILITY_DESCRIPTOR, [key]).to_bytes() for text in texts],
            typed=[documents.load(text, CapabilityDescriptor) for text in texts],
            key=key,
            policy=TrustPolicy(
                spec="acp-trust/1", keys=(TrustedKey.of(key.public),), grants=(grant,)
            ),
        )


def _varied(original: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a copy with another name and other rates."""
    copied: dict[str, Any] = json.loads(json.dumps(original))
    copied["uri"] += f"/{number}"
    copied["revision"] = str(number + 1)
    for engine in copied["engines"]:
        for rate in engine.get("rates", ()):
            rate["peak_ops_per_s"] = str(int(rate["peak_ops_per_s"]) + number)
    return copied


def _references() -> list[Path]:
    """Return the shipped descriptors of whole devices."""
    folders = ("systems", "slices")
    return [f for f in sorted(REFERENCES.rglob("*.json")) if f.parent.name not in folders]


def _command(bench: Workbench, originals: Sequence[Path]) -> dict[str, object]:
    """Return what a folder of varied copies of some documents takes, each written as it is."""
    folder = bench.folder.parent / "bench-documents"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    values = [json.loads(file.read_text(encoding="utf-8")) for file in originals]
    written = 0
    for number in range(FILES):
        text = json.dumps(_varied(values[number % len(values)], number), indent=2)
        written += (folder / f"{number:04}.json").write_text(text, encoding="utf-8")
    times = interleaved(
        {"one": _validate(folder / "0000.json"), "folder": _validate(folder)},
        rounds=bench.rounds(5),
        warm=1,
    )
    further = paired_difference(times["folder"], times["one"]) / (FILES - 1)
    return {
        **{name: summary(taken) for name, taken in times.items()},
        "count": FILES,
        "document_bytes": round(written / FILES),
        "ns_per_further_document": round(further),
        "documents_per_s": round(1e9 / further),
    }


def _validate(path: Path) -> Callable[[], object]:
    line = [str(BIN / "acp"), "validate", str(path)]
    return lambda: subprocess.run(line, check=True, capture_output=True)


def _steps(bench: Workbench, given: Documents) -> dict[str, dict[str, int]]:
    """Return the times of each step for one document."""
    now = datetime.now(UTC)
    context = rules.Context(now=now)
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    bare = Ed25519PrivateKey.generate()
    public, texts = bare.public_key(), given.canonical
    signatures = [(bare.sign(text), text) for text in texts]
    kinds = (CapabilityDescriptor,)
    steps: dict[str, tuple[Callable[[Any], object], list[Any]]] = {
        "decode": (canonical.decode, texts),
        "json.loads": (json.loads, texts),
        "structure": (CapabilityDescriptor.from_text, texts),
        "jsonschema": (validator.validate, given.values),
        "rules": (lambda one: rules.check(one, context), list(given.typed)),
        "canonicalize": (canonical.canonicalize, given.values),
        "rfc8785": (rfc8785.dumps, given.values),
        "digest": (canonical.digest, given.values),
        "sha256": (lambda one: hashlib.sha256(one).hexdigest(), texts),
        "sign": (lambda one: sign(one, CAPABILITY_DESCRIPTOR, [given.key]).to_bytes(), texts),
        "ed25519 sign": (bare.sign, texts),
        "envelope": (Envelope.from_bytes, given.envelopes),
        "accept": (
            lambda one: accept(one, given.policy, now=now, expected=kinds),
            given.envelopes,
        ),
        "ed25519 verify": (lambda one: public.verify(*one), list(signatures)),
    }
    calls = {name: _over(*step) for name, step in steps.items()}
    times = interleaved(calls, rounds=bench.rounds(50), warm=1)
    return {name: summary([round(t / COUNT) for t in taken]) for name, taken in times.items()}


def _over(step: Callable[[Any], object], items: list[Any]) -> Callable[[], None]:
    def call() -> None:
        for item in items:
            step(item)

    return call
