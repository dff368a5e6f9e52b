from __future__ import annotations

import io
import json
import os
import re
import zipfile

import pytest
import torch

from cep.capture.archive import CaptureError, load
from cep.capture.exported import capture
from cep.capture.plain import check_size
from tests.cep.capture.models import exported, mlp, run

X = torch.linspace(-1, 1, 12).reshape(3, 4)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The records of an archive that torch.export.save wrote, below its folder."""
    path = tmp_path_factory.mktemp("pt2") / "m.pt2"
    torch.export.save(exported(mlp(), X, dynamic=(0,)), path)
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def write(path, records, compression=zipfile.ZIP_STORED, folder="m"):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in records.items():
            archive.writestr(f"{folder}/{name}" if folder else name, data)
    return path


class Trap:
    """What creates a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


def pickled(trap):
    buffer = io.BytesIO()
    torch.save((trap,), buffer)
    return buffer.getvalue()


def pickle_in(kind, path_name):
    """A change that has the first tensor of a config read from a pickle."""

    def change(records, trap):
        name = f"data/{kind}/model_{kind}_config.json"
        config = json.loads(records[name])
        meta = json.loads(records["data/weights/model_weights_config.json"])["config"]
        key, entry = next(iter(meta.items()))
        config["config"][key] = entry | {"path_name": path_name, "use_pickle": True}
        records[name] = json.dumps(config).encode()
        records[f"data/{kind}/{path_name}"] = pickled(trap)

    return change


def object_in_constants(prefix):
    def change(records, trap):
        pickle_in("constants", f"{prefix}0")(records, trap)
        name = "data/constants/model_constants_config.json"
        records[name] = records[name].replace(b'"use_pickle": true', b'"use_pickle": false')

    return change


def program(change):
    def changed(records, trap):
        held = json.loads(records["models/model.json"])
        change(held, f"__import__('os').mkdir({trap.path!r})")
        records["models/model.json"] = json.dumps(held).encode()

    return changed


def evil_size(held, code):
    text = json.dumps(held)
    (size,) = set(re.findall(r"Symbol\('s\d+', positive=True, integer=True\)", text))
    held.update(json.loads(text.replace(size, f"{code} or {size}")))


def evil_structure(held, _):
    spec = held["graph_module"]["module_call_graph"][0]["signature"]
    spec["out_spec"] = json.dumps(
        [1, {"type": "collections.defaultdict", "children_spec": [],
             "context": {"default_factory_module": "antigravity",
                         "default_factory_name": "x", "dict_context": []}}]
    )  # fmt: skip


TRAPS = {
    "pickled weights": pickle_in("weights", "weight_0"),
    "pickled constants": pickle_in("constants", "tensor_0"),
    "a custom object": object_in_constants("custom_obj_"),
    "an opaque object": object_in_constants("opaque_obj_"),
    "weights of the old kind": lambda r, trap: r.update({"data/weights/model.pt": pickled(trap)}),
    "constants of the old kind": lambda r, trap: r.update(
        {"data/constants/model.pt": pickled(trap)}
    ),
    "a size that is code": program(evil_size),
    "a structure that imports": program(evil_structure),
    "a compiled library": lambda r, _: r.update({"data/aotinductor/model/lib.so": b"\x7fELF"}),
    "another program": lambda r, _: r.update({"models/other.json": r["models/model.json"]}),
    "something unknown": lambda r, _: r.update({"data/startup.py": b"raise SystemExit"}),
}


@pytest.mark.parametrize("change", TRAPS.values(), ids=TRAPS)
def test_what_would_run_is_refused_and_does_not_run(saved, tmp_path, change):
    trap = Trap(tmp_path / "caught")
    records = dict(saved)
    change(records, trap)
    with pytest.raises(CaptureError) as refusal:
        load(write(tmp_path / "m.pt2", records))
    assert refusal.value.diagnostics[0].code == "CEP-X2"
    assert not (tmp_path / "caught").exists()


def guards(held, code):
    held["guards_code"] = [f"{code} is None"]


LEFT_OUT = {
    "sample inputs": lambda r, trap: r.update({"data/sample_inputs/model.pt": pickled(trap)}),
    "guards": program(guards),
    "extra files": lambda r, trap: r.update({"extra/notes.pkl": pickled(trap)}),
}


@pytest.mark.parametrize("change", LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_is_not_needed_is_left_out_and_does_not_run(saved, tmp_path, change):
    trap = Trap(tmp_path / "caught")
    records = dict(saved)
    change(records, trap)
    captured = capture(load(write(tmp_path / "m.pt2", records)))
    assert not (tmp_path / "caught").exists()
    assert run(captured, X)["output"].shape == (3, 3)


def test_the_traps_do_run_where_nobody_looks(tmp_path):
    # Otherwise the tests above would pass whatever the loader does.
    trap = Trap(tmp_path / "caught")
    torch.load(io.BytesIO(pickled(trap)), weights_only=False)
    assert (tmp_path / "caught").exists()


def test_the_layout_of_old_versions_is_refused(saved, tmp_path):
    trap = Trap(tmp_path / "caught")
    records = {
        "version": b"8.20", "archive_format": b"pt2",
        "serialized_exported_program.json": saved["models/model.json"],
        "serialized_state_dict.pt": pickled(trap), "serialized_constants.pt": pickled(trap),
        "serialized_example_inputs.pt": pickled(trap),
    }  # fmt: skip
    for folder in ("", "m"):
        with pytest.raises(CaptureError):
            load(write(tmp_path / "m.pt2", records, folder=folder))
        assert not (tmp_path / "caught").exists()


def test_an_archive_comes_back_as_it_was(saved, tmp_path):
    captured = capture(load(write(tmp_path / "m.pt2", saved, folder="any name")))
    direct = capture(exported(mlp(), X, dynamic=(0,)))
    assert [o.target for o in captured.graph.ops] == [o.target for o in direct.graph.ops]
    assert captured.graph.symbols == direct.graph.symbols


NOT_ARCHIVES = {
    "nothing": b"",
    "text": b"import os",
    "a pickle": pickled(Trap("/nowhere/caught")),
    "the start of a zip": b"PK\x03\x04" + bytes(100),
}


@pytest.mark.parametrize("data", NOT_ARCHIVES.values(), ids=NOT_ARCHIVES)
def test_other_files_are_refused(tmp_path, data):
    (tmp_path / "m.pt2").write_bytes(data)
    with pytest.raises(CaptureError) as refusal:
        load(tmp_path / "m.pt2")
    assert refusal.value.diagnostics[0].code == "CEP-X1"


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CaptureError) as refusal:
        load(tmp_path / "m.pt2")
    assert refusal.value.diagnostics[0].code == "ENV-F1"


DAMAGE = {
    "no weights": lambda r: r.pop("data/weights/weight_0"),
    "no program": lambda r: r.pop("models/model.json"),
    "no config": lambda r: r.pop("data/weights/model_weights_config.json"),
    "a config that is no JSON": lambda r: r.update(
        {"data/weights/model_weights_config.json": b"{"}
    ),
    "a config of something else": lambda r: r.update(
        {"data/weights/model_weights_config.json": b'{"config": [1]}'}
    ),
    "a program that is no JSON": lambda r: r.update({"models/model.json": b"{"}),
    "a program that is a list": lambda r: r.update({"models/model.json": b"[]"}),
    "a program of nothing": lambda r: r.update({"models/model.json": b"{}"}),
    "another format": lambda r: r.update({"archive_format": b"tar"}),
    "another version": lambda r: r.update({"archive_version": b"99"}),
}


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE)
def test_damaged_archives_are_refused(saved, tmp_path, change):
    records = dict(saved)
    change(records)
    with pytest.raises(CaptureError) as refusal:
        load(write(tmp_path / "m.pt2", records))
    assert refusal.value.diagnostics[0].code in ("CEP-X1", "CEP-X2")


def test_a_bomb_is_refused(saved, tmp_path):
    records = saved | {"data/weights/weight_9": bytes(2**24)}
    with pytest.raises(CaptureError, match="larger than the archive"):
        load(write(tmp_path / "m.pt2", records, zipfile.ZIP_DEFLATED))


PLAIN = [
    "Symbol('s53', positive=True, integer=True)",
    "Mul(Integer(384), Symbol('s53', positive=True, integer=True))",
    "Pow(Symbol('s53', positive=True, integer=True), Integer(2))",
    "FloorDiv(Symbol('s1'), Integer(3))",
    "Add(Integer(-1), Symbol('u0'))",
    "s0 + 1",
    "s0*s1 - -3",
]
CODE = [
    "", "__import__('os').system('true')", "open('x')", "s0.__class__", "(lambda: 1)()", "[1][0]",
    "{}", "'a'", "s0 if s1 else s2", "f'{s0}'", "Symbol('s0; import os')", "Symbol(s0)",
    "Symbol('s0', positive=open('x'))", "Integer('1')", "Integer(**{'a': 1})", "Integer(*[1])",
    "Pow(Integer(9), Integer(999999))", "Pow(Pow(s0, 9), 9)", "9**9", "exec('1')",
    "s0 or open('x')",
    "Symbol('s0').func(1)", "print", "1.5", "10000000000000000000000", "s0 +", "a" * 9000,
    "(" * 300 + "s0" + ")" * 300 + ".x", "-" * 5000 + "1",
]  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_sizes_that_are_plain(text):
    check_size(text)


@pytest.mark.parametrize("text", [*CODE, 1, None, ["s0"]], ids=lambda text: str(text)[:30])
def test_sizes_that_are_not(text):
    with pytest.raises(ValueError, match="size"):
        check_size(text)
