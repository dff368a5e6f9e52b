"""``acp keygen``: make a key pair."""

from __future__ import annotations

import warnings
from contextlib import suppress
from getpass import GetPassWarning
from pathlib import Path

import click

from acp.cli.options import FILE, about_key, read_passphrase
from acp.cli.output import Command, Outcome
from acp.diagnostics import FileRefusedError


@click.command(
    cls=Command,
    example=(
        "acp keygen -o vendor.pem\n"
        "acp policy create --key vendor.pub.pem --issuer example.com \\\n"
        "    --type capability-descriptor -o policy.json"
    ),
)
@click.option(
    "-o", "--output", type=FILE, required=True, help="Private key to write, mode 0600. Must be new."
)
@click.option(
    "--algorithm",
    type=click.Choice(["ed25519", "ecdsa-p256"]),
    default="ed25519",
    show_default=True,
    help="ecdsa-p256 is for keys that later move into a hardware module.",
)
@click.option(
    "--passphrase-file", type=FILE, help="Encrypt the private key with this file's first line."
)
@click.option("--encrypt", is_flag=True, help="Encrypt the private key; ask for the passphrase.")
def keygen(output: Path, algorithm: str, passphrase_file: Path | None, encrypt: bool) -> Outcome:
    """Make a key pair: KEY.pem, which signs, and KEY.pub.pem, which others verify with.

    Prints the key id, which is the digest of the public key. No file is ever overwritten.
    """
    from acp.keys import Algorithm, PrivateKey

    if passphrase_file is not None and encrypt:
        raise click.UsageError("--encrypt asks for the passphrase that --passphrase-file gives")
    passphrase = read_passphrase(passphrase_file) if passphrase_file is not None else None
    if encrypt:
        passphrase = _asked()
    stem = output.name.removesuffix(".pem")
    public_file = output.with_name(f"{stem}.pub.pem")
    key = PrivateKey.generate(Algorithm(algorithm))
    with about_key(output):
        key.save(output, passphrase)
    try:
        with about_key(public_file):
            key.public.save(public_file)
    except FileRefusedError:
        with suppress(OSError):
            output.unlink()
        raise
    return Outcome(
        text=f"{key.public.keyid}\nwrote {output} (keep it secret) and {public_file}",
        data={
            "keyid": key.public.keyid,
            "algorithm": algorithm,
            "private_key": str(output),
            "public_key": str(public_file),
        },
    )


def _asked() -> bytes:
    """Ask twice for a passphrase.

    Raises:
        click.UsageError: There is no terminal on which it would not be seen.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", GetPassWarning)
        try:
            text: str = click.prompt(
                "Passphrase", hide_input=True, confirmation_prompt=True, err=True
            )
        except GetPassWarning:
            reason = "there is no terminal to ask for a passphrase on; give --passphrase-file"
            raise click.UsageError(reason) from None
    return text.encode()
