"""``acp revoke``: take documents back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from acp.cli.options import (
    domain,
    instant_option,
    key_option,
    load_policy,
    now_option,
    passphrase_option,
    policy_option,
)
from acp.cli.output import Command, Outcome
from acp.cli.registry_options import (
    listed_outcome,
    load_private_keys,
    online_key_option,
    registry_argument,
    registry_key_option,
)

_REASON = "withdrawn by its issuer"


@click.command(
    cls=Command,
    example=(
        "acp revoke registry example.com/https://example.com/chips/one@7 \\\n"
        "    --reason 'sparse rate given as dense' --policy policy.json \\\n"
        "    --key vendor.pem --registry-key vendor-registry.pem --online-key online.pem\n"
        "acp revoke registry --renew example.com --policy policy.json \\\n"
        "    --key vendor.pem --registry-key vendor-registry.pem"
    ),
)
@registry_argument
@click.argument("references", metavar="[REFERENCE]...", nargs=-1)
@click.option("--reason", default=_REASON, show_default=True, help="Why, for people.")
@instant_option(
    "--effective", "effective_at", help="From when on the documents do not count. [default: now]"
)
@click.option(
    "--renew",
    "renewed",
    metavar="ISSUER",
    callback=domain,
    help="Publish the issuer's next status list without revoking anything; the first, if none.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=30,
    show_default=True,
    help="Days after which the list is due to be replaced, and no longer accepted.",
)
@key_option
@registry_key_option
@online_key_option
@passphrase_option
@policy_option
@now_option
def revoke(
    folder: Path,
    references: tuple[str, ...],
    *,
    reason: str,
    effective_at: datetime | None,
    renewed: str | None,
    days: int,
    key_files: tuple[Path, ...],
    registry_keys: tuple[Path, ...],
    online_keys: tuple[Path, ...],
    passphrase_file: Path | None,
    policy_file: Path,
    now: datetime,
) -> Outcome:
    """Revoke documents of one issuer: publish the issuer's next status list in the folder REGISTRY.

    REFERENCE names a document as for 'acp fetch': by digest, or as ISSUER/URI@REVISION. The list
    is signed with --key, which the trust policy must grant for status lists; its listing with
    --registry-key. A status list has a term: publish the next one in time with --renew, or clients
    refuse the issuer's documents.
    """
    from acp.distribution.publishing import Publisher, resolve
    from acp.distribution.publishing import revoke as publish_list
    from acp.distribution.repository import Repository
    from acp.v1.status import StatusEntry

    if bool(references) == bool(renewed):
        raise click.UsageError("give either a REFERENCE or --renew ISSUER")
    repository = Repository.open(folder)
    found = [resolve(repository, text) for text in references]
    issuers = sorted({issuer for issuer, _ in found} | ({renewed} if renewed else set()))
    if len(issuers) > 1:
        raise click.UsageError(f"the documents are of several issuers: {', '.join(issuers)}")
    since = f"{(effective_at or now).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    publisher = Publisher(
        repository,
        load_policy(policy_file),
        load_private_keys(registry_keys, passphrase_file),
        now,
        datetime.now(UTC),
        load_private_keys(online_keys, passphrase_file),
    )
    made, listed = publish_list(
        publisher,
        issuers[0],
        [
            StatusEntry(digest=digest, reason=reason, effective_at=since)
            for digest in dict.fromkeys(digest for _, digest in found)
        ],
        load_private_keys(key_files, passphrase_file),
        days=days,
    )
    head = (
        f"status list {made.sequence} of {issuers[0]}: {len(made.entries)} revoked, "
        f"due again at {made.next_update}"
    )
    said = listed_outcome(listed, head)
    data = {
        "issuer": issuers[0],
        "sequence": made.sequence,
        "revoked": [digest for _, digest in found],
        "next_update": made.next_update,
    }
    return Outcome(text=said.text, data={**data, **said.data}, findings=said.findings)
