"""References to documents, and the names of roles, targets and files in a registry.

Rules: REG-N1 (references), REG-L1 and REG-L2 (names). Pure; needs no TUF.

    >>> Reference.parse("example.com/https://example.com/chips/one@7").revision
    7
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from acp.canonical import Limits
from acp.diagnostics import Refused
from acp.v1.formats import DIGEST_PATTERN, DOMAIN_PATTERN, URI_PATTERN

MAX_DOCUMENT_BYTES: Final = Limits().max_bytes
"""Largest envelope, as much as `acp.canonical.decode` takes."""

MAX_ROOT_BYTES: Final = 512_000
MAX_TIMESTAMP_BYTES: Final = 16_384
MAX_SNAPSHOT_BYTES: Final = 2_000_000
MAX_TARGETS_BYTES: Final = 5_000_000
MAX_NEW_ROOTS: Final = 32
METADATA_LIMITS: Final = Limits(max_bytes=MAX_TARGETS_BYTES, max_depth=16, max_values=200_000)

_MAX_URI: Final = 2048
_MAX_DOMAIN: Final = 253
_REVISION: Final = re.compile(r"[1-9][0-9]{0,19}|latest")
_MAX_REVISION: Final = 2**64 - 1
_FORMS: Final = (
    "allowed are sha256:HEX, ISSUER/sha256:HEX, ISSUER/URI and ISSUER/URI@REVISION, such as "
    "example.com/https://example.com/chips/one@7"
)


class RegistryError(Refused):
    """A registry, or what it served, that is refused (codes ``REG-…``)."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What is asked for: a document by its digest, or by its name and revision.

    Attributes:
        text: As the user wrote it.
        issuer: Whose document; empty for a digest alone.
        digest: Its identity; empty where it is asked for by name.
        uri: Its name; empty where it is asked for by digest.
        revision: Its revision; None for the latest.
    """

    text: str
    issuer: str = ""
    digest: str = ""
    uri: str = ""
    revision: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the reference that a text spells.

        Raises:
            RegistryError: REG-N1, it is none.
        """
        if re.fullmatch(DIGEST_PATTERN, text):
            return cls(text, digest=text)
        issuer, slash, name = text.partition("/")
        if not slash or not is_issuer(issuer):
            raise _malformed(text, "it starts with neither a digest nor an issuer and a slash")
        if re.fullmatch(DIGEST_PATTERN, name):
            return cls(text, issuer=issuer, digest=name)
        uri, at, revision = name.rpartition("@")
        if not at or not _REVISION.fullmatch(revision):
            uri, revision = name, "latest"
        if len(uri) > _MAX_URI or not re.fullmatch(URI_PATTERN, uri):
            raise _malformed(text, "behind the issuer stands neither a digest nor a URI")
        if revision == "latest":
            return cls(text, issuer=issuer, uri=uri)
        if int(revision) > _MAX_REVISION:
            raise _malformed(text, f"the revision is above {_MAX_REVISION}")
        return cls(text, issuer=issuer, uri=uri, revision=int(revision))


def is_issuer(name: str) -> bool:
    """Tell whether `name` is an issuer as documents write it, and so the name of a role."""
    return len(name) <= _MAX_DOMAIN and re.fullmatch(DOMAIN_PATTERN, name) is not None


def document_path(issuer: str, digest: str) -> str:
    """Return the target path of a document."""
    return f"{issuer}/{digest.removeprefix('sha256:')}.json"


def status_path(issuer: str) -> str:
    """Return the target path of an issuer's status list."""
    return f"{issuer}/status.json"


def delegated_paths(issuer: str) -> list[str]:
    """Return the path patterns of an issuer's delegation."""
    return [f"{issuer}/*"]


def stored_path(target_path: str, sha256: str) -> str:
    """Return the name of a target's file below ``targets/``."""
    folder, _, name = target_path.rpartition("/")
    return f"{folder}/{sha256}.{name}"


def _malformed(text: str, reason: str) -> RegistryError:
    shown = text if len(text) <= 120 else f"{text[:120]}…"  # noqa: PLR2004 - fits a line or two
    return RegistryError.because("REG-N1", f"{shown!r} is no reference: {reason}; {_FORMS}")
