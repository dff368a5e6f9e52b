"""CEP, the Computational Execution Protocol: plans, their verifier, their planner, receipts.

The names below are the public API; each is imported when it is first used::

    from cep import Options, Store, compile_model, sign_plan, verify_plan, verify_receipt
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cep.compiler import DeviceDocuments, compile_model, sign_plan
    from cep.planner.compile import Options
    from cep.receipt import verify_receipt
    from cep.store import Store
    from cep.verify import Report
    from cep.verify import verify as verify_plan

__all__ = [
    "DeviceDocuments",
    "Options",
    "Report",
    "Store",
    "compile_model",
    "sign_plan",
    "verify_plan",
    "verify_receipt",
]

_HOME: Final = {
    "DeviceDocuments": ("compiler", "DeviceDocuments"),
    "Options": ("planner.compile", "Options"),
    "Report": ("verify", "Report"),
    "Store": ("store", "Store"),
    "compile_model": ("compiler", "compile_model"),
    "sign_plan": ("compiler", "sign_plan"),
    "verify_plan": ("verify", "verify"),
    "verify_receipt": ("receipt", "verify_receipt"),
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOME[name]
    return getattr(import_module(f"{__name__}.{module}"), attribute)
