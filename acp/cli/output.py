"""What the `acp` and `cep` command lines have in common: how a command answers.

A command is a function that returns an `Outcome`, or raises `Refused`. It prints nothing itself::

    @click.command(cls=Command, example="acp digest device.json")
    @click.argument("file", type=click.Path(path_type=Path))
    def digest(file: Path) -> Outcome:
        '''Print the identity of FILE.'''
        identity = ...                        # may raise Refused
        return Outcome(text=identity, data={"digest": identity})

`Command` adds ``--format text|json``, turns a refusal into diagnostics, prints, and sets the exit
status. `LazyGroup` holds commands without importing them, and lets other packages join theirs
through an entry point group.

Invariants:

* Standard output has the answer, standard error the diagnostics; with ``--format json`` standard
  output has one JSON object ``{"ok": …, "diagnostics": […], …}``, in ASCII, and nothing else.
* Exit status 0: no diagnostic is an error. 1: one is, or the command was interrupted. 2: usage.
* Text from a document never reaches a terminal with control or bidirectional characters in it.
* A package that is not installed is the diagnostic ENV-F3, which names the extra to install.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import click
from typing_extensions import override

from acp.diagnostics import Diagnostic, FileRefusedError, Refused, Severity

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

DISTRIBUTION: Final = "acp-cep"

_Item = TypeVar("_Item")

_UNPRINTABLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_COLOURS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow"}
_PATIENCE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Finding:
    """A diagnostic and the file it is about.

    Attributes:
        diagnostic: What was found.
        file: Name of the file as the user gave it; empty where no file is at fault.
    """

    diagnostic: Diagnostic
    file: str = ""

    def as_json(self) -> dict[str, str | int]:
        """Return the members that ``--format json`` prints; ``file`` only where there is one."""
        return self.diagnostic.as_json() | ({"file": self.file} if self.file else {})

    def line(self) -> str:
        """Return the finding as one coloured line: ``file: severity code path: message``.

        Where line and column are known they follow the file, as editors know it of compilers.
        """
        found = self.diagnostic
        place = f"{found.place.line}:{found.place.column}:" if self.file and found.place else ""
        file = f"{one_line(self.file)}:{place} " if self.file else ""
        severity = click.style(str(found.severity), fg=_COLOURS[found.severity], bold=True)
        path = f" {one_line(found.path)}" if found.path else ""
        return f"{file}{severity} {found.code}{path}: {one_line(found.message)}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command has to say.

    Attributes:
        text: The answer for people, without colours; empty prints nothing.
        data: Members of the JSON answer besides ``ok`` and ``diagnostics``.
        findings: What was found wrong. An error among them makes the exit status 1.
    """

    text: str = ""
    data: Mapping[str, object] = field(default_factory=dict)
    findings: Sequence[Finding] = ()

    @property
    def ok(self) -> bool:
        """Whether no finding is an error."""
        return not any(f.diagnostic.severity is Severity.ERROR for f in self.findings)


class about:  # noqa: N801 - reads as a clause: `with about(file):`
    """Context in which a refusal is taken to be about `file`, and reported so.

    A refusal that already names a file keeps it.
    """

    def __init__(self, file: object) -> None:
        """Name the file."""
        self._file = str(file)

    def __enter__(self) -> None:
        """Enter the context."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Raise a refusal again with the file's name.

        Raises:
            FileRefusedError: The body raised another `Refused`.
        """
        if isinstance(error, Refused) and not isinstance(error, FileRefusedError):
            raise FileRefusedError(self._file, *error.diagnostics) from error


class Command(click.Command):
    """A command that returns an `Outcome`; see the module's documentation.

    Attributes:
        example: Command lines that show its use; the help ends with them.
    """

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        """Add ``--format`` to the command's own parameters."""
        super().__init__(*args, **kwargs)
        self.example = example
        self.params.append(
            click.Option(
                ["--format", "form"],
                type=click.Choice(["text", "json"]),
                default="text",
                show_default=True,
                expose_value=False,
                is_eager=True,
                callback=_remember_format,
                help="Answer for people, or one JSON object on standard output.",
            )
        )

    @override
    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, print its outcome, and leave with its exit status."""
        try:
            outcome = super().invoke(ctx)
        except Refused as refusal:
            outcome = Outcome(findings=findings(refusal))
        except ImportError as error:
            from acp.cli.extras import missing

            outcome = Outcome(findings=findings(missing(error, self.name)))
        self.answer(ctx, outcome)

    @staticmethod
    def answer(ctx: click.Context, outcome: Outcome) -> NoReturn:
        """Print an outcome, and leave with its exit status."""
        _print(outcome, as_json=ctx.meta.get(_FORMAT) == "json")
        ctx.exit(0 if outcome.ok else 1)

    @override
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example as it stands, so that it can be copied."""
        if self.example:
            with formatter.section("Example"):
                for line in self.example.splitlines():
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")
        super().format_epilog(ctx, formatter)


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called or asked for help.

    Args:
        lazy: Commands by name: where each is (``package.module:attribute``) and one line of help.
        entry_points: Entry point group through which other packages join theirs. A name in
            `lazy` cannot be taken over. Names are listed without importing anything.
        expected: One line of help of commands that join, by name.
    """

    def __init__(
        self,
        *args: Any,
        lazy: Mapping[str, tuple[str, str]] | None = None,
        entry_points: str | None = None,
        expected: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Remember where the commands are."""
        super().__init__(*args, **kwargs)
        self._lazy = dict(lazy or {})
        self._expected = dict(expected or {})
        self._entry_points = entry_points

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, those of this package first."""
        own = [*super().list_commands(ctx), *self._lazy]
        return [*own, *sorted(set(self._joined()) - set(own))]

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; None where there is none of this name."""
        if cmd_name in self._lazy:
            module, _, attribute = self._lazy[cmd_name][0].partition(":")
            command: click.Command = getattr(importlib.import_module(module), attribute)
            return command
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name not in self._joined():
            return own
        try:
            joined: click.Command = self._joined()[cmd_name].load()
        except ImportError as error:
            from acp.cli.extras import missing

            return _unavailable(cmd_name, missing(error, cmd_name))
        return joined

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called; where there is none, say which may be meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=2)
            if not near or "did you mean" in error.message.lower():
                raise
            meant = f"{error.message} Did you mean {' or '.join(near)}?"
            raise click.UsageError(meant, ctx) from None

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands of the help, without importing them."""
        rows = [(name, self._help(ctx, name)) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def _help(self, ctx: click.Context, name: str) -> str:
        if name in self._lazy:
            return self._lazy[name][1]
        own = super().get_command(ctx, name)
        if own is not None:
            return own.get_short_help_str()
        origin = f"(from {self._joined()[name].module.partition('.')[0]})"
        return self._expected.get(name, origin)

    def _joined(self) -> dict[str, EntryPoint]:
        if self._entry_points is None:
            return {}
        from importlib.metadata import entry_points

        return {point.name: point for point in entry_points(group=self._entry_points)}


def findings(refusal: Refused, file: str = "") -> tuple[Finding, ...]:
    """Return what a refusal says, about the file that it names or else about `file`."""
    named = refusal.file if isinstance(refusal, FileRefusedError) else file
    return tuple(Finding(diagnostic, named) for diagnostic in refusal.diagnostics)


def printable(text: str) -> str:
    """Return `text` with control, bidirectional and surrogate characters written as escapes.

    Documents come from strangers: an escape sequence in a product name must not command the
    terminal that shows it. Line feeds and tabs stay.
    """
    return _UNPRINTABLE.sub(lambda match: ascii(match.group())[1:-1], text)


def one_line(text: str) -> str:
    """Return `text` as `printable` does, with line feeds and tabs written as escapes too."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def note(text: str) -> None:
    """Tell people, on standard error, something that is neither answer nor diagnostic."""
    click.echo(_encodable(printable(text), sys.stderr), err=True)


def progress(items: Sequence[_Item], noun: str) -> Iterable[_Item]:
    """Yield `items`; once that takes more than a second, show on a terminal how far it has come.

    Args:
        items: What is worked through.
        noun: What the items are, in the plural.
    """
    if not sys.stderr.isatty():
        return items
    return _shown(items, noun)


def _shown(items: Sequence[_Item], noun: str) -> Iterator[_Item]:
    last = time.monotonic()
    visible = False
    try:
        for index, item in enumerate(items):
            if time.monotonic() - last > _PATIENCE_S:
                last, visible = time.monotonic(), True
                click.echo(f"\r{index} of {len(items)} {noun}", err=True, nl=False)
            yield item
    finally:
        if visible:
            click.echo("\r\x1b[K", err=True, nl=False)


_FORMAT: Final = f"{__name__}.format"


def _remember_format(ctx: click.Context, _param: click.Parameter, value: str) -> None:
    ctx.meta[_FORMAT] = value


def _print(outcome: Outcome, *, as_json: bool) -> None:
    """Print an outcome; a full disk behind standard output is reported, not raised.

    Raises:
        BrokenPipeError: The reader has gone; click leaves quietly with status 1.
    """
    colour = False if os.environ.get("NO_COLOR") else None
    try:
        if as_json:
            diagnostics = [finding.as_json() for finding in outcome.findings]
            verdict = {"ok": outcome.ok, "diagnostics": diagnostics}
            click.echo(json.dumps(verdict | dict(outcome.data) | verdict, indent=2))
            return
        for finding in outcome.findings:
            click.echo(_encodable(finding.line(), sys.stderr), err=True, color=colour)
        if outcome.text:
            click.echo(_encodable(printable(outcome.text), sys.stdout))
    except BrokenPipeError:
        raise
    except OSError as error:
        message = f"cannot write the answer: {error.strerror}"
        raise click.ClickException(f"ENV-F2: {message}") from error


def _encodable(text: str, stream: Any) -> str:
    """Return `text` with escapes for what the terminal's encoding lacks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _unavailable(name: str, refusal: Refused) -> click.Command:
    """Return a command that takes any arguments and answers with `refusal`."""

    def refuse() -> Outcome:
        raise refusal

    return Command(
        name,
        callback=refuse,
        help=f"Not available: {refusal.diagnostics[0].message}",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
