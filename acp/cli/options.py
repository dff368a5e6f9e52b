"""Options that several commands take, and what becomes of their values."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from acp import files
from acp.cli.output import about
from acp.diagnostics import FileRefusedError, KeyFileError

if TYPE_CHECKING:
    from acp.keys import PrivateKey
    from acp.policy import TrustPolicy

FILE: Final = click.Path(path_type=Path, allow_dash=True)

MAX_UINT64: Final = 2**64 - 1
"""Largest number that a document holds."""

_MAX_PASSPHRASE_BYTES: Final = 4096
_MAX_DOMAIN: Final = 253
_MAX_URI: Final = 2048
_MAX_TOKEN: Final = 256

_Function = TypeVar("_Function", bound=Callable[..., Any])


def together(*options: Callable[[_Function], _Function]) -> Callable[[_Function], _Function]:
    """Return the decorator that adds several options, in the order in which they are given."""
    return lambda command: reduce(lambda inner, add: add(inner), reversed(options), command)


def instant_option(*names: str, **attributes: Any) -> Callable[[_Function], _Function]:
    """Return an option that takes an RFC 3339 time as documents write it, aware of UTC."""

    def aware(_: click.Context, __: click.Parameter, value: datetime | None) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)

    kind = click.DateTime(formats=["%Y-%m-%dT%H:%M:%SZ"])
    return click.option(*names, type=kind, callback=aware, metavar="TIME", **attributes)


def quantity(*names: str, **attributes: Any) -> Callable[[_Function], _Function]:
    """Return an option that takes a whole number with a prefix: 80GiB, 3.35T, 1_830_000_000."""

    def whole(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
        from acp.quantities import read

        try:
            return None if value is None else read(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return click.option(*names, callback=whole, metavar="QUANTITY", **attributes)


def domain(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return the value of an option that takes the name of an issuer; a callback.

    Raises:
        click.BadParameter: It is no such name.
    """
    from acp.v1.formats import DOMAIN_PATTERN

    return _fitting(value, DOMAIN_PATTERN, _MAX_DOMAIN)


def uri(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return the value of an option that takes a URI; a callback.

    Raises:
        click.BadParameter: It is none.
    """
    from acp.v1.formats import URI_PATTERN

    return _fitting(value, URI_PATTERN, _MAX_URI)


def labels(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values of an option that takes labels of places, sorted; a callback.

    Raises:
        click.BadParameter: One of them is none.
    """
    from acp.v1.formats import TOKEN_PATTERN

    for value in values:
        _fitting(value, TOKEN_PATTERN, _MAX_TOKEN)
    return tuple(sorted(set(values)))


def _fitting(value: str | None, pattern: str, most: int) -> str | None:
    from acp.v1.formats import HINTS

    if value is not None and (len(value) > most or re.search(pattern, value) is None):
        raise click.BadParameter(f"{value[:80]!r} is not {HINTS[pattern]}")
    return value


now_option = instant_option(
    "--now",
    default=lambda: datetime.now(UTC),
    help="Judge as if it were TIME, such as 2026-11-20T09:00:00Z. [default: the present]",
)

understand_option = click.option(
    "--understand",
    "understood",
    multiple=True,
    metavar="DOMAIN",
    help="Take a critical extension of this name as understood. Can be repeated.",
)

policy_option = click.option(
    "--policy",
    "policy_file",
    type=FILE,
    required=True,
    help="Trust policy: whose keys count for what. 'acp policy create' makes one.",
)

key_option = click.option(
    "--key",
    "key_files",
    type=FILE,
    required=True,
    multiple=True,
    help="Private key, PEM. 'acp keygen' makes one. Can be repeated.",
)

passphrase_option = click.option(
    "--passphrase-file",
    type=FILE,
    help="File whose first line is the passphrase of the private key.",
)

output_option = click.option(
    "-o", "--output", type=FILE, required=True, help="File to write; is replaced as a whole."
)


def load_policy(path: Path) -> TrustPolicy:
    """Load a trust policy.

    Raises:
        FileRefusedError: It cannot be read (ENV-F1), or is no policy (ENV-J1 to ENV-J4, ENV-T5).
    """
    from acp.policy import TrustPolicy

    with about(path):
        return TrustPolicy.from_bytes(files.read(path))


def load_private_key(path: Path, passphrase_file: Path | None) -> PrivateKey:
    """Load a private key; ask on a terminal for the passphrase that it needs.

    Raises:
        FileRefusedError: The key cannot be read or used (ENV-K1 to ENV-K3), or the passphrase file
            cannot be read (ENV-F1).
    """
    from acp.keys import PrivateKey

    with about_key(path):
        if passphrase_file is not None:
            return PrivateKey.load(path, read_passphrase(passphrase_file))
        try:
            return PrivateKey.load(path)
        except KeyFileError as refusal:
            closed = refusal.diagnostics[0].code != "ENV-K2" or not sys.stdin.isatty()
            if closed or b"ENCRYPTED" not in files.read(path):
                raise
        passphrase: str = click.prompt(f"Passphrase of {path}", hide_input=True, err=True)
        return PrivateKey.load(path, passphrase.encode())


@contextmanager
def about_key(path: Path) -> Iterator[None]:
    """Report a refused key as an error of its file, which the message then need not name.

    Raises:
        FileRefusedError: The body raised a `KeyFileError`.
    """
    try:
        yield
    except KeyFileError as refusal:
        told = [
            replace(one, message=one.message.removeprefix(f"{path}: "))
            for one in refusal.diagnostics
        ]
        raise FileRefusedError(str(path), *told) from refusal


def read_passphrase(path: Path) -> bytes:
    """Return the first line of a file, without its end.

    Raises:
        FileRefusedError: It cannot be read (ENV-F1).
    """
    return files.read(path, max_bytes=_MAX_PASSPHRASE_BYTES).partition(b"\n")[0].rstrip(b"\r")
