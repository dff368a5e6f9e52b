"""The passes on captured models: what they make is the same model, and the verifier agrees."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from cep.capture.exported import capture
from cep.graph import GraphView, graph_digest
from cep.passes import PASSES, PIPELINE, optimize
from cep.passes.pipeline import ConstantFolding
from cep.planner.wellformed import check_graph
from cep.reference import evaluate, recompute
from cep.rewrite import RULES, replay
from cep.store import Store
from cep.v1.plan import Source
from tests.cep.capture.models import Function, exported
from tests.cep.planner.systems import System

X = torch.linspace(-2, 2, 24).reshape(2, 3, 4)
ALL = tuple(kind() for kind in PASSES.values())


class Eager(torch.nn.Module):
    """Attention of two heads, spelled out, behind a table that is folded."""

    def __init__(self, *, scale_first=False):
        super().__init__()
        torch.manual_seed(0)
        self.qkv = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(3))
        self.register_buffer("table", torch.linspace(0, 1, 8).reshape(2, 4))
        self.scale_first = scale_first

    def forward(self, x):
        b, n, _ = x.shape
        x = x + (self.table.t() * 3).t()[1]
        q, k, v = (f(x).view(b, n, 2, 2).transpose(1, 2) for f in self.qkv)
        scores = q @ k.transpose(2, 3)
        if not self.scale_first:
            scores = scores * 0.5
        weights = functional.softmax(scores + torch.eye(3), dim=-1)
        return (weights @ v).transpose(1, 2).reshape(b, n, 4)


def new_gelu(x):
    inner = 0.7978845608028654 * (x + 0.044715 * torch.pow(x, 3.0))
    return 0.5 * x * (1.0 + torch.tanh(inner))


MODELS = {
    "attention": Eager(),
    "attention without scale": Eager(scale_first=True),
    "gelu": Function(new_gelu),
    "swiglu": Function(lambda x: x * torch.sigmoid(x)),
    "transposes": Function(lambda x: x.permute(2, 0, 1).permute(1, 2, 0).neg().neg().mul(1).exp()),
    "shapes": Function(lambda x: x.unsqueeze(0).unsqueeze(-1).reshape(-1, 4).expand(-1, 4) / 2),
    "repeats": Function(lambda x: torch.exp(x) + torch.exp(x) * torch.exp(x)),
    "norm": Function(lambda x: functional.normalize(x, dim=1)),
    "product": Function(lambda x: torch.mm(x.reshape(-1, 4), x.reshape(-1, 4).t())),
}
SHRINKS = {
    "attention": {"attention": 1, "fold": 1},
    "attention without scale": {"attention": 1},
    "gelu": {"gelu-tanh": 1},
    "swiglu": {"silu": 1},
    "transposes": {"negative-negative": 1, "neutral-number": 1},
    "shapes": {"same-shape": 1},
    "norm": {"expand-broadcast": 1},
    "product": {"mm-linear": 1},
}


def captured(name, folder, dynamic=(0,)):
    made = capture(exported(MODELS[name], X, dynamic=dynamic))
    store = Store(folder)
    store.add(made.weights)
    return made, store


def outcome(graph, store):
    view = GraphView.of(graph)
    kinds = {"f32": "<f4", "i64": "<i8", "i1": "?"}
    constants = {}
    for value, constant in view.constants.items():
        entry, content = store.tensor(constant)
        constants[value] = np.frombuffer(content, kinds[entry.dtype]).reshape(entry.shape)
    (found,) = evaluate(view, {view.inputs[0].name: X.numpy()}, constants, np).values()
    return found


@pytest.mark.parametrize("name", MODELS)
def test_the_model_stays_the_same_and_the_log_says_why(name, tmp_path):
    made, store = captured(name, tmp_path)
    found = optimize(made.graph, ALL, store)
    check_graph(GraphView.of(found.graph))
    np.testing.assert_allclose(outcome(found.graph, store), outcome(made.graph, store), atol=1e-6)
    assert len(found.graph.ops) < len(made.graph.ops)
    assert found.passed[0].before == len(made.graph.ops)
    assert found.passed[-1].after == len(found.graph.ops)
    if name == "repeats":
        assert found.evidence is None  # the digest does not see repeated expressions
        assert graph_digest(found.graph) == graph_digest(made.graph)
        return
    done = replay(found.evidence, found.graph, GraphView.of(found.graph))
    assert done.problem == ""
    assert done.source == graph_digest(made.graph)
    assert done.result == graph_digest(found.graph)
    counts = {rule: done.rules.count(rule) for rule in done.rules}
    assert all(counts.get(rule, 0) >= least for rule, least in SHRINKS[name].items()), counts


def test_attention_becomes_one_operation(tmp_path):
    made, store = captured("attention", tmp_path)
    targets = [op.target for op in optimize(made.graph, ALL, store).graph.ops]
    assert targets.count("cep-core/1:scaled_dot_product_attention") == 1
    assert "cep-core/1:bmm" not in targets


@pytest.mark.parametrize("regions", ["one", "spread"])
def test_the_plan_of_a_rewritten_graph_is_accepted(regions, tmp_path):
    made, store = captured("attention", tmp_path)
    found = optimize(made.graph, ALL, store)
    devices = System.of(["host", None])
    compiled = devices.compile(found.graph, regions=regions)
    plan = compiled.plan.replace(
        source=Source(graph_digest=graph_digest(made.graph)),
        features=("evidence",),
        evidence=(found.evidence,),
    )
    report = devices.verify(plan, store=store, recompute=recompute, source=made.graph)
    assert report.ok, report.diagnostics
    assert report.diagnostics == ()
    other = optimize(captured("gelu", tmp_path)[0].graph, ALL, store)
    wrong = plan.replace(evidence=(other.evidence,))
    codes = {d.code for d in devices.verify(wrong, store=store, recompute=recompute).diagnostics}
    assert codes & {"CEP-E1", "CEP-E2"}


def test_a_pass_does_what_is_its_own(tmp_path):
    made, store = captured("attention", tmp_path)
    for name, kind in PASSES.items():
        found = optimize(made.graph, (kind(),), store)
        assert {p.name for p in found.passed} == {name}
        if found.evidence is not None:
            rules = replay(found.evidence, found.graph, GraphView.of(found.graph)).rules
            assert {"fold" if r == "fold" else RULES[r].group for r in rules} == {name}
    assert not optimize(made.graph, (), store).passed
    assert {p.name for p in optimize(made.graph, ALL, store).passed} == set(PIPELINE) == set(PASSES)


def test_exact_passes_keep_every_bit(tmp_path):
    made, store = captured("attention", tmp_path)
    found = optimize(made.graph, ALL, store, exact=True)
    assert outcome(found.graph, store).tobytes() == outcome(made.graph, store).tobytes()
    done = replay(found.evidence, found.graph, GraphView.of(found.graph))
    assert all(r == "fold" or RULES[r].exact for r in done.rules)


def test_folding_keeps_to_its_limit(tmp_path):
    made, store = captured("attention", tmp_path)
    assert optimize(made.graph, (ConstantFolding(elements=0),), store).evidence is None
    found = optimize(made.graph, (ConstantFolding(),), store)
    new = {c.store_digest for c in found.graph.constants} - {
        c.store_digest for c in made.graph.constants
    }
    assert len(new) == 1
    assert store.path(*new).exists()
