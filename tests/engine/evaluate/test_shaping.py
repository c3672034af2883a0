"""Random inputs of operators that blindly random ones would break: fit to use, and as seeded."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine.evaluate import shaping
from engine.evaluate.draw import HOST, Maker
from engine.evaluate.random_torch import bits_of
from engine.schema import Definition, DType, Workload
from engine.schema.definition import AxisConst, AxisVar, TensorSpec
from engine.schema.workload import RandomInput, ScalarInput

SIZES = {"T": 40, "E": 16, "H": 1024, "I": 512, "B": 8, "P": 3, "S": 4, "W": 20, "one": 1}
SHAPES: dict[str, tuple[tuple[str, ...], str]] = {
    "routing_logits": (("T", "E"), "bfloat16"),
    "routing_bias": (("E",), "bfloat16"),
    "hidden_states": (("T", "H"), "float8_e4m3fn"),
    "hidden_states_scale": (("B", "T"), "float32"),
    "gemm1_weights": (("E", "I", "H"), "float32"),
    "gemm1_weights_scale": (("E", "B", "B"), "float32"),
    "output2_scales_scalar": (("E",), "float32"),
    "gemm2_weights": (("E", "H", "I"), "float8_e4m3fn"),
    "k": (("T", "H"), "bfloat16"),
    "A": (("E", "B", "B"), "float32"),
    "dt_bias": (("E", "H"), "bfloat16"),
    "ckv_cache": (("P", "S", "H"), "bfloat16"),
    "sparse_indices": (("T", "W"), "int32"),
    "k_index_cache_fp8": (("P", "S", "one", "W"), "int8"),
}


def definition(op_type: str, tags: tuple[str, ...] = (), **axes: int) -> Definition:
    sizes = SIZES | axes
    return Definition(
        name="d",
        op_type=op_type,
        axes={"T": AxisVar(), **{name: AxisConst(value=size) for name, size in sizes.items()}},
        inputs={
            name: TensorSpec(shape=list(shape), dtype=DType(dtype))
            for name, (shape, dtype) in SHAPES.items()
        },
        outputs={},
        reference="def run(): ...",
        tags=list(tags),
    )


def make(
    make_inputs: Any, found: Definition, seed: str = "seed", maker: Maker = HOST
) -> dict[str, Any]:
    inputs = {name: RandomInput() for name in found.inputs}
    workload = Workload(uuid="w", axes={"T": 40}, inputs=dict(inputs))
    result: dict[str, Any] = make_inputs(found, workload, seed, {}, maker)
    return result


EXPERTS = make(shaping.experts, definition("moe", ("quantization:float4_e2m1fn_mxfp4",)))


def test_scales_are_positive_and_bring_products_near_one() -> None:
    for name, depth in (
        ("hidden_states_scale", 1),
        ("gemm1_weights_scale", 1024),
        ("output2_scales_scalar", 512),
    ):
        scales = EXPERTS[name] * depth**0.5
        assert scales.dtype == torch.float32
        assert scales.min() > 0.05 and scales.max() < 3


def test_wide_weights_are_small_and_four_bits_hold_them() -> None:
    weights = EXPERTS["gemm1_weights"]
    assert 0.5 < weights.std() * 1024**0.5 < 2
    levels = (weights * 2**5).abs().unique().tolist()
    assert set(levels) <= {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0}
    rounded = make(shaping.experts, definition("moe"))["gemm1_weights"]
    assert len(rounded.unique()) > 1000 and (rounded - weights).abs().max() <= 0.5 / 2**5
    assert EXPERTS["gemm2_weights"].float().std() > 0.9  # 8 bits cannot hold small numbers


def test_logits_of_sixteen_bits_have_no_ties_and_keep_their_order() -> None:
    logits = EXPERTS["routing_logits"]
    assert logits.dtype == torch.bfloat16
    assert all(len(row.unique()) == 16 for row in logits)
    plain = make(shaping.recurrence, definition("moe"))["routing_logits"].float()
    assert torch.equal(plain.argsort(stable=True), logits.float().argsort())
    assert len({tuple(row.tolist()) for row in logits}) == 40
    many = make(shaping.experts, definition("moe", E=256, H=2, I=2))["routing_logits"]
    assert all(len(row.unique()) == 256 for row in many)
    assert EXPERTS["routing_bias"].abs().max() < 0.25


def test_a_recurrence_has_keys_of_length_one_and_a_decay_for_each_head() -> None:
    keys = make(shaping.recurrence, definition("gdn"))["k"]
    assert keys.dtype == torch.bfloat16
    assert ((keys.float().norm(dim=1) > 0.8) & (keys.float().norm(dim=1) < 1.2)).all()
    values = make(shaping.recurrence, definition("mamba_ssu"))
    assert (values["A"] <= -1).all() and values["A"].is_contiguous()
    assert all(len(head.unique()) == 1 for head in values["A"])
    assert len(values["A"].unique()) == 16
    assert -3.1 < values["dt_bias"].float().mean() < -2.9


def test_sparse_indices_point_into_the_cache_and_name_no_token_twice() -> None:
    indices = make(shaping.sparse_attention, definition("dsa_paged"))["sparse_indices"]
    assert indices.dtype == torch.int32 and indices.shape == (40, 20)
    for row in indices.tolist():
        chosen = [index for index in row if index != -1]
        assert sorted(chosen) == list(range(12))  # all that the cache has
    assert len({tuple(row.tolist()) for row in indices}) > 5


def test_an_index_cache_holds_keys_then_scales() -> None:
    cache = make(shaping.topk_indexer, definition("dsa_paged"))["k_index_cache_fp8"]
    assert cache.dtype == torch.int8 and cache.shape == (3, 4, 1, 20)
    keys, scales = cache.reshape(3, 80).split([64, 16], dim=1)
    numbers = keys.contiguous().view(torch.float8_e4m3fn).float()
    assert numbers.abs().max() <= 2 and 0.8 < numbers.std() < 1.1
    found = scales.contiguous().view(torch.float32)
    assert found.shape == (3, 4) and found.min() > 0.1 and found.max() < 1.9


@pytest.mark.parametrize(
    ("op_type", "make_inputs"),
    [
        ("moe", shaping.experts),
        ("gdn", shaping.recurrence),
        ("mamba_ssu", shaping.recurrence),
        ("dsa_paged", shaping.sparse_attention),
        ("dsa_paged", shaping.topk_indexer),
    ],
)
def test_inputs_depend_on_the_seed_alone(op_type: str, make_inputs: Any) -> None:
    found = definition(op_type, H=8, I=8)
    one, same, other = (make(make_inputs, found, seed) for seed in ("a", "a", "b"))
    for name in found.inputs:
        bits = [values[name].contiguous().view(torch.uint8) for values in (one, same, other)]
        assert torch.equal(bits[0], bits[1])
        assert not torch.equal(bits[0], bits[2])


def test_what_a_workload_gives_is_not_touched() -> None:
    found = definition("moe")
    found.inputs = {"output2_scales_scalar": TensorSpec(shape=None, dtype=DType.FLOAT32)}
    given = Workload(
        uuid="w", axes={"T": 1}, inputs={"output2_scales_scalar": ScalarInput(value=-7.0)}
    )
    assert shaping.experts(found, given, "seed", {}) == {"output2_scales_scalar": -7.0}


@pytest.mark.parametrize(
    "device",
    [torch.device("cpu"), pytest.param(torch.device("cuda"), marks=pytest.mark.gpu)],
    ids=str,
)
@pytest.mark.parametrize(
    ("op_type", "make_inputs"),
    [
        ("moe", shaping.experts),
        ("gdn", shaping.recurrence),
        ("mamba_ssu", shaping.recurrence),
        ("dsa_paged", shaping.sparse_attention),
        ("dsa_paged", shaping.topk_indexer),
    ],
)
def test_a_device_makes_and_shapes_the_same_bytes(
    op_type: str, make_inputs: Any, device: torch.device
) -> None:
    found = definition(op_type, ("quantization:float4_e2m1fn_mxfp4",))
    here = make(make_inputs, found)
    there = make(make_inputs, found, maker=Maker(device, worth=1))
    for name, tensor in here.items():
        assert torch.equal(bits_of(tensor), bits_of(there[name].cpu())), name
