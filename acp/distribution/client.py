"""From a reference to a document that may be acted on.

The order of checks is that of spec/registry.md: TUF from the root down, the issuer's status list,
the document under the trust policy, and that it is what was asked for. All references of a call
succeed together, or nothing changes::

    source = Source("https://registry.example/acp", state=Path("state"), root=root)
    reader = Reader(TrustPolicy.load("policy.json"), now=datetime.now(UTC))
    [found] = fetch(["example.com/https://example.com/chips/one@7"], source, reader)
    found.accepted.document
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from acp.diagnostics import Refused
from acp.distribution.judging import Fetched, Judge, Reader
from acp.distribution.listing import Entry, is_sound_root
from acp.distribution.names import Reference, RegistryError
from acp.distribution.state import State
from acp.distribution.transport import Patience, RedirectError, Transport, open_transport
from acp.distribution.visiting import Visit

__all__ = ["Fetched", "Reader", "Source", "fetch", "listed"]

LOCK_WAIT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Source:
    """A registry, as one client knows it.

    Attributes:
        address: Where it is served, or the folder with its files.
        state: Folder of what this client remembers of it.
        root: Root metadata from a trustworthy source; needed until there is a state.
        patience: How long downloads may take.
        progress: Is told of each piece: of which file, and how many bytes of it there are.
    """

    address: str
    state: Path
    root: bytes | None = field(default=None, repr=False)
    patience: Patience = field(default_factory=Patience)
    progress: Callable[[str, int], None] | None = None

    def open(self) -> Transport:
        """Return what to download with.

        Raises:
            RegistryError: REG-D3, the address is none that registries have.
        """
        try:
            found = open_transport(self.address, self.patience)
        except RedirectError as error:
            raise RegistryError.because("REG-D3", str(error)) from None
        found.progress = self.progress
        return found


def fetch(references: Sequence[str], source: Source, reader: Reader) -> list[Fetched]:
    """Return documents of a registry, which REG-N1 says how to ask for.

    Raises:
        RegistryError: A rule of spec/registry.md is broken (codes ``REG-…``).
        Refused: A document or status list is refused, as `acp.acceptance.accept` does.
    """
    wanted = [Reference.parse(text) for text in references]
    with _visiting(source) as visit:
        judge = Judge(visit, reader)
        return [judge.document(one) for one in wanted]


def listed(issuer: str, source: Source) -> list[Entry]:
    """Return what an issuer lists, by name. Its documents are neither fetched nor judged.

    Raises:
        RegistryError: As `fetch`.
    """
    with _visiting(source) as visit:
        entries = visit.listing(issuer).entries
        return sorted(entries, key=lambda one: (one.uri, one.revision))


@contextmanager
def _visiting(source: Source) -> Iterator[Visit]:
    """Give a visit of a registry, and remember what was seen if it ends well."""
    transport = source.open()
    with State(source.state).changing(max(LOCK_WAIT_S, source.patience.total_s)) as draft:
        visit = None
        try:
            visit = Visit(draft, transport, source.root)
            yield visit
        except Refused:
            if visit is not None and visit.ends_trust:
                draft.commit()
            else:
                draft.restart(is_sound_root)
            raise
        draft.commit()
