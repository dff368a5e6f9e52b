"""What an engine brings to a use: its peak rate for the dtypes, and the memory that it works in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from acp.matching.answers import Answer, Reason
from acp.matching.numerics import holds
from acp.matching.uses import DENSE
from acp.quantities import shown

if TYPE_CHECKING:
    from acp.matching.uses import Needs, Question
    from acp.v1.capability import CapabilityDescriptor, Engine, Memory, Rate

_SHOWN: Final = 8
_MAIN: Final = ("DEVICE", "SHARED")


def peak(engine: Engine, question: Question, acc: str | None) -> Rate | None:
    """Return the row with the peak rate of an engine for the dtypes that are asked for.

    Args:
        engine: The engine.
        question: What is asked; the first two operands of its use count, or its dtype.
        acc: Dtype in which the variant sums, where it says so.
    """
    first, second, sparsity = _dtypes(question)
    rows = [
        rate
        for rate in engine.rates
        if rate.exposed is not False
        and rate.sparsity == sparsity
        and first in (None, rate.a)
        and second in (None, rate.b)
        and _sums(rate, question, acc)
    ]
    return max(rows, key=lambda rate: rate.peak_ops_per_s, default=None)


def _sums(rate: Rate, question: Question, acc: str | None) -> bool:
    """Say whether a row may be that of a variant by its accumulator, or is one as asked for."""
    if question.use is not None:
        return acc is None or rate.acc in (None, acc)
    asked = question.needs.acc
    return asked is None or (rate.acc is not None and holds(rate.acc, asked))


def main_memory(descriptor: CapabilityDescriptor, engine: str | None) -> Memory | None:
    """Return the largest main memory that an engine reaches, or that there is at all."""
    reached = [
        memory
        for memory in descriptor.memories
        if memory.role in _MAIN
        and (engine is None or not memory.engines or engine in memory.engines)
    ]
    return max(reached, key=usable, default=None)


def usable(memory: Memory) -> int:
    """Return how many bytes of a memory a program can have, as far as the descriptor says."""
    if memory.usable_bytes is not None:
        return memory.usable_bytes
    return memory.instances * memory.capacity_bytes_per_instance


def bandwidth(memory: Memory) -> int | None:
    """Return how fast a memory is read."""
    return memory.combined_bytes_per_s or memory.read_bytes_per_s


def lacking_memory(memory: Memory | None, needs: Needs) -> Iterator[Reason]:
    """Yield what of the needs a main memory does not meet."""
    wanted = {
        "usable_bytes": needs.memory_bytes,
        "bytes_per_s": needs.memory_bytes_per_s,
    }
    for member, asked in wanted.items():
        if asked is None:
            continue
        if memory is None:
            message = "no main memory (role DEVICE or SHARED) is within reach"
            yield Reason(Answer.NO, "memory", message)
            return
        found = usable(memory) if member == "usable_bytes" else bandwidth(memory)
        if found is None or found < asked:
            stated = "not stated" if found is None else shown(found, member)
            what = "size" if member == "usable_bytes" else "rate"
            message = f"the {what} of {memory.id} is {stated}; asked for is {shown(asked, member)}"
            yield Reason(Answer.NO, "memory", message)


def lacking_rate(engine: Engine, rate: Rate | None, question: Question) -> Iterator[Reason]:
    """Yield what of the needs about rates an engine does not meet."""
    asked = question.needs.ops_per_s
    if rate is None and (asked is not None or question.use is None):
        first, second, sparsity = _dtypes(question)
        dtypes = " × ".join(one or "any" for one in (first, second))
        if question.use is None and question.needs.acc is not None:
            dtypes += f" + {question.needs.acc}"
        known = dict.fromkeys(map(_row, engine.rates))
        message = f"{engine.id} has no rate for {dtypes} {sparsity}; it has {_few(list(known))}"
        yield Reason(Answer.NO, "rate", message)
    elif rate is not None and asked is not None and rate.peak_ops_per_s < asked:
        found, wanted = (shown(one, "peak_ops_per_s") for one in (rate.peak_ops_per_s, asked))
        yield Reason(
            Answer.NO, "rate", f"the peak rate of {engine.id} is {found}; asked for is {wanted}"
        )


def _few(rows: Sequence[str]) -> str:
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return f"{', '.join(rows[:_SHOWN])}{more}" if rows else "none"


def _row(rate: Rate) -> str:
    acc = f" + {rate.acc}" if rate.acc else ""
    hidden = " (not exposed)" if rate.exposed is False else ""
    return f"{rate.a} × {rate.b}{acc} {rate.sparsity}{hidden}"


def _dtypes(question: Question) -> tuple[str | None, str | None, str]:
    """Return the dtypes of the first two operands, and the sparsity of those that are sparse."""
    use = question.use
    if use is None:
        return question.dtype, question.dtype, DENSE
    tensors = [tensor for _, tensor in use.operands[:2]] or [use.default]
    sparse = [tensor.sparsity for tensor in tensors if tensor.sparsity != DENSE]
    return tensors[0].dtype, tensors[-1].dtype, sparse[0] if sparse else DENSE
