"""``acp publish``: list signed documents in a registry."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from acp.cli.inputs import envelope_of
from acp.cli.options import (
    FILE,
    domain,
    load_policy,
    now_option,
    passphrase_option,
    policy_option,
    understand_option,
)
from acp.cli.output import Command, Outcome
from acp.cli.registry_options import (
    listed_outcome,
    load_private_keys,
    online_key_option,
    registry_argument,
    registry_key_option,
)
from acp.diagnostics import Diagnostic, FileRefusedError, Severity


@click.command(
    cls=Command,
    example=(
        "acp publish registry device.dsse.json --policy policy.json \\\n"
        "    --registry-key vendor-registry.pem --online-key online.pem"
    ),
)
@registry_argument
@click.argument("paths", metavar="[FILE]...", type=FILE, nargs=-1)
@registry_key_option
@online_key_option
@passphrase_option
@policy_option
@click.option(
    "--renew",
    "renewed",
    multiple=True,
    metavar="ISSUER",
    callback=lambda context, option, values: tuple(
        domain(context, option, value) for value in values
    ),
    help="Sign what the issuer lists for another term, with or without FILE. Can be repeated.",
)
@now_option
@understand_option
def publish(
    folder: Path,
    paths: tuple[Path, ...],
    *,
    registry_keys: tuple[Path, ...],
    online_keys: tuple[Path, ...],
    passphrase_file: Path | None,
    policy_file: Path,
    renewed: tuple[str, ...],
    now: datetime,
    understood: tuple[str, ...],
) -> Outcome:
    """List signed documents FILE in the folder REGISTRY, as their issuer.

    FILE is an envelope, as 'acp sign' writes it, or a folder with some, named *.dsse.json. What a
    reader under this policy would refuse is not listed: a wrong signature, a broken rule, a revoked
    document, a revision that is not above those listed. All are listed, or none.

    The listing is signed with the key that the operator delegated to. It is published at once where
    the online key is given, and else waits in REGISTRY/drafts.
    """
    from acp.distribution.publishing import Publisher
    from acp.distribution.publishing import publish as list_documents
    from acp.distribution.repository import Repository

    if not paths and not renewed:
        raise click.UsageError("give a FILE, or --renew ISSUER to sign the listing anew")
    publisher = Publisher(
        Repository.open(folder),
        load_policy(policy_file),
        load_private_keys(registry_keys, passphrase_file),
        now,
        datetime.now(UTC),
        load_private_keys(online_keys, passphrase_file),
        frozenset(understood),
    )
    found = _envelopes(paths)
    envelopes = [envelope_of(path) for path in found]
    names = tuple(map(str, found))
    listed = list_documents(publisher, envelopes, names=names, issuers=renewed)
    return listed_outcome(listed, f"listed for {', '.join(listed.issuers)}:")


def _envelopes(paths: tuple[Path, ...]) -> list[Path]:
    """Return the files, and for each folder the ``*.dsse.json`` below it, by name."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.rglob("*.dsse.json")) if path.is_dir() else [path]
        if not inside:
            reason = "the folder has no file whose name ends with .dsse.json"
            raise FileRefusedError(str(path), Diagnostic("ENV-F1", Severity.ERROR, "", reason))
        found += inside
    return found
