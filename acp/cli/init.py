"""``acp init``: begin a descriptor."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from acp import files
from acp.cli import hints
from acp.cli.descriptors import complete_reference, descriptors, reference_input
from acp.cli.options import FILE, domain, now_option, together, uri
from acp.cli.output import Command, Finding, Outcome, findings, one_line
from acp.diagnostics import Diagnostic, Refused, Severity

if TYPE_CHECKING:
    from acp.authoring import Draft, Member
    from acp.canonical import JsonValue
    from acp.v1.capability import CapabilityDescriptor

_BASES: Final = ("VENDOR_CLAIM", "DERIVED", "MEASURED", "THIRD_PARTY", "ESTIMATED")
_SCOPES: Final = ("MODEL", "UNIT", "SLICE")
_DAYS: Final = 365
_SHOWN: Final = 12
_MODELINE: Final = "# yaml-language-server: $schema=capability-descriptor.schema.json\n"


def _tokens(registry: str) -> list[str]:
    from acp import tokens

    return sorted(getattr(tokens, registry))


def _complete_class(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    return [one for one in _tokens("DEVICE_CLASSES") if one.startswith(incomplete)]


_SUBJECT: Final = (
    click.option("--issuer", callback=domain, metavar="NAME", help="Who makes the claims."),
    click.option(
        "--vendor", callback=domain, metavar="NAME", help="Who makes the device. [default: issuer]"
    ),
    click.option("--model", metavar="TEXT", help="The vendor's own name for the product."),
    click.option(
        "--device-class",
        metavar="TOKEN",
        shell_complete=_complete_class,
        help="What kind of device it is: cpu, gpu, npu, …",
    ),
    click.option("--scope", type=click.Choice(_SCOPES), help="How much the claims cover."),
    click.option("--unit-id", metavar="TEXT", help="Serial number or UUID, for the scope UNIT."),
    click.option(
        "--arch",
        multiple=True,
        metavar="TEXT",
        help="cuda:sm_90a, x86-64:avx512f. Can be repeated.",
    ),
    click.option(
        "--uri",
        callback=uri,
        metavar="URI",
        help="Name of this line of descriptors. [default: https://ISSUER/acp/MODEL]",
    ),
)

_CLAIMS: Final = (
    click.option(
        "--engine",
        "engines",
        multiple=True,
        metavar="MEMBERS",
        help="What computes: id=tensor,kind=MATRIX,count=528. Can be repeated.",
    ),
    click.option(
        "--rate",
        "rates",
        multiple=True,
        metavar="MEMBERS",
        help="Peak rate, of the last engine or of engine=tensor: a=f16,acc=f32, as in the example. "
        "b is a, out is acc or a, and sparsity is dense where not said. Can be repeated.",
    ),
    click.option(
        "--memory",
        "memories",
        multiple=True,
        metavar="MEMBERS",
        help="What holds data: id=hbm,kind=hbm3,role=DEVICE, with capacity, instances and rates "
        "as in the example. Can be repeated.",
    ),
    click.option(
        "--op",
        "ops",
        multiple=True,
        metavar="MEMBERS",
        help="Operation: op=cep-core/1:mm,dtypes=f16+bf16, with engine and acc. Can be repeated.",
    ),
    click.option(
        "--set",
        "members",
        multiple=True,
        metavar="PATH=VALUE",
        help="Another member of an object: power.tdp_mw=700_000, operating_point.ecc=true. "
        "Can be repeated.",
    ),
    click.option("--basis", type=click.Choice(_BASES), help="What stands behind all the values."),
    click.option("--source", callback=uri, metavar="URI", help="Where they can be read."),
)


@click.command(
    cls=Command,
    example=(
        "acp init -o e100.yaml\n"
        "acp init --like h100-sxm --issuer example.com --model E100 -o e100.yaml\n"
        "acp init --issuer example.com --model E100 --device-class gpu \\\n"
        "    --engine id=tensor,kind=MATRIX,count=528,clock_hz=1.83GHz \\\n"
        "    --rate engine=tensor,a=f16,acc=f32,peak_ops_per_s=989.4T \\\n"
        "    --memory id=hbm,kind=hbm3,role=DEVICE,instances=5,capacity_bytes_per_instance=16GiB,"
        "combined_bytes_per_s=3.35T \\\n"
        "    --op op=cep-core/1:mm,engine=tensor,dtypes=f16+bf16,acc=f32 \\\n"
        "    --basis VENDOR_CLAIM --source https://example.com/e100.pdf -o e100.yaml"
    ),
)
@click.option(
    "-o", "--output", type=FILE, required=True, help="File to write: YAML, or JSON if it says so."
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@click.option(
    "--like",
    metavar="NAME|FILE",
    shell_complete=complete_reference,
    help="Begin with the claims of a reference descriptor, or of the one in FILE.",
)
@together(*_SUBJECT)
@together(*_CLAIMS)
@click.option(
    "--days", type=click.IntRange(1, 36_500), default=_DAYS, show_default=True,
    help="For how long the descriptor holds.",
)  # fmt: skip
@click.option("--no-input", is_flag=True, help="Ask nothing, even on a terminal.")
@now_option
def init(
    *, output: Path, force: bool, like: str | None, days: int, no_input: bool, now: datetime,
    **given: Any,
) -> Outcome:  # fmt: skip
    """Begin a capability descriptor: commented YAML, from which you go on in an editor.

    Says what you give by options, asks for the rest on a terminal, and leaves as a comment marked
    REQUIRED what must still be filled in: 'acp validate' lists it. Each member is explained where
    it first occurs. A MEMBERS value is MEMBER=VALUE with commas between them; numbers may have a
    prefix and a unit, lists have + between their entries.

    With --like, the values are those of another device, to be changed: what it says of its issuer,
    its name and its evidence is left out.
    """
    if output != files.DASH and output.exists() and not force:
        reason = "the file exists; --force replaces it"
        raise Refused.because("ENV-F2", f"{output}: {reason}")
    draft = _begun(like)
    _state(draft, given)
    if sys.stdin.isatty() and not no_input:
        from acp.cli.questions import ask

        ask(draft, given)
    _finish(draft, given)
    draft.head(given["issuer"], now, days)
    draft.source(given["basis"], given["source"])
    text = _text(draft, as_json=output.suffix == ".json")
    return _written(draft, output, text, now, replace=force)


def _begun(name: str | None) -> Draft:
    """Return the draft to begin with."""
    from acp.authoring import Draft, like

    if name is None:
        return Draft()
    path = Path(name)
    if path.exists():
        return like(descriptors((path,))[0].document)
    document: CapabilityDescriptor = _document(name)
    return like(document)


def _document(name: str) -> CapabilityDescriptor:
    from acp.v1.capability import CapabilityDescriptor

    try:
        return CapabilityDescriptor.from_text(reference_input(name).payload)
    except click.BadParameter as error:
        error.param_hint = "--like"
        raise


def _state(draft: Draft, given: dict[str, Any]) -> None:
    """Put what the options say into a draft.

    Raises:
        click.BadParameter: One of them says what a descriptor cannot.
    """
    from acp.authoring import descriptor

    subject = draft.value.setdefault("subject", {})
    members = descriptor().member("subject")
    for name in ("scope", "vendor", "model", "device_class", "unit_id"):
        if given[name] is not None:
            subject[name] = _value(members.member(name), given[name])
    subject |= {"arch": list(given["arch"])} if given["arch"] else {}
    if given["uri"] is not None:
        draft.value["uri"] = given["uri"]
    for option, add in (("engine", _add_engine), ("rate", _add_rate), ("memory", _add_memory),
                        ("op", _add_op), ("set", _set)):  # fmt: skip
        for text in given[_PLURAL.get(option, f"{option}s")]:
            try:
                add(draft, text)
            except ValueError as error:
                raise click.BadParameter(str(error), param_hint=f"--{option}") from error


def _value(member: Member, text: str) -> JsonValue:
    """Return what an option says of a member of the subject.

    Raises:
        click.BadParameter: The member cannot have this value.
    """
    try:
        return member.value(text)
    except ValueError as error:
        option = f"--{member.name.replace('_', '-')}"
        raise click.BadParameter(str(error), param_hint=option) from error


_PLURAL: Final = {"memory": "memories", "set": "members"}


def _finish(draft: Draft, given: dict[str, Any]) -> None:
    """Say what follows from what is said."""
    subject = draft.value.setdefault("subject", {})
    if given["issuer"] is not None:
        subject.setdefault("vendor", given["issuer"])
    subject.setdefault("scope", "UNIT" if "unit_id" in subject else "MODEL")
    draft.value.setdefault("operating_point", {}).setdefault("name", "default")


def _add_engine(draft: Draft, text: str) -> None:
    draft.add("engines", text)


def _add_rate(draft: Draft, text: str) -> None:
    """Add a rate to the engine that it names, or to the last one."""
    from acp.authoring import descriptor
    from acp.authoring.draft import parts

    rest, engine = _without(text, "engine")
    engines = draft.value.get("engines", [])
    found = [one for one in engines if engine in (None, one.get("id"))]
    if not found:
        raise ValueError(f"there is no engine {engine!r}; give it with --engine" if engine else
                         "there is no engine to have a rate; give one with --engine")  # fmt: skip
    kind = descriptor().member("engines").entries
    members = kind.member("rates").entries if kind is not None else None
    rate = parts(rest, members or descriptor(), {"sparsity": "dense"})
    rate.setdefault("b", rate.get("a"))
    rate.setdefault("out", rate.get("acc", rate.get("a")))
    if rate["b"] is None:
        raise ValueError("a rate has a dtype: a=f16")
    found[-1].setdefault("rates", []).append(rate)


def _add_memory(draft: Draft, text: str) -> None:
    draft.add("memories", text, {"instances": "1"})


def _add_op(draft: Draft, text: str) -> None:
    """Add a variant of an operation, on the engine that it names or on the only one."""
    members = dict(part.partition("=")[::2] for part in text.split(","))
    engines = [one.get("id") for one in draft.value.get("engines", [])]
    op, engine = members.pop("op", ""), members.pop("engine", engines[-1] if engines else None)
    dtypes, acc = members.pop("dtypes", ""), members.pop("acc", None)
    if not op or engine is None or members:
        wrong = f"{', '.join(members)} is none of its members" if members else "what is missing"
        raise ValueError(f"an operation has op, engine, dtypes and acc; {wrong}")
    hints.operation(op)
    variant: dict[str, Any] = {"engine": engine}
    if dtypes:
        variant["operands"] = {"*": {"dtypes": dtypes.split("+")}}
    if acc is not None:
        variant["numerics"] = {"acc": acc}
    known = draft.value.setdefault("ops", [])
    same = next((one for one in known if one.get("op") == op), None)
    if same is None:
        known.append({"op": op, "variants": [variant]})
    else:
        same["variants"].append(variant)


def _set(draft: Draft, text: str) -> None:
    path, sign, value = text.partition("=")
    if not sign:
        raise ValueError(f"{text[:60]!r} is not PATH=VALUE")
    draft.put(path.strip(), value.strip())


def _without(text: str, name: str) -> tuple[str, str | None]:
    """Return members without one of them, and its value."""
    found = [part.split("=", 1)[1] for part in text.split(",") if part.startswith(f"{name}=")]
    rest = ",".join(part for part in text.split(",") if not part.startswith(f"{name}="))
    return rest, found[-1] if found else None


def _text(draft: Draft, *, as_json: bool) -> str:
    from acp.authoring import commented, descriptor

    if not as_json:
        return _MODELINE + commented(draft.value, descriptor())
    order = [member.name for member in descriptor().members()]
    value = dict(sorted(draft.value.items(), key=lambda item: order.index(item[0])))
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _written(draft: Draft, output: Path, text: str, now: datetime, *, replace: bool) -> Outcome:
    """Write the draft, and say what is left to do."""
    from acp.authoring import descriptor, missing

    left = list(missing(draft.value, descriptor()))
    judged = () if left else tuple(_judged(draft.value, now))
    files.write(output, text.encode(), replace=replace)
    errors = [one for one in judged if one.severity is Severity.ERROR]
    lines = [one_line(f"{output}: written")]
    if left:
        more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
        lines.append(one_line(f"to be filled in: {', '.join(left[:_SHOWN])}{more}"))
    elif errors:
        lines.append("to be corrected: what is said below")
    else:
        lines.append("it is valid as it is; go on with what else you know")
    lines.append(one_line(f"then: acp validate {output}"))
    data = {"output": str(output), "missing": left, "valid": not left and not errors}
    shown: Sequence[Finding] = [
        Finding(Diagnostic(one.code, Severity.WARNING, one.path, one.message), str(output))
        for one in judged
    ]
    return Outcome("\n".join(lines), data, shown)


def _judged(value: dict[str, Any], now: datetime) -> Iterator[Diagnostic]:
    from acp import rules
    from acp.v1.capability import CapabilityDescriptor

    try:
        document = CapabilityDescriptor.from_json(value)
    except Refused as refusal:
        yield from (finding.diagnostic for finding in findings(refusal))
        return
    yield from rules.check(document, rules.Context(now=now))
    yield from hints.unregistered_tokens(document)
