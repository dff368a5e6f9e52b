"""Loading ``.pt2`` archives without ever running code from them.

An archive may hold pickles, compiled libraries, and expressions that PyTorch evaluates; to load one
carelessly is to run whatever its author wished. The archive is read once into memory, and a new one
is made of what is known to be plain: raw tensors, JSON that names no pickle, and the program with
all that would be evaluated proven harmless or left out. Only the new archive goes to
`torch.export.load`, so that it does not matter how PyTorch would have read the old one.
"""

from __future__ import annotations

import io
import json
import logging
import re
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from acp.diagnostics import Refused
from cep.capture.plain import plain_program

if TYPE_CHECKING:
    from torch.export import ExportedProgram

MAX_JSON_BYTES: Final = 64 * 2**20

_COPIED: Final = re.compile(
    r"archive_format|archive_version|byteorder|\.data/(?:version|serialization_id)"
    r"|data/weights/weight_\d+|data/constants/tensor_\d+"
)
_CONFIG: Final = re.compile(
    r"data/(?:weights/model_weights|constants/model_constants)_config\.json"
)
_PROGRAM: Final = "models/model.json"
_SAMPLES: Final = "data/sample_inputs/model.pt"
_LEFT_OUT: Final = "extra/"


class CaptureError(Refused):
    """A model that cannot be captured (codes ``CEP-X1`` … ``CEP-X3``)."""


def load(path: Path) -> ExportedProgram:
    """Return the program in a ``.pt2`` file that `torch.export.save` wrote.

    Its sample inputs, which are a pickle, are never read; the program has none.

    Raises:
        CaptureError: The file cannot be read (ENV-F1) or is no such archive (CEP-X1), or it holds
            pickles or something else that would run (CEP-X2).
    """
    import torch

    try:
        data = path.read_bytes()
    except OSError as error:
        raise CaptureError.because("ENV-F1", f"cannot be read: {error.strerror or error}") from None
    plain = _plain_archive(path, data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.getLogger("torch.export").setLevel(logging.ERROR)
            return torch.export.load(io.BytesIO(plain))
    except Exception as error:
        raise CaptureError.because(
            "CEP-X1",
            f"{path} is not a model that this PyTorch ({torch.__version__}) reads: {error}",
        ) from error


def _plain_archive(path: Path, data: bytes) -> bytes:
    """Return an archive with the same program and tensors, and nothing that runs."""
    made = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(made, "w") as plain:
            for name, record in _records(path, archive, len(data)):
                plain.writestr(f"model/{name}", _plain_record(path, name, record))
    except CaptureError:
        raise
    except zipfile.BadZipFile:
        raise _not_an_archive(path) from None
    except Exception as error:  # noqa: BLE001 - whatever a damaged archive makes its readers raise
        raise CaptureError.because(
            "CEP-X2", f"{path}: the archive is damaged or not plain: {error}"
        ) from None
    return made.getvalue()


def _records(path: Path, archive: zipfile.ZipFile, size: int) -> list[tuple[str, bytes]]:
    """Return the records below the archive's one folder, each stored as it is."""
    members = archive.infolist()
    names = [m.filename for m in members]
    folders = {n.partition("/")[0] for n in names}
    records = [n.partition("/")[2] for n in names]
    if len(set(names)) != len(names) or len(folders) != 1 or "archive_format" not in records:
        raise _not_an_archive(path)
    if sum(m.file_size for m in members) > size:
        raise ValueError("its records are larger than the archive")
    return [(r, archive.read(n)) for r, n in zip(records, names, strict=True)]


def _plain_record(path: Path, name: str, record: bytes) -> bytes:
    if _COPIED.fullmatch(name):
        return record
    if _CONFIG.fullmatch(name):
        return _checked_config(path, name, record)
    if name == _PROGRAM and len(record) <= MAX_JSON_BYTES:
        return plain_program(record)
    if name == _SAMPLES or name.startswith(_LEFT_OUT):
        return b""
    raise CaptureError.because(
        "CEP-X2",
        f"{path}: {name} is a pickle, a library or unknown, and might run code; write the model "
        "with torch.export.save",
    )


def _not_an_archive(path: Path) -> CaptureError:
    return CaptureError.because(
        "CEP-X1", f"{path} is not a .pt2 archive; write it with torch.export.save"
    )


def _checked_config(path: Path, name: str, record: bytes) -> bytes:
    if len(record) > MAX_JSON_BYTES:
        raise ValueError(f"{name} is larger than {MAX_JSON_BYTES} bytes")
    config: dict[str, dict[str, dict[str, Any]]] = json.loads(record)
    for key, entry in config.get("config", {}).items():
        if entry.get("use_pickle") or not re.fullmatch(r"(weight|tensor)_\d+", entry["path_name"]):
            raise CaptureError.because(
                "CEP-X2",
                f"{path}: {key!r} in {name} is a pickle, which would run code; export the model "
                "with plain strided tensors only",
            )
    return json.dumps(config).encode()
