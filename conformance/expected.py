"""Expected failures: known, dated, and strict, so that a list of them cannot rot."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.protocol import ProtocolError, check

if TYPE_CHECKING:
    from conformance.cases import Suite


class ExpectedFailuresError(Exception):
    """The file of expected failures cannot be used."""


@dataclass(frozen=True, slots=True)
class ExpectedFailure:
    """A failure that somebody knows of.

    Attributes:
        id: Id of the case.
        observed: What the implementation answers: a code, ``accepted`` or ``unsupported``.
        issue: Where it is being dealt with.
        expires: From this day on the failure counts.
    """

    id: str
    observed: str
    issue: str
    expires: date


def load(path: Path, suite: Suite) -> dict[str, ExpectedFailure]:
    """Read a file of expected failures.

    Raises:
        ExpectedFailuresError: It can't be read, isn't what its schema says, names no case of
            `suite`, or names one twice.
    """
    try:
        document = json.loads(path.read_bytes())
        check("expected-failures", document)
        entries = [
            ExpectedFailure(
                one["id"], one["observed"], one["issue"], date.fromisoformat(one["expires"])
            )
            for one in document["expected_failures"]
        ]
    except (OSError, ValueError, ProtocolError) as error:
        raise ExpectedFailuresError(f"{path}: {error}") from None
    found: dict[str, ExpectedFailure] = {}
    for entry in entries:
        if entry.id not in suite.cases:
            raise ExpectedFailuresError(f"{path}: there is no case {entry.id!r}")
        if entry.id in found:
            raise ExpectedFailuresError(f"{path}: {entry.id!r} is listed twice")
        found[entry.id] = entry
    return found
