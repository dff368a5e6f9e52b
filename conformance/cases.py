"""The vectors as the runner reads them: data, checked against their schemas and their manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from conformance.protocol import SPEC, Json, ProtocolError, check

LEVELS: Final = ("MUST", "SHOULD", "MAY")

_QUESTION: Final = (
    "operation",
    "type",
    "input",
    "now",
    "policy",
    "understood",
    "status_lists",
    "known",
    "records",
    "references",
    "descriptors",
    "binding",
    "plan",
    "store",
    "inputs",
    "outputs",
)


class VectorError(Exception):
    """The vectors are damaged: nothing can be judged by them."""


@dataclass(frozen=True, slots=True)
class Case:
    """One vector.

    Attributes:
        data: Its file, as vector.schema.json defines it.
    """

    data: Json

    @property
    def id(self) -> str:
        """Name of the case; never sent to an implementation."""
        return str(self.data["id"])

    @property
    def area(self) -> str:
        """Folder that the case is in."""
        return str(self.data["area"])

    @property
    def level(self) -> str:
        """One of `LEVELS`."""
        return str(self.data["level"])

    @property
    def feature(self) -> str:
        """Feature that must be claimed for the case to count."""
        return str(self.data["feature"])

    @property
    def requires(self) -> tuple[str, ...]:
        """Ids of the rules that the case is about."""
        return tuple(self.data["requires"])

    @property
    def sibling(self) -> str | None:
        """Id of the accepted case that a refused one differs from by one mutation."""
        found = self.data.get("sibling")
        return None if found is None else str(found)

    @property
    def expect(self) -> Json:
        """The one right answer."""
        return dict(self.data["expect"])

    def request(self, opaque: str) -> Json:
        """Return the message that puts the case, under an id that says nothing about it."""
        question: Json = {name: self.data[name] for name in _QUESTION if name in self.data}
        return {"cmd": "run", "id": opaque, **question}


@dataclass(frozen=True, slots=True)
class Suite:
    """A set of vectors.

    Attributes:
        cases: The vectors by id, in the manifest's order.
        features: What claiming a feature says.
        profiles: Features that a profile needs.
        smoke: Pairs of ids, good and bad, to begin with.
        digest: Digest of the manifest, which holds the digests of all vectors.
    """

    cases: Mapping[str, Case]
    features: Mapping[str, str]
    profiles: Mapping[str, Sequence[str]]
    smoke: tuple[tuple[str, str], ...]
    digest: str

    @classmethod
    def load(cls, folder: Traversable | None = None) -> Suite:
        """Read the vectors in `folder`; those of this distribution if it is absent.

        Raises:
            VectorError: A file is missing, altered, or not what its schema says, or the vectors
                contradict each other.
        """
        folder = folder or files("conformance").joinpath("vectors", SPEC)
        try:
            text = folder.joinpath("manifest.json").read_bytes()
            manifest = json.loads(text)
            check("manifest", manifest)
            cases = [_case(folder, entry) for entry in manifest["cases"]]
        except (OSError, ValueError, ProtocolError) as error:
            raise VectorError(f"the vectors cannot be read: {error}") from None
        suite = cls(
            cases={case.id: case for case in cases},
            features=manifest["features"],
            profiles=manifest["profiles"],
            smoke=tuple((pair["good"], pair["bad"]) for pair in manifest["smoke"]),
            digest=_digest(text),
        )
        suite._agree(manifest)
        return suite

    def select(self, level: str = "MAY", areas: Sequence[str] = ()) -> tuple[Case, ...]:
        """Return the cases of at least this level in these areas; in all, if none is named.

        Raises:
            VectorError: There is no such area.
        """
        known = {case.area for case in self.cases.values()}
        for area in areas:
            if area not in known:
                raise VectorError(f"no area {area!r}; there are {', '.join(sorted(known))}")
        allowed = LEVELS[: LEVELS.index(level) + 1]
        return tuple(
            case
            for case in self.cases.values()
            if case.level in allowed and (not areas or case.area in areas)
        )

    def _agree(self, manifest: Json) -> None:
        if not len(self.cases) == len(manifest["cases"]) == manifest["count"]:
            raise VectorError(f"{len(self.cases)} cases; the manifest says {manifest['count']}")
        needed = {case.feature for case in self.cases.values()}
        needed.update(feature for features in self.profiles.values() for feature in features)
        if needed != set(self.features):
            raise VectorError(f"features differ: {needed.symmetric_difference(self.features)}")
        for case in self.cases.values():
            if case.sibling is None:
                continue
            sibling = self.cases.get(case.sibling)
            if sibling is None or sibling.expect["outcome"] != "accepted":
                raise VectorError(f"{case.id}: its sibling is not an accepted case")
            alike = ("area", "feature", "operation")
            if any(sibling.data[name] != case.data[name] for name in alike):
                raise VectorError(f"{case.id}: its sibling is of another kind")
            if LEVELS.index(sibling.level) > LEVELS.index(case.level):
                raise VectorError(f"{case.id}: its sibling is of a lower level")
        for pair in self.smoke:
            found = [self.cases[name].expect["outcome"] for name in pair if name in self.cases]
            if found != ["accepted", "rejected"]:
                raise VectorError(f"{pair} is not a good and a bad case")


def _case(folder: Traversable, entry: Json) -> Case:
    data = folder.joinpath(*entry["file"].split("/")).read_bytes()
    if _digest(data) != entry["digest"]:
        raise VectorError(f"{entry['file']} is not the file that the manifest means")
    case = json.loads(data)
    check("vector", case)
    if entry["file"] != f"{case['area']}/{case['id']}.json" or case["id"] != entry["id"]:
        raise VectorError(f"{entry['file']} holds another case")
    return Case(case)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
