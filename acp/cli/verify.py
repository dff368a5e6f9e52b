"""``acp verify``: check signature, trust, schema and rules."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from acp.cli.beside import Companions, companion_options, not_given
from acp.cli.inputs import envelope_of
from acp.cli.options import FILE, load_policy, now_option, policy_option, understand_option
from acp.cli.output import Command, Finding, Outcome, about, findings, one_line, progress
from acp.diagnostics import Refused

if TYPE_CHECKING:
    from acp.acceptance import Accepted
    from acp.holdings import Holdings
    from acp.policy import TrustPolicy
    from acp.v1.status import StatusList


@click.command(
    cls=Command,
    example=(
        "acp verify device.dsse.json --policy policy.json\n"
        "acp verify device.dsse.json --policy policy.json --status revoked.dsse.json\n"
        "acp verify system.dsse.json --policy policy.json --with descriptors/"
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
@companion_options
@now_option
@understand_option
def verify(
    paths: tuple[Path, ...],
    policy_file: Path,
    status_files: tuple[Path, ...],
    others: tuple[Path, ...],
    references: tuple[Path, ...],
    now: datetime,
    understood: tuple[str, ...],
) -> Outcome:
    """Check signature, trust, schema and rules of FILE.

    Each FILE is an envelope, as 'acp sign' writes it. A status list must be trusted under the same
    policy and be current; it revokes documents of its own issuer only. So must every document that
    is given by --with, and what a document says of others is judged by those.
    """
    from acp.acceptance import accept

    policy = load_policy(policy_file)
    lists = _status_lists(status_files, policy, now)
    beside = Companions()
    if others or references:
        from acp.cli.companions import signed

        beside = signed(others, references, policy, now=now, understood=understood, told=set(paths))
    lists += beside.status_lists
    found: list[Finding] = list(beside.findings)
    lines: list[str] = []
    judged: list[dict[str, object]] = []
    for path in progress(paths, "files"):
        try:
            accepted = accept(
                envelope_of(path),
                policy,
                now=now,
                status_lists=lists,
                understood=understood,
                held=beside.held,
            )
        except Refused as refusal:
            found += findings(refusal, str(path))
            judged.append({"file": str(path), "ok": False})
            continue
        said = _said(path, accepted, beside.held)
        found += said.findings
        lines.append(said.text)
        judged.append({"file": str(path), "ok": True, **said.data})
    return Outcome(text="\n".join(lines), data={"documents": judged}, findings=found)


def _status_lists(
    status_files: tuple[Path, ...], policy: TrustPolicy, now: datetime
) -> list[StatusList]:
    """Return the status lists in files, none older than another by its issuer.

    Raises:
        FileRefusedError: One of them is not accepted.
    """
    from acp.acceptance import accept_status_list

    given = [(path, envelope_of(path)) for path in status_files]
    lists: list[StatusList] = []
    for _ in ("by itself", "beside all others"):
        # An old list may come before the newer one.
        known, lists = lists, []
        for path, data in given:
            with about(path):
                lists.append(accept_status_list(data, policy, now=now, known=known))
    return lists


def _said(path: Path, accepted: Accepted, held: Holdings) -> Outcome:
    """Return what is to say of a document that was accepted."""
    kind = type(accepted.document).__name__
    revocation = (
        f"not revoked by status list {', '.join(map(str, accepted.status_sequences))}"
        if accepted.status_sequences
        else f"revocation not checked: no status list of {accepted.issuer} was given"
    )
    lines = [
        f"{path}: verified: {kind} {accepted.digest}",
        f"  issued by {accepted.issuer}",
        *(f"  signed with {keyid}" for keyid in accepted.keyids),
        f"  {revocation}",
    ]
    remark, members = not_given(accepted.document, held)
    lines += [f"  {remark}"] if remark else []
    return Outcome(
        text="\n".join(map(one_line, lines)),
        data={
            "kind": kind,
            "digest": accepted.digest,
            "issuer": accepted.issuer,
            "keyids": list(accepted.keyids),
            "revocation_checked": bool(accepted.status_sequences),
            **members,
        },
        findings=[Finding(one, str(path)) for one in accepted.warnings],
    )
