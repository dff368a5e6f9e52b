"""The adapter of docs/adapters.md, installed as the package that the page describes."""

from __future__ import annotations

import json
import sys
import tomllib

import numpy as np
import pytest
from click.testing import CliRunner

from reference_runtime.adapter import AdapterError, UnsupportedError
from reference_runtime.probe.command import probe
from reference_runtime.registry import load
from tests.docs.fences import ROOT, fences
from tests.reference_runtime.regions import RegionBuilder, prepare, run


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Put module and metadata where an installer would put them."""
    blocks = {f.language: f.content for f in fences(ROOT / "docs" / "adapters.md")}
    project = tomllib.loads(blocks["toml"])["project"]
    ((group, points),) = project["entry-points"].items()
    module = next(iter(points.values())).partition(":")[0]
    (tmp_path / f"{module}.py").write_text(blocks["python"])
    info = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(metadata)
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[{group}]\n{lines}")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield project["name"]
    sys.modules.pop(module, None)


def region(alpha=1):
    b = RegionBuilder()
    x, y = b.input("x", "f32[s0, s1]"), b.constant("y", "f32[1]")
    total = b.op("add.Tensor", b.op("mul.Tensor", x, y), x, alpha=alpha)
    return b.region(b.op("relu", total))


def test_the_adapter_runs_regions(plugin):
    adapter = load("numpy-cpu", allowed=[plugin])
    executable = prepare(adapter, region(), {"y": np.array([2], np.float32)})
    for shape in ((1, 2), (64, 256)):
        x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        (got,) = run(executable, region(), dict(zip(("s0", "s1"), shape, strict=True)), {"x": x})
        assert np.array_equal(got, np.maximum(x * 2 + x, 0))


@pytest.mark.usefixtures("plugin")
def test_the_adapter_is_not_loaded_unless_its_distribution_is_allowed():
    with pytest.raises(AdapterError, match="RUN-A1"):
        load("numpy-cpu", allowed=["acp-cep"])
    assert "numpy_cpu" not in sys.modules


def test_the_adapter_says_what_it_cannot_run(plugin):
    adapter = load("numpy-cpu", allowed=[plugin])
    assert adapter.supports(region(alpha=2)).reasons == (
        "cep-core/1:add.Tensor at v1.0 has an alpha other than 1",
    )
    with pytest.raises(UnsupportedError, match="alpha other than 1"):
        prepare(adapter, region(alpha=2))


def test_the_adapter_is_probed(plugin, tmp_path):
    output = tmp_path / "devices"
    arguments = ["--quick", "--adapter", "numpy-cpu", "--allow", plugin, "-o", str(output)]
    result = CliRunner().invoke(probe, arguments)
    assert result.exit_code == 0, result.output
    descriptor = json.loads((output / "numpy-cpu.descriptor.json").read_text())
    assert [op["op"] for op in descriptor["ops"]] == [
        f"cep-core/1:{name}" for name in ("add.Tensor", "mul.Tensor", "relu")
    ]
    assert "rates" not in descriptor["engines"][0]
    assert "cep-core/1:mm: cep-core/1:mm is not run by this stack" in result.stderr
