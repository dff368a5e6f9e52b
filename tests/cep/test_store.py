from __future__ import annotations

import json

import pytest

from acp.diagnostics import Refused
from cep.store import Store, StoreError
from cep.v1.graph import Constant
from tests.cep.plans import WEIGHTS, WEIGHTS_FILE, safetensors, sha256


def entry(start, end, dtype="F32", shape=(4, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


def constant(file=WEIGHTS_FILE, data=WEIGHTS, key="w"):
    return Constant(value="w", digest=sha256(data), store_digest=sha256(file), key=key)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_what_is_stored_is_found(store):
    path = store.add(WEIGHTS_FILE)
    assert path.read_bytes() == WEIGHTS_FILE
    assert path.name == sha256(WEIGHTS_FILE)[7:] + ".safetensors"
    found, data = store.tensor(constant())
    assert (found.dtype, found.shape, bytes(data)) == ("f32", (4, 4), WEIGHTS)
    assert store.is_open(sha256(WEIGHTS_FILE))


def test_a_file_that_never_ends_is_not_read(store):
    store.path(sha256(WEIGHTS_FILE)).symlink_to("/dev/zero")
    with pytest.raises(StoreError, match="not a regular file"):
        store.tensor(constant())


def test_to_store_twice_is_to_store_once(store):
    assert store.add(WEIGHTS_FILE) == store.add(WEIGHTS_FILE)


def test_headers_may_be_padded_and_carry_metadata(store):
    header = json.dumps({"w": entry(0, 64), "__metadata__": {"format": "pt"}}).encode() + b"   "
    file = safetensors(header, WEIGHTS)
    store.add(file)
    assert store.tensor(constant(file))[0].shape == (4, 4)


DTYPES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1,
          "BOOL": 1}  # fmt: skip


@pytest.mark.parametrize(("dtype", "width"), DTYPES.items(), ids=DTYPES)
def test_every_dtype_has_its_width(store, dtype, width):
    data = bytes(3 * width)
    good = safetensors({"w": entry(0, len(data), dtype, (3,))}, data)
    store.add(good)
    assert store.tensor(constant(good, data))[0].shape == (3,)
    bad = safetensors({"w": entry(0, len(data) - 1, dtype, (3,))}, data)
    store.add(bad)
    with pytest.raises(StoreError):
        store.tensor(constant(bad, data[:-1]))


MALFORMED = {
    "nothing": b"",
    "seven bytes": b"1234567",
    "a length beyond the file": (2**20).to_bytes(8, "little") + b"{}",
    "a length beyond all memory": (2**64 - 1).to_bytes(8, "little") + b"{}",
    "no JSON": safetensors(b"{]", WEIGHTS),
    "no text": safetensors(b"\xff\xfe\x00", WEIGHTS),
    "a list": safetensors(b"[]", WEIGHTS),
    "nested too deep": safetensors(b"[" * 5000 + b"]" * 5000, WEIGHTS),
    "a name twice": safetensors(b'{"w":{},"w":{}}', WEIGHTS),
    "an entry that is none": safetensors({"w": 5}, WEIGHTS),
    "an entry without offsets": safetensors({"w": {"dtype": "F32", "shape": [4, 4]}}, WEIGHTS),
    "an unknown dtype": safetensors({"w": entry(0, 64, "F4")}, WEIGHTS),
    "a negative size": safetensors({"w": entry(0, 64, shape=(-4, -4))}, WEIGHTS),
    "a size that is no integer": safetensors({"w": entry(0, 64, shape=(4.0, 4))}, WEIGHTS),
    "a size that is true": safetensors({"w": entry(0, 4, shape=(True,))}, WEIGHTS),
    "more axes than any tensor has": safetensors({"w": entry(0, 4, shape=(1,) * 17)}, WEIGHTS),
    "a start below the data": safetensors({"w": entry(-8, 56)}, WEIGHTS),
    "an end beyond the data": safetensors({"w": entry(8, 72)}, WEIGHTS),
    "an end before the start": safetensors({"w": entry(64, 0)}, WEIGHTS),
    "three offsets": safetensors(
        {"w": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64, 64]}}, WEIGHTS
    ),
    "two tensors in one place": safetensors({"w": entry(0, 64), "v": entry(0, 64)}, WEIGHTS),
    "two tensors that overlap": safetensors(
        {"w": entry(0, 32, shape=(8,)), "v": entry(28, 60, shape=(8,))}, WEIGHTS
    ),
    "bytes that do not fit the shape": safetensors({"w": entry(0, 60)}, WEIGHTS),
    "a shape of astronomic size": safetensors({"w": entry(0, 64, shape=(2**53 - 1,) * 9)}, WEIGHTS),
}


@pytest.mark.parametrize("file", MALFORMED.values(), ids=MALFORMED)
def test_malformed_files_are_refused(store, file):
    store.directory.mkdir(exist_ok=True)
    store.path(sha256(file)).write_bytes(file)
    with pytest.raises(StoreError) as refusal:
        store.tensor(constant(file))
    assert refusal.value.diagnostics[0].code == "CEP-I2"
    assert not store.is_open(sha256(file))


def test_a_missing_file_is_named(store):
    with pytest.raises(StoreError, match=r"is missing.*--store"):
        store.tensor(constant())


def test_a_folder_is_no_file(store):
    store.path(sha256(WEIGHTS_FILE)).mkdir(parents=True)
    with pytest.raises(StoreError):
        store.tensor(constant())


@pytest.mark.parametrize("place", range(0, len(WEIGHTS_FILE), 11))
def test_any_changed_byte_is_noticed(tmp_path, place):
    store = Store(tmp_path)
    path = store.add(WEIGHTS_FILE)
    data = bytearray(WEIGHTS_FILE)
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="changed or damaged"):
        store.tensor(constant())


def test_another_tensor_of_the_file_is_not_taken_for_it(store):
    store.add(WEIGHTS_FILE)
    with pytest.raises(StoreError, match="no tensor 'v'"):
        store.tensor(constant(key="v"))
    with pytest.raises(StoreError, match="the plan says"):
        store.tensor(constant(data=b"else"))
    with pytest.raises(StoreError, match="the plan says"):
        store.tensor(constant(data=b"else"))


@pytest.mark.parametrize("digest", ["sha256:../../etc/passwd", "../x", "sha256:" + "g" * 64, ""])
def test_no_plan_names_a_path(digest):
    with pytest.raises(Refused):
        Constant.from_json(
            {"value": "w", "digest": sha256(b""), "store_digest": digest, "key": "w"}
        )


def test_keys_are_never_part_of_a_path(store):
    store.add(WEIGHTS_FILE)
    with pytest.raises(StoreError, match="no tensor"):
        store.tensor(constant(key="../../../etc/passwd"))
