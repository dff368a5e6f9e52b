from __future__ import annotations

import numpy as np
import pytest

from acp.diagnostics import Refused
from cep.store import StoreError
from reference_runtime.adapter import NumericError, UnsupportedError
from reference_runtime.binding import Binder, InputError
from tests.reference_runtime.plans import WEIGHTS, admitted, chain, fork
from tests.reference_runtime.simulated import SimulatedAdapter

X = np.ones((2, 4), np.float32)


@pytest.fixture
def world(tmp_path):
    return chain(tmp_path)


@pytest.fixture
def binder(world):
    return Binder(admitted(world), world.store)


def test_regions_are_prepared_once_and_bound_once_a_shape(world, binder):
    left, right = world.adapters
    first, _ = binder.at({"x": X})
    again, _ = binder.at({"x": X + 1})
    other, _ = binder.at({"x": X[:1]})
    assert again is first
    assert other is not first
    assert (other.sizes, first.sizes) == ({"b": 1}, {"b": 2})
    assert (left.prepared, right.prepared) == (1, 1)
    assert (left.bound, right.bound) == (2, 2)


def test_bindings_not_used_for_long_are_dropped(world):
    binder = Binder(admitted(world), world.store, capacity=2)
    kept, _ = binder.at({"x": X[:1]})
    for rows in (X, X[:1], np.ones((3, 4), np.float32)):
        binder.at({"x": rows})
    assert binder.at({"x": X[:1]})[0] is kept
    assert world.adapters[0].bound == 3
    binder.at({"x": X})
    assert world.adapters[0].bound == 4


def test_buffers_lie_where_the_plan_says(binder):
    bound, _ = binder.at({"x": X})
    ((x,),), (y,) = bound.inputs, bound.outputs
    left, right = binder._arenas[0]["left-ram"], binder._arenas[0]["right-ram"]
    assert x.ctypes.data == left.view(0, [1], "f32").ctypes.data
    assert y.ctypes.data == right.view(128, [1], "f32").ctypes.data
    assert x.ctypes.data % 64 == 0
    assert (x.shape, x.dtype, y.shape) == ((2, 4), np.float32, (2, 4))
    assert left.nbytes == 4096


def test_a_transfer_copies(binder):
    bound, _ = binder.at({"x": X})
    bound.inputs[0][0][:] = X
    bound.thunks[0]()
    there = binder._arenas[0]["right-ram"].view(0, [2, 4], "f32")
    there[:] = -1
    bound.thunks[1]()
    assert np.array_equal(there, X @ WEIGHTS)


def test_weights_are_read_only(binder):
    (weights,) = binder._carriers._carriers[0][0].executable.constants.values()
    assert np.array_equal(weights, WEIGHTS)
    assert not weights.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        weights[0] = 0


def test_damaged_weights_are_refused(world):
    (path,) = world.directory.iterdir()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="CEP-I2"):
        Binder(admitted(world), world.store)


def test_missing_weights_are_refused(world):
    with pytest.raises(UnsupportedError, match="no store"):
        Binder(admitted(world), None)


REFUSED = {
    "missing": ({}, "RUN-I1", "/inputs/x", "is missing"),
    "unknown": ({"x": X, "z": X}, "RUN-I1", "/inputs/z", "no input 'z'; it takes x"),
    "hostile name": ({"x": X, "a/b~": X}, "RUN-I1", "/inputs/a~1b~0", "no input"),
    "f64": ({"x": X.astype(np.float64)}, "RUN-I2", "/inputs/x", "float64; allowed is float32"),
    "big-endian": ({"x": X.astype(">f4")}, "RUN-I2", "/inputs/x", ">f4"),
    "list": ({"x": [[1.0] * 4]}, "RUN-I2", "/inputs/x", "a list, which is no array"),
    "rank": ({"x": X[0]}, "RUN-I3", "/inputs/x", "1 axes"),
    "fixed axis": ({"x": X[:, :3]}, "RUN-I3", "/inputs/x", "axis 1 has size 3; it must be 4"),
    "too many": ({"x": np.ones((9, 4), "f4")}, "RUN-I3", "/inputs/x", "size 9; allowed: b is 1 to"),
    "too few": ({"x": X[:0]}, "RUN-I3", "/inputs/x", "size 0; allowed: b is 1 to 8"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_inputs_that_the_plan_does_not_admit(binder, name):
    inputs, code, path, message = REFUSED[name]
    with pytest.raises(InputError) as caught:
        binder.at(inputs)
    assert (caught.value.diagnostics[0].code, caught.value.diagnostics[0].path) == (code, path)
    assert message in caught.value.diagnostics[0].message


def two_inputs(shape):
    world = fork()
    values = {value["id"]: value for value in world.members["values"]}
    values["n"] |= {"role": "IN", "shape": shape}
    world.members["inputs"].append({"name": "n", "value": "n"})
    del world.members["steps"][1]
    del world.members["steps"][1]["waits"]
    world.members["steps"][1] |= {"run": {"ops": [1]}}
    del world.members["ops"][1]
    return Binder(admitted(world), None)


@pytest.mark.parametrize(
    ("shape", "rows", "message"),
    [
        (["b", "4"], 3, "axis 0 has size 3; axis 0 of 'x' says that b is 2"),
        (["2*b", "4"], 3, "axis 0 has size 3; it must be 2*b = 4"),
    ],
)
def test_inputs_that_contradict_each_other(shape, rows, message):
    with pytest.raises(InputError) as caught:
        two_inputs(shape).at({"x": X, "n": np.ones((rows, 4), "f4")})
    assert caught.value.diagnostics[0].code == "RUN-I3"
    assert message in caught.value.diagnostics[0].message


def test_divisors_are_checked(tmp_path):
    world = chain(tmp_path)
    world.members["symbols"] = [{"name": "b", "min": "2", "max": "8", "divisor": "2"}]
    binder = Binder(admitted(world), world.store)
    assert binder.at({"x": X})[0].sizes == {"b": 2}
    with pytest.raises(InputError, match="in multiples of 2"):
        binder.at({"x": np.ones((3, 4), "f4")})


def test_a_symbol_that_no_input_says_is_refused(tmp_path):
    world = chain(tmp_path)
    world.members["symbols"].append({"name": "s", "min": "1", "max": "2"})
    with pytest.raises(InputError, match="'s' alone"):
        Binder(admitted(world), world.store).at({"x": X})


def test_what_numpy_cannot_take_is_refused(binder):
    class Elsewhere:
        def __dlpack__(self, **_):
            raise BufferError("memory that the host does not see")

        def __dlpack_device__(self):
            return X.__dlpack_device__()

    with pytest.raises(InputError, match=r"RUN-I2.*Elsewhere.*the host does not see"):
        binder.at({"x": Elsewhere()})


def test_anything_with_dlpack_is_taken(binder):
    class Foreign:
        def __dlpack__(self, **kwargs):
            return X.__dlpack__(**kwargs)

        def __dlpack_device__(self):
            return X.__dlpack_device__()

    _, (array,) = binder.at({"x": Foreign()})
    assert np.array_equal(array, X)


def test_a_refusal_of_an_adapter_names_step_and_device(tmp_path):
    class Coarse(SimulatedAdapter):
        def prepare(self, *_, **__):
            raise NumericError.because("RUN-N1", "computes in bf16")

    world = chain(tmp_path, right=Coarse("right"))
    with pytest.raises(NumericError) as caught:
        Binder(admitted(world), world.store)
    (found,) = caught.value.diagnostics
    assert (found.code, found.path, found.message) == (
        "RUN-N1",
        "/steps/2",
        "right: computes in bf16",
    )


def test_bodies_that_this_runtime_does_not_carry_out(world):
    step = world.members["steps"][2]
    del step["run"]
    step["call"] = {"subplan": "sha256:" + "0" * 64}
    with pytest.raises(UnsupportedError) as caught:
        Binder(admitted(world), world.store)
    assert caught.value.diagnostics[0].path.startswith("/steps/2")


def test_compiled_code_that_is_missing_is_an_error(world):
    world.members["steps"][2]["run"]["artifact"] = "sha256:" + "0" * 64
    with pytest.raises(StoreError, match=r"CEP-I2.*artifact .* is missing"):
        Binder(admitted(world), world.store)
    with pytest.raises(UnsupportedError, match=r"RUN-A3"):
        Binder(admitted(world), None)


def test_a_constant_with_a_buffer_is_put_there_and_read_from_there(world):
    world.members["buffers"].append(
        {"value": "w", "arena": "left-ram", "offset": "1024", "size": "64"}
    )
    world.members["steps"][0]["reads"] = [0, 4]
    binder = Binder(admitted(world), world.store)
    assert np.array_equal(binder._arenas[0]["left-ram"].view(1024, [4, 4], "f32"), WEIGHTS)
    assert binder._carriers._carriers[0][0].executable.region.inputs == ("x", "w")
    assert binder._carriers._carriers[0][0].executable.constants == {}


def test_an_input_is_put_wherever_the_plan_has_it(world):
    world.members["buffers"].append(
        {"value": "x", "arena": "right-ram", "offset": "1024", "size": "128"}
    )
    bound, _ = Binder(admitted(world), world.store).at({"x": X})
    assert [len(views) for views in bound.inputs] == [2]


def test_progress_sees_every_region(world):
    seen = []

    def progress(items, noun):
        seen.append((list(items), noun))
        return items

    Binder(admitted(world), world.store, progress=progress)
    assert seen == [([0, 2], "regions compiled")]


def test_what_was_opened_is_closed_when_binding_fails(tmp_path):
    closed = []

    class Broken(SimulatedAdapter):
        def queue(self, *args):
            queue = super().queue(*args)
            queue.close = lambda: closed.append(self.name)
            return queue

        def prepare(self, *_, **__):
            raise UnsupportedError.because("RUN-A3", "no")

    world = chain(tmp_path, left=Broken("left"))
    with pytest.raises(Refused):
        Binder(admitted(world), world.store)
    assert closed == ["left"]
