"""The bundled adapters: the same numbers as the source's, on regions cut from a captured model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cep.capture.exported import capture
from cep.expr import Range, parse
from cep.graph import Cutter, GraphView, Node, Region
from cep.opset import PREFIX
from reference_runtime.adapter import (
    Numeric,
    NumericClass,
    NumericError,
    StepError,
    UnsupportedError,
)
from reference_runtime.adapters import onnxruntime_cpu
from reference_runtime.adapters.openvino_cpu import PRECISION, OpenVinoCpuAdapter
from reference_runtime.adapters.torch_module import graph_of, tensor, writable
from reference_runtime.probe.system import processor
from reference_runtime.registry import load
from tests.reference_runtime.regions import (
    RELATIVE,
    RegionBuilder,
    constants_of,
    dims,
    draw,
    place,
    prepare,
    run,
    tensor_type,
)

STACKS = ("torch-cpu", "onnxruntime-cpu", "openvino-cpu")
SHAPES = ((1, 2), (2, 3), (64, 7), (3, 256))
WIDTH, HEADS, WORDS = 48, 4, 97


@pytest.fixture(scope="module")
def adapters():
    return {name: load(name, allowed=["acp-cep"]) for name in STACKS}


@pytest.fixture(scope="module", params=STACKS)
def adapter(request, adapters):
    return adapters[request.param]


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.mix = (
            torch.nn.Linear(WIDTH, WIDTH) for _ in range(4)
        )
        self.before, self.after = torch.nn.LayerNorm(WIDTH), torch.nn.LayerNorm(WIDTH)
        self.up, self.down = torch.nn.Linear(WIDTH, 96), torch.nn.Linear(96, WIDTH)

    def forward(self, x, mask):
        shape = (x.shape[0], x.shape[1], HEADS, WIDTH // HEADS)
        q, k, v = (f(x).view(shape).transpose(1, 2) for f in (self.query, self.key, self.value))
        a = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = self.before(x + self.mix(a.transpose(1, 2).reshape(x.shape)))
        return self.after(x + self.down(torch.nn.functional.gelu(self.up(x))))


class Encoder(torch.nn.Module):
    """A small sentence encoder with every kind of operation of the real one."""

    def __init__(self):
        super().__init__()
        self.words = torch.nn.Embedding(WORDS, WIDTH)
        self.places = torch.nn.Embedding(256, WIDTH)
        self.layers = torch.nn.ModuleList([Layer(), Layer()])

    def forward(self, ids, mask):
        x = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        keep = (mask > 0)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, keep)
        weight = mask.unsqueeze(-1).to(x.dtype)
        pooled = (x * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(pooled, dim=1)


class Captured:
    """The encoder as a graph, with every value that it computes for some inputs."""

    def __init__(self):
        torch.manual_seed(0)
        self.module = Encoder().eval()
        batch, sequence = (
            torch.export.Dim("batch", min=1, max=64),
            torch.export.Dim("sequence", min=2, max=256),
        )
        ids, mask = self.inputs(3, 5)
        axes = {0: batch, 1: sequence}
        program = torch.export.export(
            self.module, (ids, mask), dynamic_shapes={"ids": axes, "mask": axes}
        )
        taken = capture(program)
        self.view = GraphView.of(taken.graph)
        self.cutter = Cutter.of(self.view)
        from safetensors.numpy import load as tensors

        stored = tensors(taken.weights)
        self.constants = {v: stored[c.key] for v, c in self.view.constants.items()}
        self.count = len(self.view.nodes)

    @staticmethod
    def inputs(batch, sequence):
        generator = torch.Generator().manual_seed(1000 * batch + sequence)
        ids = torch.randint(0, WORDS, (batch, sequence), generator=generator)
        mask = torch.ones_like(ids)
        mask[0, -1] = 0
        return ids, mask

    def values(self, batch, sequence):
        """Return every value of the graph, computed by torch, by id."""
        whole = self.cutter.region(range(self.count))
        every = tuple(v for n in whole.nodes for v in n.outputs)
        region = Region(
            whole.nodes, whole.inputs, every, whole.constants, whole.types, whole.ranges
        )
        graph = graph_of(region)
        given = dict(
            zip((b.value for b in self.view.inputs), self.inputs(batch, sequence), strict=True)
        )
        names = dict(zip(sorted(self.view.ranges), (batch, sequence), strict=True))
        with torch.inference_mode():
            made = graph.forward(
                *(given[v] for v in region.inputs),
                *(tensor(self.constants[c]) for c in graph.constants),
                *(d.evaluate(names) for d in graph.sizes),
            )
        return {
            v: t.contiguous().numpy()
            for v, t in (given | dict(zip(every, made, strict=True))).items()
        }, names


@pytest.fixture(scope="module")
def captured():
    return Captured()


def test_the_graph_gives_the_bits_of_the_module(captured):
    for shape in SHAPES:
        values, _ = captured.values(*shape)
        with torch.inference_mode():
            expected = captured.module(*captured.inputs(*shape)).numpy()
        assert np.array_equal(values[captured.view.outputs[0].value], expected)


CUTS = {"whole": (0.0, 1.0), "first third": (0.0, 0.33), "middle": (0.33, 0.66), "end": (0.66, 1.0)}


@pytest.mark.parametrize("cut", CUTS)
def test_stacks_agree_with_eager_torch_wherever_the_graph_is_cut(captured, adapter, cut):
    first, last = (round(share * captured.count) for share in CUTS[cut])
    region = captured.cutter.region(range(first, last))
    assert adapter.supports(region).reasons == ()
    executable = prepare(adapter, region, captured.constants)
    for shape in SHAPES:
        values, sizes = captured.values(*shape)
        got = run(executable, region, sizes, values)
        for name, result in zip(region.outputs, got, strict=True):
            np.testing.assert_allclose(result, values[name], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.fixture(scope="module")
def layer():
    b = RegionBuilder()
    x = b.input("x", "f32[s0*s1, 32]")
    h = b.op("linear", x, b.constant("w", "f32[64, 32]"), b.constant("c", "f32[64]"))
    h = b.op("gelu", h, approximate="none")
    y = b.op("view", h, size=dims("s0*s1", 8, 8))
    z = b.op(
        "linear",
        b.op("permute", y, dims=(0, 2, 1)),
        b.constant("u", "f32[16, 8]"),
        b.constant("d", "f32[16]"),
    )
    return b.region(h, y, z)


def test_an_axis_may_be_a_product_of_symbols(adapter):
    b = RegionBuilder()
    y = b.input("y", "f32[s0, 8]")
    x = b.input("x", "f32[s0*s1, 8]")
    rows = b.op("view", x, size=dims("s0", "s1", 8))
    region = b.region(b.op("add.Tensor", rows, b.op("unsqueeze", y, dim=1), alpha=1))
    executable = prepare(adapter, region)
    for batch, sequence in SHAPES:
        sizes = {"s0": batch, "s1": sequence}
        given = {"x": np.arange(batch * sequence * 8).reshape(-1, 8), "y": np.ones((batch, 8))}
        (got,) = run(executable, region, sizes, given)
        assert np.array_equal(got, given["x"].reshape(batch, sequence, 8) + 1)


def hidden_symbol():
    b = RegionBuilder()
    x = b.input("x", "f32[s0]")
    return b.region(b.op("relu", x), b.op("full", size=dims("s1"), fill_value=1, dtype="i64"))


def nothing_given():
    b = RegionBuilder()
    return b.region(b.op("arange.start_step", start=parse("0"), end=parse("s0*s1"), dtype="i64"))


@pytest.mark.parametrize("build", [hidden_symbol, nothing_given], ids=lambda f: f.__name__)
def test_a_symbol_may_be_on_no_axis_of_an_input(adapter, build):
    region = build()
    executable = prepare(adapter, region, {})
    for sizes in ({"s0": 1, "s1": 2}, {"s0": 4, "s1": 3}, {"s0": 1, "s1": 7}):
        *_, made = run(executable, region, sizes)
        wanted = (
            np.arange(sizes["s0"] * sizes["s1"]) if build is nothing_given else np.ones(sizes["s1"])
        )
        np.testing.assert_array_equal(made, wanted)


def test_a_symbol_of_one_size_is_a_number(adapter):
    b = RegionBuilder({"s0": Range(1, 64), "s1": Range(4, 4)})
    region = b.region(b.op("relu", b.input("x", "f32[s0, s1]")))
    given = np.array([[1, -1, 2, -2]], np.float32)
    assert run(prepare(adapter, region), region, {"s0": 1, "s1": 4}, {"x": given})[0].tolist() == [
        [1, 0, 2, 0]
    ]


def test_thunks_of_different_shapes_live_side_by_side(adapter):
    b = RegionBuilder()
    region = b.region(b.op("relu", b.input("x", "f32[s0, s1]")))
    executable = prepare(adapter, region)
    bound = []
    for number, (batch, sequence) in enumerate(SHAPES):
        sizes = {"s0": batch, "s1": sequence}
        (x,), (y,) = place(region, region.inputs, sizes), place(region, region.outputs, sizes)
        bound.append((executable.bind([x], [y], sizes), x, y, number + 1))
    for _ in range(2):
        for thunk, x, _, value in bound:
            x[...] = value
            thunk()
        for _, x, y, value in bound:
            assert (x == value).all()
            assert (y == value).all()


def test_a_thunk_keeps_its_memory_alive(adapter):
    b = RegionBuilder()
    region = b.region(b.op("relu", b.input("x", "f32[s0, s1]")))
    executable = prepare(adapter, region)
    sizes = {"s0": 8, "s1": 200}
    (x,), (y,) = place(region, region.inputs, sizes), place(region, region.outputs, sizes)
    x[...] = 3
    thunk = executable.bind([x], [y], sizes)
    del x
    place(region, region.inputs, sizes)[0][...] = -5
    thunk()
    assert (y == 3).all()


def test_the_same_inputs_give_the_same_bits(adapter, layer):
    executable = prepare(adapter, layer)
    first, *others = (run(executable, layer, {"s0": 3, "s1": 50}) for _ in range(5))
    for other in others:
        assert all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_torch_writes_outputs_in_place_with_the_same_bits(adapters, layer):
    assert writable(layer) == frozenset(layer.outputs[:1])
    sizes = {"s0": 3, "s1": 50}
    constants = constants_of(layer)
    (x,) = place(layer, layer.inputs, sizes)
    x[...] = np.random.default_rng(0).standard_normal(x.shape)
    graph = graph_of(layer)
    with torch.inference_mode():
        plain = graph.forward(
            tensor(x),
            *(tensor(constants[c]) for c in graph.constants),
            *(d.evaluate(sizes) for d in graph.sizes),
        )
    got = run(prepare(adapters["torch-cpu"], layer), layer, sizes, {"x": x})
    for a, b in zip(got, plain, strict=True):
        assert np.array_equal(a, b.numpy())


def test_devices_are_one_silicon_with_one_memory(adapters):
    devices = [adapter.describe()[0] for adapter in adapters.values()]
    units = [d.unit_id for d in devices]
    assert len(set(units)) == 3
    assert len({u.partition(":")[0] for u in units}) == 1
    assert len({d.memories[-1].coherence_domain for d in devices}) == 1
    assert all(d.ops and d.software and not d.engines[0].rates for d in devices)


BITWISE = NumericClass(Numeric.BITWISE)


def test_only_the_stack_of_the_source_keeps_its_bits(adapter, layer):
    if adapter.name == "torch-cpu":
        assert prepare(adapter, layer, numeric=BITWISE)
    else:
        with pytest.raises(NumericError, match="RUN-N1"):
            prepare(adapter, layer, numeric=BITWISE)


def test_torch_with_reduced_products_is_refused(adapters, layer):
    torch.set_float32_matmul_precision("medium")
    try:
        with pytest.raises(NumericError, match=r"RUN-N1.*'medium'"):
            prepare(adapters["torch-cpu"], layer)
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.fixture
def bf16():
    wanted = {"x86-64:avx512_bf16", "x86-64:amx_bf16", "arm64:bf16"}
    if not wanted & set(processor().arch):
        pytest.skip("this processor does not compute in bf16")
    return OpenVinoCpuAdapter(properties={PRECISION: "bf16"})


def test_openvino_in_bf16_is_refused(bf16, layer):
    with pytest.raises(NumericError, match=r"RUN-N1.*bf16"):
        prepare(bf16, layer)


def test_openvino_left_alone_would_compute_in_bf16(bf16, adapters, layer, monkeypatch):
    """What the refusal is for: without it the numbers are wrong by far more than the class."""
    x = {"x": np.random.default_rng(0).standard_normal((150, 32)).astype(np.float32)}
    sizes = {"s0": 3, "s1": 50}
    exact = run(prepare(adapters["openvino-cpu"], layer), layer, sizes, x)
    unchecked = type("Type", (), {"f32": bf16._stack.Type.bf16})
    monkeypatch.setattr(
        bf16,
        "_stack",
        type(
            "Stack",
            (),
            {
                "Type": unchecked,
                "Tensor": bf16._stack.Tensor,
                "convert_model": staticmethod(bf16._stack.convert_model),
            },
        ),
    )
    loose = run(prepare(bf16, layer), layer, sizes, x)
    assert max(abs(a - b).max() for a, b in zip(exact, loose, strict=True)) > 1e-4


def test_openvino_refuses_integers_that_it_would_change(adapters):
    adapter = adapters["openvino-cpu"]
    b = RegionBuilder()
    i, k = b.input("i", "i64[s0]"), b.constant("k", "i64[1]")
    region = b.region(b.op("maximum", i, k))
    ready = prepare(adapter, region, {"k": np.array([-(2**31)])})
    with pytest.raises(StepError, match=r"RUN-X1.*32 bits"):
        run(ready, region, {"s0": 2}, {"i": np.array([1, 2**31])})
    most = np.array([1, 2**31 - 1])
    assert np.array_equal(run(ready, region, {"s0": 2}, {"i": most})[0], most)
    with pytest.raises(UnsupportedError, match=r"RUN-A3.*constant k"):
        prepare(adapter, region, {"k": np.array([2**31])})


def test_constants_beyond_a_protobuf_are_refused(adapters, layer, monkeypatch):
    monkeypatch.setattr(onnxruntime_cpu, "MAX_MODEL_BYTES", 1000)
    with pytest.raises(UnsupportedError, match=r"RUN-A3.*plan smaller regions"):
        prepare(adapters["onnxruntime-cpu"], layer)


@pytest.mark.parametrize("name", ["onnxruntime-cpu", "openvino-cpu"])
def test_a_region_can_be_compiled_ahead_of_time(adapters, layer, name):
    adapter, device = adapters[name], adapters[name].describe()[0]
    constants = constants_of(layer)
    made = adapter.precompile(layer, device=device.unit_id, constants=constants, numeric=RELATIVE)
    assert isinstance(made.data, bytes)
    versions = {s.component: s.version_range for s in device.software}
    assert versions[made.abi] == made.driver_range
    sizes = {"s0": 3, "s1": 5}
    inputs = {n: draw(layer.types[n], sizes, 5) for n in layer.inputs}
    loaded = adapter.prepare(
        layer, device=device.unit_id, artifact=made.data, constants=constants, numeric=RELATIVE
    )
    for one, other in zip(
        run(loaded, layer, sizes, inputs),
        run(prepare(adapter, layer, constants), layer, sizes, inputs),
        strict=True,
    ):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("name", ["onnxruntime-cpu", "openvino-cpu"])
def test_artifacts_that_are_none_are_refused(adapters, layer, name):
    for data in (b"", b"\0", b"nothing that could be loaded" * 100):
        with pytest.raises(UnsupportedError, match=r"RUN-A3.*does not load the artifact"):
            adapters[name].prepare(
                layer, device="", artifact=data, constants=constants_of(layer), numeric=RELATIVE
            )


def test_artifacts_of_another_region_are_refused(adapters, layer):
    other = axis_that_is_a_symbol()
    for name in ("onnxruntime-cpu", "openvino-cpu"):
        made = adapters[name].precompile(other, device="", constants={}, numeric=RELATIVE)
        with pytest.raises(UnsupportedError, match=r"RUN-A3.*other inputs or outputs"):
            adapters[name].prepare(
                layer, device="", artifact=made.data, constants=constants_of(layer),
                numeric=RELATIVE,
            )  # fmt: skip


def test_a_stack_without_artifacts_refuses_them(adapters, layer):
    with pytest.raises(UnsupportedError, match=r"RUN-A3.*artifacts"):
        adapters["torch-cpu"].prepare(
            layer, device="", artifact=b"\0", constants=constants_of(layer), numeric=BITWISE
        )


def axis_that_is_a_symbol():
    b = RegionBuilder()
    return b.region(b.op("relu", b.input("x", "f32[s0]")))


def axis_that_is_a_sum():
    b = RegionBuilder()
    return b.region(b.op("relu", b.input("x", "f32[s0 + 1]")))


def unknown_operation():
    kind = tensor_type("f32[2]")
    node = Node(PREFIX + "fft", ("x",), {}, ("y",))
    return Region((node,), ("x",), ("y",), (), {"x": kind, "y": kind}, {})


def brain_float():
    b = RegionBuilder()
    return b.region(b.op("relu", b.input("x", "bf16[s0]")))


REFUSED = {
    axis_that_is_a_sum: ("is a sum", STACKS[1:]),
    unknown_operation: ("cep-core/1:fft is not in the opset", STACKS),
    brain_float: ("has bf16", STACKS),
}


@pytest.mark.parametrize("build", REFUSED, ids=lambda f: f.__name__)
def test_a_region_that_is_not_supported_is_refused_with_the_reason(adapter, build):
    message, stacks = REFUSED[build]
    region = build()
    support = adapter.supports(region)
    if adapter.name not in stacks:
        assert support.ok
        return
    assert any(message in reason for reason in support.reasons)
    with pytest.raises(UnsupportedError, match=message):
        prepare(adapter, region, {})


INTEGERS = {
    "sizes stay small": (
        lambda b: b.op("arange.start_step", start=parse("0"), end=parse("s0*s1"), dtype="i64"),
        True,
    ),
    "a sum of inputs": (lambda b: b.op("add.Tensor", "i", "i", alpha=1), False),
    "nothing added": (lambda b: b.op("add.Scalar", "i", other=0, alpha=5), True),
    "one subtracted": (lambda b: b.op("sub.Scalar", "i", other=1, alpha=1), False),
    "a product": (lambda b: b.op("mul.Scalar", "i", other=2), False),
    "a product of clamped integers": (
        lambda b: b.op("mul.Scalar", b.op("clamp", "i", min=0, max=9), other=2),
        True,
    ),
    "a product of bounded integers": (
        lambda b: b.op(
            "mul.Scalar",
            b.op("arange.start_step", start=parse("1"), end=parse("s0"), dtype="i64"),
            other=2,
        ),
        True,
    ),
    "the least negated": (lambda b: b.op("neg", "i"), False),
    "bits converted": (
        lambda b: b.op("_to_copy", b.op("ge.Scalar", "i", other=0), dtype="i64"),
        True,
    ),
    "floats converted": (lambda b: b.op("_to_copy", "x", dtype="i64"), False),
    "bits turned": (lambda b: b.op("bitwise_not", "i"), True),
    "bits mixed, then added": (
        lambda b: b.op("add.Scalar", b.op("bitwise_xor.Tensor", "i", "i"), other=1, alpha=1),
        False,
    ),
    "the rest of a division": (
        lambda b: b.op("mul.Scalar", b.op("remainder.Scalar", "i", other=100), other=2**24),
        True,
    ),
    "signs made larger": (lambda b: b.op("mul.Scalar", b.op("sign", "i"), other=2**31 - 1), True),
    "a wide border": (lambda b: b.op("constant_pad_nd", "i", pad=(1, 1), value=2**31), False),
    "places": (lambda b: b.op("argmax", "x", dim=1, keepdim=False), True),
    "places, and elements": (
        lambda b: b.op("mul.Scalar", b.op("sort", "i", dim=1, descending=True), other=2),
        False,
    ),
    "places of floats": (
        lambda b: b.op(
            "add.Scalar", b.op("topk", "x", k=1, dim=1, largest=True)[:-1] + "1", other=1, alpha=1
        ),
        True,
    ),
    "a large number": (
        lambda b: b.op("full", size=dims("s0"), fill_value=2**40, dtype="i64"),
        False,
    ),
}


@pytest.mark.parametrize("case", INTEGERS)
def test_integers_are_shown_to_fit_32_bits_or_refused(case):
    from reference_runtime.adapters.narrow_integers import reasons

    build, fits = INTEGERS[case]
    b = RegionBuilder()
    b.input("i", "i64[s0, s1]")
    b.input("x", "f32[s0, s1]")
    assert (not list(reasons(b.region(build(b))))) == fits


def looked_up(b):
    return b.op("embedding", b.input("w", "f32[10, 4]"), b.input("i", "i64[s0]"))


def gathered(b):
    i = b.op("unsqueeze", b.op("clone", b.input("i", "i64[s0]")), dim=0)
    return b.op("gather", b.input("w", "f32[1, 10]"), i, dim=1)


def picked(b):
    return b.op("index.Tensor", b.input("w", "f32[10]"), b.input("i", "i64[s0]"))


INDICES = {
    looked_up: ([0, 9], [[0, 10], [-1, 0]]),
    gathered: ([0, 9], [[0, 10], [-1, 0]]),
    picked: ([-10, 9], [[0, 10], [-11, 0]]),
}


@pytest.mark.parametrize("build", INDICES, ids=lambda f: f.__name__)
def test_an_index_outside_its_axis_ends_in_an_error_on_every_stack(adapter, build):
    inside, outside = INDICES[build]
    b = RegionBuilder()
    region = b.region(build(b))
    executable = prepare(adapter, region, {})
    run(executable, region, {"s0": 2}, {"i": np.array(inside)})
    for indices in outside:
        with pytest.raises(Exception, match=r"index|out of (range|bounds)"):
            run(executable, region, {"s0": 2}, {"i": np.array(indices)})


def test_a_constant_that_is_an_index_outside_its_axis_is_refused(adapters):
    b = RegionBuilder()
    w, i = b.input("w", "f32[10, 4]"), b.constant("i", "i64[2]")
    region = b.region(b.op("embedding", w, i))
    for name in STACKS[1:]:
        prepare(adapters[name], region, {"i": np.array([0, 9])})
        with pytest.raises(UnsupportedError, match="constant i has an index outside"):
            prepare(adapters[name], region, {"i": np.array([0, 10])})


def test_an_index_that_is_computed_is_refused_unless_it_is_shown_to_be_inside(adapters):
    b = RegionBuilder({"s0": Range(1, 10)})
    w = b.input("w", "f32[10, 4]")
    end = b.op("arange.start_step", start=parse("0"), end=parse("s0"), dtype="i64")
    shown = b.region(b.op("embedding", w, b.op("add.Scalar", end, other=0, alpha=1)))
    b = RegionBuilder({"s0": Range(1, 10)})
    w, i = b.input("w", "f32[10, 4]"), b.input("i", "i64[s0]")
    computed = b.region(b.op("embedding", w, b.op("clamp", i, min=0, max=20)))
    for name in STACKS[1:]:
        assert adapters[name].supports(shown).ok
        assert any("does not refuse" in r for r in adapters[name].supports(computed).reasons)


def places(b, first, last):
    """The rows of a table of 10 that are found along an axis of `first` scores, and in order."""
    w, x = b.input("w", "f32[10, 4]"), b.input("x", f"f32[s0, {first}]")
    best = b.op("topk", x, k=2, dim=1, largest=True)
    found = (b.op("argmax", x, dim=1, keepdim=False), f"{best[:-1]}1")
    return b.region(b.op("embedding", w, found[last]))


@pytest.mark.parametrize("last", [0, 1], ids=["argmax", "topk"])
def test_a_place_that_was_found_is_inside_what_is_as_long(adapters, last):
    for name in STACKS[1:]:
        shown, beyond = (places(RegionBuilder(), size, last) for size in (10, 11))
        assert adapters[name].supports(shown).ok, adapters[name].supports(shown).reasons
        assert any("does not refuse" in r for r in adapters[name].supports(beyond).reasons)
        got, expected = (
            run(prepare(adapters[n], shown, {}), shown, {"s0": 3}) for n in (name, "torch-cpu")
        )
        np.testing.assert_allclose(got[0], expected[0])


def test_elements_in_order_are_no_places(adapters):
    b = RegionBuilder()
    w, i = b.input("w", "f32[10, 4]"), b.input("i", "i64[s0, 10]")
    sorted_first = b.op("sort", i, dim=1, descending=False)
    region = b.region(b.op("embedding", w, sorted_first))
    assert any("does not refuse" in r for r in adapters["onnxruntime-cpu"].supports(region).reasons)
