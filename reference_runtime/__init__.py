"""The reference runtime: admits verified plans, binds them to real devices, runs them, and says so.

Nothing is executed that was not admitted, and admission cannot be switched off. A device is driven
through an adapter (`reference_runtime.adapter`), found by its entry point and loaded only if the
operator allows its distribution.

    from reference_runtime import Runtime
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reference_runtime.runtime import BoundPlan, Runtime

__all__ = ["BoundPlan", "Runtime"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from reference_runtime import runtime

    return getattr(runtime, name)
