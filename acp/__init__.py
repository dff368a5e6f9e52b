"""ACP, the Asymmetry Context Protocol: signed documents that say what a device can do.

This package is the lowest layer of the repository: it imports no tensor library, no adapter and
none of the layers above it, so that a vendor can validate and sign a descriptor, and an auditor
can verify one, with a light installation.

The names below are the public API; each is imported when it is first used::

    from acp import PrivateKey, TrustPolicy, accept
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from acp.acceptance import Accepted, accept, accept_status_list
    from acp.diagnostics import Diagnostic, Refused, Severity
    from acp.documents import digest, identify, load
    from acp.dsse import Envelope, sign
    from acp.holdings import Holdings
    from acp.keys import PrivateKey, PublicKey
    from acp.policy import TrustPolicy

__all__ = [
    "Accepted",
    "Diagnostic",
    "Envelope",
    "Holdings",
    "PrivateKey",
    "PublicKey",
    "Refused",
    "Severity",
    "TrustPolicy",
    "accept",
    "accept_status_list",
    "digest",
    "identify",
    "load",
    "sign",
]

_HOME: Final = {
    "Accepted": "acceptance",
    "accept": "acceptance",
    "accept_status_list": "acceptance",
    "Diagnostic": "diagnostics",
    "Refused": "diagnostics",
    "Severity": "diagnostics",
    "digest": "documents",
    "identify": "documents",
    "load": "documents",
    "Envelope": "dsse",
    "sign": "dsse",
    "Holdings": "holdings",
    "PrivateKey": "keys",
    "PublicKey": "keys",
    "TrustPolicy": "policy",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
