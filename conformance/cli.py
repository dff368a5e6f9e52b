"""The command line ``acp-conformance``. It imports neither `acp` nor `cep`: see the package.

Exit status 0: everything as it should be. 1: the implementation failed. 2: wrong usage, or an
implementation that can't be started, or damaged vectors.
"""

from __future__ import annotations

import base64
import json
import secrets
import shlex
import sys
from pathlib import Path
from typing import Any, Final

import click

from conformance import expected as known
from conformance import matrix as rule_matrix
from conformance import report
from conformance.cases import LEVELS, Case, Suite, VectorError
from conformance.child import ChildError
from conformance.protocol import ExtraMissingError
from conformance.runner import MAX_RESTARTS, TIMEOUT_S, Examiner, Verdict

_SEED_BITS: Final = 32
_ENCODED: Final = frozenset(
    {"input", "policy", "plan", "status_lists", "known", "records", "references"}
    | {"descriptors", "store"}
)
"""Members of a request that hold bytes, or lists of them."""

_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_EXISTING: Final = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="acp-cep", prog_name="acp-conformance")
def main() -> None:
    """Put the vectors of ACP and CEP to an implementation in any language."""


_SELECTION: Final = (
    click.option(
        "--level",
        type=click.Choice(LEVELS),
        default="MAY",
        show_default=True,
        help="Leave out cases of lower levels.",
    ),
    click.option("--area", "areas", multiple=True, help="Only this area. Can be repeated."),
)


def _selection(command: Any) -> Any:
    for option in reversed(_SELECTION):
        command = option(command)
    return command


@main.command()
@click.option("--impl", required=True, metavar="CMD", help="Command that starts it.")
@_selection
@click.option("--seed", type=click.IntRange(min=0), help="Order of an earlier run.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    default=TIMEOUT_S,
    show_default=True,
    help="Seconds that one answer may take.",
)
@click.option("--max-restarts", type=click.IntRange(min=0), default=MAX_RESTARTS, show_default=True)
@click.option("--expected-failures", type=_EXISTING, help="Known failures; see the docs.")
@click.option("--report", "report_file", type=_FILE, help="Write the report there, in JSON.")
@click.option("--junit", "junit_file", type=_FILE, help="Write JUnit XML there.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def run(  # noqa: PLR0917 - click passes options by keyword
    impl: str,
    level: str,
    areas: tuple[str, ...],
    seed: int | None,
    timeout_s: float,
    max_restarts: int,
    expected_failures: Path | None,
    report_file: Path | None,
    junit_file: Path | None,
    form: str,
) -> None:
    """Run the suite against an implementation.

    Example: acp-conformance run --impl "python -m conformance.testee"
    """
    suite = _load()
    try:
        command = shlex.split(impl)
        if not command:
            raise click.UsageError("--impl is empty")
        selected = suite.select(level, areas)
        examiner = Examiner(
            suite,
            command,
            timeout_s,
            max_restarts,
            known.load(expected_failures, suite) if expected_failures else {},
        )
        outcome = examiner.run(selected, secrets.randbits(_SEED_BITS) if seed is None else seed)
    except (ValueError, VectorError, ChildError, known.ExpectedFailuresError) as error:
        raise click.UsageError(str(error)) from None
    said = report.as_json(outcome, level=level, areas=areas)
    if report_file:
        _write(report_file, (json.dumps(said, indent=1) + "\n").encode("ascii"))
    if junit_file:
        _write(junit_file, report.as_junit(outcome))
    click.echo(json.dumps(said) if form == "json" else report.as_text(outcome, areas=areas))
    sys.exit(0 if outcome.verdict is Verdict.PASSED else 1)


@main.command(name="list")
@_selection
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def list_cases(level: str, areas: tuple[str, ...], form: str) -> None:
    """List the cases."""
    try:
        selected = _load().select(level, areas)
    except VectorError as error:
        raise click.UsageError(str(error)) from None
    if form == "json":
        members = ("id", "area", "level", "feature", "requires", "expect")
        click.echo(json.dumps([{name: one.data[name] for name in members} for one in selected]))
        return
    for case in selected:
        click.echo(f"{case.area:<12} {case.id:<44} {_outcome(case)}")
    click.echo(f"{len(selected)} cases")


@main.command()
@click.argument("case_id", metavar="CASE")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def show(case_id: str, form: str) -> None:
    """Show one case, decoded."""
    case = _load().cases.get(case_id)
    if case is None:
        raise click.UsageError(f"there is no case {case_id!r}; `acp-conformance list` names all")
    if form == "json":
        click.echo(json.dumps(case.data))
        return
    click.echo(f"{case.id} ({case.area}; {case.level}; {', '.join(case.requires)})")
    click.echo(f"why: {case.data['why']}")
    if case.sibling:
        click.echo(f"differs from {case.sibling}: {case.data['mutation']}")
    click.echo(f"to be {_outcome(case)}")
    for name, value in case.request("").items():
        if name in ("cmd", "id"):
            continue
        for one in value if isinstance(value, list) else [value]:
            encoded = _readable(base64.b64decode(one)) if name in _ENCODED else one
            click.echo(f"\n{name}:\n{encoded}")


@main.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def matrix(form: str) -> None:
    """Show rule by rule its sentence, its code and its vectors; fail on a gap."""
    sys.exit(rule_matrix.main(form))


def _load() -> Suite:
    try:
        return Suite.load()
    except (VectorError, ExtraMissingError) as error:
        raise click.UsageError(str(error)) from None


def _outcome(case: Case) -> str:
    expect = case.expect
    if expect["outcome"] == "accepted":
        return "accepted"
    said = "accepted, with the warning" if expect["outcome"] == "warned" else "rejected with"
    return f"{said} {' or '.join(expect['codes'])}"


def _readable(data: bytes) -> str:
    """Return bytes for people: JSON laid out, other text as it is, and the payload below it."""
    try:
        value = json.loads(data)
        laid_out = json.dumps(value, indent=2)
    except (ValueError, RecursionError):
        return repr(data)[1:]
    if isinstance(value, dict) and isinstance(value.get("payload"), str):
        try:
            inner = base64.b64decode(value["payload"], altchars=b"-_", validate=True)
        except ValueError:
            return laid_out
        return f"{laid_out}\n\npayload of it:\n{_readable(inner)}"
    return laid_out


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from None


if __name__ == "__main__":
    main()
