"""Options that the commands about registries share."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from acp import files
from acp.cli.options import FILE, load_private_key
from acp.cli.output import Finding, Outcome, about

if TYPE_CHECKING:
    from acp.distribution.publication import Published
    from acp.distribution.publishing import Listed
    from acp.keys import PrivateKey, PublicKey

FOLDER: Final = click.Path(path_type=Path, file_okay=False)

registry_argument = click.argument("folder", metavar="REGISTRY", type=FOLDER)

registry_key_option = click.option(
    "--registry-key",
    "registry_keys",
    type=FILE,
    required=True,
    multiple=True,
    help="Private key that the registry's operator delegated to for the issuer. Can be repeated.",
)

online_key_option = click.option(
    "--online-key",
    "online_keys",
    type=FILE,
    multiple=True,
    help="Private key of snapshot and timestamp, to publish at once; without it, the draft waits "
    "for 'acp registry refresh'. Can be repeated.",
)


def load_private_keys(
    paths: Iterable[Path], passphrase_file: Path | None
) -> tuple[PrivateKey, ...]:
    """Load private keys.

    Raises:
        KeyFileError: As `acp.keys.PrivateKey.load`.
    """
    return tuple(load_private_key(path, passphrase_file) for path in paths)


def load_public_keys(paths: Iterable[Path]) -> tuple[PublicKey, ...]:
    """Load public keys.

    Raises:
        FileRefusedError: One cannot be read (ENV-F1), or is none (ENV-K1).
    """
    from acp.keys import PublicKey

    found = []
    for path in paths:
        with about(path):
            found.append(PublicKey.from_pem(files.read(path)))
    return tuple(found)


def served(registry: str) -> str:
    """Return the address of a registry; of an operator's folder, the part that is served."""
    folder = Path(registry)
    return str(folder / "public") if (folder / "registry.json").is_file() else registry


def default_state(address: str) -> Path:
    """Return the folder in which the state for an address is kept, unless the user names one."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    name = address.rstrip("/") if "://" in address else str(Path(address).resolve())
    return Path(base) / "acp" / "registries" / hashlib.sha256(name.encode()).hexdigest()[:16]


def published_outcome(done: Published) -> Outcome:
    """Return what is to say of a refresh."""
    lines = [f"published {name}" for name in done.files]
    return Outcome(
        text="\n".join(lines),
        data={"published": done.files},
        findings=[Finding(one) for one in done.findings],
    )


def listed_outcome(listed: Listed, head: str) -> Outcome:
    """Return what is to say of documents that were listed."""
    lines = [head, *(f"  {path}" for path in listed.paths)]
    found: list[Finding] = []
    published: list[str] = []
    if listed.published is not None:
        said = published_outcome(listed.published)
        published = listed.published.files
        lines.append(said.text)
        found += said.findings
    else:
        for issuer in listed.issuers:
            lacks = listed.waits_for.get(issuer)
            lines.append(
                f"the draft of {issuer} waits for "
                + (f"more signatures: {lacks}" if lacks else "'acp registry refresh'")
            )
    return Outcome(
        text="\n".join(lines),
        data={
            "listed": list(listed.paths),
            "published": published,
            "waits_for": listed.waits_for,
        },
        findings=found,
    )
