"""Other documents at hand: what a reader has accepted already, by what documents call it.

Invariant: what is in here was judged before. Rules read it and judge it no further, so that whoever
fills it decides what counts::

    held = Holdings.of([descriptor, record], references=[datasheet])
    accept(envelope, policy, now=now, held=held)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TypeVar

from acp.canonical import digest
from acp.v1.capability import CapabilityDescriptor
from acp.v1.measurement import MeasurementRecord
from acp.v1.system import SystemDescriptor

if TYPE_CHECKING:
    from acp.message import Message

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Holdings:
    """Documents that a reader holds besides the one that it judges.

    Attributes:
        descriptors: Capability descriptors by digest.
        records: Measurement records by digest; None where the reader holds none, and therefore
            looks at no evidence.
        references: Descriptors that the reader trusts as references, by vendor and model.
        by_subject: The records, by the digest of the subject that they are about.
        parents: Descriptors that have a partition, by the digest of the partition's descriptor.
    """

    descriptors: Mapping[str, CapabilityDescriptor] = field(default_factory=dict)
    records: Mapping[str, MeasurementRecord] | None = None
    references: Mapping[tuple[str, str], tuple[CapabilityDescriptor, ...]] = field(
        default_factory=dict
    )
    by_subject: Mapping[str, tuple[MeasurementRecord, ...]] = field(default_factory=dict)
    parents: Mapping[str, tuple[CapabilityDescriptor, ...]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, documents: Iterable[Message], references: Iterable[CapabilityDescriptor] = ()
    ) -> Self:
        """Return the holdings of these documents, in one pass.

        Args:
            documents: Documents that the reader has accepted; those of other kinds are left out.
            references: Descriptors that the reader trusts as references.
        """
        descriptors: dict[str, CapabilityDescriptor] = {}
        records: dict[str, MeasurementRecord] = {}
        for document in documents:
            if isinstance(document, CapabilityDescriptor):
                descriptors[digest(document.to_json())] = document
            elif isinstance(document, MeasurementRecord):
                records[digest(document.to_json())] = document
        return cls(
            descriptors=descriptors,
            records=records or None,
            references=_grouped(((r.subject.vendor, r.subject.model), r) for r in references),
            by_subject=_grouped((r.subject_digest, r) for r in records.values()),
            parents=_grouped(
                (profile.descriptor_digest, one)
                for one in descriptors.values()
                for profile in (one.partitions.profiles if one.partitions else ())
                if profile.descriptor_digest is not None
            ),
        )


def _grouped(pairs: Iterable[tuple[_K, _V]]) -> dict[_K, tuple[_V, ...]]:
    groups: dict[_K, list[_V]] = {}
    for name, value in pairs:
        groups.setdefault(name, []).append(value)
    return {name: tuple(values) for name, values in groups.items()}


def missing(document: Message, held: Holdings) -> tuple[str, ...]:
    """Return the digests of documents that a document names and that are not held, each once.

    These are descriptors of a system's nodes, what a slice is a slice of, and records behind
    measured values; rules say nothing about them.
    """
    records = held.records or {}
    if isinstance(document, SystemDescriptor):
        named = [node.descriptor_digest for node in document.nodes]
        return tuple(dict.fromkeys(one for one in named if one not in held.descriptors))
    if not isinstance(document, CapabilityDescriptor):
        return ()
    parent = document.subject.parent_digest
    parts = document.partitions.profiles if document.partitions else ()
    descriptors = [parent, *(profile.descriptor_digest for profile in parts)]
    found = [one for one in descriptors if one is not None and one not in held.descriptors]
    found += [
        entry.measurement_ref
        for entry in document.provenance
        if entry.measurement_ref is not None and entry.measurement_ref not in records
    ]
    return tuple(dict.fromkeys(found))
