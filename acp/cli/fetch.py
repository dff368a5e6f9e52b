"""``acp fetch``: obtain documents from a registry, or say why not."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from acp import files
from acp.cli.options import FILE, domain, load_policy, now_option, understand_option
from acp.cli.output import Command, Finding, Outcome, one_line
from acp.cli.registry_options import FOLDER, default_state, served

if TYPE_CHECKING:
    from acp.distribution.client import Fetched, Source

_MAX_ROOT: Final = 512_000
_PATIENCE_S: Final = 1.0


@click.command(
    cls=Command,
    example=(
        "acp fetch example.com/https://example.com/chips/one@7 --policy policy.json \\\n"
        "    --registry https://registry.example/acp --root root.json -o device.dsse.json\n"
        "acp fetch --list example.com --registry https://registry.example/acp\n"
        "acp fetch example.com/https://example.com/chips/one --policy policy.json \\\n"
        "    --registry https://registry.example/acp --offline"
    ),
)
@click.argument("references", metavar="[REFERENCE]...", nargs=-1)
@click.option(
    "--registry",
    required=True,
    envvar="ACP_REGISTRY",
    metavar="ADDRESS",
    help="Address of the registry, http or https, or a folder with its files. [env: ACP_REGISTRY]",
)
@click.option(
    "--root",
    "root_file",
    type=FILE,
    help="root.json of the registry, which you got from its operator. Needed the first time.",
)
@click.option(
    "--policy",
    "policy_file",
    type=FILE,
    help="Trust policy: whose keys count for what. 'acp policy create' makes one.",
)
@click.option(
    "--state",
    "state_folder",
    type=FOLDER,
    help="Folder of what is remembered of the registry. [default: one below ~/.local/state/acp]",
)
@click.option(
    "-o",
    "--output",
    type=FILE,
    help="File to write the envelope to; for several documents, a folder.",
)
@click.option(
    "--list", "listed_issuer", metavar="ISSUER", callback=domain, help="Print what ISSUER lists."
)
@click.option(
    "--offline",
    is_flag=True,
    help="Use only what was fetched before. What is out of date is used, with a warning.",
)
@click.option(
    "--require-status",
    is_flag=True,
    help="Refuse documents of issuers without a status list, instead of a warning.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(1, 86_400),
    default=300.0,
    show_default=True,
    help="Seconds that all downloads may take together.",
)
@click.option(
    "--min-rate",
    type=click.IntRange(1),
    default=4096,
    show_default=True,
    help="Bytes per second below which a download is given up.",
)
@now_option
@understand_option
def fetch(
    references: tuple[str, ...],
    *,
    registry: str,
    root_file: Path | None,
    policy_file: Path | None,
    state_folder: Path | None,
    output: Path | None,
    listed_issuer: str | None,
    offline: bool,
    require_status: bool,
    timeout: float,
    min_rate: int,
    now: datetime,
    understood: tuple[str, ...],
) -> Outcome:
    """Obtain documents from a registry: verified, not revoked, current, and as asked for.

    REFERENCE is a digest, sha256:HEX; or ISSUER/sha256:HEX; or ISSUER/URI@REVISION; or ISSUER/URI
    for the latest revision. All are obtained, or nothing changes.

    The first time, --root says which registry is the right one. Afterwards its state is remembered,
    so that nobody can show you an older one. The registry's own files are judged by this machine's
    clock, documents by --now.
    """
    from acp.distribution.client import Reader, Source
    from acp.distribution.client import fetch as fetch_documents
    from acp.distribution.offline import recall
    from acp.distribution.transport import Patience

    _check_usage(references, policy_file, listed_issuer, offline=offline)
    address = served(registry)
    source = Source(
        address,
        state_folder or default_state(address),
        None if root_file is None else files.read(root_file, max_bytes=_MAX_ROOT),
        Patience(min_bytes_per_s=min_rate, total_s=timeout),
        progress=_Meter() if sys.stderr.isatty() else None,
    )
    if listed_issuer is not None:
        return _listing(listed_issuer, source)
    assert policy_file is not None  # noqa: S101 - usage was checked
    reader = Reader(load_policy(policy_file), now, frozenset(understood), require_status)
    found = (recall if offline else fetch_documents)(references, source, reader)
    return _outcome(found, _written(found, output))


def _check_usage(
    references: tuple[str, ...], policy: Path | None, issuer: str | None, *, offline: bool
) -> None:
    if bool(references) == (issuer is not None):
        raise click.UsageError("give either a REFERENCE or --list ISSUER")
    if references and policy is None:
        raise click.UsageError("Missing option '--policy': documents are believed under a policy.")
    if issuer is not None and offline:
        raise click.UsageError("--list asks the registry, and --offline forbids it")


class _Meter:
    """Shows on a terminal, once it takes more than a second, how far downloads have come."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, name: str, count: int) -> None:
        if time.monotonic() - self._last > _PATIENCE_S:
            self._last = time.monotonic()
            click.echo(f"\r\x1b[K{one_line(name)}: {count} bytes", err=True, nl=False)


def _written(found: list[Fetched], output: Path | None) -> list[str]:
    """Write the envelopes where the user wants them; return the names of the files."""
    if output is None:
        return []
    if len(found) == 1 and not output.is_dir():
        paths = [output]
    else:
        output.mkdir(parents=True, exist_ok=True)
        digests = [one.accepted.digest.removeprefix("sha256:") for one in found]
        paths = [output / f"{digest}.dsse.json" for digest in digests]
    for path, one in zip(paths, found, strict=True):
        files.write(path, one.envelope)
    return list(map(str, paths))


def _outcome(found: list[Fetched], paths: list[str]) -> Outcome:
    lines, told = [], []
    for index, one in enumerate(found):
        accepted = one.accepted
        kind = type(accepted.document).__name__
        revision = getattr(accepted.document, "revision", 0)
        revocation = (
            f"not revoked by status list {', '.join(map(str, accepted.status_sequences))}"
            if accepted.status_sequences
            else "revocation not checked"
        )
        lines += [
            f"{one.reference.text}: {kind} {accepted.digest}",
            f"  issued by {accepted.issuer}, revision {revision}",
            *(f"  signed with {keyid}" for keyid in accepted.keyids),
            f"  {revocation}",
        ]
        member: dict[str, object] = {
            "reference": one.reference.text,
            "kind": kind,
            "digest": accepted.digest,
            "issuer": accepted.issuer,
            "uri": getattr(accepted.document, "uri", ""),
            "revision": revision,
            "keyids": list(accepted.keyids),
            "revocation_checked": bool(accepted.status_sequences),
            "downloaded": one.downloaded,
        }
        if paths:
            lines.append(f"  wrote {paths[index]}")
            member["output"] = paths[index]
        told.append(member)
    warnings = [Finding(warning, one.reference.text) for one in found for warning in one.warnings]
    return Outcome(
        text="\n".join(map(one_line, lines)), data={"documents": told}, findings=warnings
    )


def _listing(issuer: str, source: Source) -> Outcome:
    from acp.distribution.client import listed

    entries = listed(issuer, source)
    lines = [f"{issuer}/{one.uri}@{one.revision}  {one.kind}  {one.digest}" for one in entries]
    return Outcome(
        text="\n".join(map(one_line, lines)) or f"{issuer} lists no documents",
        data={
            "listed": [
                {
                    "uri": one.uri,
                    "revision": one.revision,
                    "kind": one.kind,
                    "digest": one.digest,
                }
                for one in entries
            ]
        },
    )
