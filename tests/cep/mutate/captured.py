"""Plans of models that were captured from PyTorch, over devices of which none can do everything."""

from __future__ import annotations

import torch
from torch.nn import functional

from acp.canonical import canonicalize
from acp.dsse import CAPABILITY_DESCRIPTOR, SYSTEM_DESCRIPTOR
from cep.capture.exported import capture
from cep.mutate import Bench
from tests.cep.capture.models import Attention, Function, Tied, exported, mlp
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


def captured(domains):
    """The bench of each model, over two devices that share the ops between them."""
    for name, (model, example) in MODELS.items():
        graph = capture(exported(model, example, dynamic=(0,))).graph
        devices = System.of(domains)
        for turn, descriptor in enumerate(devices.descriptors.values()):
            used = sorted({op.target for op in graph.ops})
            missing = used[turn :: len(domains)] if len(used) > 1 else []
            descriptor["ops"] = [o for o in descriptor["ops"] if o["op"] not in missing]
        envelopes = [
            *(signed(d, CAPABILITY_DESCRIPTOR) for d in devices.descriptors.values()),
            signed(system(devices.descriptors, devices.links), SYSTEM_DESCRIPTOR),
        ]
        plan = canonicalize(devices.compile(graph).plan.to_json())
        yield name, Bench(plan, tuple(envelopes), POLICY, NOW)
