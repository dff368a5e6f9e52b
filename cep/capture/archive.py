"""Loading ``.pt2`` archives without ever running a pickle from them.

An archive may hold pickles (tensors of unusual kinds, custom objects, sample inputs), and to
unpickle is to run code. The archive is read once into memory, every place where a pickle could hide
is refused or proven plain, and only then do the same bytes go to `torch.export.load`.
"""

from __future__ import annotations

import io
import json
import logging
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acp.diagnostics import Refused

if TYPE_CHECKING:
    from torch.export import ExportedProgram

MAX_CONFIG_BYTES = 64 * 2**20


class CaptureError(Refused):
    """A model that cannot be captured (codes ``CEP-X1`` … ``CEP-X3``)."""


def load(path: Path) -> ExportedProgram:
    """Return the program in a ``.pt2`` file that `torch.export.save` wrote.

    Raises:
        CaptureError: The file is not such an archive (CEP-X1), or holds pickles (CEP-X2).
    """
    import torch

    try:
        data = path.read_bytes()
    except OSError as error:
        raise CaptureError.because(
            "ENV-F1", f"{path} cannot be read: {error.strerror or error}"
        ) from None
    _refuse_pickles(path, data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.getLogger("torch.export").setLevel(logging.ERROR)
            return torch.export.load(io.BytesIO(data))
    except Exception as error:
        raise CaptureError.because(
            "CEP-X1",
            f"{path} is not a model that this PyTorch ({torch.__version__}) reads: {error}",
        ) from error


def _refuse_pickles(path: Path, data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_archive(path, archive)
    except CaptureError:
        raise
    except zipfile.BadZipFile:
        raise _not_an_archive(path) from None
    except Exception as error:  # noqa: BLE001 - whatever a damaged archive makes its readers raise
        raise CaptureError.because(
            "CEP-X2", f"{path}: the archive is damaged or its sample inputs are not plain: {error}"
        ) from None


def _check_archive(path: Path, archive: zipfile.ZipFile) -> None:
    import torch

    names = archive.namelist()
    if len(set(names)) != len(names) or not any(n.endswith("archive_format") for n in names):
        raise _not_an_archive(path)
    for name in names:
        kind = name.partition("/")[2]
        if kind.endswith("_config.json"):
            _check_config(path, name, _small(archive, name))
        elif kind.startswith("data/sample_inputs/"):
            torch.load(io.BytesIO(archive.read(name)), weights_only=True)
        elif kind.startswith(("data/weights/", "data/constants/")) and kind.endswith(".pt"):
            raise CaptureError.because("CEP-X2", f"{path}: {name} is a pickle")


def _not_an_archive(path: Path) -> CaptureError:
    return CaptureError.because(
        "CEP-X1", f"{path} is not a .pt2 archive; write it with torch.export.save"
    )


def _small(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    if archive.getinfo(name).file_size > MAX_CONFIG_BYTES:
        raise ValueError(f"{name} is larger than {MAX_CONFIG_BYTES} bytes")
    config = json.loads(archive.read(name))
    if not isinstance(config, dict):
        raise TypeError(f"{name} is not a JSON object")
    return config


def _check_config(path: Path, name: str, config: dict[str, Any]) -> None:
    for key, entry in config.get("config", {}).items():
        stored = str(entry.get("path_name", ""))
        if entry.get("use_pickle") or stored.startswith(("custom_obj_", "opaque_obj_")):
            raise CaptureError.because(
                "CEP-X2",
                f"{path}: {key!r} in {name} is a pickle, which would run code; export the model "
                "with plain strided tensors only",
            )
