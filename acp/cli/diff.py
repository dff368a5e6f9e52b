"""``acp diff``: what a new document claims more, less or otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from acp.cli.descriptors import complete_reference, reference_input
from acp.cli.inputs import Input, expand, open_input
from acp.cli.options import FILE, now_option
from acp.cli.output import Command, Finding, Outcome, about, one_line
from acp.diagnostics import Diagnostic, Severity

if TYPE_CHECKING:
    from acp.changes import Change
    from acp.changes.plans import Standing
    from acp.message import Message

_TITLES: Final = {"worse": "worse", "better": "better", "other": "otherwise"}
_SHOWN: Final = 40
_SIGNS: Final = {"added": "+", "removed": "−", "changed": " "}
_PROVENANCE: Final = "provenance["


@click.command(
    cls=Command,
    example=(
        "acp diff e100-r3.json e100-r4.json\n"
        "acp diff --reference h100-sxm device.json\n"
        "acp diff old.dsse.json new.dsse.json --plan plan.dsse.json --descriptors devices"
    ),
)
@click.argument("files", metavar="OLD NEW", type=FILE, nargs=-1)
@click.option(
    "--reference",
    metavar="NAME",
    shell_complete=complete_reference,
    help="Compare NEW with a reference descriptor in place of OLD.",
)
@click.option(
    "--plan",
    "plan_files",
    type=FILE,
    multiple=True,
    metavar="PLAN",
    help="Verify a plan with NEW in place of OLD. Can be repeated.",
)
@click.option(
    "--descriptors",
    "descriptor_paths",
    type=FILE,
    multiple=True,
    metavar="DIR",
    help="Descriptors of the plan's other devices, and its system. Can be repeated.",
)
@now_option
def diff(
    files: tuple[Path, ...],
    *,
    reference: str | None,
    plan_files: tuple[Path, ...],
    descriptor_paths: tuple[Path, ...],
    now: datetime,
) -> Outcome:
    """Say what the document NEW claims more, less or otherwise than OLD.

    Things are paired by their ids, dtypes and names, not by their order, and values are compared by
    what they mean: a higher rate is better, a longer latency is worse, a narrower condition of an
    operation is worse. OLD and NEW are documents of one kind; rules and signatures are not checked.

    A plan that names OLD by its digest must be made to name NEW in any case. Where something is
    worse it may no longer hold, and the exit status is 1. With --plan that is not guessed: PLAN is
    verified, signatures and weights aside, and the exit status is 1 if one does not hold.
    """
    from acp.changes import Verdict, compare

    if len(files) != (2 if reference is None else 1):
        raise click.UsageError("give OLD and NEW, or NEW and --reference NAME")
    if descriptor_paths and not plan_files:
        raise click.UsageError("--descriptors is for plans: give one with --plan")
    before = open_input(files[0]) if reference is None else reference_input(reference)
    after = open_input(files[-1])
    old, new = _document(before), _document(after)
    if type(old) is not type(new):
        kinds = f"{before.file} is a {type(old).__name__}, {after.file} a {type(new).__name__}"
        raise click.UsageError(f"{kinds}; documents of one kind compare")
    changes = compare(old, new)
    lines = [*_head(before, after), *_told(changes)]
    data: dict[str, object] = {
        "old": {"file": before.file, "digest": before.identity},
        "new": {"file": after.file, "digest": after.identity},
        "changes": [change.as_json() for change in changes],
    }
    worse = [change for change in changes if change.verdict is Verdict.WORSE]
    if plan_files:
        others = [_document(open_input(path)) for path in expand(descriptor_paths, yaml=True)]
        standings = list(_standings(plan_files, old, new, others, now))
        lines += [line for one in standings for line in _plan_told(*one)]
        data["plans"] = [_plan_json(*one) for one in standings]
        findings = [finding for one in standings for finding in _plan_findings(*one)]
    else:
        lines += _outlook(before, after, worse)
        findings = [_worse(worse, after.file)] if worse else []
    findings += _not_counted_up(before, after)
    return Outcome("\n".join(lines), data, findings)


def _document(opened: Input) -> Message:
    with about(opened.file):
        return opened.document()


def _head(before: Input, after: Input) -> Iterator[str]:
    for sign, one in (("−", before), ("+", after)):
        value = one.value if isinstance(one.value, dict) else {}
        revision = value.get("revision", value.get("sequence"))
        number = f", revision {revision}" if revision else ""
        yield one_line(f"{sign} {one.file}{number}, {one.identity}{one.caveat}")


def _told(changes: Sequence[Change]) -> Iterator[str]:
    if not changes:
        yield "nothing that is claimed has changed"
    for verdict in _TITLES:
        listed = [one for one in changes if one.verdict == verdict]
        sources = [one for one in listed if one.place.startswith(_PROVENANCE)]
        shown = [one for one in listed if one not in sources]
        if listed:
            yield f"{_TITLES[verdict]}:"
        for one in shown[:_SHOWN]:
            message = f": {one.message}" if one.message else ""
            act = " is gone" if one.act == "removed" else " is new" if one.act == "added" else ""
            yield one_line(f"  {_SIGNS[one.act]} {one.place}{act}{message}")
        if len(shown) > _SHOWN:
            yield f"    … and {len(shown) - _SHOWN} more; --format json shows all"
        if sources:
            acts = Counter(str(one.act) for one in sources)
            yield f"    provenance: {', '.join(f'{n} {act}' for act, n in acts.items())}"


def _outlook(before: Input, after: Input, worse: Sequence[Change]) -> Iterator[str]:
    """Yield what plans that were made for the old descriptor are to expect."""
    from acp.v1.capability import CapabilityDescriptor

    if before.identity == after.identity:
        yield "they are one document"
    elif before.kind is CapabilityDescriptor:
        first = one_line(worse[0].place) if worse else ""
        more = f" and {len(worse) - 1} more" if len(worse) > 1 else ""
        yield (
            f"plans may not hold, because of {first}{more}: see 'acp diff --plan'"
            if worse
            else "nothing that plans rely on is worse; one that names OLD by digest must name NEW"
        )


def _not_counted_up(before: Input, after: Input) -> Iterator[Finding]:
    """Yield what readers of a registry will say of a change under the number that was there."""
    old, new = before.value, after.value
    if not isinstance(old, dict) or not isinstance(new, dict) or before.identity == after.identity:
        return
    number = "sequence" if "sequence" in old else "revision"
    if any(old.get(name) != new.get(name) for name in ("issuer", "uri")):
        return
    was, now = (int(str(one.get(number, 0))) for one in (old, new))
    if now <= was:
        message = (
            f"found {now}, and OLD has {was}: no registry takes a changed document under a number "
            f"that was there; set it to {was + 1}"
        )
        yield Finding(Diagnostic("DIF-A2", Severity.WARNING, f"/{number}", message), after.file)


def _worse(worse: Sequence[Change], file: str) -> Finding:
    places = ", ".join(one.place for one in worse[:3])
    more = f" and {len(worse) - 3} more" if len(worse) > 3 else ""  # noqa: PLR2004
    message = f"less is claimed than before: {places}{more}; what relied on it may not hold"
    return Finding(Diagnostic("DIF-A1", Severity.ERROR, worse[0].path, message), file)


def _standings(
    plans: Sequence[Path], old: Message, new: Message, others: Sequence[Message], now: datetime
) -> Iterator[tuple[str, Standing]]:
    """Yield how each plan stands.

    Raises:
        click.UsageError: The documents are not about devices.
        FileRefusedError: A plan cannot be read, or does not use the old descriptor.
    """
    from acp.changes.plans import rechecks
    from acp.v1.capability import CapabilityDescriptor

    if not isinstance(old, CapabilityDescriptor) or not isinstance(new, CapabilityDescriptor):
        raise click.UsageError("--plan needs capability descriptors: plans are made for devices")
    recheck = rechecks()
    for path in plans:
        with about(path):
            yield str(path), recheck(open_input(path).payload, old, new, others, now)


def _plan_told(file: str, standing: Standing) -> Iterator[str]:
    slots = ", ".join(standing.slots)
    if standing.holds:
        yield one_line(f"{file}: holds with NEW for {slots}, once it names it and is signed again")
    else:
        already = "" if standing.held else ", as it did not with OLD and what is given here"
        yield one_line(f"{file}: does not hold with NEW for {slots}{already}")


def _plan_json(file: str, standing: Standing) -> dict[str, object]:
    return {
        "file": file,
        "slots": list(standing.slots),
        "held": standing.held,
        "holds": standing.holds,
        "before": [one.as_json() for one in standing.before],
        "after": [one.as_json() for one in standing.after],
    }


def _plan_findings(file: str, standing: Standing) -> Iterator[Finding]:
    """Yield what stands against a plan, what did not before in the first place."""
    known = set(standing.before)
    for one in sorted(standing.after, key=lambda found: found in known):
        if one.severity is Severity.ERROR:
            yield Finding(one, file)
