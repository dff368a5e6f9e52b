"""What an attack is, and how one is run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from acp.diagnostics import Refused
from acp.distribution.simulator.world import REFERENCE, World, staged

Attempt: TypeAlias = Callable[[World], "dict[str, Any] | None"]


@dataclass(frozen=True, slots=True)
class Attack:
    """One way to deceive a client.

    Attributes:
        name: How it is called.
        code: The rule that must refuse it.
        does: What the attacker does, and with which keys.
        attempt: Carries it out; may return arguments of the client's fetch.
        repair: What the operator does afterwards, besides serving the right files again.
        keeps_roots: The attack shows new, genuine roots, which the client keeps.
    """

    name: str
    code: str
    does: str
    attempt: Attempt = field(repr=False)
    repair: Callable[[World], object] | None = field(default=None, repr=False)
    keeps_roots: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attack.

    Attributes:
        name: Which attack.
        does: What the attacker did.
        expected: The code that had to refuse it.
        code: The code that refused it; empty where it succeeded.
        message: What the client said.
        state_unchanged: The client's state is as it was, byte for byte.
        recovered: The client fetched again, once the registry was well.
        seconds: How long the client took to refuse.
    """

    name: str
    does: str
    expected: str
    code: str
    message: str
    state_unchanged: bool
    recovered: bool
    seconds: float

    @property
    def ok(self) -> bool:
        """The client did all that it has to."""
        return self.code == self.expected and self.state_unchanged and self.recovered


_ATTACKS: Final[dict[str, Attack]] = {}


def attack(
    name: str,
    code: str,
    does: str,
    *,
    repair: Callable[[World], object] | None = None,
    keeps_roots: bool = False,
) -> Callable[[Attempt], Attempt]:
    """Register the decorated function as an attack."""

    def register(attempt: Attempt) -> Attempt:
        _ATTACKS[name] = Attack(name, code, does, attempt, repair, keeps_roots)
        return attempt

    return register


def attacks() -> tuple[Attack, ...]:
    """Return all attacks."""
    return tuple(_ATTACKS.values())


def run(one: Attack) -> Outcome:
    """Run an attack on a new registry and a new client."""
    with tempfile.TemporaryDirectory(prefix="acp-attack-") as folder, staged(Path(folder)) as world:
        world.fetch()
        arguments = {"reference": REFERENCE} | (one.attempt(world) or {})
        before = world.remembered()
        began = time.monotonic()
        code = message = ""
        try:
            world.fetch(**arguments)
        except Refused as refusal:
            code, message = refusal.diagnostics[0].code, refusal.diagnostics[0].message
        seconds = time.monotonic() - began
        after = world.remembered()
        unchanged = _but_roots(after) == _but_roots(before) if one.keeps_roots else after == before
        world.instead.clear()
        if one.repair is not None:
            one.repair(world)
        try:
            world.fetch()
        except Refused as refusal:
            recovered = False
            message += f"; and afterwards: {refusal.diagnostics[0]}"
        else:
            recovered = True
        return Outcome(
            one.name, one.does, one.code, code, message, unchanged, recovered, round(seconds, 3)
        )


def _but_roots(remembered: dict[str, bytes | str]) -> dict[str, bytes | str]:
    """Return a memory without roots, and without the numbers of its generations."""
    return {
        name.partition("/")[2]: content
        for name, content in remembered.items()
        if "/" in name and "root_history/" not in name and not name.endswith("/root.json")
    }
