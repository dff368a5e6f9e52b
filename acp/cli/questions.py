"""What ``acp init`` asks on a terminal; whatever is left empty stays to be filled in."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from acp.authoring import descriptor
from acp.cli.output import note

if TYPE_CHECKING:
    from acp.authoring import Draft, Member

_ENGINE: Final = ("id", "kind", "count", "clock_hz")
_RATE: Final = ("a", "b", "acc", "out", "sparsity", "peak_ops_per_s", "ops_per_unit_per_clock")
_MEMORY: Final = (
    "id", "kind", "stacks", "role", "instances", "capacity_bytes_per_instance",
    "combined_bytes_per_s",
)  # fmt: skip


def ask(draft: Draft, given: dict[str, Any]) -> None:
    """Ask for what a draft lacks, and put the answers into it and into `given`."""
    note("Leave empty what you do not know: it stays in the file, to be filled in.")
    kind = descriptor()
    value = draft.value
    if given["issuer"] is None:
        given["issuer"] = _answer(kind.member("issuer"))
    subject = kind.member("subject")
    known = value.setdefault("subject", {})
    defaults = {"vendor": given["issuer"], "scope": "MODEL"}
    for name in ("vendor", "model", "device_class", "scope"):
        _fill(known, subject.member(name), defaults.get(name))
    if known.get("scope") == "UNIT":
        _fill(known, subject.member("unit_id"))
    if "engines" not in value:
        _several(value, kind.member("engines"), _engine)
    if "memories" not in value:
        _several(value, kind.member("memories"), _memory)
    if "ops" not in value and value.get("engines"):
        _operations(value, kind)
    if given["basis"] is None:
        entry = kind.member("provenance").entries
        if entry is not None:
            given["basis"] = _answer(entry.member("basis"))
            given["source"] = given["source"] or _answer(entry.member("source_uri"))


def _several(
    value: dict[str, Any], member: Member, one: Callable[[Member], dict[str, Any]]
) -> None:
    """Ask for the entries of a list until there are no more."""
    entry = member.entries
    if entry is None:
        return
    note(f"{member.name}: {member.description}")
    found: list[dict[str, Any]] = []
    while click.confirm(f"Add one of {member.name}?", default=not found, err=True):
        found.append(one(entry))
    if found:
        value[member.name] = found


def _engine(kind: Member) -> dict[str, Any]:
    engine: dict[str, Any] = {}
    for name in _ENGINE:
        _fill(engine, kind.member(name))
    rates = kind.member("rates")
    entry = rates.entries
    note(f"rates: {rates.description}")
    found: list[dict[str, Any]] = []
    while entry is not None and click.confirm("Add a rate?", default=not found, err=True):
        rate: dict[str, Any] = {}
        for name in _RATE:
            if name == "acc" and engine.get("kind") not in ("MATRIX", "DATAFLOW"):
                continue
            if name == "ops_per_unit_per_clock" and not engine.keys() >= {"count", "clock_hz"}:
                continue  # ACP-C01 has nothing to hold the peak against
            default = {"b": rate.get("a"), "out": rate.get("acc") or rate.get("a"),
                       "sparsity": "dense"}.get(name)  # fmt: skip
            _fill(rate, entry.member(name), default)
        found.append(rate)
    return engine | ({"rates": found} if found else {})


def _memory(kind: Member) -> dict[str, Any]:
    memory: dict[str, Any] = {}
    for name in _MEMORY:
        if name != "stacks" or memory.get("kind", "").startswith("hbm"):
            _fill(memory, kind.member(name), "1" if name == "instances" else None)
    return memory


def _operations(value: dict[str, Any], kind: Member) -> None:
    """Ask for operations, each on an engine and for the dtypes of its rates."""
    member = kind.member("ops")
    entry = member.entries
    if entry is None:
        return
    note(f"ops: {member.description}")
    engines = {one.get("id"): one for one in value["engines"]}
    found: list[dict[str, Any]] = []
    while True:
        op = _answer(entry.member("op"))
        if op is None:
            break
        engine = _prompt("engine", tuple(filter(None, engines)), next(iter(engines), None))
        dtypes = list(dict.fromkeys(
            rate["a"] for rate in engines.get(engine, {}).get("rates", ()) if "a" in rate
        ))  # fmt: skip
        variant: dict[str, Any] = {} if engine is None else {"engine": engine}
        if dtypes:
            variant["operands"] = {"*": {"dtypes": dtypes}}
        found.append({"op": op, "variants": [variant]})
    if found:
        value["ops"] = found


def _fill(value: dict[str, Any], member: Member, default: str | None = None) -> None:
    """Ask for a member that a value lacks."""
    if member.name in value:
        return
    found = _answer(member, default)
    if found is not None:
        value[member.name] = found


def _answer(member: Member, default: str | None = None) -> Any:
    """Return what somebody says of a member; None for nothing."""
    note(f"  {member.description}")
    while True:
        text = _prompt(member.name, member.choices or member.known, default)
        if text is None:
            return None
        try:
            return member.value(text)
        except ValueError as error:
            note(str(error))


def _prompt(name: str, choices: Sequence[str], default: str | None) -> str | None:
    """Return what is typed; where it is like one of the choices, ask whether that is meant."""
    shown = f" ({', '.join(choices[:12])}{', …' if len(choices) > 12 else ''})" if choices else ""  # noqa: PLR2004
    text: str = click.prompt(
        f"{name}{shown}", default=default or "", show_default=default is not None, err=True
    ).strip()
    near = difflib.get_close_matches(text, choices, n=1)
    if (
        near
        and text not in choices
        and click.confirm(f"Did you mean {near[0]}?", default=True, err=True)
    ):
        return near[0]
    return text or None
