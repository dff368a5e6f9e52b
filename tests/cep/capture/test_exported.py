from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from cep.capture.archive import CaptureError
from cep.capture.exported import capture
from cep.graph import graph_digest
from tests.cep.capture.models import Attention, Function, Tied, exported, mlp, run

X = torch.linspace(-2, 2, 12).reshape(3, 4)


def targets(captured):
    return [o.target.removeprefix("cep-core/1:") for o in captured.graph.ops]


def test_a_perceptron_with_an_open_batch():
    model = mlp()
    captured = capture(exported(model, X, dynamic=(0,)))
    assert targets(captured) == ["linear", "gelu", "linear"]
    (symbol,) = captured.graph.symbols
    assert (symbol.name, symbol.min, symbol.max) == ("s0", 1, 8)
    for batch in (1, 3, 8):
        x = torch.randn(batch, 4)
        (result,) = run(captured, x).values()
        torch.testing.assert_close(result, model(x), rtol=0, atol=0)


def test_an_attention_block_with_an_open_batch():
    model, x = Attention(), torch.randn(3, 5, 8)
    captured = capture(exported(model, x, dynamic=(0,)))
    assert "scaled_dot_product_attention" in targets(captured)
    assert "native_layer_norm" in targets(captured)
    for batch in (1, 3, 7):
        y = torch.randn(batch, 5, 8)
        (result,) = run(captured, y).values()
        torch.testing.assert_close(result, model(y))


FUNCTIONS = {
    "arithmetic": lambda x: (x + 1) * x - x / 2,
    "integers and floats": lambda x: torch.arange(4) + x * 2,
    "integers times a fraction": lambda x: torch.arange(4) * 0.5 + x,
    "integers divided": lambda x: torch.arange(4) / 2 + x,
    "integers divided by integers": lambda x: torch.arange(4) / torch.arange(1, 5) + x,
    "integers compared with a fraction": lambda x: x * (torch.arange(4) > 0.5),
    "comparison": lambda x: (x > 0) & (x <= 1) | (x == 2),
    "slices": lambda x: x[:, 1:] * x[:, :-1],
    "the last row": lambda x: x[-1],
    "concatenation": lambda x: torch.cat([x, x * 2]),
    "broadcast": lambda x: x[:, None].expand(-1, 5, -1) + 1,
    "flattened": lambda x: (x + 1).reshape(-1),
    "a range of the batch": lambda x: x + torch.arange(x.shape[0])[:, None],
    "softmax": lambda x: torch.softmax(x, -1),
    "a sum of truths": lambda x: (x > 0).sum(1),
    "a running count": lambda x: (x > 0).cumsum(1),
    "the largest and where": lambda x: x.max(1)[0] + x.min(1)[1] + x.argmax(-1),
    "repeated": lambda x: x.repeat(2, 1, 3),
    "padded": lambda x: functional.pad(x, (1, 2), value=0.5),
    "backwards": lambda x: x.flip(1) - x,
    "the two largest": lambda x: x.topk(2, -1)[0],
    "sorted": lambda x: x.sort(-1, descending=True)[0],
    "rows of windows": lambda x: (x * 2).unfold(1, 2, 2),
    "rows of windows with gaps": lambda x: (x * 2).unfold(1, 1, 2),
    "every second": lambda x: (x * 2)[:, 1::2] + x[:, ::2],
    "every second, but not the first": lambda x: (x * 2)[:, 2::2],
    "bounds that are computed": lambda x: torch.clamp(x, x.mean(1, keepdim=True), x.amax()),
    "a slice that is replaced": lambda x: torch.slice_scatter(x, x[:, :2] * 3, 1, 1, 3),
    "variances": lambda x: x.var(1) + x.var(-1, correction=0),
    "a power of two": lambda x: 2**x,
    "remainders": lambda x: x % 0.75,
    "leaky": lambda x: functional.leaky_relu(x, 0.2) + functional.elu(x),
    "logarithms": lambda x: functional.log_softmax(x, 1) + torch.log1p(x.abs()),
    "a convolution": lambda x: functional.conv1d(x[:, None], torch.ones(2, 1, 3), padding=1),
    "pools": lambda x: functional.max_pool1d(x[:, None], 2) + functional.avg_pool1d(x[:, None], 2),
    "groups": lambda x: functional.group_norm(x[:, :, None], 2),
    "reductions": lambda x: x.mean(1) + x.amax(1) - x.sum(1, keepdim=True)[:, 0],
    "normalised": functional.normalize,
    "clamped": lambda x: x.clamp(0, 1.5),
    "a copy that changes nothing": lambda x: x.clone().to(torch.float32) + 0.5,
    "another dtype": lambda x: x.to(torch.bfloat16) * 2,
    "a number less a tensor": lambda x: 2 - x,
    "a fraction less a tensor": lambda x: 0.3 - x * 3,
    "the mean of all": lambda x: x - x.mean(),
    "a number where it is negative": lambda x: torch.where(x > 0, x, 0.5),
    "masked": lambda x: x.masked_fill(x > 0, float("-inf")),
    "clipped": functional.relu6,
    "clipped to bounds": lambda x: functional.hardtanh(x, -0.5, 1.5),
    "zeros of its shape": lambda x: torch.zeros_like(x) + x,
    "integers of its shape": lambda x: torch.full_like(x, 3, dtype=torch.int64) + x,
    "pieces": lambda x: torch.cat(torch.split(x, [1, 3], 1)[::-1], 1),
    "chunks": lambda x: x.chunk(2, -1)[0] * x.chunk(2, -1)[1],
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_captured_graphs_compute_what_the_model_does(function):
    captured = capture(exported(Function(function), X, dynamic=(0,)))
    for x in (X, torch.randn(6, 4)):
        (result,) = run(captured, x).values()
        torch.testing.assert_close(result, function(x), rtol=0, atol=0)


NEARLY = {
    "soft": lambda x: functional.softplus(x) + functional.mish(x),
    "each by itself": lambda x: functional.instance_norm(x[:, None]),
    "each channel by itself": lambda x: torch.batch_norm(
        x, torch.full((4,), 2.0), torch.ones(4), None, None, training=True, momentum=0.1, eps=1e-5,
        cudnn_enabled=False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("function", NEARLY.values(), ids=NEARLY)
def test_what_is_taken_apart_differs_by_roundings(function):
    captured = capture(exported(Function(function), X, dynamic=(0,)))
    for x in (X, torch.randn(6, 4)):
        (result,) = run(captured, x).values()
        torch.testing.assert_close(result, function(x), rtol=1e-5, atol=1e-5)


def test_the_digest_does_not_depend_on_the_run():
    digests = set()
    for _ in range(2):
        torch.manual_seed(1)
        digests.add(graph_digest(capture(exported(mlp(), X, dynamic=(0,))).graph))
    assert len(digests) == 1


OUTPUTS = {
    "one": (lambda x: x + 1, ["output"]),
    "a tuple": (lambda x: (x + 1, x * 2), ["output_0", "output_1"]),
    "a tuple of one": (lambda x: (x + 1,), ["output"]),
    "a dictionary": (lambda x: {"mean": x.mean(1), "y": x * 2}, ["mean", "y"]),
    "nested": (lambda x: {"a": x + 1, "b": (x * 2, [x * 3])}, ["a", "b_0", "b_1"]),
}


@pytest.mark.parametrize(("function", "names"), OUTPUTS.values(), ids=OUTPUTS)
def test_outputs_have_the_models_names(function, names):
    captured = capture(exported(Function(function), X))
    results = run(captured, X)
    assert list(results) == names
    expected = torch.utils._pytree.tree_leaves(function(X))
    for result, wanted in zip(results.values(), expected, strict=True):
        torch.testing.assert_close(result, wanted)


def test_tied_weights_are_stored_once():
    from safetensors.torch import load

    captured = capture(exported(Tied(), X))
    keys = [c.key for c in captured.graph.constants]
    assert len(keys) == 4 - (len(keys) == 3)
    assert len(load(captured.weights)) == 3
    (result,) = run(captured, X).values()
    assert result.shape == (3, 4)


class Colliding(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.add = torch.nn.Parameter(torch.full((4,), 3.0))
        self.x = torch.nn.Parameter(torch.full((4,), 5.0))

    def forward(self, x):
        return (x + self.add) * self.x


def test_weights_may_be_called_like_inputs_and_operations():
    captured = capture(exported(Colliding(), X))
    (result,) = run(captured, X).values()
    torch.testing.assert_close(result, Colliding()(X))


def test_weights_that_nothing_reads_are_not_stored():
    class Unused(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.spare = torch.nn.Linear(4, 4)
            self.used = torch.nn.Parameter(torch.ones(4))

        def forward(self, x):
            self.spare(x)
            return x * self.used

    captured = capture(exported(Unused(), X))
    assert [c.key for c in captured.graph.constants] == ["used"]
    assert targets(captured) == ["mul.Tensor"]


class Counting(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x):
        self.count += 1
        return x + self.count


class Strange(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = torch.nn.ParameterDict({"a b": torch.ones(4)})

    def forward(self, x):
        return x * self.weights["a b"]


def in_place(x):
    x.add_(1)
    return x * 2


REFUSED = {
    "a buffer that changes": (Counting(), (X,), "changes its buffers"),
    "an input that changes": (Function(in_place), (X,), "changes its buffers or inputs"),
    "an operation that CEP-Core lacks": (
        Function(lambda x: torch.logcumsumexp(x, 0)), (X,), "no operation 'logcumsumexp'",
    ),
    "a range of fractions": (
        Function(lambda x: x + torch.arange(0.5, 4.5)), (X,), "not an integer",
    ),
    "every third of what is not a multiple": (
        Function(lambda x: (x * 2)[:, ::3]), (X,), "a step of 3",
    ),
    "an input handed through": (Function(lambda x: x), (X,), "input or a weight as it is"),
    "a complex dtype": (
        Function(lambda x: torch.real(x * 1j)), (X,), "complex64",
    ),
    "a fraction less integers": (
        Function(lambda x: 0.5 - torch.arange(4) + x), (X,), "from numbers of their dtype",
    ),
    "a name that no document holds": (Strange(), (X,), "weights.a b"),
    "an input that is no tensor": (
        Function(lambda x, n: x * n), (X, 3), "input",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("model", "inputs", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_captured_is_refused_by_name(model, inputs, words):
    with pytest.raises(CaptureError) as refusal:
        capture(exported(model, *inputs))
    assert refusal.value.diagnostics[0].code == "CEP-X3"
    assert words in str(refusal.value)


def test_a_size_that_is_no_polynomial_is_refused():
    model = Function(lambda x: torch.arange(x.shape[0] // 2 + 2) * 2)
    with pytest.raises(CaptureError, match="not an integer polynomial"):
        capture(exported(model, X, dynamic=(0,)))


def test_where_the_graph_came_from_is_said():
    captured = capture(exported(mlp(), X))
    source = captured.source(graph_digest(captured.graph))
    assert source.capture_tool.startswith("torch.export 2.")
    assert captured.nodes_before >= len(captured.graph.ops)
