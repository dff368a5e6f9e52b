"""From an exported program to a graph document and the tensors it needs."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from acp.canonical import digest
from acp.diagnostics import StructureError
from cep.capture.archive import CaptureError
from cep.capture.convert import Converter
from cep.capture.symbols import Symbols
from cep.graph import Node, attribute_form
from cep.opset import NAMESPACE, OPERATIONS, VERSION, opset_digest
from cep.v1.graph import Binding, Constant, Graph, Op, Opset, Symbol, Value
from cep.v1.plan import Source

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

    from acp.diagnostics import Diagnostic

MAX_REASONS: Final = 64
"""Most reasons of one refusal."""

_KEPT_WHOLE: Final = ("aten.linear.default", "aten.scaled_dot_product_attention.default")


@dataclass(frozen=True, slots=True)
class Capture:
    """A captured model.

    Attributes:
        graph: The graph document. Its constants name the store that `weights` is written to.
        weights: The safetensors file, whole.
        tool: Tool that captured, with its version.
        export_schema: Version of the ``.pt2`` format.
        decomposition_digest: Digest of the sorted names of the decompositions that were applied.
        nodes_before: Number of nodes of the exported program.
    """

    graph: Graph
    weights: bytes
    tool: str
    export_schema: str
    decomposition_digest: str
    nodes_before: int

    def source(self, graph_digest: str) -> Source:
        """Return what a plan says of where its graph came from."""
        return Source(
            graph_digest=graph_digest,
            capture_tool=self.tool,
            export_schema=self.export_schema,
            decomposition_digest=self.decomposition_digest,
        )


def capture(program: ExportedProgram) -> Capture:
    """Return the graph of an exported program over CEP-Core, and its weights.

    Linear layers and attention stay whole, all else is decomposed to Core ATen.

    Raises:
        CaptureError: The program uses what CEP-Core does not have, changes its buffers, or takes
            inputs that are not tensors (CEP-X3).
    """
    import torch
    from torch._export.serde.schema import SCHEMA_VERSION

    nodes_before = len(program.graph.nodes)
    program = decomposed(program)
    converter, inputs, targets = _convert(program)
    outputs = _outputs(program, converter)
    nodes = _live(converter.nodes, {b.value for b in outputs})
    used = {v for node in nodes for v in node.inputs}
    constants = {n: _tensor(program, target) for n, target in targets.items() if n in used}
    try:
        weights, entries = _store(constants)
        graph = _document(converter, nodes, inputs, outputs, entries).judged()
    except StructureError as error:
        first = error.diagnostics[0]
        raise CaptureError.because(
            "CEP-X3", f"the model does not fit a graph document: {first.path}: {first.message}"
        ) from None
    return Capture(
        graph=graph,
        weights=weights,
        tool=f"torch.export {torch.__version__.partition('+')[0]}",
        export_schema=".".join(map(str, SCHEMA_VERSION)),
        decomposition_digest=digest(sorted(str(op) for op in _decompositions())),
        nodes_before=nodes_before,
    )


def refusals(program: ExportedProgram) -> tuple[Diagnostic, ...]:
    """Return why `capture` refuses a program, as far as its weights don't matter; often nothing.

    Weights are not read, so they may be on the meta device.
    """
    try:
        converter, _, _ = _convert(decomposed(program))
    except CaptureError as refusal:
        return refusal.diagnostics
    del converter
    return ()


def decomposed(program: ExportedProgram) -> ExportedProgram:
    """Return the program in Core ATen, with linear layers and attention whole."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return program.run_decompositions(_decompositions())


def _decompositions() -> dict[Any, Any]:
    import torch

    table: dict[Any, Any] = torch.export.default_decompositions()
    for name in [op for op in table if str(op) in _KEPT_WHOLE]:
        table.pop(name)
    return table


def _convert(program: ExportedProgram) -> tuple[Converter, list[Binding], dict[str, str]]:
    """Return the operations, the inputs, and the name of each constant's tensor in the program.

    Raises:
        CaptureError: With every reason, one for each node at fault, up to a limit.
    """
    import torch
    from torch.export.graph_signature import InputKind

    converter = Converter(Symbols(program.range_constraints))
    inputs: list[Binding] = []
    constants: dict[str, str] = {}
    found: list[Diagnostic] = []
    lost: set[torch.fx.Node] = set()
    specs = {s.arg.name: s for s in program.graph_signature.input_specs}
    taken = {node.name for node in program.graph.nodes}
    if program.graph_signature.buffers_to_mutate or program.graph_signature.user_inputs_to_mutate:
        raise CaptureError.because(
            "CEP-X3", "the model changes its buffers or inputs; export it in inference form"
        )
    for node in program.graph.nodes:
        if node.op == "placeholder":
            spec, tensor = specs[node.name], node.meta["val"]
            if not isinstance(tensor, torch.Tensor):
                raise CaptureError.because("CEP-X3", f"input {node.name!r} is not a tensor")
            if spec.kind is InputKind.USER_INPUT:
                name = node.name
                inputs.append(Binding(name=name, value=name))
            else:
                target = str(spec.target)
                name = f"stored/{target}" if target.partition(".")[0] in taken else target
                constants[name] = target
            converter.names[node] = name
            converter.declare(name, tensor)
        elif node.op == "call_function" and lost.isdisjoint(node.all_input_nodes):
            try:
                converter.call(node)
            except CaptureError as refusal:
                found += refusal.diagnostics
                lost |= set() if converter.suppose(node) else {node}
        elif node.op == "call_function":
            lost.add(node)
    if found:
        raise CaptureError(*found[:MAX_REASONS])
    return converter, inputs, constants


def _tensor(program: ExportedProgram, name: str) -> torch.Tensor:
    tensor = program.state_dict.get(name)
    tensor = program.constants[name] if tensor is None else tensor
    return tensor.detach().cpu().contiguous().clone()


def _outputs(program: ExportedProgram, converter: Converter) -> list[Binding]:
    from torch.utils import _pytree as pytree

    output = next(node for node in program.graph.nodes if node.op == "output")
    values = [converter.value(node) for node in output.args[0]]
    spec = program.call_spec.out_spec
    if spec is None:
        raise CaptureError.because("CEP-X3", "the program does not say what it returns")
    tree = pytree.tree_unflatten(list(range(len(values))), spec)
    names = _paths(tree, "output")
    return [Binding(name=names[i], value=value) for i, value in enumerate(values)]


def _paths(tree: Any, prefix: str) -> dict[int, str]:
    """Return a name for each leaf: dictionary keys as they are, positions as ``output_0``."""
    if isinstance(tree, int):
        return {tree: prefix}
    if isinstance(tree, dict):
        items = [(str(key), value) for key, value in tree.items()]
    else:
        single = len(tree) == 1
        items = [(prefix if single else f"{prefix}_{i}", v) for i, v in enumerate(tree)]
    return {leaf: name for key, value in items for leaf, name in _paths(value, key).items()}


def _live(nodes: list[Node], wanted: set[str]) -> list[Node]:
    """Return the nodes that the outputs depend on, in order."""
    kept = []
    needed = set(wanted)
    for node in reversed(nodes):
        if needed.intersection(node.outputs):
            kept.append(node)
            needed.update(node.inputs)
    return kept[::-1]


def _store(constants: dict[str, torch.Tensor]) -> tuple[bytes, list[Constant]]:
    """Return the safetensors file, with tensors of equal content once, and the constants."""
    from safetensors.torch import save

    digests = {name: _digest(tensor) for name, tensor in constants.items()}
    keys: dict[tuple[str, object, object], str] = {}
    for name, tensor in constants.items():
        keys.setdefault((digests[name], tensor.dtype, tensor.shape), name)
    data = save({name: constants[name] for name in keys.values()})
    store = "sha256:" + hashlib.sha256(data).hexdigest()
    return data, [
        Constant(
            value=name,
            digest=digests[name],
            store_digest=store,
            key=keys[digests[name], tensor.dtype, tensor.shape],
        )
        for name, tensor in constants.items()
    ]


def _digest(tensor: torch.Tensor) -> str:
    import torch

    raw = tensor.reshape(-1).view(torch.uint8).numpy()
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def _document(
    converter: Converter,
    nodes: list[Node],
    inputs: list[Binding],
    outputs: list[Binding],
    constants: list[Constant],
) -> Graph:
    given = {b.value for b in inputs}
    results = {b.value for b in outputs}
    stored = {c.value for c in constants}
    made = [value for node in nodes for value in node.outputs]
    roles: dict[str, Literal["IN", "CONST", "TEMP", "OUT"]] = {
        **dict.fromkeys(made, "TEMP"),
        **dict.fromkeys(stored, "CONST"),
        **dict.fromkeys(results, "OUT"),
        **dict.fromkeys(given, "IN"),
    }
    if results & (given | stored):
        raise CaptureError.because("CEP-X3", "the model returns an input or a weight as it is")
    return Graph(
        spec="cep/1",
        opsets=(Opset(namespace=NAMESPACE, version=VERSION, schema_digest=opset_digest()),),
        symbols=tuple(
            Symbol(name=name, min=span.min, max=span.max)
            for name, span in converter.symbols.ranges.items()
        ),
        values=tuple(
            Value(
                id=name,
                dtype=converter.types[name].dtype,
                shape=tuple(str(d) for d in converter.types[name].shape),
                role=roles[name],
            )
            for name in (*(b.value for b in inputs), *sorted(stored), *made)
        ),
        constants=tuple(sorted(constants, key=lambda c: c.value)),
        ops=tuple(_op(node) for node in nodes),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
    )


def _op(node: Node) -> Op:
    kinds = {p.name: p.kind for p in OPERATIONS[node.target].parameters}
    return Op(
        target=node.target,
        inputs=node.inputs,
        attributes=tuple(
            attribute_form(name, kinds[name], value)
            for name, value in sorted(node.attributes.items())
        ),
        outputs=node.outputs,
    )
