"""Read and judge the documents beside those that a command judges.

What cannot be accepted is not held. It is reported as an error of its own file, since a rule that
would have looked there looks nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import click

from acp import documents, files
from acp.cli.beside import Companions
from acp.cli.descriptors import ALL
from acp.cli.inputs import expand, open_input
from acp.cli.output import Finding, findings, progress
from acp.diagnostics import Refused, Severity, SignatureError
from acp.dsse import Envelope
from acp.files import DASH
from acp.holdings import Holdings
from acp.v1.capability import CapabilityDescriptor
from acp.v1.status import StatusList

if TYPE_CHECKING:
    from acp.message import Message
    from acp.policy import TrustPolicy


_NOTHING: Final = Holdings()


class Opened(NamedTuple):
    """A companion that was read.

    Attributes:
        kind: What it says it is.
        judge: Returns the document if it is accepted beside these status lists and the documents
            that are held, or raises Refused.
    """

    kind: type[Message]
    judge: Judge


Judge: TypeAlias = Callable[[tuple[StatusList, ...], Holdings], "Message"]


def unsigned(
    others: tuple[Path, ...],
    references: tuple[Path, ...],
    *,
    now: datetime,
    understood: Collection[str] = (),
    told: Collection[Path] = (),
) -> Companions:
    """Return the companions of documents whose signatures are not looked at.

    Args:
        others: Files and folders of ``--with``.
        references: Files and folders of ``--reference``.
        now: The moment to judge by.
        understood: Names of critical extensions that are understood.
        told: Files about which the command reports anyway.
    """
    from acp import rules

    def opened(path: Path) -> Opened:
        found = open_input(path)
        document = found.document()

        def judge(lists: tuple[StatusList, ...], held: Holdings) -> Message:
            context = rules.Context(
                now=now, status_lists=lists, understood=frozenset(understood), held=held
            )
            broken = rules.check(document, context)
            if any(one.severity is Severity.ERROR for one in broken):
                raise Refused(*found.placed(broken))
            return document

        return Opened(found.kind, judge)

    return _gathered(others, references, opened, told, yaml=True)


def signed(
    others: tuple[Path, ...],
    references: tuple[Path, ...],
    policy: TrustPolicy,
    *,
    now: datetime,
    understood: Collection[str] = (),
    told: Collection[Path] = (),
) -> Companions:
    """Return the companions of documents whose signatures are checked: theirs are, too.

    Args:
        others: Files and folders of ``--with``.
        references: Files and folders of ``--reference``.
        policy: What is trusted.
        now: The moment to judge by.
        understood: Names of critical extensions that are understood.
        told: Files about which the command reports anyway.
    """
    from acp.acceptance import accept

    if named := _split(others)[1]:
        reason = f"{named[0]!r} is a reference descriptor, which is not signed; name a file"
        raise click.BadParameter(reason, param_hint="--with")

    def opened(path: Path) -> Opened:
        data = files.read(path)

        def judge(lists: tuple[StatusList, ...], held: Holdings) -> Message:
            return accept(
                data, policy, now=now, status_lists=lists, understood=understood, held=held
            ).document

        payload_type = Envelope.from_bytes(data).payload_type
        kind = documents.SIGNED.get(payload_type)
        if kind is None:
            reason = f"found payload type {payload_type!r}, which is of no document of ACP"
            raise SignatureError.because("ENV-E3", reason, "/payloadType")
        return Opened(kind, judge)

    return _gathered(others, references, opened, told)


class _Known(NamedTuple):
    """Reference descriptors that were asked for by name.

    Attributes:
        others: Those that other documents may name.
        references: Those that others are compared with.
    """

    others: list[CapabilityDescriptor]
    references: list[CapabilityDescriptor]


@dataclass(slots=True)
class _Gathering:
    """Companions on their way to being accepted.

    Attributes:
        told: Files about which the command reports anyway.
        waiting: What was read and not judged yet, with the file, and whether it is a reference.
        findings: What is wrong with the others.
    """

    told: Collection[Path]
    waiting: list[tuple[Path, Opened, bool]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def open(self, opened: Callable[[Path], Opened], path: Path, *, is_reference: bool) -> None:
        """Read a file."""
        try:
            one = opened(path)
            if is_reference and one.kind is not CapabilityDescriptor:
                reason = f"this is a {one.kind.__name__}; a reference is a CapabilityDescriptor"
                raise Refused.because("ENV-S3", reason)
        except Refused as refusal:
            self._refuse(path, refusal if _exists(path) else _no_name_either(path, refusal))
        else:
            self.waiting.append((path, one, is_reference))

    def status_lists(self) -> tuple[StatusList, ...]:
        """Return the status lists, each judged by itself, and then beside all others.

        An old list may come before the newer one.
        """
        lists = [entry for entry in self.waiting if entry[1].kind is StatusList]
        self.waiting = [entry for entry in self.waiting if entry[1].kind is not StatusList]
        known: tuple[StatusList, ...] = ()
        for _ in ("by itself", "beside all others"):
            judged = [(entry, self._judge(entry, known)) for entry in lists]
            lists = [entry for entry, document in judged if document is not None]
            known = tuple(document for _, document in judged if isinstance(document, StatusList))
        return known

    def others(self, lists: tuple[StatusList, ...], known: _Known) -> Holdings:
        """Return the other documents and those that are known, each judged by itself first.

        What is accepted so far is judged beside the rest: a record may refute a descriptor, which
        is then not held, so that no system is judged by it. That is no fault of the document that
        the command is about, which may be the descriptor's next revision: it is a warning.
        """
        held = Holdings()
        for severity in (Severity.ERROR, Severity.WARNING):
            judged = [(entry, self._judge(entry, lists, held, severity)) for entry in self.waiting]
            found = [(entry, document) for entry, document in judged if document is not None]
            self.waiting = [entry for entry, _ in found]
            held = Holdings.of(
                [*(document for entry, document in found if not entry[2]), *known.others],
                references=[
                    *(
                        document
                        for entry, document in found
                        if entry[2] and isinstance(document, CapabilityDescriptor)
                    ),
                    *known.references,
                ],
            )
        return held

    def _judge(
        self,
        entry: tuple[Path, Opened, bool],
        lists: tuple[StatusList, ...],
        held: Holdings = _NOTHING,
        severity: Severity = Severity.ERROR,
    ) -> Message | None:
        path, one, _ = entry
        try:
            return one.judge(lists, held)
        except Refused as refusal:
            self._refuse(path, refusal, severity)
            return None

    def _refuse(self, path: Path, refusal: Refused, severity: Severity = Severity.ERROR) -> None:
        if path in self.told:
            return
        for found in findings(refusal, str(path)):
            one = found.diagnostic
            if severity is Severity.WARNING and one.severity is Severity.ERROR:
                message = f"left out, since others that are given refute it: {one.message}"
                one = replace(one, severity=severity, message=message)
            self.findings.append(Finding(one, found.file))


def _gathered(
    others: tuple[Path, ...],
    references: tuple[Path, ...],
    opened: Callable[[Path], Opened],
    told: Collection[Path],
    *,
    yaml: bool = False,
) -> Companions:
    """Judge status lists first, and the rest by them."""
    gathering = _Gathering(told)
    (other_files, other_names), (reference_files, names) = map(_split, (others, references))
    given = [(path, False) for path in expand(other_files, yaml=yaml)]
    given += [(path, True) for path in expand(reference_files, yaml=yaml)]
    for path, is_reference in progress(given, "companions"):
        gathering.open(opened, path, is_reference=is_reference)
    lists = gathering.status_lists()
    held = gathering.others(lists, _Known(_load(other_names), _load(names)))
    return Companions(held, lists, tuple(gathering.findings))


def _split(paths: tuple[Path, ...]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return what is in files, and names of reference descriptors."""
    there = tuple(path for path in paths if path == DASH or _exists(path))
    if len(there) == len(paths):
        return paths, ()
    from acp import reference

    found: list[Path] = []
    names: list[str] = []
    for path in paths:
        if path in there:
            found.append(path)
        elif str(path) == ALL:
            names += (*reference.names(), *reference.slices())
        else:
            try:
                names.append(reference.find(str(path)))
            except reference.UnknownReferenceError:
                found.append(path)
    return tuple(found), tuple(names)


def _no_name_either(path: Path, refusal: Refused) -> Refused:
    """Return the refusal of a file that is not there, with the names that may be meant."""
    from acp import reference

    try:
        reference.find(str(path))
    except reference.UnknownReferenceError as unknown:
        first = refusal.diagnostics[0]
        return Refused(replace(first, message=f"{first.message}; {unknown}"))
    return refusal


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _load(names: tuple[str, ...]) -> list[CapabilityDescriptor]:
    if not names:
        return []
    from acp import reference

    return [reference.load(name) for name in names if name not in reference.systems()]
