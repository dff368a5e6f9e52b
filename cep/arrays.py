"""Arrays in files: NumPy's ``.npz``, read without trust and written byte for byte alike.

Invariants:

* Nothing is unpickled, and no header makes this module allocate more than the file holds.
* What cannot be read is ENV-F1, what cannot be written ENV-F2, about the file's name.
* The same arrays under the same names give the same bytes.
"""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from acp import files
from acp.diagnostics import Diagnostic, FileRefusedError, Severity
from cep.receipt import TensorDigest, tensor_digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

MAX_BYTES: Final = 4 * 2**30
"""Most bytes of arrays that one file may hold, unpacked."""

MAX_ARRAYS: Final = 4096
_SUFFIX: Final = ".npy"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)

TOKENS: Final[Mapping[str, str]] = {
    "float64": "f64",
    "float32": "f32",
    "float16": "f16",
    "int64": "i64",
    "int32": "i32",
    "int16": "i16",
    "int8": "i8",
    "uint8": "ui8",
    "bool": "i1",
}
"""Tokens of the dtype registry by NumPy's names."""


def read_npz(path: Path) -> dict[str, Array]:
    """Return the arrays of a file by name, in its order.

    Raises:
        FileRefusedError: The file cannot be read, is no such file, or is too large (ENV-F1).
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            return _arrays(path, archive)
    except (OSError, ValueError, EOFError, SyntaxError, NotImplementedError, RuntimeError) as error:
        raise _refused(path, f"cannot be read: {error}") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise _refused(path, f"is not an .npz file: {error}") from error


def _arrays(path: Path, archive: zipfile.ZipFile) -> dict[str, Array]:
    members = archive.infolist()
    if len(members) > MAX_ARRAYS or sum(one.file_size for one in members) > MAX_BYTES:
        reason = f"holds more than {MAX_ARRAYS} arrays or {MAX_BYTES} bytes"
        raise _refused(path, reason)
    arrays: dict[str, Array] = {}
    for member in members:
        name = member.filename.removesuffix(_SUFFIX)
        if name in arrays:
            raise _refused(path, f"has two arrays called {name!r}")
        with archive.open(member) as stream:
            # A member may unpack to more than it claims.
            data = stream.read(member.file_size + 1)
        arrays[name] = _array(path, name, data)
    return arrays


def _array(path: Path, name: str, data: bytes) -> Array:
    import numpy as np

    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise _refused(path, f"array {name!r} has version {version}; allowed are 1.0 and 2.0")
    try:
        shape, columns_first, dtype = read(stream)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, tokenize.TokenError):
        raise _refused(
            path, f"array {name!r} has a damaged header; write it with numpy.savez"
        ) from None
    elements = data[stream.tell() :]
    if dtype.hasobject or dtype.names is not None or dtype.kind not in "fiub":
        raise _refused(path, f"array {name!r} is of {dtype}; allowed are plain numbers")
    if any(type(size) is not int or not 0 <= size <= MAX_BYTES for size in shape):
        raise _refused(path, f"array {name!r} claims the shape {shape}")
    if prod(shape) * dtype.itemsize != len(elements):
        reason = f"array {name!r} claims {dtype}{list(shape)} but has {len(elements)} bytes"
        raise _refused(path, reason)
    flat = np.frombuffer(elements, dtype=dtype)
    return flat.reshape(shape, order="F" if columns_first else "C")


def write_npz(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays by name; the file is replaced as a whole.

    Raises:
        FileRefusedError: The file cannot be written (ENV-F2).
    """
    import numpy as np

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(name + _SUFFIX, _EPOCH)
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False)
    files.write(path, packed.getvalue())


def summaries(arrays: Mapping[str, Array]) -> dict[str, TensorDigest]:
    """Return what a receipt remembers of arrays, by name (CEP-P5)."""
    import numpy as np

    found = {}
    for name, array in arrays.items():
        dense = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        token = TOKENS.get(array.dtype.name, array.dtype.name)
        found[name] = tensor_digest(name, token, array.shape, dense.tobytes())
    return found


def split_runs(arrays: Mapping[str, Array]) -> list[dict[str, Array]]:
    """Return the arrays of each run: those called ``0/…``, ``1/…``, or all as one run."""
    runs: dict[int, dict[str, Array]] = {}
    for name, array in arrays.items():
        number, slash, rest = name.partition("/")
        if not slash or not number.isascii() or not number.isdecimal() or len(number) > len("4096"):
            return [dict(arrays)]
        runs.setdefault(int(number), {})[rest] = array
    if sorted(runs) != list(range(len(runs))):
        return [dict(arrays)]
    return [runs[number] for number in range(len(runs))]


def _refused(path: Path, reason: str) -> FileRefusedError:
    return FileRefusedError(str(path), Diagnostic("ENV-F1", Severity.ERROR, "", reason))
