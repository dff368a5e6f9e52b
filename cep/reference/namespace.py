"""What the reference needs of an array namespace: the dtypes of CEP-Core, and exact widening.

The reference is written over the part of the array-API standard that NumPy 2 and ``jax.numpy``
share. It writes no array in place, so a namespace of immutable arrays runs it too.
"""

from __future__ import annotations

from typing import Any, Final

from cep.opset.definition import FLOATS, TensorType

DTYPE_NAMES: Final = {
    "f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16",
    "i64": "int64", "i32": "int32", "i16": "int16", "i8": "int8", "ui8": "uint8", "i1": "bool",
}  # fmt: skip
"""The array API's name of each dtype; bf16 is in some namespaces only."""

_TOKENS: Final = {name: token for token, name in DTYPE_NAMES.items()}


class NamespaceError(ValueError):
    """The array namespace does not have what an operation needs."""


def dtype_of(xp: Any, token: str) -> Any:
    """Return the namespace's dtype for a token of CEP-Core.

    Raises:
        NamespaceError: The namespace has no such dtype; NumPy has no bf16.
    """
    name = DTYPE_NAMES[token]
    found = getattr(xp, name, None) or getattr(xp, f"{name}_", None)
    if found is None:
        raise NamespaceError(f"{xp.__name__} has no dtype for {token}")
    return found


def token_of(array: Any) -> str:
    """Return the token of an array's dtype.

    Raises:
        NamespaceError: CEP-Core has no such dtype.
    """
    name = str(array.dtype)
    if name not in _TOKENS:
        raise NamespaceError(f"CEP-Core does not compute with the dtype {name}")
    return _TOKENS[name]


def is_float(array: Any) -> bool:
    """Say whether an array holds floats."""
    return token_of(array) in FLOATS


def wide(xp: Any, array: Any) -> Any:
    """Return floats as f64, which holds each of them exactly; integers and i1 as they are."""
    return array.astype(dtype_of(xp, "f64")) if is_float(array) else array


def number(xp: Any, value: float, like: Any) -> Any:
    """Return a number as a scalar in the dtype of `like`, widened: numbers have self's dtype."""
    return wide(xp, xp.asarray(value, dtype=like.dtype))


def narrowed(xp: Any, array: Any, wanted: TensorType) -> Any:
    """Return a result in its dtype: a float that was computed in f64 is rounded here, once.

    Raises:
        NamespaceError: The shape is not the one that the type rule gives.
    """
    shape = tuple(d.value for d in wanted.shape)
    if tuple(array.shape) != shape:
        raise NamespaceError(f"the reference made the shape {tuple(array.shape)}, not {shape}")
    return xp.asarray(array, dtype=dtype_of(xp, wanted.dtype))
