"""From the nodes of an exported program to the operations of CEP-Core.

Capture is erasure plus identity: assertions, size queries and copies that change nothing are left
out, everything else keeps ATen's name, operands and attributes. What CEP-Core does not have is
refused by name, never approximated.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cep.capture.archive import CaptureError
from cep.capture.calls import arguments_of, is_scalar, name_of, operation_of
from cep.capture.identities import identity
from cep.capture.rewrites import rewrite_of
from cep.expr import Dim
from cep.graph import Node
from cep.opset import OPERATIONS, PREFIX
from cep.opset.definition import AttributeValue, Call, Operation, Parameter, TensorType

if TYPE_CHECKING:
    import torch

    from cep.capture.symbols import Symbols

_IGNORED = frozenset(
    {
        "device", "implicit", "layout", "memory_format", "momentum", "non_blocking", "padding_idx",
        "pin_memory", "scale_grad_by_freq", "sorted", "sparse",
    }
)  # fmt: skip
_MUST_BE: Mapping[str, object] = {"half_to_float": False, "step": 1, "dtype": None}
_UNCHANGED = frozenset({"alias", "clone", "detach", "lift_fresh_copy"})
_WITH_NUMBER = frozenset(
    f"{name}.Scalar"
    for name in ("add", "sub", "mul", "div", "eq", "ge", "gt", "le", "lt", "ne", "remainder")
)
_FAR = 2**62
"""An end that is at least this is the end of the axis."""
_NUMBER_FORM = {f"{name}.Tensor": f"{name}.Scalar" for name in ("add", "sub", "mul", "div")}


def dtype_token(dtype: torch.dtype) -> str:
    """Return the registry's token of a PyTorch dtype.

    Raises:
        CaptureError: CEP-Core does not compute with it.
    """
    import torch

    tokens = {
        torch.float64: "f64", torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16",
        torch.int64: "i64", torch.int32: "i32", torch.int16: "i16", torch.int8: "i8",
        torch.uint8: "ui8", torch.bool: "i1",
    }  # fmt: skip
    if dtype not in tokens:
        raise CaptureError.because("CEP-X3", f"dtype {dtype} is not one that CEP-Core has")
    return tokens[dtype]


@dataclass
class Converter:
    """Builds the operations and types of one graph, node by node.

    Attributes:
        symbols: The program's symbols.
        nodes: Operations so far.
        types: Types of all values so far.
        names: Value that stands for each node of the program.
    """

    symbols: Symbols
    nodes: list[Node] = field(default_factory=list)
    types: dict[str, TensorType] = field(default_factory=dict)
    names: dict[torch.fx.Node, str | tuple[str, ...]] = field(default_factory=dict)

    def declare(self, name: str, tensor: torch.Tensor) -> None:
        """Declare a value with the type of a (fake) tensor."""
        shape = tuple(self.symbols.dim(size) for size in tensor.shape)
        self.types[name] = TensorType(dtype_token(tensor.dtype), shape)

    def value(self, node: torch.fx.Node) -> str:
        """Return the id of the value that `node` stands for."""
        name = self.names.get(node)
        if not isinstance(name, str):
            raise CaptureError.because(
                "CEP-X3", f"{node.format_node()}: CEP-Core has no such result, or not this alone"
            )
        return name

    def size(self, value: Any) -> Dim:
        """Return the dim of a size among the arguments of a call."""
        return self.symbols.dim(self._size(value))

    def bound(self, name: str, value: Any, length: Dim) -> Dim:
        """Return the start or end of a slice of an axis, with ATen's shorthands spelled out."""
        size = self._size(value)
        if size is None:
            return Dim.constant(0) if name == "start" else length
        dim = self.symbols.dim(size)
        number = dim.value
        if number is not None:
            if number < 0:
                return length + dim
            if length.value is not None:
                return Dim.constant(min(number, length.value))
            if number >= _FAR:
                return length
        return dim

    def call(self, node: torch.fx.Node) -> None:
        """Add what a call of the program does.

        Raises:
            CaptureError: CEP-Core has no such operation, or not with these arguments (CEP-X3).
        """
        import torch

        if node.target is operator.getitem:
            self._pick(node)
            return
        if not isinstance(node.meta.get("val"), torch.Tensor | tuple | list):
            if is_scalar(node):
                return
            raise CaptureError.because("CEP-X3", f"{node.format_node()} has no tensor result")
        if not isinstance(node.target, torch._ops.OpOverload):
            raise CaptureError.because("CEP-X3", f"{node.target} is not an ATen operation")
        name, arguments = identity(name_of(node.target), arguments_of(node))
        rewrite = rewrite_of(name, arguments)
        if rewrite is not None:
            rewrite(self, node, arguments)
            return
        if name in _UNCHANGED or (name == "_to_copy" and self._same_dtype(node)):
            source = node.args[0]
            if isinstance(source, torch.fx.Node):
                self.names[node] = self.names[source]
                return
        if name in _NUMBER_FORM and not isinstance(arguments.get("other"), torch.fx.Node):
            name = _NUMBER_FORM[name]
        self._add(node, operation_of(node, name), arguments)

    def suppose(self, node: torch.fx.Node) -> bool:
        """Declare the results of a call that was refused, so that the next can be looked at."""
        import torch

        made = node.meta.get("val")
        several = isinstance(made, tuple | list)
        results = tuple(made) if several else (made,)
        if not all(isinstance(r, torch.Tensor) for r in results):
            return False
        names = tuple(f"{node.name}.{i}" for i in range(len(results)))
        try:
            for name, tensor in zip(names, results, strict=True):
                self.declare(name, tensor)
        except CaptureError:
            return False
        self.names[node] = names if several else names[0]
        return True

    def _pick(self, node: torch.fx.Node) -> None:
        """Let a node stand for one of several results, if CEP-Core has it."""
        several, position = self.names[node.args[0]], node.args[1]
        if position < len(several):
            self.names[node] = several[position]

    def _add(self, node: torch.fx.Node, operation: Operation, arguments: Mapping[str, Any]) -> None:
        import torch

        results = node.meta["val"]
        results = (results,) if isinstance(results, torch.Tensor) else tuple(results)
        several = len(results) > 1
        outputs = tuple(
            node.name if i == 0 else f"{node.name}.{name}"
            for i, name in enumerate(operation.results)
        )
        # Of results that are for training, CEP-Core has none.
        for output, tensor in zip(outputs, results, strict=False):
            self.declare(output, tensor)
        inputs = self._operands(node, operation, arguments)
        attributes: dict[str, AttributeValue] = {}
        for parameter in operation.parameters:
            value = self._attribute(node, parameter, arguments, outputs[0], inputs)
            if value is not None and value != ():
                attributes[parameter.name] = value
        self._check_rest(node, operation, arguments, outputs[0])
        self._check_types(node, operation, inputs, attributes, outputs)
        self.nodes.append(Node(PREFIX + operation.name, inputs, attributes, outputs))
        self.names[node] = outputs if several else outputs[0]

    def emit(
        self,
        node: torch.fx.Node,
        name: str,
        inputs: tuple[str, ...],
        attributes: Mapping[str, Any],
        *results: str,
    ) -> tuple[str, ...]:
        """Add an operation that is part of what `node` does, and return its results.

        Args:
            node: The call that is taken apart.
            name: Operation, without its opset.
            inputs: Operands.
            attributes: As in a graph.
            results: Names of the results, each after that of the call.

        Raises:
            CaptureError: Operands or attributes do not fit the operation (CEP-X3).
        """
        outputs = tuple(f"{node.name}.{result}" for result in results)
        operation = OPERATIONS[PREFIX + name]
        call = Call(tuple(self.types[v] for v in inputs), attributes, self.symbols.ranges)
        try:
            made = operation.types(call)
        except ValueError as error:
            raise CaptureError.because("CEP-X3", f"{name} (node {node.name}): {error}") from None
        self.types.update(zip(outputs, made, strict=True))
        self.nodes.append(Node(PREFIX + name, inputs, dict(attributes), outputs))
        return outputs

    def finish(
        self,
        node: torch.fx.Node,
        name: str,
        inputs: tuple[str, ...],
        attributes: Mapping[str, Any],
    ) -> None:
        """Add the operation whose one result is that of `node`."""
        self.declare(node.name, node.meta["val"])
        self._check_types(node, OPERATIONS[PREFIX + name], inputs, attributes, (node.name,))
        self.nodes.append(Node(PREFIX + name, inputs, dict(attributes), (node.name,)))
        self.names[node] = node.name

    def _operands(
        self, node: torch.fx.Node, operation: Operation, arguments: Mapping[str, Any]
    ) -> tuple[str, ...]:
        import torch

        found: list[str] = []
        ended = False
        for operand in operation.operands:
            given = arguments.get(operand.name)
            items = given if operand.variadic and given is not None else [given]
            for item in items:
                if item is None:
                    ended = True
                elif ended or not isinstance(item, torch.fx.Node):
                    raise CaptureError.because(
                        "CEP-X3", f"{node.format_node()}: operand {operand.name!r} is not a tensor"
                    )
                else:
                    found.append(self.value(item))
        return self._promoted(node, operation, found, arguments)

    def _promoted(
        self,
        node: torch.fx.Node,
        operation: Operation,
        found: Sequence[str],
        arguments: Mapping[str, Any],
    ) -> tuple[str, ...]:
        """Return the operands, with the conversions that ATen makes silently."""
        import torch

        tensors = [n.meta["val"] for n in node.all_input_nodes]
        grouped = [i for i, o in enumerate(operation.operands[: len(found)]) if o.group]
        if operation.name in _WITH_NUMBER:
            grouped = [0]
            wanted = dtype_token(torch.result_type(tensors[0], arguments["other"]))
        elif len(grouped) > 1:
            wanted = dtype_token(torch.result_type(tensors[0], tensors[-1]))
        else:
            return tuple(found)
        if operation.name.startswith("div."):
            wanted = self.types[node.name].dtype
        converted = list(found)
        for i in grouped:
            source = self.types[found[i]]
            if source.dtype != wanted:
                converted[i] = f"{node.name}.{operation.operands[i].name}"
                self.types[converted[i]] = TensorType(wanted, source.shape)
                self.nodes.append(
                    Node(f"{PREFIX}_to_copy", (found[i],), {"dtype": wanted}, (converted[i],))
                )
        return tuple(converted)

    def _attribute(
        self,
        node: torch.fx.Node,
        parameter: Parameter,
        arguments: Mapping[str, Any],
        output: str,
        inputs: Sequence[str],
    ) -> AttributeValue | None:
        import torch

        value = arguments.get(parameter.name)
        match parameter.kind:
            case "dims" if parameter.name == "size":
                return self.types[output].shape
            case "dims":
                return tuple(self.size(v) for v in value or ())
            case "dim" if inputs and parameter.name in ("start", "end"):
                length = self.types[inputs[0]].shape[arguments["dim"]]
                return self.bound(parameter.name, value, length)
            case "dim":
                return Dim.constant(0) if value is None else self.size(value)
            case "dtype":
                return self.types[output].dtype
            case "ints" if not any(isinstance(v, torch.fx.Node) for v in value or ()):
                return tuple(int(v) for v in value or ())
        if value is None:
            return None
        if isinstance(value, torch.fx.Node | list | tuple):
            raise CaptureError.because(
                "CEP-X3", f"{node.format_node()}: {parameter.name!r} depends on a tensor or a size"
            )
        convert: Callable[[Any], AttributeValue] | None = {"float": float, "bool": bool}.get(
            parameter.kind
        )
        if parameter.kind == "number" and isinstance(value, bool):
            convert = int
        return value if convert is None else convert(value)

    def _size(self, value: Any) -> Any:
        import torch

        return value.meta["val"] if isinstance(value, torch.fx.Node) else value

    def _same_dtype(self, node: torch.fx.Node) -> bool:
        source = node.args[0]
        val = source.meta["val"] if hasattr(source, "meta") else None
        return val is not None and val.dtype == node.meta["val"].dtype

    def _check_types(
        self,
        node: torch.fx.Node,
        operation: Operation,
        inputs: Sequence[str],
        attributes: Mapping[str, AttributeValue],
        outputs: Sequence[str],
    ) -> None:
        """Refuse a call whose types are not what CEP-Core makes of it."""
        call = Call(tuple(self.types[v] for v in inputs), attributes, self.symbols.ranges)
        try:
            made = operation.types(call)
        except ValueError as error:
            raise CaptureError.because(
                "CEP-X3", f"{operation.name} (node {node.name}): {error}"
            ) from None
        for output, actual in zip(outputs, made, strict=True):
            if self.types[output] != actual:
                raise CaptureError.because(
                    "CEP-X3",
                    f"{operation.name} (node {node.name}) makes {self.types[output]} here, but "
                    f"{actual} in CEP-Core",
                )

    def _check_rest(
        self,
        node: torch.fx.Node,
        operation: Operation,
        arguments: Mapping[str, Any],
        output: str,
    ) -> None:
        known = {o.name for o in operation.operands} | {p.name for p in operation.parameters}
        defaults = {a.name: a.default_value for a in node.target._schema.arguments}
        for name, value in arguments.items():
            if name in known or name in _IGNORED:
                continue
            if name == "dtype" and value is not None:
                if dtype_token(value) == self.types[output].dtype:
                    continue
            elif value == _MUST_BE.get(name, defaults.get(name)):
                continue
            raise CaptureError.because(
                "CEP-X3", f"{node.format_node()}: {name}={value!r} is not part of CEP-Core"
            )
