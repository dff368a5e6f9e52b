from __future__ import annotations

import pytest

from acp.documents import digest
from acp.v1.capability import CapabilityDescriptor
from acp.v1.measurement import MeasurementPoint, MeasurementRecord
from cep.graph import GraphView, Node
from cep.opset import PREFIX
from cep.planner.devices import Curve, PlanningError, _slowest, devices
from cep.planner.work import moved_bytes, operations, size_bytes
from tests.cep.opset.cases import tensor
from tests.cep.planner.systems import System, graph
from tests.cep.plans import TERM, descriptor, op

SIZES = {"b": 3}


def node_of(made, at=0):
    view = GraphView.of(made)
    return view.nodes[at], view.types


def test_the_work_of_products():
    node, types = node_of(graph([op("mm", ["x", "w"], "y")], constants=("w",)))
    assert operations(node, types, SIZES) == 2 * 3 * 4 * 4
    node, types = node_of(graph([op("linear", ["x", "w"], "y")], constants=("w",)))
    assert operations(node, types, SIZES) == 2 * 3 * 4 * 4


CONVOLUTIONS = {
    "direct": ("4, 6, 3", "b, 4, 8", 2 * 3 * 4 * 8 * 6 * 3),
    "transposed": ("6, 4, 3", "b, 4, 12", 2 * 3 * 6 * 10 * 4 * 3),
}


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_the_work_of_convolutions(kind):
    weight, result, expected = CONVOLUTIONS[kind]
    shapes = {"x": "b, 6, 10", "w": weight, "y": result}
    types = {name: tensor(f"f32[{shape}]") for name, shape in shapes.items()}
    transposed = kind == "transposed"
    node = Node(f"{PREFIX}convolution", ("x", "w"), {"transposed": transposed}, ("y",))
    assert operations(node, types, SIZES) == expected


def test_the_bytes_of_everything_else():
    node, types = node_of(graph([op("relu", ["x"], "y")]))
    assert operations(node, types, SIZES) == 0
    assert moved_bytes(node, types, SIZES) == 2 * 3 * 4 * 4
    assert size_bytes(types["x"], SIZES) == 48


def test_a_view_costs_nothing():
    node, types = node_of(graph([op("view", ["x"], "y", size={"dims": {"items": ["b", "4"]}})]))
    assert moved_bytes(node, types, SIZES) == 0


CURVE = Curve(((10, 100.0), (20, 150.0), (40, 350.0)))


@pytest.mark.parametrize(
    ("work", "time"),
    [(0, 0.0), (5, 50.0), (10, 100.0), (15, 125.0), (20, 150.0), (30, 250.0), (40, 350.0),
     (60, 550.0)],
)  # fmt: skip
def test_curves_are_linear_between_and_beyond_points(work, time):
    assert CURVE.time_ns(work) == time


def test_a_curve_never_falls_beyond_its_end():
    assert Curve(((10, 100.0), (20, 50.0))).time_ns(1000) >= 50.0


def test_one_point_is_a_curve():
    assert Curve(((10, 100.0),)).time_ns(5) == 50.0
    assert Curve(((10, 100.0),)).time_ns(50) >= 100.0


def record(subject):
    return {
        "spec": "acp/1", "uri": "https://example.com/run", "revision": "1",
        "issuer": "example.com", **TERM, "subject_digest": "sha256:" + "0" * 64,
        "unit_id": subject, "claim_path": "", "environment": {},
        "method": {"harness_uri": "https://example.com/harness"},
        "points": [
            {"op": "call", "n": "5", "p50": "700", "unit": "NANOSECONDS"},
            {"op": "cep-core/1:relu", "n": "5", "p50": "1700", "unit": "NANOSECONDS",
             "bytes": "1000"},
            {"op": "cep-core/1:relu", "n": "5", "p50": "2700", "unit": "NANOSECONDS",
             "bytes": "2000"},
        ],
        "observer": {"id": "example.com", "relation": "OPERATOR"},
    }  # fmt: skip


def test_measurements_are_believed_before_peak_rates():
    made = MeasurementRecord.from_json(record("d0"))
    found = System.of([None])
    found.descriptors["d0"]["provenance"] = [
        {"paths": [""], "basis": "MEASURED", "measurement_ref": digest(made)}
    ]
    parsed = CapabilityDescriptor.from_json(found.descriptors["d0"])
    (device,) = devices(found.document, [parsed], [made])
    assert device.call_ns == 700.0
    assert device.curves["cep-core/1:relu"].points == ((1000, 1000.0), (2000, 2000.0))
    (unmeasured,) = devices(found.document, [parsed], [])
    assert unmeasured.call_ns > 0
    assert "cep-core/1:relu" not in unmeasured.curves


def test_a_node_without_descriptor_is_refused():
    with pytest.raises(PlanningError) as refusal:
        devices(System.of([None, None]).document, [], [])
    assert refusal.value.diagnostics[0].code == "CEP-X4"


def test_a_device_without_main_memory_is_refused():
    memory = descriptor("d0")["memories"][0] | {"role": "CACHE"}
    with pytest.raises(PlanningError, match="no main memory"):
        _ = System.of([None], memories=[memory]).devices


@pytest.mark.parametrize(
    ("limit", "supported"),
    [
        ({}, True),
        ({"operands": {"*": {"dtypes": ["f32"]}}}, True),
        ({"operands": {"*": {"dtypes": ["f16"]}}}, False),
        ({"operands": {"self": {"rank": {"min": 1, "max": 1}}}}, False),
        ({"operands": {"out": {"dtypes": ["f16"]}}}, False),
        ({"operands": {"*": {"layouts": ["contiguous", "blocked"]}}}, True),
        ({"operands": {"*": {"layouts": ["blocked"]}}}, False),
        ({"operands": {"*": {"sparsity": ["dense", "2:4"]}}}, True),
        ({"operands": {"*": {"sparsity": ["2:4"]}}}, False),
        ({"operands": {"*": {"quant": ["per-tensor"]}}}, False),
        ({"where": ["self.shape[0] <= 8", "self.shape[1] % 4 == 0"]}, True),
        ({"where": ["self.shape[0] <= 8", "self.shape[0] <= 7"]}, False),
    ],
)
def test_what_a_device_supports_is_what_it_claims(limit, supported):
    ops = [{"op": "cep-core/1:relu", "variants": [{"engine": "core", **limit}]}]
    (device,) = System.of([None], ops=ops).devices
    view = GraphView.of(graph([op("relu", ["x"], "y"), op("neg", ["y"], "z")]))
    relu, neg = view.nodes
    assert device.supports(relu, view.types, view.ranges) is supported
    assert not device.supports(neg, view.types, view.ranges)


@pytest.mark.parametrize(
    ("points", "spread", "delay_ns"),
    [
        ([], 2.0, 0.0),
        ([(100, None)], 2.0, 0.0),
        ([(100, 150), (1000, 1200)], 2.0, 0.0),
        ([(100, 450), (1000, 1200)], 2.0, 250.0),
        ([(100, 100), (1000, 4300)], 4.0, 300.0),
    ],
)
def test_slow_calls_are_covered_by_a_factor_and_a_delay(points, spread, delay_ns):
    seen = [
        MeasurementPoint(op="call", n=1, p50=p50, p95=p95, unit="NANOSECONDS")
        for p50, p95 in points
    ]
    assert _slowest(seen) == (spread, delay_ns)
