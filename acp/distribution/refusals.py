"""What the libraries of TUF say, in our codes, with the file it is about and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tuf.api import exceptions

from acp.distribution.names import RegistryError
from acp.distribution.transport import RedirectError

if TYPE_CHECKING:
    from acp.diagnostics import Refused
    from acp.distribution.transport import Transport

_SIGNED: Final = (
    "not signed by enough of the keys that count for it; somebody without these keys wrote it, or "
    "keys are being exchanged at this moment"
)
_ROLLED_BACK: Final = (
    "an older state of the registry than this client has seen; the server, or somebody between, "
    "serves old files"
)
_EXPIRED: Final = (
    "past its term; the operator has to run `acp registry refresh`, or somebody holds back newer "
    "files; check this machine's clock, too"
)
_OTHER: Final = (
    "not the file that the metadata speaks of; files of different states are mixed, or one was "
    "altered or cut short"
)
_KINDS: Final = (
    (exceptions.UnsignedMetadataError, "REG-M1", _SIGNED),
    (exceptions.BadVersionNumberError, "REG-M2", _ROLLED_BACK),
    (exceptions.ExpiredMetadataError, "REG-M3", _EXPIRED),
    (exceptions.LengthOrHashMismatchError, "REG-M4", _OTHER),
    (exceptions.RepositoryError, "REG-M5", "malformed metadata"),
    (exceptions.DownloadLengthMismatchError, "REG-D1", "longer than it may be; not read further"),
    (
        exceptions.SlowRetrievalError,
        "REG-D2",
        "too slow; try again, or allow more with --timeout and --min-rate",
    ),
    (RedirectError, "REG-D3", "give the final address of the registry with --registry"),
    (exceptions.DownloadError, "REG-D4", "check the address, the network and the proxy"),
)
"""Errors, the first that fits, with code and advice."""

_CONFUSED: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What code raises that meets a value of another type than it expects."""


@contextmanager
def translated(transport: Transport) -> Iterator[None]:
    """Raise what the libraries raise as a refusal of ours, about the file that was last asked for.

    Raises:
        RegistryError: REG-M1 to REG-M5, REG-D1 to REG-D4.
    """
    try:
        yield
    except (exceptions.RepositoryError, exceptions.DownloadError) as error:
        raise refusal(error, transport.last) from error
    except _CONFUSED as error:
        # What strangers wrote into metadata must not end in a traceback.
        reason = f"{transport.last}: malformed metadata ({type(error).__name__}: {error})"
        raise RegistryError.because("REG-M5", reason) from error


def refusal(error: Exception, file: str) -> Refused:
    """Return the refusal that stands for an error of a library, about `file`."""
    if isinstance(error, exceptions.RepositoryError) and "missing info for" in str(error):
        code, advice = "REG-M2", _ROLLED_BACK
    else:
        code, advice = next(
            (code, advice) for kind, code, advice in _KINDS if isinstance(error, kind)
        )
    said = str(error) or type(error).__name__
    return RegistryError.because(code, f"{file}: {said}: {advice}")
