"""Valid documents of every kind, made at random from the JSON Schemas."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

from tests.schemas.test_validators import schema

MOST = 3
"""Most elements, entries and optional members: documents stay small, and each member comes up."""

CHARACTERS = st.characters(exclude_categories=["Cs", "Cn"])
TRICKY = [
    "no",
    "2:4",
    "~",
    "0x1F",
    "2026-01-01",
    "a: b",
    "# c",
    "*",
    "\x00",
    "\x85\u2028",
    "\U0001f600",
]
TEXT = st.text(CHARACTERS, max_size=20) | st.sampled_from(TRICKY)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(1 - 2**53, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=MOST) | st.dictionaries(TEXT, inner, max_size=MOST),
    max_leaves=8,
)


@cache
def of(kind):
    """Documents of a kind."""
    root = schema(kind)
    return Strategies(root).of(root)


class Strategies:
    """Strategies for the definitions of one schema."""

    def __init__(self, root):
        self.root = root
        self.known = {}

    def of(self, found):
        if "$ref" in found:
            name = found["$ref"].removeprefix("#/$defs/")
            if name not in self.known:
                self.known[name] = st.deferred(lambda: self.defined(name))
            some = found.get("minProperties", 0)
            inner = self.known[name]
            return inner.filter(lambda value: len(value) >= some) if some else inner
        if "const" in found or "enum" in found:
            return st.sampled_from(found.get("enum", [found.get("const")]))
        return getattr(self, found["type"])(found)

    def defined(self, name):
        if name == "json_object":
            return st.dictionaries(TEXT, ANYTHING, max_size=MOST)
        return self.of(self.root["$defs"][name])

    def object(self, found):
        if "properties" not in found:
            size = {"min_size": found["minProperties"], "max_size": MOST}
            names, values = found["propertyNames"], found["additionalProperties"]
            return st.dictionaries(self.of(names), self.of(values), **size)
        return self.members(found)

    def members(self, found):
        choices = [found["oneOf"]] if "oneOf" in found else []
        choices += [one["oneOf"] for one in found.get("allOf", ())]
        groups = [[name for one in choice for name in one["required"]] for choice in choices]
        free = found["properties"].keys() - {name for group in groups for name in group}
        optional = sorted(free - set(found.get("required", ())))

        @st.composite
        def drawn(draw):
            names = set(found.get("required", ()))
            names |= {draw(st.sampled_from(group)) for group in groups}
            if optional:
                names |= draw(st.sets(st.sampled_from(optional), max_size=MOST))
            some = sorted(names)
            return {name: draw(self.of(found["properties"][name])) for name in some}

        return drawn()

    def array(self, found):
        return st.lists(self.of(found["items"]), min_size=found["minItems"], max_size=MOST)

    def string(self, found):
        least, most = found.get("minLength", 0), found.get("maxLength", 2048)
        if "contentEncoding" in found:
            return st.binary(min_size=1, max_size=30).map(base64)
        if "pattern" in found:
            made = st.from_regex(found["pattern"], alphabet=CHARACTERS)
            return made.filter(lambda text: least <= len(text) <= most)
        return st.text(CHARACTERS, min_size=least, max_size=min(most, 30))

    def integer(self, found):
        return st.integers(found["minimum"], found["maximum"])

    def boolean(self, _):
        return st.booleans()


def base64(data):
    from base64 import b64encode

    return b64encode(data).decode()
