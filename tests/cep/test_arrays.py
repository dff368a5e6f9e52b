from __future__ import annotations

import io
import zipfile
from contextlib import suppress

import numpy as np
import pytest

from acp.diagnostics import FileRefusedError
from cep.arrays import MAX_ARRAYS, read_npz, split_runs, summaries, write_npz

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_arrays_come_back_as_they_were(tmp_path):
    arrays = {
        "x": X,
        "file": np.array([True, False]),
        "a/b:c": np.array(3.5),
        "0/y": np.zeros((0, 4), np.int64),
        "f": np.asfortranarray(X),
        "big": X.astype(">f4"),
    }
    write_npz(tmp_path / "x.npz", arrays)
    again = read_npz(tmp_path / "x.npz")
    assert list(again) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)
        assert again[name].dtype == array.dtype
    with np.load(tmp_path / "x.npz", allow_pickle=False) as loaded:
        assert set(loaded.files) == set(arrays)


def test_what_numpy_writes_is_read(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", x=X, y=X.T)
    again = read_npz(tmp_path / "x.npz")
    np.testing.assert_array_equal(again["y"], X.T)


def test_equal_arrays_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_npz(tmp_path / name, {"x": X})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def packed(tmp_path, *members):
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return tmp_path / "x.npz"


def npy(array=X, **header):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    data = stream.getvalue()
    for old, new in header.items():
        data = data.replace(old.encode(), new.encode())
    return data


REFUSED = {
    "claims more than it has": npy().replace(b"(2, 3)", b"(2,99)"),
    "claims a tebibyte": npy().replace(b"(2, 3), } ", b"(2**40,),}"),
    "negative": npy().replace(b"(2, 3)", b"(-2,3)"),
    "cut off": npy()[:-4],
    "too long": npy() + b"0",
    "objects": npy(np.array([{}], dtype=object)),
    "records": npy(np.zeros(2, dtype=[("a", "f4")])),
    "text": npy(np.array(["a"])),
    "no magic": b"hello",
    "empty": b"",
    "other version": npy().replace(b"\x93NUMPY\x01", b"\x93NUMPY\x09"),
    "header is code": npy().replace(b"(2, 3)", b"exit()"),
    "header has no end": npy().replace(b"(2, 3)", b"(((((("),
    "header of mixed names": npy().replace(b"'shape'", b"  0    "),
    "a size that is true": npy(X[:1, :1]).replace(b"(1, 1), ", b"(True,),"),
    "empty, beyond all memory": npy(X[:0]).replace(
        b"(0, 3), }" + b" " * 30, b"(0, 3" + b"0" * 30 + b"), }"
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_members_are_refused(tmp_path, name):
    path = packed(tmp_path, ("x.npy", REFUSED[name]))
    with pytest.raises(FileRefusedError) as caught:
        read_npz(path)
    assert caught.value.diagnostics[0].code == "ENV-F1"
    assert caught.value.file == str(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice_is_refused(tmp_path):
    with pytest.raises(FileRefusedError, match="two arrays called 'x'"):
        read_npz(packed(tmp_path, ("x.npy", npy()), ("x.npy", npy())))


def test_too_many_arrays_are_refused(tmp_path):
    many = [(f"{i}.npy", b"") for i in range(MAX_ARRAYS + 1)]
    with pytest.raises(FileRefusedError, match="more than 4096 arrays"):
        read_npz(packed(tmp_path, *many))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_archive_is_refused_or_empty(tmp_path, data):
    path = tmp_path / "x.npz"
    path.write_bytes(data)
    if len(data) == 22:
        assert read_npz(path) == {}
    else:
        with pytest.raises(FileRefusedError):
            read_npz(path)


def test_every_flipped_byte_is_refused_or_harmless(tmp_path):
    path = tmp_path / "x.npz"
    write_npz(path, {"x": X})
    good = path.read_bytes()
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x11]) + good[place + 1 :])
        # Any other exception fails this test.
        with suppress(FileRefusedError):
            read_npz(path)


def test_summaries_are_of_little_endian_rows():
    plain = summaries({"x": X})["x"]
    assert (plain.dtype, plain.shape) == ("f32", (2, 3))
    assert summaries({"x": X.astype(">f4")})["x"] == plain
    assert summaries({"x": np.asfortranarray(X)})["x"] == plain
    assert summaries({"x": X.T})["x"].digest != plain.digest


@pytest.mark.parametrize(
    ("names", "runs"),
    [
        (["y"], [{"y"}]),
        (["0/y", "1/y", "0/z"], [{"y", "z"}, {"y"}]),
        (["0/y", "2/y"], [{"0/y", "2/y"}]),
        (["0/y", "z"], [{"0/y", "z"}]),
        (["a/y"], [{"a/y"}]),
    ],
)
def test_outputs_of_several_runs(names, runs):
    assert [set(one) for one in split_runs(dict.fromkeys(names, X))] == runs
