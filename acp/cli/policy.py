"""``acp policy``: make, extend and read trust policies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from acp import dsse, files
from acp.canonical import decode
from acp.cli.options import FILE, instant_option, load_policy, output_option, together
from acp.cli.output import Command, Outcome, about, one_line

if TYPE_CHECKING:
    from acp.policy import Grant, TrustedKey, TrustPolicy

TYPES: Final = {
    "capability-descriptor": dsse.CAPABILITY_DESCRIPTOR,
    "system-descriptor": dsse.SYSTEM_DESCRIPTOR,
    "measurement-record": dsse.MEASUREMENT_RECORD,
    "status-list": dsse.STATUS_LIST,
    "plan": dsse.PLAN,
    "receipt": dsse.RECEIPT,
}

_ISSUERS: Final = "is no DNS name in lower case, such as example.com, nor *.example.com"

_GRANT_OPTIONS: Final = (
    click.option(
        "--key",
        "key_files",
        type=FILE,
        required=True,
        multiple=True,
        help="Public key, PEM. Can be repeated.",
    ),
    click.option(
        "--issuer",
        "issuers",
        required=True,
        multiple=True,
        metavar="NAME",
        help="DNS name that the keys sign for; *.example.com is all below it. Can be repeated.",
    ),
    click.option(
        "--type",
        "types",
        type=click.Choice(list(TYPES)),
        required=True,
        multiple=True,
        help="Kind of document that the keys sign. Can be repeated.",
    ),
    click.option(
        "--threshold",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="How many of the keys must have signed.",
    ),
    instant_option("--not-before", help="When the keys begin to count."),
    instant_option("--not-after", help="When they cease to count."),
    click.option(
        "--adapter",
        "adapters",
        multiple=True,
        metavar="DISTRIBUTION",
        help="Package whose device adapters may be loaded. Can be repeated.",
    ),
)


@click.group()
def policy() -> None:
    """Make, extend and read trust policies: which keys may sign what for whom."""


@policy.command(
    cls=Command,
    example=(
        "acp policy create --key vendor.pub.pem --issuer example.com \\\n"
        "    --type capability-descriptor --type system-descriptor -o policy.json"
    ),
)
@together(*_GRANT_OPTIONS)
@output_option
def create(output: Path, adapters: tuple[str, ...], **grant: Any) -> Outcome:
    """Make a policy with one grant: these keys may sign these types for these issuers."""
    from acp.policy import TrustPolicy

    keys, permission = _grant(**grant)
    with _usage():
        made = TrustPolicy(spec="acp-trust/1", keys=keys, grants=(permission,), adapters=adapters)
    return _save(made, output)


@policy.command(
    cls=Command,
    example="acp policy add policy.json --key planner.pub.pem --issuer example.com --type plan",
)
@click.argument("file", type=FILE)
@together(*_GRANT_OPTIONS)
def add(file: Path, adapters: tuple[str, ...], **grant: Any) -> Outcome:
    """Add a grant to the policy in FILE."""
    from acp.policy import TrustPolicy

    old = load_policy(file)
    keys, permission = _grant(**grant)
    known = {key.keyid for key in old.keys}
    with _usage():
        made = TrustPolicy(
            spec=old.spec,
            keys=(*old.keys, *(key for key in keys if key.keyid not in known)),
            grants=(*old.grants, permission),
            adapters=tuple(dict.fromkeys([*old.adapters, *adapters])),
            floors=old.floors,
        )
    return _save(made, file)


@policy.command(cls=Command, example="acp policy show policy.json")
@click.argument("file", type=FILE)
def show(file: Path) -> Outcome:
    """Say in words what the policy in FILE allows."""
    return _described(load_policy(file))


def _grant(
    key_files: tuple[Path, ...],
    issuers: tuple[str, ...],
    types: tuple[str, ...],
    threshold: int,
    not_before: datetime | None,
    not_after: datetime | None,
) -> tuple[tuple[TrustedKey, ...], Grant]:
    """Return the keys and the permission that the options describe."""
    from acp.keys import PublicKey
    from acp.policy import Grant, TrustedKey

    begin, end = _written(not_before), _written(not_after)
    keys = {}
    for path in key_files:
        with about(path):
            key = PublicKey.from_pem(files.read(path))
        keys[key.keyid] = TrustedKey.of(key, not_before=begin, not_after=end, comment=path.name)
    with _usage():
        grant = Grant(
            document_types=tuple(TYPES[name] for name in types),
            issuers=issuers,
            keyids=tuple(keys),
            threshold=threshold,
        )
    return tuple(keys.values()), grant


@contextmanager
def _usage() -> Iterator[None]:
    """Turn the refusal of a value that came from an option into a usage error."""
    from pydantic import ValidationError

    try:
        yield
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]
        is_name = reason["loc"][:1] == ("issuers",)
        message = _ISSUERS if is_name else f"is not allowed: {reason['msg']}"
        raise click.UsageError(f"{reason['input']!r} {message}") from None


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _save(made: TrustPolicy, output: Path) -> Outcome:
    files.write(output, made.to_bytes())
    said = _described(made)
    return Outcome(text=f"wrote {output}\n{said.text}", data={"output": str(output), **said.data})


def _described(found: TrustPolicy) -> Outcome:
    """Return the policy in words, and its members."""
    names = {payload_type: name for name, payload_type in TYPES.items()}
    lines = []
    for grant in found.grants:
        kinds = ", ".join(names[payload_type] for payload_type in grant.document_types)
        count = "" if grant.threshold == 1 else f" by {grant.threshold} keys"
        lines.append(f"{kinds} of {', '.join(grant.issuers)}, signed{count} with")
        for keyid in grant.keyids:
            entry = next(key for key in found.keys if key.keyid == keyid)
            term = (f" from {entry.not_before}" if entry.not_before else "") + (
                f" until {entry.not_after}" if entry.not_after else ""
            )
            comment = f" ({entry.comment})" if entry.comment else ""
            lines.append(f"  {keyid}{term}{comment}")
    lines += [f"adapters of {name}" for name in found.adapters]
    lines += [
        f"revision {floor.min_revision} or later of {floor.uri} by {floor.issuer}"
        for floor in found.floors
    ]
    return Outcome(text="\n".join(map(one_line, lines)), data={"policy": decode(found.to_bytes())})
