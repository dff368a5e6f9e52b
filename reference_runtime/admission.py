"""Admission: a signed plan, proven safe, on devices that are really here.

A plan is admitted if `cep.verify` accepts it under the operator's policy, and if every device it
names is present: an adapter that the policy allows describes the very subject of the descriptor,
with software of the versions that the descriptor holds for. There is no way around this module:
`Binder` takes nothing but an `AdmittedPlan`, and only `admit` makes one.

Codes: those of the verifier; RUN-D1 a device is not present, RUN-D2 its software is another one
than described; RUN-A1 and RUN-A2 of the adapters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Final

from acp.canonical import digest
from acp.diagnostics import Diagnostic, Refused, Severity, pointer
from cep.graph import GraphView
from cep.receipt import ruleset
from cep.reference import recompute
from cep.v1.receipt import BoundDevice, Verification
from cep.verify import Report, verify
from reference_runtime.adapter import ABI, AdapterError, DescribedDevice
from reference_runtime.registry import StackMissingError, activate, installed, normalised, select

if TYPE_CHECKING:
    from acp.policy import TrustPolicy
    from acp.v1.capability import CapabilityDescriptor, Software
    from cep.store import Store
    from cep.v1.plan import Plan
    from reference_runtime.adapter import Adapter

DISTRIBUTION: Final = "acp-cep"


class AdmissionError(Refused):
    """A plan that may not run here (the verifier's codes, RUN-D1, RUN-D2)."""


@dataclass(frozen=True, slots=True)
class PresentDevice:
    """A device that an adapter drives on this machine.

    Attributes:
        adapter: What drives it.
        described: What the adapter says it is.
        distribution: Distribution of the adapter, with its version.
    """

    adapter: Adapter = field(repr=False)
    described: DescribedDevice
    distribution: str

    @property
    def simulated(self) -> bool:
        """Whether the device is simulated; its adapter says so with an attribute."""
        return bool(getattr(self.adapter, "simulated", False))


@dataclass(frozen=True, slots=True)
class AdmittedDevice:
    """A device of a plan, and the present one it was matched with.

    Attributes:
        slot: Name within the plan.
        descriptor_digest: Digest of the descriptor that the plan was verified against.
        present: The device.
    """

    slot: str
    descriptor_digest: str
    present: PresentDevice

    @property
    def adapter(self) -> Adapter:
        """What drives the device."""
        return self.present.adapter

    @property
    def unit_id(self) -> str:
        """What the adapter calls the device."""
        return self.present.described.unit_id

    @property
    def main_memory(self) -> str:
        """Name of the memory that its programs work in."""
        memories = self.present.described.memories
        return next((m.id for m in memories if m.role in ("DEVICE", "SHARED")), memories[0].id)

    def binding(self) -> BoundDevice:
        """Return what a receipt says of the device."""
        return BoundDevice(
            slot=self.slot,
            adapter=self.adapter.name,
            distribution=self.present.distribution,
            unit_id=self.unit_id,
            simulated=True if self.present.simulated else None,
        )


@dataclass(frozen=True, slots=True)
class AdmittedPlan:
    """A plan that was verified, with the devices it runs on.

    Attributes:
        plan: The plan.
        digest: Its identity.
        view: Its graph, parsed.
        devices: Its devices, in its order.
        verification: Who verified it, by which rules.
        diagnostics: Warnings of the verifier.
    """

    plan: Plan
    digest: str
    view: GraphView
    devices: tuple[AdmittedDevice, ...]
    verification: Verification
    diagnostics: tuple[Diagnostic, ...] = ()

    def device(self, slot: str) -> AdmittedDevice:
        """Return the device with a name within the plan."""
        return next(device for device in self.devices if device.slot == slot)


def admit(
    envelope: bytes,
    *,
    descriptors: Sequence[bytes],
    policy: TrustPolicy,
    store: Store | None,
    now: datetime,
    adapters: Sequence[Adapter] | None = None,
    binding: Mapping[str, str] | None = None,
) -> AdmittedPlan:
    """Verify a plan and find its devices.

    Where several descriptors meet a predicate of the plan, the one whose device is here is bound.

    Args:
        envelope: The signed plan.
        descriptors: Signed capability descriptors, among them those that the plan names.
        policy: Who is trusted, and whose adapters may be loaded.
        store: Where the plan's weights are.
        now: The moment to judge by, aware of its time zone.
        adapters: Adapters that the embedding program made itself. None: the installed ones.
        binding: Digests of the descriptors that slots with a predicate are to stand for.

    Raises:
        AdmissionError: The plan does not verify, or a device is not present (RUN-D1, RUN-D2).
        AdapterError: An adapter may not be loaded (RUN-A1), or cannot be (RUN-A2).
    """
    present: Iterable[PresentDevice]
    present = _installed(policy) if adapters is None else _given(adapters)

    def judged(asked: Mapping[str, str]) -> Report:
        return verify(
            envelope,
            descriptors=descriptors,
            policy=policy,
            now=now,
            store=store,
            binding=asked,
            recompute=recompute,
        )

    report = judged(binding or {})
    errors = {d.code for d in report.diagnostics if d.severity is Severity.ERROR}
    if any(report.choices.values()) and errors == {"CEP-C1"}:
        present = list(present)
        report = judged({**(binding or {}), **_chosen(report.choices, present)})
    if not report.ok or report.plan is None:
        raise AdmissionError(*report.diagnostics)
    wanted = [(device.slot, report.descriptors[device.slot]) for device in report.plan.devices]
    return AdmittedPlan(
        plan=report.plan,
        digest=report.plan_digest,
        view=GraphView.of(report.plan),
        devices=_match(wanted, present),
        verification=Verification(
            version=f"{DISTRIBUTION} {metadata.version(DISTRIBUTION)}",
            ruleset=ruleset(report.rules),
            verdict="ACCEPTED",
        ),
        diagnostics=tuple(report.diagnostics),
    )


def _given(adapters: Sequence[Adapter]) -> Iterator[PresentDevice]:
    """Yield the devices of adapters that the embedding program made.

    Raises:
        AdapterError: One is of another ABI, or two have one name (RUN-A2).
    """
    names = [adapter.name for adapter in adapters]
    for adapter in adapters:
        if adapter.abi != ABI:
            reason = f"adapter {adapter.name!r} is written for ABI {adapter.abi}, not {ABI}"
            raise AdapterError.because("RUN-A2", reason)
        if names.count(adapter.name) > 1:
            raise AdapterError.because("RUN-A2", f"two adapters are called {adapter.name!r}")
    for adapter in adapters:
        distribution = _distribution_of(adapter)
        for described in adapter.describe():
            yield PresentDevice(adapter, described, distribution)


@cache
def _distributions() -> Mapping[str, Sequence[str]]:
    """Return the distributions by package; to find that out takes a third of a second."""
    return metadata.packages_distributions()


def _distribution_of(adapter: Adapter) -> str:
    """Return the distribution that an adapter's class comes from, or its module where none."""
    module = type(adapter).__module__
    names = _distributions().get(module.partition(".")[0], ())
    return f"{names[0]} {metadata.version(names[0])}" if names else f"module {module}"


def _installed(policy: TrustPolicy) -> Iterator[PresentDevice]:
    """Yield the devices of the allowed adapters, each loaded only when its turn comes.

    Raises:
        AdapterError: No adapter is allowed (RUN-A1), or one cannot be loaded (RUN-A2).
    """
    found = installed()
    permitted = {normalised(name) for name in policy.adapters}
    names = dict.fromkeys(one.name for one in found if one.distribution in permitted)
    if not names:
        brought_by = ", ".join(sorted({one.distribution for one in found})) or "none"
        reason = (
            "the policy's `adapters` names no distribution that brings one; "
            f"installed are adapters of: {brought_by}"
        )
        raise AdapterError.because("RUN-A1", reason, "/adapters")
    for name in names:
        chosen = select(found, name, allowed=policy.adapters)
        try:
            adapter = activate(chosen)
            devices = adapter.describe()
        except StackMissingError:
            continue
        for described in devices:
            yield PresentDevice(adapter, described, f"{chosen.distribution} {chosen.version}")


def _chosen(
    choices: Mapping[str, Mapping[str, CapabilityDescriptor]], present: Sequence[PresentDevice]
) -> dict[str, str]:
    """Return the digest of the only descriptor whose device is here, for slots that have one."""
    here = {
        slot: [
            key
            for key, one in descriptors.items()
            if any(
                one.subject == here.subject and not other_software(one, here)
                for here in (device.described for device in present)
            )
        ]
        for slot, descriptors in choices.items()
    }
    return {slot: found[0] for slot, found in here.items() if len(found) == 1}


def _match(
    wanted: Sequence[tuple[str, CapabilityDescriptor]], present: Iterable[PresentDevice]
) -> tuple[AdmittedDevice, ...]:
    """Return the device for each slot; adapters that are not needed any more are not loaded.

    Raises:
        AdmissionError: RUN-D1, RUN-D2.
    """
    matched: dict[int, AdmittedDevice] = {}
    seen: list[PresentDevice] = []
    devices = iter(present)
    while len(matched) < len(wanted):
        device = next(devices, None)
        if device is None:
            break
        seen.append(device)
        for index, (slot, descriptor) in enumerate(wanted):
            if index in matched or descriptor.subject != device.described.subject:
                continue
            if not other_software(descriptor, device.described):
                matched[index] = AdmittedDevice(slot, digest(descriptor.to_json()), device)
    missing = [
        _absent(index, slot, descriptor, seen)
        for index, (slot, descriptor) in enumerate(wanted)
        if index not in matched
    ]
    if missing:
        raise AdmissionError(*missing)
    return tuple(matched[index] for index in range(len(wanted)))


def _absent(
    index: int, slot: str, descriptor: CapabilityDescriptor, seen: Sequence[PresentDevice]
) -> Diagnostic:
    """Say why no present device is the one of a slot."""
    path = pointer("devices", index)
    for device in seen:
        if descriptor.subject == device.described.subject:
            reason = (
                f"device {slot!r}: {'; '.join(other_software(descriptor, device.described))}; "
                "probe and compile again, or install what was described"
            )
            return Diagnostic("RUN-D2", Severity.ERROR, path, reason)
    subject = descriptor.subject
    there = ", ".join(sorted({device.described.unit_id for device in seen})) or "none"
    reason = (
        f"device {slot!r} is {subject.model} {subject.unit_id or ''}, which no allowed adapter "
        f"finds here; present are: {there}"
    )
    return Diagnostic("RUN-D1", Severity.ERROR, path, reason)


def other_software(descriptor: CapabilityDescriptor, device: DescribedDevice) -> list[str]:
    """Return how the software that is here differs from what the descriptor holds for."""
    here = {one.component: one for one in device.software}
    differences = []
    for one in descriptor.software:
        found = here.get(one.component)
        if found is None:
            differences.append(f"{one.component} is not here")
        elif not _holds(one, found):
            version = found.version_range.removeprefix("==")
            differences.append(
                f"{one.component} {version} is here, the descriptor holds for {one.version_range}"
            )
    return differences


def _holds(stated: Software, found: Software) -> bool:
    """Tell whether the version that an adapter found is one that a descriptor holds for."""
    if stated.version_range == found.version_range:
        return True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        version = Version(found.version_range.removeprefix("=="))
        return SpecifierSet(stated.version_range).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False
