"""Safetensors files are read as the library reads them, and refused where it refuses them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from engine.schema import DType
from engine.validate.blobs import STORED_AS, BadBlob, Blobs, Entry, read_values
from engine.validate.nan import first_nan
from engine.validate.tensors import Unsupported
from tests.engine.validate.samples import float32, int32, safetensors

NUMBERS = [dtype for dtype in DType if not dtype.startswith(("float8", "float4"))]
WITH_NAN = [dtype for dtype in DType if "float" in dtype and dtype is not DType.FLOAT4_E2M1]


def entry_of(path: Path, key: str = "x") -> Entry:
    return Blobs().header(path)[key]


@pytest.mark.parametrize("dtype", NUMBERS)
def test_values_are_those_that_torch_stored(dtype: DType, tmp_path: Path) -> None:
    tensor = torch.tensor([[0, 1, -2.5], [3, 100, -7]]).to(getattr(torch, dtype))
    path = tmp_path / "a.safetensors"
    save_file({"x": tensor, "y": torch.zeros(3)}, path)
    entry = entry_of(path)
    assert (entry.dtype, entry.shape) == (STORED_AS[dtype], (2, 3))
    assert list(read_values(path, entry)) == tensor.flatten().tolist()


@pytest.mark.parametrize("dtype", [DType.FLOAT8_E4M3FN, DType.FLOAT8_E5M2])
def test_values_of_8_bit_floats_are_not_worked_out(dtype: DType, tmp_path: Path) -> None:
    save_file({"x": torch.ones(3).to(getattr(torch, dtype))}, tmp_path / "a")
    entry = entry_of(tmp_path / "a")
    assert (entry.dtype, entry.shape) == (STORED_AS[dtype], (3,))
    with pytest.raises(Unsupported, match="F8"):
        read_values(tmp_path / "a", entry)


@pytest.mark.parametrize("dtype", WITH_NAN)
def test_a_nan_is_found_and_nothing_is_taken_for_one(dtype: DType, tmp_path: Path) -> None:
    kind = getattr(torch, dtype)
    # Infinities only where the dtype has them: else torch writes a NaN.
    usual = torch.tensor([0.0, -1.5, torch.finfo(kind).max, torch.finfo(kind).min])
    infinite = torch.tensor([] if dtype is DType.FLOAT8_E4M3FN else [torch.inf, -torch.inf])
    sound = torch.cat([usual, infinite]).repeat(200_000).to(kind)
    assert not sound.float().isnan().any()
    save_file({"x": sound}, tmp_path / "sound")
    assert first_nan(tmp_path / "sound", entry_of(tmp_path / "sound")) is None
    for position in (0, len(sound) - 1, 700_001):
        ill = sound.clone()
        ill[position] = torch.nan
        save_file({"x": ill}, tmp_path / "ill")
        assert first_nan(tmp_path / "ill", entry_of(tmp_path / "ill")) == position


def test_integers_have_no_nan(tmp_path: Path) -> None:
    save_file({"x": torch.full((9,), -1)}, tmp_path / "a")
    assert first_nan(tmp_path / "a", entry_of(tmp_path / "a")) is None


def header(**tensors: Any) -> bytes:
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text


def described(start: int, end: int, dtype: str = "I32", shape: Any = (2,)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


BROKEN = {
    "empty": b"",
    "short": b"\x02\0\0",
    "no header": struct.pack("<Q", 0),
    "header beyond the end": struct.pack("<Q", 1 << 40) + b"{}",
    "no JSON": struct.pack("<Q", 3) + b"{x}",
    "a list": struct.pack("<Q", 2) + b"[]",
    "no offsets": header(x={"dtype": "I32", "shape": [1]}) + bytes(4),
    "cut off": safetensors({"x": int32(1, 2)})[:-1],
    "too long": safetensors({"x": int32(1, 2)}) + b"\0",
    "a gap": header(x=described(0, 8), y=described(12, 20)) + bytes(20),
    "an overlap": header(x=described(0, 8), y=described(4, 12)) + bytes(12),
    "not from the start": header(x=described(4, 12)) + bytes(12),
    "fewer bytes than the shape": header(x=described(0, 8, shape=[3])) + bytes(8),
    "unknown dtype": header(x=described(0, 8, dtype="I33")) + bytes(8),
    "negative length": header(x=described(0, 8, shape=[-1, -2])) + bytes(8),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(BROKEN[name])
    with pytest.raises(SafetensorError):
        safe_open(path, framework="pt")
    blobs = Blobs()
    for _ in range(2):  # the second time from memory
        with pytest.raises(BadBlob) as caught:
            blobs.header(path)
        assert len(str(caught.value)) > 20


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadBlob, match="No such file"):
        Blobs().header(tmp_path / "none")


def test_metadata_and_tensors_without_elements_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.empty(0, 4), "one": torch.tensor(2.0)}, path, metadata={"by": "me"})
    entries = Blobs().header(path)
    assert entries["x"].shape == (0, 4) and not len(read_values(path, entries["x"]))
    assert entries["one"].shape == () and list(read_values(path, entries["one"])) == [2.0]


def test_the_tests_own_writer_writes_what_the_library_reads(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors({"x": int32(1, 2, 3, 4, shape=[2, 2]), "y": float32(0.5)}))
    with safe_open(path, framework="pt") as stored:
        assert stored.get_tensor("x").tolist() == [[1, 2], [3, 4]]
        assert stored.get_tensor("y").tolist() == [0.5]


def test_many_files_are_read_and_few_headers_kept(tmp_path: Path) -> None:
    blobs = Blobs()
    for number in range(100):
        (tmp_path / str(number)).write_bytes(safetensors({"x": int32(number)}))
    for number in (*range(100), *range(100)):
        path = tmp_path / str(number)
        assert list(read_values(path, blobs.header(path)["x"])) == [number]
