"""``acp verify``: check signature, trust, schema and rules."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from acp import documents, dsse
from acp.cli import files
from acp.cli.inputs import KINDS
from acp.cli.options import FILE, load_policy, now_option, policy_option, understand_option
from acp.cli.output import (
    Command,
    FileRefusedError,
    Finding,
    Outcome,
    about,
    findings,
    one_line,
    progress,
)
from acp.diagnostics import Refused, Severity

if TYPE_CHECKING:
    from acp.policy import TrustPolicy
    from acp.v1.status import StatusList


@click.command(
    cls=Command,
    example=(
        "acp verify device.dsse.json --policy policy.json\n"
        "acp verify device.dsse.json --policy policy.json --status revoked.dsse.json"
    ),
)
@click.argument("paths", metavar="FILE...", type=FILE, nargs=-1, required=True)
@policy_option
@click.option(
    "--status",
    "status_files",
    type=FILE,
    multiple=True,
    help="Signed status list that may revoke the documents. Can be repeated.",
)
@now_option
@understand_option
def verify(
    paths: tuple[Path, ...],
    policy_file: Path,
    status_files: tuple[Path, ...],
    now: datetime,
    understood: tuple[str, ...],
) -> Outcome:
    """Check signature, trust, schema and rules of FILE.

    Each FILE is an envelope, as 'acp sign' writes it. A status list must be trusted under the same
    policy and be current; it revokes documents of its own issuer only.
    """
    policy = load_policy(policy_file)
    lists = tuple(_status_list(path, policy, now) for path in status_files)
    found: list[Finding] = []
    lines: list[str] = []
    judged: list[dict[str, object]] = []
    for path in progress(paths, "files"):
        try:
            said = _verified(path, policy, now, lists, frozenset(understood))
        except Refused as refusal:
            found += findings(refusal, str(path))
            judged.append({"file": str(path), "ok": False})
            continue
        found += said.findings
        lines.append(said.text)
        judged.append({"file": str(path), "ok": True, **said.data})
    return Outcome(text="\n".join(lines), data={"documents": judged}, findings=found)


def _verified(
    path: Path,
    policy: TrustPolicy,
    now: datetime,
    lists: tuple[StatusList, ...],
    understood: frozenset[str],
) -> Outcome:
    """Return what is to say of an accepted document.

    Raises:
        FileRefusedError: The document is not accepted.
    """
    from acp import rules, trust

    with about(path):
        verified = trust.verify(files.read(path), policy, now=now, expected=KINDS)
        document = KINDS[verified.payload_type].from_text(verified.payload)
        floor = policy.min_revision(verified.issuer, str(getattr(document, "uri", "")))
        context = rules.Context(
            now=now, status_lists=lists, understood=understood, min_revision=floor
        )
        diagnostics = rules.check(document, context)
    if any(one.severity is Severity.ERROR for one in diagnostics):
        raise FileRefusedError(str(path), *diagnostics)
    kind = type(document).__name__
    identity = documents.digest(verified.value)
    sequences = [str(one.sequence) for one in lists if one.issuer == verified.issuer]
    revocation = (
        f"not revoked by status list {', '.join(sequences)} of {verified.issuer}"
        if sequences
        else f"revocation not checked: no status list of {verified.issuer} was given"
    )
    signers = "\n".join(f"  signed with {keyid}" for keyid in verified.keyids)
    return Outcome(
        text=f"{one_line(str(path))}: verified: {kind} {identity}\n"
        f"  issued by {verified.issuer}\n{signers}\n  {revocation}",
        data={
            "kind": kind,
            "digest": identity,
            "issuer": verified.issuer,
            "keyids": list(verified.keyids),
            "revocation_checked": bool(sequences),
        },
        findings=[Finding(one, str(path)) for one in (*verified.diagnostics, *diagnostics)],
    )


def _status_list(path: Path, policy: TrustPolicy, now: datetime) -> StatusList:
    """Return a status list that the policy trusts and that is current.

    Raises:
        FileRefusedError: It is not.
    """
    from acp import rules, trust
    from acp.v1.status import StatusList

    with about(path):
        verified = trust.verify(files.read(path), policy, now=now, expected={dsse.STATUS_LIST})
        document = StatusList.from_text(verified.payload)
        diagnostics = rules.check(document, rules.Context(now=now))
    if diagnostics:
        raise FileRefusedError(str(path), *diagnostics)
    return document
