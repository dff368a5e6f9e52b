"""Does a device do this? A question against a descriptor, and why not where it does not.

The rules are those of spec/acp.md, section 2.6. For a use that says all, the answer about its
operation is the verifier's (CEP-C2).

    >>> from acp.matching import Needs, Question, Tensor, Use, match
    >>> square = Tensor("f16", (4096, 4096))
    >>> mm = Use("cep-core/1:mm", (("self", square), ("mat2", square)))
    >>> question = Question(use=mm, needs=Needs(acc="f32", memory_bytes=80 * 10**9))

`match(descriptor, question).answer` is then ``YES``, ``NO``, or ``OPEN`` where it depends on what
the question leaves open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from acp.conditions import paths
from acp.conditions.documents import judged
from acp.matching.answers import Answer, Candidate, Match, Reason
from acp.matching.engines import lacking_memory, lacking_rate, main_memory, peak
from acp.matching.numerics import missing
from acp.matching.uses import MaxError, Needs, Question, Tensor, Use, read_tensor
from acp.matching.variants import against

if TYPE_CHECKING:
    from acp.v1.capability import CapabilityDescriptor, Engine, OperationVariant

__all__ = [
    "Answer", "Candidate", "Match", "MaxError", "Needs", "Question", "Reason", "Tensor", "Use",
    "match", "read_tensor",
]  # fmt: skip


_OTHERS_TOLD: Final = 8
"""Reasons of other variants that are told of one."""


def match(descriptor: CapabilityDescriptor, question: Question) -> Match:
    """Return what a descriptor answers to a question.

    Args:
        descriptor: A descriptor whose structure was judged; its rules need not have been.
        question: What is asked.
    """
    reasons = list(_requirement(descriptor, question))
    engines = {engine.id: engine for engine in descriptor.engines}
    candidates: Sequence[Candidate] = ()
    if question.use is not None:
        variants = _variants(descriptor, question.use.op)
        if not variants:
            known = len(descriptor.ops)
            message = f"{question.use.op} is not among the operations that are claimed, of which "
            message += f"there {'is 1' if known == 1 else f'are {known}'}"
            reasons.append(Reason(Answer.NO, "op", message))
        candidates = _alike(
            [
                _candidate(descriptor, question, engines.get(one.engine), one, place)
                for place, one in enumerate(variants)
            ],
            variants,
            question,
        )
    elif question.dtype is not None or question.needs.ops_per_s is not None:
        candidates = [_candidate(descriptor, question, one) for one in engines.values()]
    else:
        reasons += lacking_memory(main_memory(descriptor, None), question.needs)
    return Match(tuple(reasons), tuple(candidates))


def _requirement(descriptor: CapabilityDescriptor, question: Question) -> Iterator[Reason]:
    if question.requirement is not None:
        for one in judged(question.requirement, paths(descriptor.to_json())):
            if not one.met:
                yield Reason(Answer.NO, "requirement", str(one))


def _variants(descriptor: CapabilityDescriptor, op: str) -> Sequence[OperationVariant]:
    return [variant for one in descriptor.ops if one.op == op for variant in one.variants]


def _candidate(
    descriptor: CapabilityDescriptor,
    question: Question,
    engine: Engine | None,
    variant: OperationVariant | None = None,
    place: int | None = None,
) -> Candidate:
    """Return one way to do what is asked, with all that stands against it."""
    reasons: list[Reason] = []
    claimed = None if variant is None else variant.numerics
    if variant is not None and question.use is not None:
        reasons += against(variant, question.use)
        reasons += missing(claimed, question.needs)
    rate = None
    if engine is not None:
        rate = peak(engine, question, None if claimed is None else claimed.acc)
        reasons += lacking_rate(engine, rate, question)
    name = engine.id if engine is not None else variant.engine if variant is not None else ""
    memory = main_memory(descriptor, name)
    reasons += lacking_memory(memory, question.needs)
    return Candidate(name, place, tuple(reasons), rate, None if memory is None else memory.id)


def _alike(
    candidates: Sequence[Candidate], variants: Sequence[OperationVariant], question: Question
) -> Sequence[Candidate]:
    """Return the candidates, with the others that may be taken instead of one, and claim less.

    A device carries out a use by any variant that matches, so what is asked of the numbers is left
    open where one of them does not claim it.
    """
    use = question.use
    if use is None:
        return candidates
    worse = [
        Reason(
            Answer.OPEN,
            "numerics",
            f"variant {place} must not be taken instead, which is for this use as well: "
            f"{one.message}",
        )
        for place, variant in enumerate(variants)
        if Answer.of(against(variant, use)) is not Answer.NO
        for one in missing(variant.numerics, question.needs)
    ][:_OTHERS_TOLD]
    return [
        one if one.answer is Answer.NO else replace(one, reasons=(*one.reasons, *worse))
        for one in candidates
    ]
