"""``acp registry``: begin and keep a registry, and try to deceive its clients."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from acp.cli.options import FILE, passphrase_option, together
from acp.cli.output import Command, Finding, Outcome, one_line, progress
from acp.cli.registry_options import (
    load_private_keys,
    load_public_keys,
    published_outcome,
    registry_argument,
)
from acp.diagnostics import Diagnostic, Severity

_DAYS: Final = click.IntRange(1, 3650)
_TERMS: Final = {"root": 365, "targets": 365, "issuer": 180, "snapshot": 30, "timestamp": 7}
_ROLES: Final = ("root", "targets", "snapshot", "timestamp", "online")

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _public_key_option(name: str, whose: str) -> Callable[[_Function], _Function]:
    return click.option(
        f"--{name}-key",
        f"{name}_keys",
        type=FILE,
        required=True,
        multiple=True,
        help=f"Public key of {whose}. Can be repeated.",
    )


def _threshold_option(name: str) -> Callable[[_Function], _Function]:
    return click.option(
        f"--{name}-threshold",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help=f"How many of the {name} keys must sign.",
    )


@click.group()
def registry() -> None:
    """Begin and keep a registry: a folder of static files that any web server serves.

    Keys are named with 'init', 'rotate' and 'delegate', which write drafts. 'sign' adds signatures
    to drafts, by several people one after the other if need be. 'refresh' publishes what is
    complete, and must be run before the timestamp expires, say daily. docs/registry.md tells the
    whole story.
    """


@registry.command(
    cls=Command,
    example=(
        "acp registry init registry --root-key root-a.pub.pem --root-key root-b.pub.pem \\\n"
        "    --root-threshold 2 --targets-key targets.pub.pem --online-key online.pub.pem\n"
        "acp registry delegate registry example.com --key vendor-registry.pub.pem\n"
        "acp registry sign registry --key root-a.pem --key root-b.pem --key targets.pem\n"
        "acp registry refresh registry --key online.pem"
    ),
)
@registry_argument
@together(
    _public_key_option("root", "root, which names all other keys; keep it offline"),
    _threshold_option("root"),
    _public_key_option("targets", "targets, which names the issuers' keys; keep it offline"),
    _threshold_option("targets"),
    _public_key_option("online", "snapshot and timestamp, which 'refresh' signs with"),
    *(
        click.option(
            f"--{name}-days",
            type=_DAYS,
            default=days,
            show_default=True,
            help=f"Days for which {name} is signed.",
        )
        for name, days in _TERMS.items()
    ),
)
def init(
    folder: Path,
    root_keys: tuple[Path, ...],
    root_threshold: int,
    targets_keys: tuple[Path, ...],
    targets_threshold: int,
    online_keys: tuple[Path, ...],
    **days: int,
) -> Outcome:
    """Begin a registry in the new folder REGISTRY: drafts of root and targets.

    No private key is needed, and none is ever written into the folder. Serve REGISTRY/public.
    """
    from acp.distribution.operating import KeySet, begin

    online = KeySet(load_public_keys(online_keys))
    begin(
        folder,
        {
            "root": KeySet(load_public_keys(root_keys), root_threshold),
            "targets": KeySet(load_public_keys(targets_keys), targets_threshold),
            "snapshot": online,
            "timestamp": online,
        },
        now=datetime.now(UTC),
        terms={name.removesuffix("_days"): value for name, value in days.items()},
    )
    found = []
    if root_threshold == 1:
        reason = "one stolen root key is the end of this registry; name several, and a threshold"
        found.append(Finding(Diagnostic("REG-P5", Severity.WARNING, "", reason)))
    return Outcome(
        text=f"began {folder}; now name issuers with 'acp registry delegate', and sign the drafts",
        data={"registry": str(folder)},
        findings=found,
    )


@registry.command(
    cls=Command,
    example=(
        "acp registry delegate registry example.com --key vendor-registry.pub.pem\n"
        "acp registry delegate registry example.com --remove"
    ),
)
@registry_argument
@click.argument("issuer")
@click.option("--key", "keys", type=FILE, multiple=True, help="Public key. Can be repeated.")
@click.option(
    "--threshold",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many of the keys must sign.",
)
@click.option("--remove", is_flag=True, help="Take the issuer's delegation away.")
def delegate(
    folder: Path, issuer: str, keys: tuple[Path, ...], threshold: int, remove: bool
) -> Outcome:
    """Draft which keys list documents for ISSUER, a DNS name, in place of those it had.

    They should be other keys than those that documents are signed with. Find out for yourself that
    ISSUER is whose keys you are given.
    """
    from acp.distribution.operating import KeySet
    from acp.distribution.operating import delegate as draft
    from acp.distribution.repository import Repository

    if bool(keys) == remove:
        raise click.UsageError("give either --key or --remove")
    found = None if remove else KeySet(load_public_keys(keys), threshold)
    draft(Repository.open(folder), issuer, found, now=datetime.now(UTC))
    return _drafted(folder, "targets")


@registry.command(
    cls=Command,
    example=(
        "acp registry rotate registry --role online \\\n"
        "    --add new-online.pub.pem --remove sha256:06e3…\n"
        "acp registry sign registry --key root-a.pem --key root-b.pem\n"
        "acp registry refresh registry --key new-online.pem\n"
        "acp registry rotate registry --role root"
    ),
)
@registry_argument
@click.option(
    "--role",
    type=click.Choice(_ROLES),
    required=True,
    help="Whose keys; online is snapshot and timestamp.",
)
@click.option("--add", "added", type=FILE, multiple=True, help="Public key. Can be repeated.")
@click.option(
    "--remove",
    "removed",
    multiple=True,
    metavar="KEYID",
    help="Id of a key, as 'acp registry status' prints it. Can be repeated.",
)
@click.option("--threshold", type=click.IntRange(min=1), help="How many of the keys must sign.")
def rotate(
    folder: Path,
    role: str,
    added: tuple[Path, ...],
    removed: tuple[str, ...],
    threshold: int | None,
) -> Outcome:
    """Draft other keys for a role; without --add, --remove and --threshold, a new term for it."""
    from acp.distribution.operating import ONLINE, renew
    from acp.distribution.operating import rotate as draft
    from acp.distribution.repository import Repository

    opened, now = Repository.open(folder), datetime.now(UTC)
    if role == "targets" and not added and not removed and threshold is None:
        renew(opened, "targets", now=now)
        return _drafted(folder, "targets")
    roles = ONLINE if role == "online" else (role,)
    draft(
        opened,
        roles,
        now=now,
        add=load_public_keys(added),
        remove=removed,
        threshold=threshold,
    )
    return _drafted(folder, "root", *(["targets"] if role == "targets" else []))


@registry.command(cls=Command, example="acp registry sign registry --key root-a.pem")
@registry_argument
@click.option(
    "--key",
    "keys",
    type=FILE,
    required=True,
    multiple=True,
    help="Private key. Can be repeated.",
)
@passphrase_option
def sign(folder: Path, keys: tuple[Path, ...], passphrase_file: Path | None) -> Outcome:
    """Sign the drafts that the keys count for. See first what they say: 'acp registry status'.

    To hold a key offline, carry REGISTRY/drafts and REGISTRY/public to where it is, and the drafts
    back.
    """
    from acp.distribution.operating import lacks
    from acp.distribution.operating import sign as sign_drafts
    from acp.distribution.repository import Repository

    opened = Repository.open(folder)
    done = sign_drafts(opened, load_private_keys(keys, passphrase_file))
    missing = {name: lacks(opened, name) for name in done}
    lines = []
    for name, keyids in done.items():
        lines += [f"{name}: signed with {keyid}" for keyid in keyids]
        complete = "complete; publish it with 'acp registry refresh'"
        lines.append(f"{name}: {missing[name] or complete}")
    return Outcome(text="\n".join(lines), data={"signed": done, "lacks": missing})


@registry.command(cls=Command, example="acp registry refresh registry --key online.pem")
@registry_argument
@click.option(
    "--key",
    "keys",
    type=FILE,
    required=True,
    multiple=True,
    help="Private key of snapshot and timestamp. Can be repeated.",
)
@passphrase_option
def refresh(folder: Path, keys: tuple[Path, ...], passphrase_file: Path | None) -> Outcome:
    """Publish the drafts that are complete, and sign snapshot and timestamp anew.

    Run it daily, from cron or a timer, whether there is something new or not: clients refuse a
    registry whose timestamp has expired. What waits for signatures is a warning.
    """
    from acp.distribution.publication import refresh as publish_complete
    from acp.distribution.repository import Repository

    done = publish_complete(
        Repository.open(folder),
        load_private_keys(keys, passphrase_file),
        now=datetime.now(UTC),
    )
    return published_outcome(done)


@registry.command(cls=Command, example="acp registry status registry --soon 14")
@registry_argument
@click.option(
    "--soon",
    type=click.IntRange(0, 3650),
    default=3,
    show_default=True,
    help="Warn of what expires within this many days.",
)
def status(folder: Path, soon: int) -> Outcome:
    """Say how the registry stands: versions, terms, keys, drafts, and whether clients take it.

    Exit status 1 where clients refuse something now.
    """
    from acp.distribution.inspection import inspect
    from acp.distribution.repository import Repository

    roles, findings = inspect(
        Repository.open(folder), now=datetime.now(UTC), soon=timedelta(days=soon)
    )
    lines = []
    for one in roles:
        known = f"version {one.version} until {one.expires}" if one.version else "not published"
        files = f", {one.documents} files" if one.documents else ""
        lines.append(f"{one.name}: {known}{files}")
        if one.draft is not None:
            lines.append(f"  draft: {one.draft or 'complete'}")
            lines += [f"    {line}" for line in one.changes]
    return Outcome(
        text="\n".join(map(one_line, lines)),
        data={"roles": [one.as_json() for one in roles]},
        findings=[Finding(one) for one in findings],
    )


@registry.command(
    cls=Command,
    example="acp registry simulate\nacp registry simulate --attack freeze --attack slow-header",
)
@click.option(
    "--attack", "names", multiple=True, metavar="NAME", help="Only this one. Can be repeated."
)
@click.option("--list", "only_list", is_flag=True, help="Say what the attacks are, and run none.")
def simulate(names: tuple[str, ...], only_list: bool) -> Outcome:
    """Attack this installation's client in every known way, on a registry made for that.

    Each attack must be refused with the right code, leave no trace in the client's state, and not
    keep it from fetching once the registry is well. Nothing but this machine is involved.
    """
    from acp.distribution.simulator import attacks, run

    known = {one.name: one for one in attacks()}
    for name in names:
        if name not in known:
            raise click.UsageError(f"there is no attack {name!r}; there are {', '.join(known)}")
    chosen = [known[name] for name in names] if names else list(known.values())
    if only_list:
        return Outcome(
            text="\n".join(f"{one.name}: {one.does}; must end in {one.code}" for one in chosen),
            data={
                "attacks": [
                    {"name": one.name, "does": one.does, "expected": one.code} for one in chosen
                ]
            },
        )
    outcomes = [run(one) for one in progress(chosen, "attacks")]
    lines = [
        f"{'refused' if one.ok else 'FAILED '} {one.code or '-':8} {one.seconds:6.2f} s  {one.name}"
        for one in outcomes
    ]
    findings = [
        Finding(
            Diagnostic(
                "REG-C1",
                Severity.ERROR,
                "",
                f"{one.name}: expected {one.expected}, found {one.code or 'success'}; state "
                f"{'unchanged' if one.state_unchanged else 'changed'}; afterwards "
                f"{'well' if one.recovered else 'broken'}: {one.message}",
            )
        )
        for one in outcomes
        if not one.ok
    ]
    return Outcome(
        text="\n".join(lines),
        data={
            "attacks": [
                {
                    "name": one.name,
                    "does": one.does,
                    "expected": one.expected,
                    "code": one.code,
                    "state_unchanged": one.state_unchanged,
                    "recovered": one.recovered,
                    "seconds": one.seconds,
                }
                for one in outcomes
            ]
        },
        findings=findings,
    )


def _drafted(folder: Path, *names: str) -> Outcome:
    """Return what is to say of drafts that were written."""
    from acp.distribution.operating import describe_change
    from acp.distribution.repository import Repository

    opened = Repository.open(folder)
    changes = {name: describe_change(opened, name) for name in names}
    lines = [f"draft of {name}:\n  " + "\n  ".join(found) for name, found in changes.items()]
    return Outcome(
        text="\n".join([*lines, "sign it with 'acp registry sign'"]), data={"drafts": changes}
    )
