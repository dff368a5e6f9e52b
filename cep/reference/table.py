"""The form that the reference of every operation has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

Function: TypeAlias = Callable[[Any, Sequence[Any], Mapping[str, Any]], Any]
"""From an array namespace, the operands and the attributes to the result.

Sizes among the attributes are integers, and lists that may be left out are there. Several results
are a tuple. A result of floats may be f64 whatever its dtype: it is rounded afterwards.
"""
