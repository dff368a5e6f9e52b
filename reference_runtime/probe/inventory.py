"""What is in this machine, by whoever can tell: every source asked in a process of its own.

A source whose driver crashes, hangs or floods its output ends as "nothing found, because …", like
one whose library is not installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

from acp.diagnostics import Refused
from reference_runtime.probe.sources import SOURCES
from reference_runtime.probe.sources.found import Found

if TYPE_CHECKING:
    from reference_runtime.adapter import DescribedDevice

PATIENCE_S: Final = 60.0
"""Longest time that all sources together may take, in seconds: a ROCm stack takes some to start."""

MAX_ANSWER: Final = 4_000_000
"""Most bytes of an answer that are read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a source said.

    Attributes:
        source: Its name.
        found: The devices.
        nothing: Why there are none; empty if there are.
    """

    source: str
    found: tuple[Found, ...] = ()
    nothing: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A source that is being asked."""

    source: str
    process: subprocess.Popen[bytes]
    said: IO[bytes]
    complaints: IO[bytes]


def ask(
    sources: Sequence[str] = tuple(SOURCES),
    patience_s: float = PATIENCE_S,
    arguments: Sequence[str] = ("-m", "reference_runtime.probe.sources"),
    watched: Callable[[Sequence[Asked]], Iterable[Asked]] = iter,
) -> tuple[Answer, ...]:
    """Ask sources, all at the same time, and return their answers in order.

    Args:
        sources: Their names.
        patience_s: Longest time to wait, in seconds.
        arguments: What to run Python with; the name of the source follows.
        watched: Passes on what is being asked, such as to show how far it has come.
    """
    end = time.monotonic() + patience_s
    asked = [_start(source, arguments) for source in sources]
    try:
        return tuple(_answer(one, end) for one in watched(asked))
    finally:
        for one in asked:
            one.process.kill()
            one.process.wait()
            one.said.close()
            one.complaints.close()


def driving(found: Found, devices: Iterable[tuple[str, DescribedDevice]]) -> tuple[str, ...]:
    """Return the adapters that drive a device: those that describe its unit, or a stack on it."""
    unit = found.unit_id
    return tuple(
        name for name, one in devices if one.unit_id == unit or one.unit_id.startswith(f"{unit}:")
    )


def _start(source: str, arguments: Sequence[str]) -> Asked:
    # Files, not pipes: a source that says more than a pipe holds goes on.
    said, complaints = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
    process = subprocess.Popen(
        [sys.executable, *arguments, source],
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=complaints,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    return Asked(source, process, said, complaints)


def _answer(asked: Asked, end: float) -> Answer:
    try:
        status = asked.process.wait(max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        return Answer(asked.source, nothing="its library does not come back in time")
    asked.said.seek(0)
    text = asked.said.read(MAX_ANSWER)
    try:
        value: Any = json.loads(text)
        if "nothing" in value:
            return Answer(asked.source, nothing=str(value["nothing"]))
        return Answer(asked.source, tuple(Found.from_json(one) for one in value["found"]))
    except (ValueError, KeyError, TypeError, AttributeError, Refused) as error:
        reason = f"its process ended with status {status}"
        if status == 0:
            reason = f"its answer cannot be read: {error}"
        return Answer(asked.source, nothing=reason + _last_words(asked.complaints))


def _last_words(complaints: IO[bytes]) -> str:
    size = complaints.seek(0, os.SEEK_END)
    complaints.seek(max(0, size - 2000))
    lines = complaints.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {last[:200]}" if last else ""
