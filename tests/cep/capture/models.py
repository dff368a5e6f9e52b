"""Small models, exported, and a way to run a captured graph with PyTorch."""

from __future__ import annotations

import warnings

import torch

from cep.expr import Dim
from cep.graph import GraphView
from cep.opset import OPERATIONS, PREFIX
from cep.opset.definition import Call

BATCH = torch.export.Dim("batch", min=1, max=8)
DTYPES = {
    "f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16,
    "i64": torch.int64, "i32": torch.int32, "i16": torch.int16, "i8": torch.int8,
    "ui8": torch.uint8, "i1": torch.bool,
}  # fmt: skip


class Function(torch.nn.Module):
    """A model without weights."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = torch.nn.Linear(8, 24)
        self.norm = torch.nn.LayerNorm(8)

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = (
            t.view(b, n, 2, 4).transpose(1, 2)
            for t in (self.qkv(x)[..., 0:8], self.qkv(x)[..., 8:16], self.qkv(x)[..., 16:24])
        )
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        return self.norm(x + y.transpose(1, 2).reshape(b, n, 8))


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(4, 4)
        self.second = torch.nn.Linear(4, 4)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(self.first(x))


def mlp():
    return torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.GELU(), torch.nn.Linear(16, 3))


def exported(model, *inputs, dynamic=()):
    """The program, with the first axis of the inputs at `dynamic` left open."""
    torch.manual_seed(0)
    shapes = tuple({0: BATCH} if i in dynamic else None for i in range(len(inputs)))
    if isinstance(model, Function):
        shapes = (shapes,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.export(model.eval(), inputs, dynamic_shapes=shapes if dynamic else None)


def overload(target):
    packet, _, variant = target.partition(":")[2].partition(".")
    packet = "reshape" if packet == "view" else packet  # of strides, CEP-Core knows nothing
    return getattr(getattr(torch.ops.aten, packet), variant or "default")


def run(captured, *inputs):
    """The outputs of a captured graph, each operation run by PyTorch, each type checked."""
    from safetensors.torch import load

    view = GraphView.of(captured.graph)
    stored = load(captured.weights)
    values = {name: stored[c.key] for name, c in view.constants.items()}
    values |= {b.value: tensor for b, tensor in zip(view.inputs, inputs, strict=True)}
    sizes = {
        str(dim): size
        for binding, tensor in zip(view.inputs, inputs, strict=True)
        for dim, size in zip(view.types[binding.value].shape, tensor.shape, strict=True)
    }
    for node in view.nodes:
        operation = OPERATIONS[node.target]
        call = Call(tuple(view.types[v] for v in node.inputs), node.attributes, view.ranges)
        assert operation.types(call) == tuple(view.types[v] for v in node.outputs)
        made = overload(node.target)(**arguments_of(operation, node, values, sizes))
        results = [made] if torch.is_tensor(made) else made[: len(node.outputs)]
        values.update(zip(node.outputs, results, strict=True))
    for name, tensor in values.items():
        declared = view.types[name]
        assert tensor.dtype == DTYPES[declared.dtype]
        assert list(tensor.shape) == [d.evaluate(sizes) for d in declared.shape]
    return {b.name: values[b.value] for b in view.outputs}


def arguments_of(operation, node, values, sizes):
    """The arguments of ATen's operation, by name."""
    arguments = {}
    for position, operand in enumerate(operation.operands):
        given = [values[v] for v in node.inputs[position:]]
        arguments[operand.name] = given if operand.variadic else given[0] if given else None
    for parameter in operation.parameters:
        if parameter.name in node.attributes:
            arguments[parameter.name] = plain(node.attributes[parameter.name], sizes)
        elif parameter.kind in ("ints", "dims"):
            arguments[parameter.name] = []
    wanted = {a.name for a in overload(f"{PREFIX}{operation.name}")._schema.arguments}
    if operation.name == "view":
        arguments["shape"] = arguments.pop("size")
    unsaid = {"half_to_float": False, "momentum": 0.0}
    return {name: value for name, value in unsaid.items() if name in wanted} | arguments


def plain(value, sizes):
    if isinstance(value, Dim):
        return value.evaluate(sizes)
    if isinstance(value, tuple):
        return [plain(v, sizes) for v in value]
    return DTYPES.get(value, value) if isinstance(value, str) else value
