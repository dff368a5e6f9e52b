"""Regions as torch graph modules: the way from CEP-Core back to ATen.

Names, operands and attributes of CEP-Core are ATen's, so each node becomes one call. Constants and
the sizes that attributes name are arguments of the graph, after the inputs: a module is built once
and called with other sizes, and no weight is looked up by name while it runs.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from cep.expr import Dim
from cep.opset import OPERATIONS, PREFIX
from reference_runtime.adapter import UnsupportedError, View

if TYPE_CHECKING:
    from cep.graph import Node, Region
    from cep.opset.definition import AttributeValue

_TORCH_DTYPES: Final[Mapping[str, str]] = {
    "f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16",
    "i64": "int64", "i32": "int32", "i16": "int16", "i8": "int8", "ui8": "uint8", "i1": "bool",
}  # fmt: skip

_REDUCTIONS: Final = frozenset(
    {"sum.dim_IntList", "mean.dim", "amax", "amin", "linalg_vector_norm", "var.correction"}
)

_WRITERS: Final = frozenset({
    "add.Tensor", "sub.Tensor", "mul.Tensor", "div.Tensor", "maximum", "minimum", "clamp",
    "atan", "ceil", "cos", "elu", "erf", "exp", "expm1", "floor", "gelu", "leaky_relu", "log",
    "log10", "log1p", "log2", "neg", "reciprocal", "round", "rsqrt", "sigmoid", "sign", "silu",
    "sin", "sqrt", "tan", "tanh", "trunc", "mm", "bmm", "addmm", "_softmax", "_log_softmax", "cat",
    "cumsum", "cumprod", "avg_pool2d", "avg_pool3d",
})  # fmt: skip
"""Operations whose ATen kernels write where they are told; others copy there in the end anyway."""

_STRIDED: Final = frozenset({
    "view", "permute", "unsqueeze", "squeeze.dims", "expand", "slice.Tensor", "select.int",
    "_to_copy", "scaled_dot_product_attention", "convolution", "max_pool2d_with_indices",
    "max_pool3d_with_indices", "avg_pool2d", "avg_pool3d", "native_group_norm",
    "_native_batch_norm_legit_no_training",
})  # fmt: skip
"""Operations whose results ATen may lay out in another order than row-major."""

_WITH_BIAS: Final = 3

_UNSAID: Final[Mapping[str, Mapping[str, object]]] = {
    "_softmax": {"half_to_float": False},
    "_log_softmax": {"half_to_float": False},
    "_native_batch_norm_legit_no_training": {"momentum": 0.0},
}
"""Arguments that ATen wants and that change nothing in CEP-Core."""

_NEUTRAL_ALPHA: Final = frozenset({"add.Tensor", "add.Scalar", "sub.Tensor", "sub.Scalar"})


@cache
def torch_library() -> Any:
    """Import torch, so that its threads do not spin while another stack works.

    Spinning threads of several OpenMP runtimes on few processors cost more than an order of
    magnitude. The variables are read when the runtime is loaded; those the user set are kept.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    return torch


def tensor(array: View) -> Any:
    """Return the torch tensor that shares the memory of `array`.

    A read-only array, such as a mapped file of weights, gives a tensor that must not be written.
    """
    torch = torch_library()
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable.*")
        return torch.from_numpy(array)


@dataclass(frozen=True, slots=True)
class RegionGraph:
    """A region as a torch function.

    Attributes:
        forward: Takes the inputs, the constants, the sizes and the tensors to write in place, each
            in order; returns a tuple of the other outputs.
        constants: Ids of the constants, in the order of the arguments.
        sizes: Dims of the sizes, in the order of the arguments.
        written: Positions of the outputs that are written in place.
    """

    forward: Any
    constants: tuple[str, ...]
    sizes: tuple[Dim, ...]
    written: tuple[int, ...] = ()


def graph_of(region: Region, *, in_place: bool = False) -> RegionGraph:
    """Return `region` as a torch graph module.

    Args:
        region: What to compute.
        in_place: Whether operations write outputs of the region directly, where ATen can, instead
            of making tensors to be copied.

    Raises:
        UnsupportedError: An operation is not in the opset, or misses an attribute (RUN-A3).
    """
    torch = torch_library()
    graph = torch.fx.Graph()
    known = {
        value: graph.placeholder(f"{kind}{i}")
        for kind, values in (("x", region.inputs), ("c", region.constants))
        for i, value in enumerate(values)
    }
    sizes = {
        dim: graph.placeholder(f"s{i}") for i, dim in enumerate(dict.fromkeys(_dims(region.nodes)))
    }
    targets = {
        value: graph.placeholder(f"o{i}")
        for i, value in enumerate(region.outputs)
        if in_place and value in writable(region)
    }
    for node in region.nodes:
        _append(graph, node, region, known, sizes)
        if node.outputs[0] in targets:
            _write(known[node.outputs[0]], node, region, targets[node.outputs[0]])
    graph.output(tuple(known[value] for value in region.outputs if value not in targets))
    graph.lint()
    module = torch.fx.GraphModule(torch.nn.Module(), graph)
    written = tuple(i for i, value in enumerate(region.outputs) if value in targets)
    return RegionGraph(module.forward, region.constants, tuple(sizes), written)


def writable(region: Region) -> frozenset[str]:
    """Return the outputs of a region that an operation can write directly, with the same bits.

    A linear layer of dense rows is one product with its bias as the start of the sums; of rows
    that are not dense, ATen adds the bias in the end.
    """
    dense = set(region.inputs) | set(region.constants)
    found = set()
    for node in region.nodes:
        name = node.target.removeprefix(PREFIX)
        if name == "clone" or (name not in _STRIDED and dense.issuperset(node.inputs)):
            dense.update(node.outputs)
        layer = name == "linear" and len(node.inputs) == _WITH_BIAS and node.inputs[0] in dense
        if layer or name in _WRITERS:
            found.add(node.outputs[0])
    return frozenset(found & set(region.outputs))


def _write(call: Any, node: Node, region: Region, target: Any) -> None:
    """Turn a call that makes an output of the region into one that writes it."""
    name = node.target.removeprefix(PREFIX)
    aten = torch_library().ops.aten
    if name != "linear":
        base, _, overload = name.partition(".")
        packet = getattr(aten, base)
        call.target = packet.out if hasattr(packet, "out") else getattr(packet, f"{overload}_out")
        call.kwargs = {**call.kwargs, "out": target}
        return
    graph = call.graph
    rows, weight, bias = call.args
    inner, outer = (int(d.value or 0) for d in reversed(region.types[node.inputs[1]].shape))
    with graph.inserting_before(call):
        flat = graph.call_function(aten.reshape.default, (rows, [-1, inner]))
        turned = graph.call_function(aten.t.default, (weight,))
        to = graph.call_function(aten.view.default, (target, [-1, outer]))
        graph.call_function(aten.addmm.out, (bias, flat, turned), {"out": to})
    call.replace_all_uses_with(target)
    graph.erase_node(call)


def _append(
    graph: Any, node: Node, region: Region, known: dict[str, Any], sizes: Mapping[Dim, Any]
) -> None:
    function = _function(node)
    args, kwargs = _arguments(function, node, region, known, sizes)
    result = graph.call_function(function, args, kwargs)
    if len(function._schema.returns) == 1:  # noqa: SLF001 - torch has no public way
        known[node.outputs[0]] = result
        return
    import operator

    for position, value in enumerate(node.outputs):
        known[value] = graph.call_function(operator.getitem, (result, position))


def _function(node: Node) -> Any:
    """Return ATen's function for a node."""
    if node.target not in OPERATIONS:
        raise UnsupportedError.because("RUN-A3", f"{node.target} is not in the opset")
    name, _, overload = OPERATIONS[node.target].name.partition(".")
    return _function_of(name, overload)


@cache
def _function_of(name: str, overload: str) -> Any:
    # A view of CEP-Core is about elements in row-major order, one of ATen also about strides.
    name = "reshape" if name == "view" else name
    return getattr(getattr(torch_library().ops.aten, name), overload or "default")


def _arguments(
    function: Any, node: Node, region: Region, known: Mapping[str, Any], sizes: Mapping[Dim, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a call, positional ones in the order of ATen's schema."""
    given = _operands(node, known) | _attributes(node, region, sizes)
    if "size" in given and function is _function_of("view", ""):
        given["shape"] = given.pop("size")
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for argument in function._schema.arguments:  # noqa: SLF001 - torch has no public way
        if argument.name in given and argument.kwarg_only:
            kwargs[argument.name] = given[argument.name]
        elif not argument.kwarg_only:
            args.append(given.get(argument.name, argument.default_value))
    return _trimmed(args, function), kwargs


def _operands(node: Node, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tensors of a call by ATen's names."""
    given: dict[str, Any] = {}
    for position, operand in enumerate(OPERATIONS[node.target].operands):
        if operand.variadic:
            given[operand.name] = [known[v] for v in node.inputs[position:]]
        elif position < len(node.inputs):
            given[operand.name] = known[node.inputs[position]]
    return given


def _attributes(node: Node, region: Region, sizes: Mapping[Dim, Any]) -> dict[str, Any]:
    """Return the other arguments of a call by ATen's names."""
    operation = OPERATIONS[node.target]
    given: dict[str, Any] = {}
    for parameter in operation.parameters:
        # A document has no empty lists: one that is absent is empty.
        if parameter.name in node.attributes:
            given[parameter.name] = _literal(parameter.kind, node.attributes[parameter.name], sizes)
        elif parameter.kind in ("dims", "ints"):
            given[parameter.name] = []
    if operation.name in _REDUCTIONS and not given["dim"]:
        given["dim"] = list(range(region.types[node.inputs[0]].rank))
    if operation.name in _NEUTRAL_ALPHA and given.get("alpha") == 1:
        del given["alpha"]
    given |= _UNSAID.get(operation.name, {})
    if operation.name == "clone":
        # ATen's default keeps the strides of its operand, which need not be dense.
        given["memory_format"] = torch_library().contiguous_format
    return given


def _trimmed(args: list[Any], function: Any) -> tuple[Any, ...]:
    """Return the arguments without those at the end that have ATen's default."""
    positional = [a for a in function._schema.arguments if not a.kwarg_only]  # noqa: SLF001
    while args and positional[len(args) - 1].has_default_value():
        if args[-1] is not None and args[-1] != positional[len(args) - 1].default_value:
            break
        if args[-1] is None and positional[len(args) - 1].default_value is not None:
            break
        args.pop()
    return tuple(args)


def _literal(kind: str, value: AttributeValue, sizes: Mapping[Dim, Any]) -> Any:
    """Return an attribute as torch takes it: a number, a dtype, or arguments for sizes."""
    if kind == "dtype":
        return getattr(torch_library(), _TORCH_DTYPES[str(value)])
    if isinstance(value, Dim):
        return sizes[value] if value.value is None else value.value
    if isinstance(value, tuple):
        return [_literal("", item, sizes) for item in value]
    return value


def _dims(nodes: Sequence[Node]) -> list[Dim]:
    """Return the sizes that attributes name and that depend on symbols, in order of use."""
    found: list[Dim] = []
    for node in nodes:
        for value in node.attributes.values():
            items = value if isinstance(value, tuple) else (value,)
            found += [d for d in items if isinstance(d, Dim) and d.value is None]
    return found
