"""Collectives in host memory: one thread computes what all members get, by the reference.

What an instance computes is what its ops say, so it is evaluated like any graph, and the results
are copied to each member's buffers. Devices whose memory the host does not reach are refused when
the plan is bound, so that nothing needs to be sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cep.opset import PREFIX
from cep.reference import apply, at_sizes

if TYPE_CHECKING:
    from cep.graph import Region
    from reference_runtime.adapter import Thunk, View


def joint_work(
    region: Region,
    reads: Sequence[tuple[str, View]],
    writes: Sequence[tuple[str, View]],
    sizes: Mapping[str, int],
) -> Thunk:
    """Return the work of an instance of a collective.

    Args:
        region: The joint region; of a broadcast, one without operations.
        reads: Names and views of the values that the members read.
        writes: Names and views of those that they write, in which a view may lie over one that is
            read by the same member.
        sizes: Sizes of the symbols.
    """
    calls = [
        (
            node.target.removeprefix(PREFIX),
            node.inputs,
            at_sizes(node.attributes, sizes),
            node.outputs,
        )
        for node in region.nodes
    ]

    def run() -> None:
        values = dict(reads)
        for name, inputs, attributes, outputs in calls:
            made = apply(name, [values[v] for v in inputs], attributes, np)
            values.update(zip(outputs, made, strict=True))
        for name, place in writes:
            np.copyto(place, values[name])

    return run
