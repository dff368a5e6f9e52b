"""The members of a document as its published JSON Schema describes them, for who writes one."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from acp.quantities import read

if TYPE_CHECKING:
    from acp.canonical import JsonValue

_NUMBERS: Final = ("uint64", "positive_uint64", "int64")
_ONE_LINE: Final = r"(?!\n)"
"""What patterns of the schemas end with besides those of the documents."""
_QUOTED: Final = re.compile(r"`([^`]+)`")
_COMMON: Final = ("f16", "gpu", "pcie5")
"""Registered tokens that are shown rather than the first of their registry."""
_EXAMPLE: Final = re.compile(r"such as `([^`]+)`")
_CONSTANT: Final = re.compile(r"^`([^`]+)`")
_EXAMPLES: Final = {
    "digest": "sha256:" + "0" * 64,
    "id": "name",
    "uri": "https://example.com/path",
    "dtype": "f32",
    "sparsity": "dense",
}
"""Values to show where the schema has none."""


class Member(NamedTuple):
    """A member of an object, or the type of the entries of a list or map.

    Attributes:
        name: Its name; empty for entries.
        schema: Its part of the schema.
        required: It must be there.
        owner: Name of the message that it is a member of.
    """

    name: str
    schema: Mapping[str, Any]
    required: bool = False
    owner: str = ""

    @property
    def description(self) -> str:
        """What it means, on one line."""
        return " ".join(str(self.schema.get("description", "")).split())

    @property
    def resolved(self) -> Mapping[str, Any]:
        """Its type, with references followed."""
        found: dict[str, Any] = dict(self.schema)
        while "$ref" in found:
            name = found.pop("$ref").rpartition("/")[2]
            found = {**_document()["$defs"][name], **found}
        return found

    @property
    def type_name(self) -> str:
        """Name of the type that it refers to; empty for one without a name."""
        return str(self.schema.get("$ref", "")).rpartition("/")[2]

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that an enumeration has."""
        return tuple(self.resolved.get("enum", ()))

    @property
    def known(self) -> tuple[str, ...]:
        """Registered tokens; others are allowed."""
        return tuple(self.resolved.get("examples", ()))

    @property
    def is_object(self) -> bool:
        """It is an object whose members the schema names."""
        return "properties" in self.resolved

    @property
    def entries(self) -> Member | None:
        """Type of the entries of a list; None for anything else."""
        inner = self.resolved.get("items")
        return None if inner is None else Member("", inner)

    @property
    def values(self) -> Member | None:
        """Type of the values of a map; None for anything else."""
        inner = self.resolved.get("additionalProperties")
        return Member("", inner) if isinstance(inner, dict) else None

    @property
    def is_number(self) -> bool:
        """It is an integer, maybe one of 64 bits that is written as a text."""
        return self.type_name in _NUMBERS or self.resolved.get("type") == "integer"

    def members(self) -> Iterator[Member]:
        """Yield the members of an object, in the order of the schema."""
        resolved = self.resolved
        required = resolved.get("required", ())
        for name, schema in resolved["properties"].items():
            yield Member(name, schema, name in required, self.type_name)

    def member(self, name: str) -> Member:
        """Return a member of an object.

        Raises:
            ValueError: It has none of this name.
        """
        known = {one.name: one for one in self.members()}
        if name in known:
            return known[name]
        near = difflib.get_close_matches(name, known, n=2) or list(known)
        raise ValueError(f"there is no member {name!r}; did you mean {', '.join(near)}?")

    def value(self, text: str) -> JsonValue:
        """Return the value that a text stands for: a quantity may have a prefix and a unit.

        Raises:
            ValueError: It stands for none.
        """
        if self.is_number:
            number = read(text)
            return str(number) if self.type_name in _NUMBERS else number
        if self.resolved.get("type") == "boolean":
            if text not in ("true", "false"):
                raise ValueError(f"{self.name} is true or false, not {text!r}")
            return text == "true"
        if self.entries is not None and not self.entries.is_object:
            inner = self.entries
            return [inner.value(word) for word in re.split(r"[+ ]+", text) if word]
        if self.choices and text not in self.choices:
            raise ValueError(f"{self.name} is one of {', '.join(self.choices)}, not {text!r}")
        if self.is_object or self.entries is not None or self.values is not None:
            raise ValueError(f"{self.name} has members of its own; name one of them")
        self._require_form(text)
        return text

    def _require_form(self, text: str) -> None:
        from acp.v1.formats import HINTS

        resolved = self.resolved
        pattern = str(resolved.get("pattern", ""))
        if re.search(pattern, text) is None:
            allowed = HINTS.get(pattern.removesuffix(_ONE_LINE), "of that form")
            raise ValueError(f"{text[:60]!r} is not {allowed}")
        if len(text) > resolved.get("maxLength", len(text)):
            raise ValueError(f"{self.name} has at most {resolved['maxLength']} characters")

    def example(self) -> JsonValue:
        """Return a value that shows what may stand here."""
        schema = self.resolved
        if self.choices:
            return self.choices[0]
        if self.known:
            named = [one for one in _QUOTED.findall(self.description) if one in self.known]
            usual = [one for one in _COMMON if one in self.known]
            token: str = (*named, *usual, *self.known)[0]
            return token
        if self.is_object:
            return {one.name: one.example() for one in self.members()}
        if self.entries is not None:
            return [self.entries.example()]
        if self.values is not None and self.type_name != "json_object":
            return {"example.com" if self.name == "extensions" else "name": self.values.example()}
        if self.is_number:
            return "1" if self.type_name in _NUMBERS else max(1, schema.get("minimum", 1))
        return self._text(schema)

    def _text(self, schema: Mapping[str, Any]) -> JsonValue:
        if schema.get("type") == "boolean":
            return True
        if schema.get("type") == "object" or self.type_name == "json_object":
            return {"member": "value"}
        if self.type_name in _EXAMPLES:
            return _EXAMPLES[self.type_name]
        named = {**schema, **_document()["$defs"].get(self.type_name, {})}
        for text in (self.description, str(named.get("description", ""))):
            found = _EXAMPLE.search(text) or _CONSTANT.search(text)
            if found:
                return found[1]
        return "text"


def descriptor() -> Member:
    """Return the type of a capability descriptor."""
    return Member("", {"$ref": "#/$defs/"}, required=True)


@cache
def _document() -> Mapping[str, Any]:
    """Return the schema, in which the document itself has the empty name."""
    file = files("acp").joinpath("schemas", "acp.v1.capability-descriptor.schema.json")
    schema: dict[str, Any] = json.loads(file.read_bytes())
    top = {name: value for name, value in schema.items() if not name.startswith("$")}
    return {"$defs": {**schema["$defs"], "": top}}
