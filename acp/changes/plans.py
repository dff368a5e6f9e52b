"""Whether plans that were made for an old descriptor hold with the new one in its place.

The packages that know plans join by an entry point in the group ``acp.plans`` that names a
function like `Recheck`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from acp.diagnostics import Diagnostic, Refused, Severity

if TYPE_CHECKING:
    from acp.message import Message
    from acp.v1.capability import CapabilityDescriptor

GROUP: Final = "acp.plans"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a plan stands with the new descriptor.

    Attributes:
        slots: Devices of the plan that the old descriptor stands for.
        before: What is found with the old descriptor.
        after: What is found with the new one in its place.
    """

    slots: tuple[str, ...]
    before: tuple[Diagnostic, ...]
    after: tuple[Diagnostic, ...]

    @property
    def held(self) -> bool:
        """The plan was safe with the old descriptor, as far as can be seen."""
        return not any(one.severity is Severity.ERROR for one in self.before)

    @property
    def holds(self) -> bool:
        """The plan is safe with the new descriptor, once it names it."""
        return not any(one.severity is Severity.ERROR for one in self.after)


class Recheck(Protocol):
    """Verifies a plan with another descriptor in place of the one it was made for."""

    def __call__(
        self,
        plan: bytes,
        old: CapabilityDescriptor,
        new: CapabilityDescriptor,
        others: Sequence[Message],
        now: datetime,
    ) -> Standing:
        """Return how a plan stands; signatures are not looked at.

        Args:
            plan: The bare plan.
            old: The descriptor that it was made for.
            new: The descriptor in its place.
            others: Descriptors of its other devices, and system descriptors.
            now: The moment to judge by.

        Raises:
            Refused: The plan cannot be read, or does not use the old descriptor.
        """
        ...


def rechecks() -> Recheck:
    """Return what verifies plans.

    Raises:
        Refused: Nothing that is installed does (ENV-F3).
    """
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP):
        found: Recheck = point.load()
        return found
    raise Refused.because("ENV-F3", "nothing that is installed here verifies plans")
