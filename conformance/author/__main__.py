"""``python -m conformance.author [--check]``."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from conformance.author import (
    descriptors,
    descriptors_compute,
    descriptors_memory,
    descriptors_operations,
    envelopes,
    evasions,
    evidence,
    forms,
    json_text,
    key_files,
    mistakes,
    plan_cases,
    receipts,
    systems,
)
from conformance.protocol import check

if TYPE_CHECKING:
    from conformance.author.book import Chapter, Vector

FOLDER: Final = Path(__file__).resolve().parents[1] / "vectors" / "1"

CHAPTERS: Final[tuple[Chapter, ...]] = (
    json_text.write,
    forms.write_yaml,
    forms.write_binary,
    key_files.write,
    envelopes.write,
    envelopes.write_trust,
    descriptors.write,
    descriptors.write_systems,
    descriptors.write_status,
    descriptors_compute.write,
    descriptors_memory.write,
    descriptors_operations.write,
    mistakes.write,
    systems.write_links,
    systems.write_partitions,
    evidence.write,
    evasions.write,
    plan_cases.write,
    receipts.write,
)

FEATURES: Final = {
    "json": "Strict JSON, its canonical form and digest (operation `canonical`).",
    "yaml": "Documents that are written in YAML (operation `yaml`).",
    "binary": "Documents in protobuf's binary encoding (operation `binary`).",
    "keys": "Ed25519 public keys in PEM (operation `key`).",
    "ecdsa-p256": "ECDSA over P-256 with SHA-256, wherever keys and signatures occur.",
    "envelope": "DSSE envelopes under a trust policy (operation `envelope`).",
    "descriptor": "Capability descriptors (operation `document`).",
    "system": "System descriptors and measurement records (operation `document`).",
    "holdings": "Rules about several documents (members `known`, `records`, `references`).",
    "status": "Status lists, and what they revoke (operation `document`).",
    "plan": "Plans and the verifier's rules (operation `plan`).",
    "folding": "Folded constants are computed again (operation `plan` with a store).",
    "receipt": "Receipts of runs (operation `receipt`).",
}

PROFILES: Final = {
    "acp-reader/1": ["json", "keys", "envelope", "descriptor", "system", "holdings", "status"],
    "cep-verifier/1": ["json", "keys", "envelope", "descriptor", "status", "plan"],
    "cep-auditor/1": ["json", "keys", "envelope", "receipt"],
}

SMOKE: Final = [
    {"good": "json-plain", "bad": "json-repeated-name"},
    {"good": "descriptor", "bad": "descriptor-no-issuer"},
    {"good": "yaml-plain", "bad": "yaml-anchor"},
    {"good": "binary-status", "bad": "binary-unknown-field"},
    {"good": "key-ed25519", "bad": "key-rsa"},
    {"good": "system", "bad": "system-lost-node"},
    {"good": "status", "bad": "status-due"},
    {"good": "envelope", "bad": "envelope-no-payload"},
    {"good": "plan", "bad": "plan-expired"},
    {"good": "receipt", "bad": "receipt-backwards"},
]


def render() -> dict[str, bytes]:
    """Return the content of every file, by its path within the folder."""
    vectors: list[Vector] = [vector for write in CHAPTERS for vector in write().vectors.values()]
    rendered = {f"{one.area}/{one.id}.json": _text(_checked(one)) for one in vectors}
    if len(rendered) != len(vectors):
        raise ValueError("two cases have the same id")
    used = {one.feature for one in vectors}
    manifest = {
        "$schema": "urn:acp-cep:conformance:1:manifest",
        "spec": "1",
        "count": len(vectors),
        "features": {name: text for name, text in FEATURES.items() if name in used},
        "profiles": {
            name: features for name, features in PROFILES.items() if used.issuperset(features)
        },
        "smoke": SMOKE,
        "cases": [
            {
                "id": Path(name).stem,
                "file": name,
                "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
            }
            for name, data in rendered.items()
        ],
    }
    check("manifest", manifest)
    return {"manifest.json": _text(manifest), **rendered}


def differences(folder: Path, rendered: dict[str, bytes]) -> list[str]:
    """Return the paths of files that are missing, too many, or other than they should be."""
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.json")
    }
    return sorted(
        name for name in found.keys() | rendered.keys() if found.get(name) != rendered.get(name)
    )


def main() -> int:
    """Write the vectors, or compare them; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m conformance.author", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say which files differ")
    arguments = parser.parse_args()
    rendered = render()
    if arguments.check:
        stale = differences(FOLDER, rendered)
        for name in stale:
            sys.stdout.write(f"conformance/vectors/1/{name} is not what the author writes\n")
        return 1 if stale else 0
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, data in rendered.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    sys.stdout.write(f"{len(rendered) - 1} vectors\n")
    return 0


def _checked(vector: Vector) -> dict[str, Any]:
    document = vector.to_json()
    check("vector", document)
    return document


def _text(document: object) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=True).encode("ascii") + b"\n"


if __name__ == "__main__":
    sys.exit(main())
