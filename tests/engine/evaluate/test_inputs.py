"""Inputs of a workload: read, drawn or passed on, and refused by name where they do not fit."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from engine.evaluate.draw import HOST, Maker
from engine.evaluate.inputs import InputError, make_inputs, torch_dtype
from engine.schema import Definition, DType, Workload
from engine.schema.definition import AxisConst, AxisVar, TensorSpec
from engine.schema.workload import RandomInput, SafetensorsInput, ScalarInput

STORED = SafetensorsInput(path="blob/x.safetensors", tensor_key="x")

GOLDEN = {
    "float32": "852e9991db0a6e02",
    "float16": "6cda0d89162cf46a",
    "bfloat16": "00a30b1110680fab",
    "float8_e4m3fn": "b29d54120187a495",
    "float8_e5m2": "652ade942429db16",
    "int64": "b897636d29fd3abf",
    "int32": "d7a838a395553ee4",
    "int16": "142fc87459ebe0ac",
    "int8": "ced7dc6ed7bb16bd",
    "bool": "b956a6181b34f6db",
}
"""Beginnings of the SHA-256 of 210,000 random values of each dtype."""


def definition(dtype: str = "float32", shape: Any = ("M", "N")) -> Definition:
    return Definition(
        name="d",
        op_type="toy",
        axes={"M": AxisVar(), "N": AxisConst(value=4)},
        inputs={"x": TensorSpec(shape=None if shape is None else list(shape), dtype=DType(dtype))},
        outputs={},
        reference="def run(x): ...",
    )


def make(found: Definition, source: Any, blobs: dict[str, str] | None = None, m: int = 3) -> Any:
    workload = Workload(uuid="w", axes={"M": m}, inputs={"x": source} if source else {})
    return make_inputs(found, workload, "seed", blobs or {})["x"]


@pytest.fixture
def stored(tmp_path: Path) -> Any:
    """Writes one tensor under a key and gives the blobs that find it."""

    def write(tensor: torch.Tensor, key: str = "x") -> dict[str, str]:
        path = tmp_path / "x.safetensors"
        save_file({key: tensor}, path)
        return {STORED.path: str(path)}

    return write


def test_a_stored_tensor_arrives_unchanged(stored: Any) -> None:
    tensor = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    assert torch.equal(make(definition(), STORED, stored(tensor)), tensor)


def test_a_stored_tensor_of_one_element_can_be_a_scalar(stored: Any) -> None:
    value = make(definition("float32", None), STORED, stored(torch.tensor([0.25])))
    assert value == 0.25
    assert isinstance(value, float)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(2, 4), r"input 'x': blob/x.safetensors has shape \[2, 4\], not \[3, 4\]"),
        (torch.zeros(12), r"input 'x': .* has shape \[12\], not \[3, 4\]"),
        (torch.zeros(3, 4).half(), r"input 'x': .* holds torch.float16, not torch.float32"),
    ],
)
def test_a_stored_tensor_that_does_not_fit_is_refused_by_name(
    stored: Any, tensor: torch.Tensor, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make(definition(), STORED, stored(tensor))


def test_a_stored_tensor_is_no_scalar_if_it_has_several_elements(stored: Any) -> None:
    with pytest.raises(InputError, match=r"input 'x': .* has shape \[2\], not one number"):
        make(definition("float32", None), STORED, stored(torch.zeros(2)))


def test_a_missing_key_is_named(stored: Any) -> None:
    with pytest.raises(InputError, match=r"input 'x': blob/x.safetensors: .*\bx\b"):
        make(definition(), STORED, stored(torch.zeros(3, 4), "other"))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"input 'x': blob/x.safetensors is not there"):
        make(definition(), STORED)


def test_a_file_that_vanished_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"input 'x': blob/x.safetensors: "):
        make(definition(), STORED, {STORED.path: str(tmp_path / "gone")})


def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(InputError, match=r"input 'x': blob/x.safetensors: "):
        make(definition(), STORED, {STORED.path: str(path)})


def test_an_input_that_the_workload_lacks_is_named() -> None:
    with pytest.raises(InputError, match="the workload gives no input 'x'"):
        make(definition(), None)


def test_an_axis_that_the_workload_lacks_is_named() -> None:
    workload = Workload(uuid="w", axes={}, inputs={"x": RandomInput()})
    with pytest.raises(InputError, match="no length for axis 'M'"):
        make_inputs(definition(), workload, "seed", {})


def test_a_dtype_that_torch_cannot_hold_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="input 'x': torch cannot hold float4_e2m1"):
        make(definition("float4_e2m1"), RandomInput())


def test_a_scalar_is_passed_on_as_it_is() -> None:
    assert make(definition("float32", None), ScalarInput(value=1.5)) == 1.5


@pytest.mark.parametrize("dtype", [dtype for dtype in DType if dtype is not DType.FLOAT4_E2M1])
def test_a_random_tensor_has_the_definitions_shape_and_dtype(dtype: DType) -> None:
    tensor = make(definition(dtype), RandomInput())
    assert tensor.shape == (3, 4)
    assert tensor.dtype is torch_dtype(dtype)


@pytest.mark.parametrize("maker", [HOST, Maker(torch.device("cpu"), worth=1)])
@pytest.mark.parametrize("dtype", GOLDEN)
def test_random_tensors_are_the_same_bytes_everywhere(dtype: str, maker: Maker) -> None:
    found = definition(dtype)
    found.axes["N"] = AxisConst(value=3)
    workload = Workload(uuid="w", axes={"M": 70_000}, inputs={"x": RandomInput()})
    tensor = make_inputs(found, workload, "seed", {}, maker)["x"]
    assert isinstance(tensor, torch.Tensor)
    raw = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
    assert hashlib.sha256(raw).hexdigest()[:16] == GOLDEN[dtype]


def test_a_random_tensor_depends_on_the_seed_alone() -> None:
    workload = Workload(uuid="w", axes={"M": 3}, inputs={"x": RandomInput()})
    one, same, other = (
        make_inputs(definition(), workload, seed, {})["x"] for seed in ("a", "a", "b")
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2"])
def test_random_8_bit_floats_stay_within_two(dtype: str) -> None:
    tensor = make(definition(dtype), RandomInput(), m=2000).float()
    assert tensor.abs().max() == 2.0


@pytest.mark.parametrize(("dtype", "length"), [("int32", 5), ("int64", 90), ("int8", 5000)])
def test_random_integers_index_any_axis_that_the_workload_chooses(dtype: str, length: int) -> None:
    tensor = make(definition(dtype), RandomInput(), m=length)
    assert tensor.min() == 0
    assert tensor.max() == min(length, 127) - 1


def test_random_booleans_are_of_both_kinds() -> None:
    assert set(make(definition("bool"), RandomInput(), m=100).flatten().tolist()) == {True, False}


@pytest.mark.parametrize(("dtype", "kind"), [("float32", float), ("int32", int), ("bool", bool)])
def test_a_random_scalar_is_a_plain_number(dtype: str, kind: type) -> None:
    assert type(make(definition(dtype, None), RandomInput())) is kind


def test_an_axis_may_be_empty() -> None:
    assert make(definition(), RandomInput(), m=0).shape == (0, 4)
    assert make(definition("int32"), RandomInput(), m=0).shape == (0, 4)


def test_inputs_come_in_the_order_of_the_definition() -> None:
    names = ["c", "a", "b"]
    found = definition(shape=None)
    found.inputs = dict.fromkeys(names, found.inputs["x"])
    given = {name: ScalarInput(value=1) for name in sorted(names)}
    workload = Workload(uuid="w", axes={}, inputs=dict(given))
    assert list(make_inputs(found, workload, "seed", {})) == names
