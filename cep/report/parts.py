"""What the pages of reports are made of: the frame, sections, tables, tiles.

A page is one file without scripts that loads nothing, in light and dark. Arguments called `html` or
`rows` are HTML already; every other text is escaped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources
from typing import Final

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def document(title: str, body: str, footer: str) -> bytes:
    """Return a page with the common style, in UTF-8; `body` and `footer` are HTML."""
    style = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)}</title>'
        f"<style>{style}</style></head><body><main>{body}</main>"
        f"<footer>{footer}</footer></body></html>"
    ).encode()


def section(title: str, note: str, content: str, kind: str = "card") -> str:
    """Return a section; all but `kind` is HTML."""
    told = f"<p>{note}</p>" if note else ""
    return f'<section><h2>{title}</h2>{told}<div class="{kind}">{content}</div></section>'


def pill(kind: str, text: str) -> str:
    """Return a short verdict in a colour: ``good``, ``warn`` or ``bad``."""
    return f'<span class="pill {kind}">{escape(text)}</span>'


def tiles(numbers: Sequence[tuple[str, str]]) -> str:
    """Return numbers with what they count, large."""
    cells = "".join(
        f'<div class="tile"><b>{escape(number)}</b><span>{escape(name)}</span></div>'
        for number, name in numbers
    )
    return f'<div class="tiles">{cells}</div>'


def code(text: str) -> str:
    """Return a digest or a command in type of one width."""
    return f"<code>{escape(text)}</code>"


def table(heads: Sequence[str], rows: str) -> str:
    """Return a table; a number sign in front of a head says that it heads numbers."""
    cells = "".join(_cell("th", head) for head in heads)
    head = f"<thead><tr>{cells}</tr></thead>" if heads else ""
    return f'<div class="scroll"><table>{head}<tbody>{rows}</tbody></table></div>'


def row(*cells: str) -> str:
    """Return a row of cells, which are HTML; a number sign in front marks a number."""
    return f"<tr>{''.join(_cell('td', cell) for cell in cells)}</tr>"


def _cell(tag: str, content: str) -> str:
    """Return a cell; a number sign in front says that it holds a number."""
    if content.startswith("#"):
        return f'<{tag} class="number">{content[1:]}</{tag}>'
    return f"<{tag}>{content}</{tag}>"
