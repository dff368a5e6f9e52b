"""Small devices made of NumPy, well-behaved or not, each with memory of its own."""

from __future__ import annotations

import threading

import numpy as np

from acp.v1.capability import (
    Engine,
    Memory,
    Operand,
    OperatingPoint,
    Operation,
    OperationVariant,
    Provenance,
    Rate,
    Software,
    Subject,
)
from reference_runtime.adapter import DescribedDevice, NumericError, Support, UnsupportedError
from reference_runtime.host import HostAdapter, check_views

MEANING = {
    "cep-core/1:mm": np.matmul,
    "cep-core/1:relu": lambda x, out: np.maximum(x, 0, out=out),
    "cep-core/1:neg": np.negative,
    "cep-core/1:log": np.log,
    "cep-core/1:add.Tensor": np.add,
}


class Executable:
    def __init__(self, adapter, region, constants):
        self.adapter, self.region, self.constants = adapter, region, constants

    def bind(self, inputs, outputs, sizes):
        region = self.region
        check_views(region, inputs, outputs, sizes)
        values = {**self.constants, **dict(zip(region.inputs, inputs, strict=True))}
        values |= dict(zip(region.outputs, outputs, strict=True))
        for node in region.nodes:
            for name in node.outputs:
                shape = [dim.evaluate(sizes) for dim in region.types[name].shape]
                values.setdefault(name, np.empty(shape, np.float32))
        calls = [
            (MEANING[node.target], [values[v] for v in node.inputs], values[node.outputs[0]])
            for node in region.nodes
        ]
        self.adapter.bound += 1

        def run():
            self.adapter.misbehave()
            with np.errstate(all="ignore"):
                for function, operands, out in calls:
                    function(*operands, out=out)

        return run


class SimulatedAdapter(HostAdapter):
    """A device that computes with NumPy."""

    simulated = True

    def __init__(self, name, *, version="1.0", domain="", numeric=True):
        self.name = name
        self.version = version
        self.domain = domain
        self.numeric = numeric
        self.prepared = 0
        self.bound = 0
        self.calls = 0

    def misbehave(self):
        self.calls += 1

    def describe(self):
        operand = Operand(dtypes=("f32",))
        return [
            DescribedDevice(
                subject=Subject(
                    scope="UNIT",
                    vendor="example.com",
                    model=f"Simulated {self.name}",
                    device_class="cpu",
                    unit_id=f"sim:{self.name}",
                ),
                operating_point=OperatingPoint(name="default"),
                software=(Software(component="simulator", version_range=f"=={self.version}"),),
                engines=(
                    Engine(
                        id="alu",
                        kind="VECTOR",
                        count=1,
                        rates=(
                            Rate(
                                a="f32",
                                b="f32",
                                acc="f32",
                                out="f32",
                                sparsity="dense",
                                peak_ops_per_s=10**9,
                            ),
                        ),
                    ),
                ),
                memories=(
                    Memory(
                        id="ram",
                        kind="ddr4",
                        role="SHARED" if self.domain else "DEVICE",
                        instances=1,
                        capacity_bytes_per_instance=2**20,
                        coherence_domain=self.domain or None,
                    ),
                ),
                ops=tuple(
                    Operation(
                        op=op, variants=(OperationVariant(engine="alu", operands={"*": operand}),)
                    )
                    for op in MEANING
                ),
                provenance=(Provenance(paths=("",), basis="DERIVED"),),
            )
        ]

    def supports(self, region):
        return Support(tuple(n.target for n in region.nodes if n.target not in MEANING))

    def prepare(self, region, *, constants, **_):
        if not self.supports(region).ok:
            raise UnsupportedError.because("RUN-A3", "not an op of this device")
        if not self.numeric:
            raise NumericError.because("RUN-N1", "computes in bf16")
        self.prepared += 1
        return Executable(self, region, constants)


class Failing(SimulatedAdapter):
    """Raises at its n-th call, counted from 1."""

    def __init__(self, name, *, at, error=None, **kwargs):
        super().__init__(name, **kwargs)
        self.at, self.error = at, error or RuntimeError("boom")

    def misbehave(self):
        super().misbehave()
        if self.calls == self.at:
            raise self.error


class Hanging(SimulatedAdapter):
    """Does not come back from its n-th call until released."""

    def __init__(self, name, *, at, **kwargs):
        super().__init__(name, **kwargs)
        self.at = at
        self.release = threading.Event()

    def misbehave(self):
        super().misbehave()
        if self.calls == self.at:
            self.release.wait()


class OwnQueue:
    """A queue on which work waits until somebody asks for its end, as on a device of its own."""

    synchronous = False

    def __init__(self, log):
        self.pending, self.log = [], log

    def submit(self, work):
        self.pending.append(work)

    def copy(self, source, destination):
        self.pending.append(lambda: np.copyto(destination, source))

    def sync(self, timeout_s):
        while self.pending:
            self.pending.pop(0)()
            self.log.append(timeout_s)

    def close(self):
        self.log.append("closed")


class Asynchronous(SimulatedAdapter):
    """A device whose queue is not synchronous."""

    def __init__(self, name, **kwargs):
        super().__init__(name, **kwargs)
        self.log = []

    def queue(self, *_):
        return OwnQueue(self.log)
