"""Models that people run, from PyTorch through plan and verifier to the numbers of torch-cpu."""

from __future__ import annotations

import warnings

import pytest
import torch

from acp.canonical import digest
from acp.dsse import CAPABILITY_DESCRIPTOR, SYSTEM_DESCRIPTOR
from acp.v1.system import SystemDescriptor
from cep import Options, Store, compile_model, sign_plan
from reference_runtime import Runtime
from reference_runtime.registry import load
from tests.cep.capture.zoo import ZOO
from tests.reference_runtime.plans import ISSUER, KEY, NOW, POLICY, TERM, descriptor, signed

QUICK = ("BERT", "ConvNeXt", "Llama", "ViT")
"""One of each kind, by default; all others are slow tests."""

PARAMETERS = [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in ZOO]


@pytest.fixture(scope="module")
def torch_cpu():
    return load("torch-cpu", allowed=["acp-cep"])


@pytest.fixture(scope="module")
def envelopes(torch_cpu):
    """The descriptors of a system of one device, torch's."""
    one = descriptor(torch_cpu, queues=torch_cpu.describe()[0].queues)
    system = SystemDescriptor.from_json(
        {
            "spec": "acp/1",
            "uri": "https://example.com/box",
            "revision": "1",
            "issuer": ISSUER,
            **TERM,
            "nodes": [{"id": "cpu", "descriptor_digest": digest(one.to_json())}],
        }
    )
    return [signed(one, CAPABILITY_DESCRIPTOR), signed(system, SYSTEM_DESCRIPTOR)]


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_model_runs_as_it_does_in_eager_torch(name, torch_cpu, envelopes, tmp_path):
    model, inputs = ZOO[name]()
    archive, store = tmp_path / "model.pt2", Store(tmp_path / "store")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        expected = model(*inputs)
        torch.export.save(torch.export.export(model, inputs, strict=False), archive)
    made = compile_model(archive, envelopes, store=store, options=Options(ISSUER, issued_at=NOW))
    plan = sign_plan(made.plan, KEY)
    with Runtime(adapters=[torch_cpu], policy=POLICY) as runtime:
        bound = runtime.load(plan, descriptors=envelopes, store=store)
        names = [port.name for port in bound.inputs]
        (result,) = bound.run({n: x.numpy() for n, x in zip(names, inputs, strict=True)}).values()
    torch.testing.assert_close(torch.from_numpy(result), expected, rtol=1e-4, atol=1e-5)
