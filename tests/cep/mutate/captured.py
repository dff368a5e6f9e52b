"""Plans of models that were captured from PyTorch, over devices of which none can do everything."""

from __future__ import annotations

import warnings

import torch
from torch.nn import functional

from acp.canonical import canonicalize
from acp.dsse import CAPABILITY_DESCRIPTOR, SYSTEM_DESCRIPTOR
from cep.capture.exported import capture
from cep.mutate import Bench
from tests.cep.capture.models import Attention, Function, Tied, exported, mlp
from tests.cep.capture.zoo import ZOO
from tests.cep.planner.systems import System
from tests.cep.plans import NOW, POLICY, signed, system

X = torch.ones(2, 4)
TOKENS = torch.ones(2, 3, 8)
MODELS = {
    "mlp": (mlp(), X),
    "attention": (Attention(), TOKENS),
    "tied": (Tied(), X),
    "norm": (torch.nn.LayerNorm(4), X),
    "residual": (Function(lambda x: x + functional.gelu(x * 2)), X),
    "softmax": (Function(lambda x: functional.softmax(x, -1) * x.exp()), X),
    "branches": (Function(lambda x: torch.relu(x) + torch.tanh(x) - torch.sigmoid(x)), X),
    "products": (Function(lambda x: (x @ x.mT) @ x), X),
    "swiglu": (Function(lambda x: functional.silu(x) * (x + 1)), X),
    "mean": (Function(lambda x: (x - x.mean(-1, keepdim=True)).pow(2).sum(-1)), X),
}


ARCHITECTURES = (
    "GPT-2", "Llama", "Qwen3", "Mistral", "Gemma 3", "Phi-3", "BERT", "T5", "Whisper", "ViT",
    "CLIP", "ResNet-50", "ConvNeXt",
)  # fmt: skip
"""Of `tests.cep.capture.zoo`."""

MEMORY = str(2**26)


def captured(domains):
    """The bench of each model, over two devices that share the ops between them."""
    for name, (model, example) in MODELS.items():
        yield name, _bench(capture(exported(model, example, dynamic=(0,))).graph, domains)


def architectures(domains):
    """The bench of each architecture that people run, in the same way."""
    for name in ARCHITECTURES:
        model, inputs = ZOO[name]()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(model, inputs, strict=False)
        yield name, _bench(capture(program).graph, domains)


def _bench(graph, domains):
    devices = System.of(domains)
    used = sorted({op.target for op in graph.ops})
    for turn, descriptor in enumerate(devices.descriptors.values()):
        missing = used[turn :: len(domains)] if len(used) > 1 else []
        descriptor["ops"] = [o for o in descriptor["ops"] if o["op"] not in missing]
        descriptor["memories"][0]["capacity_bytes_per_instance"] = MEMORY
    envelopes = [
        *(signed(d, CAPABILITY_DESCRIPTOR) for d in devices.descriptors.values()),
        signed(system(devices.descriptors, devices.links), SYSTEM_DESCRIPTOR),
    ]
    plan = canonicalize(devices.compile(graph).plan.to_json())
    return Bench(plan, tuple(envelopes), POLICY, NOW)
