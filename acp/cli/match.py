"""``acp match``: ask descriptors what their devices can do."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

from acp.cli import hints
from acp.cli.descriptors import descriptors, references_option
from acp.cli.options import quantity, together
from acp.cli.output import Command, Finding, Outcome, one_line
from acp.diagnostics import Diagnostic, Severity

if TYPE_CHECKING:
    from acp.cli.descriptors import Named
    from acp.matching import Match, MaxError, Question, Reason, Tensor, Use
    from acp.matching.uses import ErrorForm

_Value = TypeVar("_Value")

_PPM: Final = 1_000_000
_FORMS: Final = ("ULP", "ABS_REL", "DOT")
_MAX_ERROR: Final = re.compile(
    rf"(?P<form>{'|'.join(_FORMS)})=(?P<number>[0-9]{{1,12}}(?:\.[0-9]{{1,6}})?)"
)
_DETERMINISM: Final = ("NONE", "SAME_UNIT", "SAME_MODEL", "CROSS_MODEL")
_MARKS: Final = {"yes": "yes", "open": "yes, if", "no": "no"}

_USE_OPTIONS: Final = (
    click.option("--op", metavar="OP", help="Operation with its opset, such as cep-core/1:mm."),
    click.option(
        "--operand",
        "operands",
        multiple=True,
        metavar="[NAME=]TENSOR",
        help="An operand, such as self=f16[4096,4096]; @2:4 behind it says that it is sparse. "
        "Without dtype or sizes they are left open; without a name, it is the next one of the "
        "opset. Can be repeated.",
    ),
    click.option(
        "--result",
        "results",
        multiple=True,
        metavar="NAME=TENSOR",
        help="A result, where the opset is not known here. Can be repeated.",
    ),
    click.option(
        "--attribute",
        "attributes",
        multiple=True,
        metavar="NAME=VALUE",
        help="An attribute: dim=-1, stride=[2,2], keepdim=true. Can be repeated.",
    ),
    click.option(
        "--dtype", metavar="DTYPE", help="Dtype of all operands without one, or of the engine."
    ),
)

_NEED_OPTIONS: Final = (
    click.option(
        "--acc", metavar="DTYPE", help="Sums are kept in this dtype, or in one that holds it."
    ),
    click.option(
        "--determinism",
        type=click.Choice(_DETERMINISM),
        help="The same inputs give the same bits, at least this far.",
    ),
    click.option(
        "--max-error",
        metavar="FORM=NUMBER",
        help=f"Errors are no larger, by the form of the claim ({', '.join(_FORMS)}): ULP=2.",
    ),
    quantity("--memory-bytes", help="Main memory that programs can have: 80GiB, or 80e9."),
    quantity("--memory-bytes-per-s", help="Rate of that memory: 3.35T."),
    quantity("--ops-per-s", help="Peak rate for these dtypes: 900T."),
)


@click.command(
    cls=Command,
    example=(
        "acp match 'subject.device_class == \"gpu\" and memories[hbm].usable_bytes >= 80000000000' "
        "descriptors/\n"
        "acp match --op cep-core/1:mm --operand f16[4096,4096] --operand f16[4096,4096] \\\n"
        "    --acc f32 --memory-bytes 64GiB descriptors/\n"
        "acp match --op cep-core/1:mm --dtype bf16 --determinism SAME_UNIT device.json\n"
        "acp match --dtype f16 --acc f32 --ops-per-s 900T --reference all"
    ),
)
@click.argument("words", metavar="[REQUIREMENT] FILE...", nargs=-1)
@references_option
@together(*_USE_OPTIONS)
@together(*_NEED_OPTIONS)
@click.option(
    "--require",
    metavar="REQUIREMENT",
    help="Condition on the descriptor, in addition to what the other options ask.",
)
@click.option("--all", "all_", is_flag=True, help="Fail unless all descriptors match.")
def match(
    words: tuple[str, ...], *, references: tuple[str, ...], all_: bool, **asked: Any
) -> Outcome:
    """Ask which of the descriptors in FILE... match, and why the others do not.

    REQUIREMENT is a condition on the descriptor, as plans have it (spec/acp.md, section 2.5); it is
    left out where options ask for an operation, a dtype, numbers or memory. A FILE may be a
    descriptor, an envelope with one inside, or a folder of them; signatures are not checked.

    The answer is yes, with engine and peak rate; no, with everything that stands against each
    variant; or 'yes, if', where it depends on what the question leaves open. Exit status 0: one
    descriptor at least is not a no.
    """
    question, files = _question(words, asked)
    if not files and not references:
        raise click.UsageError("say which descriptors to ask: FILE... or --reference NAME")
    from acp.matching import Answer
    from acp.matching import match as judge

    found = [(one, judge(one.document, question)) for one in descriptors(files, references)]
    lines = [line for named, answer in found for line in _told(named, answer)]
    good = sum(answer.answer is not Answer.NO for _, answer in found)
    if len(found) > 1:
        lines.append(f"{good} of {len(found)} descriptors match")
    failed = good < len(found) if all_ else not good
    findings = [
        Finding(Diagnostic("MAT-A2", Severity.WARNING, "", message))
        for message in _doubts(question)
    ]
    if failed:
        wanted = "all" if all_ else "one at least"
        message = f"{good} of {len(found)} descriptors match; {wanted} must"
        findings.append(Finding(Diagnostic("MAT-A1", Severity.ERROR, "", message)))
    data = {"matches": [_as_json(named, answer) for named, answer in found]}
    return Outcome("\n".join(lines), data, findings)


def _question(words: tuple[str, ...], asked: dict[str, Any]) -> tuple[Question, tuple[Path, ...]]:
    """Return what is asked, and of which files.

    Raises:
        click.UsageError: It is no question.
    """
    from acp.conditions import ConditionError, parse
    from acp.matching import Needs, Question

    text = asked.pop("require")
    if text is None and all(value in (None, ()) for value in asked.values()):
        if not words:
            raise click.UsageError("ask something: a REQUIREMENT, or --op, --dtype, …")
        text, words = words[0], words[1:]
    try:
        requirement = None if text is None else parse(text)
    except ConditionError as error:
        if text is not None and os.path.exists(text):  # noqa: PTH110 - a long text is no error
            reason = f"{text!r} is a file; ask something before it: a REQUIREMENT, --op, --dtype, …"
            raise click.UsageError(reason) from error
        reason = f"{text!r} is no condition: {error}"
        raise click.BadParameter(reason, param_hint="REQUIREMENT") from error
    needs = Needs(
        acc=asked["acc"],
        determinism=asked["determinism"],
        max_error=_max_error(asked["max_error"]),
        memory_bytes=asked["memory_bytes"],
        memory_bytes_per_s=asked["memory_bytes_per_s"],
        ops_per_s=asked["ops_per_s"],
    )
    question = Question(requirement, _use(asked), asked["dtype"], needs)
    if question.use is None and (needs.determinism or needs.max_error):
        raise click.UsageError("numbers are claimed of operations: say which with --op")
    if question.use is None and question.dtype is None and needs.acc:
        raise click.UsageError("--acc needs --op, or the dtype of an engine by --dtype")
    return question, tuple(map(Path, words))


def _use(asked: dict[str, Any]) -> Use | None:
    from acp.matching import Tensor, Use
    from acp.matching.opsets import UseError, complete

    of_uses = ("operands", "results", "attributes")
    if asked["op"] is None:
        given = next((name for name in of_uses if asked[name]), None)
        if given is not None:
            raise click.UsageError(f"--{given[:-1]} needs the operation: --op")
        return None
    operands, results = (_tensors(asked, name) for name in of_uses[:2])
    attributes = dict(_pair(text, "--attribute", _attribute) for text in asked["attributes"])
    use = Use(hints.operation(asked["op"]), operands, results, attributes, Tensor(asked["dtype"]))
    try:
        return complete(use)
    except UseError as error:
        raise click.UsageError(str(error)) from error


def _tensors(asked: dict[str, Any], name: str) -> tuple[tuple[str, Tensor], ...]:
    from acp.matching import read_tensor

    option = f"--{name[:-1]}"
    texts = [text if "=" in text else f"={text}" for text in asked[name]]
    return tuple(_pair(text, option, read_tensor) for text in texts)


def _pair(text: str, option: str, read: Callable[[str], _Value]) -> tuple[str, _Value]:
    """Return name and value of NAME=VALUE."""
    name, sign, value = text.partition("=")
    if not sign:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
    try:
        return name.strip(), read(value)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _attribute(text: str) -> int | str | bool | float | tuple[int, ...]:
    """Return an attribute: a number, a flag, a list of integers, or else a text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, list) and all(type(one) is int for one in value):
        return tuple(value)
    if not isinstance(value, int | str | bool | float):
        raise ValueError(f"{text[:60]!r} is no number, text, flag or list of integers")  # noqa: TRY004 - of a text
    return value


def _max_error(text: str | None) -> MaxError | None:
    from acp.matching import MaxError

    if text is None:
        return None
    found = _MAX_ERROR.fullmatch(text)
    if found is None:
        reason = (
            f"{text!r} is not FORM=NUMBER, such as ULP=2 or DOT=0.5; forms are {', '.join(_FORMS)}"
        )
        raise click.BadParameter(reason, param_hint="--max-error")
    return MaxError(cast("ErrorForm", found["form"]), int(Fraction(found["number"]) * _PPM))


def _doubts(question: Question) -> Iterator[str]:
    """Say what in a question nobody defines, so that a no may be due to its spelling."""
    use = question.use
    tensors = () if use is None else (*use.operands, *use.results)
    dtypes = [question.dtype, question.needs.acc, *(tensor.dtype for _, tensor in tensors)]
    yield from hints.unregistered(dtypes)
    if question.requirement is not None:
        yield from hints.no_members(question.requirement)


def _told(named: Named, answer: Match) -> Iterator[str]:
    """Yield the answer of one descriptor, in words."""
    from acp.quantities import shown

    best, nearest = answer.best, answer.nearest
    claim = ""
    if best is not None and answer.answer != "no":
        peak = best.rate.peak_ops_per_s if best.rate else None
        rate = "no rate stated" if peak is None else f"peak {shown(peak, 'peak_ops_per_s')}"
        claim = f": {best.name}, {rate}" + (f", in {best.memory}" if best.memory else "")
    yield one_line(f"{named.file}: {_MARKS[answer.answer]}{claim}{named.caveat}")
    yield from _indented(answer.reasons)
    if best is not None:
        yield from _indented(best.reasons)
        return
    for one in sorted(answer.candidates, key=lambda one: one is not nearest):
        mark = ", the nearest" if one is nearest and len(answer.candidates) > 1 else ""
        yield one_line(f"  {one.name}{mark}:")
        yield from _indented(one.reasons, "    ")


def _indented(reasons: Sequence[Reason], indent: str = "  ") -> Iterator[str]:
    for reason in reasons:
        yield one_line(f"{indent}- {reason.message}")


def _as_json(named: Named, answer: Match) -> dict[str, object]:
    best, nearest = answer.best, answer.nearest
    return {
        "file": named.file,
        "digest": named.digest,
        "uri": named.document.uri,
        "answer": str(answer.answer),
        "reasons": [reason.as_json() for reason in answer.reasons],
        "candidates": [one.as_json() for one in answer.candidates],
        "best": None if best is None else answer.candidates.index(best),
        "nearest": None if nearest is None else answer.candidates.index(nearest),
    }
