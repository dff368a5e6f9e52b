"""Weights and artifacts by digest: a directory of files, each named by the SHA-256 of its bytes.

Weights are safetensors files; artifacts are opaque. Nothing in a plan is ever part of a path: a
file is found by its digest alone, and believed only when its bytes hash to it. The header is parsed
here, strictly, so that a verifier needs no tensor library: 8 bytes of little-endian length, that
many bytes of JSON, then the data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acp.canonical import canonicalize, decode
from acp.diagnostics import Refused, pointer
from cep.opset.definition import DTYPE_BYTES

if TYPE_CHECKING:
    from cep.v1.graph import Constant

SUFFIX: Final = ".safetensors"
ARTIFACT_SUFFIX: Final = ".artifact"
MAX_HEADER_BYTES: Final = 64 * 2**20
MAX_AXES: Final = 16
_DTYPES: Final[Mapping[str, str]] = {
    "F64": "f64", "F32": "f32", "F16": "f16", "BF16": "bf16", "I64": "i64", "I32": "i32",
    "I16": "i16", "I8": "i8", "U8": "ui8", "BOOL": "i1",
}  # fmt: skip


class StoreError(Refused):
    """Weights that are missing or not what the plan says (code ``CEP-I2``)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of a file.

    Attributes:
        dtype: Token of the dtype registry.
        shape: Sizes.
        start: First byte in the file.
        end: Byte after the last.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass
class Store:
    """A directory of weights.

    Attributes:
        directory: Where the files are.
    """

    directory: Path
    _open: dict[str, tuple[bytes, dict[str, Entry]]] = field(default_factory=dict)
    _digests: dict[tuple[str, str], str] = field(default_factory=dict)

    def path(self, store_digest: str) -> Path:
        """Return where the file with a digest belongs."""
        return self.directory / f"{store_digest.removeprefix('sha256:')}{SUFFIX}"

    def add(self, data: bytes) -> Path:
        """Write a file under the name of its digest and return its path.

        Raises:
            Refused: The directory cannot be written (ENV-F2).
        """
        path = self.path("sha256:" + hashlib.sha256(data).hexdigest())
        if not path.exists():
            from acp.files import write

            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, data)
        return path

    def artifact_path(self, digest: str) -> Path:
        """Return where the artifact with a digest belongs."""
        return self.directory / f"{digest.removeprefix('sha256:')}{ARTIFACT_SUFFIX}"

    def add_artifact(self, data: bytes) -> str:
        """Write compiled code under the name of its digest and return the digest.

        Raises:
            Refused: The directory cannot be written (ENV-F2).
        """
        from acp.files import write

        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        path = self.artifact_path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, data)
        return digest

    def artifact(self, digest: str) -> bytes:
        """Return compiled code, after its digest was checked.

        Raises:
            StoreError: The file is missing, or is not what its digest says (CEP-I2).
        """
        return _believed(self.artifact_path(digest), digest)

    def tensor(self, constant: Constant) -> tuple[Entry, memoryview]:
        """Return a constant's entry and bytes, after their digests were checked.

        The digests of the file and of each tensor are computed once per store object.

        Raises:
            StoreError: File or tensor is missing, or is not what its digest says (CEP-I2).
        """
        data, entries = self._file(constant.store_digest)
        entry = entries.get(constant.key)
        if entry is None:
            raise StoreError.because(
                "CEP-I2", f"{self.path(constant.store_digest)} has no tensor {constant.key!r}"
            )
        view = memoryview(data)[entry.start : entry.end]
        name = (constant.store_digest, constant.key)
        if name not in self._digests:
            self._digests[name] = "sha256:" + hashlib.sha256(view).hexdigest()
        found = self._digests[name]
        if found != constant.digest:
            raise StoreError.because(
                "CEP-I2",
                f"tensor {constant.key!r} has digest {found}; the plan says {constant.digest}",
            )
        return entry, view

    def is_open(self, store_digest: str) -> bool:
        """Say whether the file with a digest was found and believed."""
        return store_digest in self._open

    def _file(self, store_digest: str) -> tuple[bytes, dict[str, Entry]]:
        if store_digest not in self._open:
            path = self.path(store_digest)
            data = _believed(path, store_digest)
            self._open[store_digest] = (data, _entries(path, data))
        return self._open[store_digest]


def _believed(path: Path, digest: str) -> bytes:
    """Return the bytes of a file that has the digest that a plan says."""
    data = _read(path)
    found = "sha256:" + hashlib.sha256(data).hexdigest()
    if found != digest:
        raise StoreError.because(
            "CEP-I2",
            f"{path} has digest {found}; the plan says {digest}. The file was changed or damaged: "
            "fetch it again",
        )
    return data


def pack(tensors: Mapping[str, tuple[str, Sequence[int], bytes]]) -> bytes:
    """Return the safetensors file of some tensors: dtype, sizes and elements by name."""
    names = {token: name for name, token in _DTYPES.items()}
    header: dict[str, object] = {}
    end = 0
    for key, (dtype, shape, elements) in tensors.items():
        start, end = end, end + len(elements)
        header[key] = {"dtype": names[dtype], "shape": [*shape], "data_offsets": [start, end]}
    text = canonicalize(header)
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(e for _, _, e in tensors.values())


def _read(path: Path) -> bytes:
    """Return the bytes of a file; no mapping, which would follow what happens to the file later."""
    what = "artifact" if path.suffix == ARTIFACT_SUFFIX else "weights file"
    try:
        if not path.is_file() and path.exists():
            raise StoreError.because("CEP-I2", f"the {what} {path} is not a regular file")
        return path.read_bytes()
    except FileNotFoundError:
        raise StoreError.because(
            "CEP-I2", f"the {what} {path} is missing; give its directory with --store"
        ) from None
    except OSError as error:
        raise StoreError.because(
            "CEP-I2", f"the {what} {path} cannot be read: {error.strerror}"
        ) from None


def _entries(path: Path, data: bytes) -> dict[str, Entry]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(MAX_HEADER_BYTES, len(data) - 8):  # noqa: PLR2004 - its size
        raise StoreError.because("CEP-I2", f"{path} is not a safetensors file")
    try:
        header = decode(bytes(data[8 : 8 + length]).rstrip(b" "))
    except Refused as refusal:
        raise StoreError.because("CEP-I2", f"{path}: the header is no JSON: {refusal}") from None
    if not isinstance(header, dict):
        raise StoreError.because("CEP-I2", f"{path} is not a safetensors file")
    base = 8 + length
    entries = {
        name: _entry(path, name, form, base, len(data))
        for name, form in header.items()
        if name != "__metadata__"
    }
    places = sorted((e.start, e.end) for e in entries.values())
    if any(end > start for (_, end), (start, _) in pairwise(places)):
        raise StoreError.because("CEP-I2", f"{path}: two tensors overlap")
    return entries


def _entry(path: Path, name: str, form: object, base: int, size: int) -> Entry:
    match form:
        case {
            "dtype": str(dtype),
            "shape": list(shape),
            "data_offsets": [int(start), int(end)],
        } if (
            dtype in _DTYPES
            and len(shape) <= MAX_AXES
            and all(type(n) is int and n >= 0 for n in shape)
            and 0 <= start <= end <= size - base
            and end - start == prod(shape) * DTYPE_BYTES[_DTYPES[dtype]]
        ):
            return Entry(_DTYPES[dtype], tuple(shape), base + start, base + end)
    raise StoreError.because(
        "CEP-I2", f"{path}: the entry of tensor {name!r} is malformed", pointer(name)
    )
