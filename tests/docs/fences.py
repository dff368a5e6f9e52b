"""Checks of the fenced code blocks and links of a Markdown file; see test_markdown.py."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click
import yaml
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
# Nothing to check by machine, or checked elsewhere (the protos themselves are linted by buf).
FREE_TEXT = frozenset({"text", "mermaid", "proto", "makefile", "diff", "html"})


class BadFenceError(Exception):
    """A fenced block says something that is not so."""


@dataclass(frozen=True, slots=True)
class Fence:
    """One fenced code block: its file, first line (1-based), language, flags and content."""

    file: Path
    line: int
    language: str
    flags: frozenset[str]
    content: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}:{self.language or '(no language)'}"


def markdown_files() -> list[Path]:
    """Every Markdown file that people read as documentation."""
    folders = ("docs", "spec", "examples", "conformance", "schemas", "benchmarks")
    nested = (path for folder in folders for path in (ROOT / folder).rglob("*.md"))
    return sorted([*ROOT.glob("*.md"), *nested])


def fences(file: Path) -> Iterator[Fence]:
    """All fenced blocks of a file, those inside lists and quotes included."""
    for token in MarkdownIt("commonmark").parse(file.read_text(encoding="utf-8")):
        if token.type == "fence":
            words = token.info.split()
            line = (token.map or [0])[0] + 1
            language = words[0] if words else ""
            yield Fence(file, line, language, frozenset(words[1:]), token.content)


def broken_links(file: Path) -> list[str]:
    """Relative links of a file whose target does not exist."""
    links = []
    for block in MarkdownIt("commonmark").parse(file.read_text(encoding="utf-8")):
        for token in block.children or ():
            target = token.attrGet("href") or token.attrGet("src")
            if not target or re.match(r"[a-z][a-z+.-]*:", str(target)):
                continue
            path = str(target).partition("#")[0]
            if path and not (file.parent / path).exists():
                links.append(path)
    return links


def check(fence: Fence) -> None:
    """Check a block by its language.

    Raises:
        BadFenceError: The block is not what its language says, or names a command line that does
            not exist.
    """
    if fence.language in FREE_TEXT:
        return
    checker = CHECKERS.get(fence.language)
    if checker is None:
        raise BadFenceError(f"unknown language {fence.language!r}; say `text` for plain text")
    try:
        checker(fence.content)
    except (SyntaxError, ValueError, yaml.YAMLError) as error:
        raise BadFenceError(str(error)) from error


def check_json_lines(content: str) -> None:
    """Check that every line is JSON."""
    for line in content.splitlines():
        json.loads(line)


def check_console(session: str) -> None:
    """Check the lines typed at a `$ ` prompt; the others are output."""
    check_script("\n".join(ln[2:] for ln in session.splitlines() if ln.startswith("$ ")))


def check_script(script: str) -> None:
    """Check every command of ours that a shell script calls."""
    for words in commands(script):
        name = Path(words[0]).name
        if name in scripts():
            module, _, attribute = scripts()[name].partition(":")
            check_command_line(getattr(importlib.import_module(module), attribute), words)
        elif name == "make":
            check_make(words[1:])


def commands(script: str) -> Iterator[list[str]]:
    """Simple commands of a script: continued lines joined, comments and redirections dropped."""
    for line in script.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        command: list[str] = []
        redirected = False
        for word in lexer:
            if set(word) <= set("();<>|&"):
                redirected = bool(set(word) & set("<>"))
                if not redirected:
                    yield from without_assignments(command)
                    command = []
            elif redirected:
                redirected = False
            else:
                command.append(word)
        yield from without_assignments(command)


def without_assignments(command: list[str]) -> Iterator[list[str]]:
    """The command without `NAME=value` in front, or nothing when nothing else is left."""
    start = next((i for i, word in enumerate(command) if not re.match(r"\w+=", word)), None)
    if start is not None:
        yield command[start:]


@cache
def scripts() -> dict[str, str]:
    """Our command lines by name, each as `module:attribute`."""
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(pyproject)["project"]["scripts"]


def check_command_line(command: click.Command, words: list[str]) -> None:
    """Check that subcommand, options, choices and number of arguments exist; runs nothing."""
    name, *rest = words
    context = click.Context(command, info_name=name)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        subcommand = command.get_command(context, rest[0])
        if subcommand is None:
            raise BadFenceError(f"`{context.command_path}` has no command {rest[0]!r}")
        context = click.Context(subcommand, info_name=rest[0], parent=context)
        command, rest = subcommand, rest[1:]
    try:
        values, extra, _ = command.make_parser(context).parse_args(rest)
        for parameter in command.params:
            value = values.get(parameter.name)
            if isinstance(value, str) and isinstance(parameter.type, click.Choice):
                parameter.type.convert(value, parameter, context)
    except click.UsageError as error:
        raise BadFenceError(f"`{shlex.join(words)}`: {error.format_message()}") from error
    if extra:
        raise BadFenceError(f"`{shlex.join(words)}`: unexpected {extra}")
    if {"--help", "--version"}.isdisjoint(words):
        given = {key for key, value in values.items() if isinstance(value, str | bool | int | list)}
        given |= {key for key, value in values.items() if isinstance(value, tuple) and value}
        missing = [p.name for p in command.params if p.required and p.name not in given]
        if missing:
            raise BadFenceError(f"`{shlex.join(words)}`: missing {missing}")


def check_make(arguments: list[str]) -> None:
    """Check that the Makefile has the targets."""
    for target in arguments:
        if not target.startswith("-") and "=" not in target and target not in make_targets():
            raise BadFenceError(f"`make {target}`: no such target")


@cache
def make_targets() -> frozenset[str]:
    """The targets that `make` lists."""
    listing = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return frozenset(re.findall(r"^ +make (\S+)", listing, re.MULTILINE))


CHECKERS: dict[str, Callable[[str], object]] = {
    "bash": check_script,
    "console": check_console,
    "json": json.loads,
    "jsonl": check_json_lines,
    "python": ast.parse,
    "sh": check_script,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
}
