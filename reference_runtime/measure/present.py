"""The device that a descriptor is about, found among those that the adapters drive here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acp.diagnostics import Refused
from reference_runtime.admission import other_software
from reference_runtime.measure.products import by_torch_on_a_processor

if TYPE_CHECKING:
    from acp.v1.capability import CapabilityDescriptor, Subject
    from reference_runtime.adapter import Adapter, DescribedDevice


@dataclass(frozen=True, slots=True)
class Present:
    """A device that is here.

    Attributes:
        name: Name of its adapter, followed by a number where that drives several devices.
        adapter: Drives it.
        device: What the adapter says of it.
    """

    name: str
    adapter: Adapter
    device: DescribedDevice


def the_one(present: Iterable[Present], descriptor: CapabilityDescriptor) -> Present:
    """Return the device that a descriptor is about: the unit, or a unit of the model.

    Raises:
        Refused: It is not here (RUN-D1), or its software is another one (RUN-D2).
    """
    seen = []
    for one in present:
        seen.append(one)
        if not _is_about(descriptor.subject, one.device.subject):
            continue
        if differences := other_software(descriptor, one.device):
            raise Refused.because(
                "RUN-D2",
                f"{one.name}: {'; '.join(differences)}; what is measured here says nothing about "
                "the descriptor: install what it describes, or probe again",
                "/software",
            )
        return one
    subject = descriptor.subject
    there = "; ".join(f"{s.name}: {s.device.subject.model}, {s.device.unit_id}" for s in seen)
    raise Refused.because(
        "RUN-D1",
        f"the descriptor is about {subject.model} by {subject.vendor}"
        f"{f', unit {subject.unit_id}' if subject.unit_id else ''}, which no adapter drives here; "
        f"present are: {there or 'none'}",
        "/subject",
    )


def _is_about(claimed: Subject, here: Subject) -> bool:
    if claimed.scope != "MODEL":
        return claimed == here
    return (claimed.vendor, claimed.model, claimed.device_class) == (
        here.vendor,
        here.model,
        here.device_class,
    )


@contextmanager
def all_cores(device: DescribedDevice) -> Iterator[int | None]:
    """Let the stack use every core that the engine counts; yield how many threads that is.

    The other stacks take one thread a core by themselves. Of a device that is no processor, nothing
    is known of threads, and None is yielded.
    """
    if device.subject.device_class != "cpu":
        yield None
        return
    count = device.engines[0].count or 1
    if not by_torch_on_a_processor(device):
        yield count
        return
    from reference_runtime.adapters.torch_module import torch_library

    torch = torch_library()
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield count
    finally:
        torch.set_num_threads(before)
