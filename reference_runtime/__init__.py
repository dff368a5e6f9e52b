"""The reference runtime: admits verified plans, binds them to real devices, runs them, and says so.

Nothing is executed that was not admitted, and admission cannot be switched off. A device is driven
through an adapter (`reference_runtime.adapter`), found by its entry point and loaded only if the
operator allows its distribution.
"""

from __future__ import annotations
