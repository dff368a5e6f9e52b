"""Calls of CEP-Core operations, with ATen's results, out of PyTorch's OpInfo samples.

Each sample is run as PyTorch runs it, and the ATen calls that it comes down to are recorded. A call
that CEP-Core has, with operands and attributes that our type rule admits, is a case.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cep.expr import Dim
from cep.opset import OPERATIONS, PREFIX
from cep.opset.definition import Call, TypeRuleError
from cep.reference import allowed_error, apply
from cep.reference.evaluation import type_of
from cep.reference.namespace import DTYPE_NAMES

INFOS = (
    "__getitem__", "abs", "add", "addmm", "amax", "amin", "arange", "argmax", "argmin", "atan",
    "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "bmm", "cat", "ceil", "clamp",
    "clone", "constant_pad_nd", "cos", "cumprod", "cumsum", "div", "einsum", "eq", "erf", "exp",
    "expand", "expm1", "flip", "floor", "full", "gather", "ge", "gt", "isinf", "isnan", "le",
    "linalg.vector_norm", "log", "log10", "log1p", "log2", "log_softmax", "logical_and",
    "logical_not", "logical_or", "logical_xor", "lt", "maximum", "mean", "minimum", "mm", "mul",
    "narrow", "native_layer_norm", "ne", "neg", "nn.functional.avg_pool2d",
    "nn.functional.avg_pool3d", "nn.functional.batch_norm", "nn.functional.conv1d",
    "nn.functional.conv2d", "nn.functional.conv3d", "nn.functional.conv_transpose1d",
    "nn.functional.conv_transpose2d", "nn.functional.conv_transpose3d", "nn.functional.elu",
    "nn.functional.embedding", "nn.functional.gelu", "nn.functional.group_norm",
    "nn.functional.layer_norm", "nn.functional.leaky_relu", "nn.functional.linear",
    "nn.functional.max_pool2d", "nn.functional.max_pool3d", "nn.functional.relu",
    "nn.functional.scaled_dot_product_attention", "nn.functional.silu", "permute", "pow", "prod",
    "reciprocal", "remainder", "reshape", "round", "rsqrt", "select", "sigmoid", "sign", "sin",
    "slice", "softmax", "sort", "sqrt", "squeeze", "sub", "sum", "take_along_dim", "tan", "tanh",
    "to", "topk", "transpose", "trunc", "unsqueeze", "var", "view", "where",
)  # fmt: skip
WHOLE = {
    "nn.functional.linear": "linear",
    "nn.functional.scaled_dot_product_attention": "scaled_dot_product_attention",
}
"""Samples that are calls of an operation that ATen would take apart."""

NUMBERS = {
    "add": ("add.Scalar", ("other",)), "sub": ("sub.Scalar", ("other",)),
    "mul": ("mul.Scalar", ("other",)), "div": ("div.Scalar", ("other",)),
    "eq": ("eq.Scalar", ("other",)), "ge": ("ge.Scalar", ("other",)),
    "gt": ("gt.Scalar", ("other",)), "le": ("le.Scalar", ("other",)),
    "lt": ("lt.Scalar", ("other",)), "ne": ("ne.Scalar", ("other",)),
    "pow": ("pow.Tensor_Scalar", ("exponent",)), "clamp": ("clamp", ("min", "max")),
    "remainder": ("remainder.Scalar", ("other",)),
}  # fmt: skip
"""Operations with numbers, and which arguments these are, by the OpInfo with tensors there."""

MOST = 120
"""Most samples of one OpInfo and dtype, evenly chosen, that are run by default."""

DTYPES = (torch.float64, torch.float32, torch.int64, torch.bool)
SAME = {
    "_reshape_alias": "view", "_unsafe_view": "view", "arange": "arange.start_step",
    "arange.start": "arange.start_step", "mean": "mean.dim", "reshape": "view",
    "native_batch_norm": "_native_batch_norm_legit_no_training", "sort.stable": "sort",
    "squeeze.dim": "squeeze.dims", "sum": "sum.dim_IntList", "t": "permute",
    "transpose.int": "permute",
}  # fmt: skip
_IGNORED = frozenset(
    [
        "device",
        "dtype",
        "implicit",
        "layout",
        "memory_format",
        "momentum",
        "non_blocking",
        "padding_idx",
        "pin_memory",
        "scale_grad_by_freq",
        "sparse",
        "sorted",
        "stable",
    ]
)
_TOKENS = {getattr(torch, name): token for token, name in DTYPE_NAMES.items()}


@dataclass(frozen=True)
class Case:
    """One call, and what ATen makes of it."""

    name: str
    operands: tuple[np.ndarray, ...]
    attributes: dict[str, Any]
    results: tuple[np.ndarray, ...]

    @property
    def column(self) -> str:
        """The dtype that it is counted under: f64, f32 or exact (integers and i1)."""
        tokens = {type_of(a).dtype for a in (*self.operands, *self.results)}
        return next((t for t in ("f64", "f32") if t in tokens), "exact")


class Recorder(TorchDispatchMode):
    """Records the calls that torch makes and CEP-Core has."""

    def __init__(self):
        super().__init__()
        self.cases: list[Case] = []

    def __torch_dispatch__(self, function, _types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        # At once: a later call may write into these tensors.
        case = _case(function, args, kwargs or {}, made)
        if case is not None:
            self.cases.append(case)
        return made


@cache
def op_infos():
    """OpInfos by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = dict(os.environ)
        default = torch.get_default_dtype()
        from torch.testing._internal.common_methods_invocations import op_db

        torch.set_default_dtype(default)
        os.environ.clear()
        os.environ.update(before)
    found: dict[str, list[Any]] = {}
    for info in op_db:
        found.setdefault(info.name, []).append(info)
    return found


def cases(name: str, *, reference: bool = False) -> Iterator[Case]:
    """The cases of all samples, or the larger set of reference samples, of the OpInfos named so."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        for info in op_infos()[name]:
            for dtype in DTYPES:
                if dtype in info.dtypes:
                    torch.manual_seed(0)
                    of = info.reference_inputs if reference else info.sample_inputs
                    samples = list(of("cpu", dtype))
                    step = 1 if reference else max(1, len(samples) // MOST)
                    for sample in samples[::step]:
                        yield from _cases(name, info, sample)


def _cases(name, info, sample) -> list[Case]:
    given = (sample.input, *sample.args)
    if name in WHOLE:
        whole = getattr(torch.ops.aten, WHOLE[name]).default
        case = _case(whole, given, sample.kwargs, whole(*given, **sample.kwargs))
        return [] if case is None else [case]
    with Recorder() as recorder:
        info.op(*given, **sample.kwargs)
    return recorder.cases + list(_with_numbers(name, sample))


def _with_numbers(name, sample) -> Iterator[Case]:
    """The sample again, with an element of each other tensor, then with 0.3, in its place."""
    pair = (sample.input, *sample.args) if name == "pow" else ()
    if all(map(torch.is_tensor, pair)) and pair and pair[0].numel() and pair[1].is_floating_point():
        exponent = pair[1]
        base = sample.input.flatten()[0].item()
        function = torch.ops.aten.pow.Scalar
        for number in (base, 0.3):
            case = _case(function, (number, exponent), {}, function(number, exponent))
            if case is not None:
                yield case
    target, parameters = NUMBERS.get(name, ("", ()))
    others = (*sample.args, *sample.kwargs.values())[: len(parameters)]
    given = [torch.is_tensor(t) and t.numel() > 0 for t in others]
    given.append(torch.is_tensor(sample.input))
    if not parameters or len(given) <= len(parameters) or not all(given):
        return
    if _TOKENS[sample.input.dtype] not in OPERATIONS[PREFIX + target].operands[0].dtypes:
        return
    packet, _, overload = target.partition(".")
    function = getattr(getattr(torch.ops.aten, packet), overload or "default")
    for numbers in ([t.flatten()[0].item() for t in others], [0.3] * len(others)):
        named = dict(zip(parameters, numbers, strict=True))
        if torch.result_type(sample.input, numbers[0]) == sample.input.dtype:
            case = _case(function, (sample.input,), named, function(sample.input, **named))
            if case is not None:
                yield case


def _case(function, args, kwargs, made) -> Case | None:
    schema = function._schema
    name = schema.name.partition("::")[2]
    name = f"{name}.{schema.overload_name}" if schema.overload_name else name
    arguments = {a.name: a.default_value for a in schema.arguments}
    arguments.update(zip((a.name for a in schema.arguments), args, strict=False))
    arguments.update(kwargs)
    if name.endswith(".Tensor") and not torch.is_tensor(arguments.get("other", made)):
        name = name.removesuffix("Tensor") + "Scalar"
    if arguments.pop("half_to_float", False) or arguments.pop("training", False):
        return None
    if name == "native_batch_norm":
        made = made[0]
    arguments = _translated(name, arguments, made)
    name = SAME.get(name, name)
    operation = OPERATIONS.get(PREFIX + name)
    results = tuple(made) if isinstance(made, list | tuple) else (made,)
    if operation is None or not all(map(_known, results)):
        return None
    try:
        operands = _operands(operation, arguments)
        attributes = _attributes(operation, arguments, results[0])
        _check_rest(operation, arguments, schema)
        made_types = operation.types(Call(tuple(map(type_of, operands)), attributes, {}))
    except (TypeRuleError, _NotOursError):
        return None
    arrays = tuple(_array(t) for t in results)
    return (
        Case(name, operands, attributes, arrays)
        if made_types == tuple(map(type_of, arrays))
        else None
    )


def _translated(name, arguments, made) -> dict[str, Any]:
    """The arguments as CEP-Core names and spells them."""
    if name in ("transpose.int", "t"):
        order = list(range(made.ndim))
        first, second = (arguments["dim0"], arguments["dim1"]) if name != "t" else (0, -1)
        if order:
            order[first], order[second] = order[second], order[first]
        return {"self": arguments["self"], "dims": order}
    if name == "arange":
        return {**arguments, "start": 0}
    return arguments | _windows(arguments) if "pool" in name else arguments


def _windows(arguments) -> dict[str, list[int]]:
    """The lists of a pooling operation, one number for each axis, as CEP-Core has them."""
    kernel = arguments["kernel_size"]
    axes = max(2, len(kernel)) if isinstance(kernel, list | tuple) else arguments["self"].ndim - 2
    found = {}
    for name in ("kernel_size", "stride", "padding", "dilation"):
        if name in arguments:
            value = arguments[name]
            value = value if isinstance(value, list | tuple) else [value]
            found[name] = list(value) * (axes if len(value) == 1 else 1) or found["kernel_size"]
    return found


class _NotOursError(Exception):
    """The call has something that CEP-Core does not."""


def _known(tensor) -> bool:
    return torch.is_tensor(tensor) and tensor.dtype in _TOKENS and tensor.dtype != torch.bfloat16


def _array(tensor) -> np.ndarray:
    if not _known(tensor):
        raise _NotOursError
    return tensor.detach().resolve_conj().resolve_neg().contiguous().clone().numpy()


def _operands(operation, arguments) -> tuple[np.ndarray, ...]:
    found, ended = [], False
    for operand in operation.operands:
        given = arguments.get(operand.name)
        for item in given if operand.variadic else [given]:
            if item is None:
                ended = True
            elif ended or not torch.is_tensor(item):
                raise _NotOursError
            else:
                found.append(_array(item))
    return tuple(found)


def _attributes(operation, arguments, result) -> dict[str, Any]:
    attributes = {}
    for parameter in operation.parameters:
        value = arguments.get(parameter.name)
        if parameter.name == "size":
            value = tuple(Dim.constant(n) for n in result.shape)
        elif parameter.kind == "dim":
            value = _bound(parameter.name, value, arguments)
        elif parameter.kind == "dtype":
            value = _TOKENS[result.dtype]
        else:
            value = _plain(parameter.kind, value)
        if value not in ((), None):
            attributes[parameter.name] = value
    return attributes


def _plain(kind, value) -> Any:
    """The value of an attribute that does not depend on the tensors."""
    match kind:
        case "dims":
            return tuple(Dim.constant(int(n)) for n in value)
        case "ints":
            return (value,) if isinstance(value, int) else tuple(value or ())
        case "bool":
            return bool(value)
        case "number" | "float" if value is not None:
            if not isinstance(value, int | float):
                raise _NotOursError
            return float(value) if kind == "float" else +value
    return value


def _bound(name, value, arguments) -> Dim:
    if "self" not in arguments:
        if not isinstance(value, int):
            raise _NotOursError
        return Dim.constant(value)
    length = arguments["self"].shape[arguments["dim"]]
    value = (0 if name == "start" else length) if value is None else value
    return Dim.constant(min(max(value + length if value < 0 else value, 0), length))


def _check_rest(operation, arguments, schema) -> None:
    names = {o.name for o in operation.operands} | {p.name for p in operation.parameters}
    defaults = {a.name: a.default_value for a in schema.arguments}
    for name, value in arguments.items():
        if name not in names | _IGNORED and value != (1 if name == "step" else defaults.get(name)):
            raise _NotOursError


def mismatch(case: Case) -> str | None:
    """Say what is wrong with the reference's results for a case; None if they are ATen's."""
    made = apply(case.name, case.operands, case.attributes, np)
    if case.name in ("sort", "topk"):
        made = (made[0], _own_indices(case, made[1]))
    bounds = allowed_error(np, case.name, case.operands, case.attributes, made)
    with np.errstate(all="ignore"):
        for ours, theirs, bound in zip(made, case.results, bounds, strict=True):
            if type_of(ours) != type_of(theirs):
                return f"{type_of(ours)} is not {type_of(theirs)}"
            if ours.dtype == bool or not np.issubdtype(ours.dtype, np.floating):
                same = ours == theirs
            else:
                wide, other = ours.astype(np.float64), theirs.astype(np.float64)
                same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
                same |= np.abs(wide - other) <= bound
            if not same.all():
                at = tuple(int(i[0]) for i in np.nonzero(~same)) if same.ndim else ()
                return f"at {at}: {ours[at]!r}, ATen {theirs[at]!r}, allowed {bound[at]!r}"
    return None


def _own_indices(case: Case, ours: np.ndarray) -> np.ndarray:
    """ATen's indices if they lead to its values and no element is taken twice, else ours."""
    values, indices = case.results
    if not indices.ndim or type_of(indices) != type_of(ours):
        return ours
    dim, length = case.attributes["dim"], case.operands[0].shape[case.attributes["dim"]]
    there = np.take_along_axis(case.operands[0], indices, axis=dim)
    counts = [(indices == n).sum(axis=dim).max(initial=0) for n in range(length)]
    right = max(counts, default=0) <= 1 and np.array_equal(there, values, equal_nan=True)
    return indices if right else ours


def tally(names=INFOS) -> tuple[dict[str, Counter], dict[str, Counter], list[tuple[Case, str]]]:
    """How many cases ran and passed, by operation and column, and what failed."""
    ran: dict[str, Counter] = {}
    passed: dict[str, Counter] = {}
    failed = []
    for info in names:
        for case in cases(info):
            ran.setdefault(case.name, Counter())[case.column] += 1
            wrong = mismatch(case)
            if wrong is None:
                passed.setdefault(case.name, Counter())[case.column] += 1
            else:
                failed.append((case, wrong))
    return ran, passed, failed
