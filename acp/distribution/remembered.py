"""The status list that a client remembers, and what may follow it (REG-S1).

The list itself is the memory: as long as the trust policy trusts its signature, no list with a
lower sequence follows. Once the key that signed it is no longer trusted, the memory ends, so that
an issuer recovers from a thief who published the highest sequence there is.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from acp import trust
from acp.diagnostics import Refused
from acp.distribution.names import RegistryError
from acp.dsse import STATUS_LIST
from acp.v1.status import StatusList

if TYPE_CHECKING:
    from acp.policy import TrustPolicy


def require_successor(
    new: bytes | None, remembered: bytes | None, issuer: str, policy: TrustPolicy, now: datetime
) -> None:
    """Check that a status list may follow the one that was accepted last.

    The new list is trusted by nobody yet: what this reads of it can only refuse it.

    Args:
        new: Envelope of the list that the registry has; None where it has none.
        remembered: Envelope of the one that was accepted last; None where there was none.
        issuer: Whose lists they are.
        policy: Whose signatures count.
        now: The moment to judge signatures by.

    Raises:
        RegistryError: REG-S1, it may not.
        Refused: The new list is not trusted, or malformed.
    """
    if remembered is None or remembered == new:
        return
    old = trusted_list(remembered, policy, now)
    if old is None:
        return
    if new is None:
        reason = (
            f"{issuer} had a status list, sequence {old.sequence}, and has none now; revocations "
            "are being held back"
        )
        raise RegistryError.because("REG-S1", reason)
    found = _read(new, policy, now)
    if found.sequence < old.sequence:
        reason = (
            f"the status list of {issuer} has sequence {found.sequence}, after {old.sequence} was "
            "accepted; an old list is being served"
        )
        raise RegistryError.because("REG-S1", reason)
    if found.sequence == old.sequence and found.to_json() != old.to_json():
        reason = (
            f"two different status lists of {issuer} have the sequence {old.sequence}; the issuer "
            "has to publish one with a higher sequence"
        )
        raise RegistryError.because("REG-S1", reason)


def trusted_list(envelope: bytes, policy: TrustPolicy, now: datetime) -> StatusList | None:
    """Return a status list whose signature is trusted, current or not; None for another one."""
    try:
        return _read(envelope, policy, now)
    except Refused:
        return None


def _read(envelope: bytes, policy: TrustPolicy, now: datetime) -> StatusList:
    verified = trust.verify(envelope, policy, now=now, expected=(STATUS_LIST,))
    return StatusList.from_text(verified.payload)
