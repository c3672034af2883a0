"""The least work of a workload: bundled definitions have formulas, unknown ones a safe bound."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from msgspec import structs

from engine.measure.facts import Work
from engine.measure.families import FORMULAS
from engine.measure.families.call import Value
from engine.measure.work import work_of
from engine.schema import Definition, DType, decode
from engine.schema.definition import AxisVar, TensorSpec
from tests.engine.measure.bundled_work import (
    completed,
    definition_of,
    inputs_of,
    work_with,
    workload_of,
)
from tests.flashinfer_trace.bundled import GEMM, RMSNORM, definitions
from tests.flashinfer_trace.families import SAMPLE

PUBLISHED = sorted((SAMPLE / "definitions").rglob("*.json"))


@pytest.mark.parametrize("name", sorted(definitions()))
def test_every_bundled_definition_has_a_formula(name: str) -> None:
    definition, workload = definition_of(name), workload_of(name)
    work = work_of(definition, workload.axes, inputs_of(name, workload))
    assert work.basis == "formula"
    assert work.read_bytes > 0 and work.written_bytes > 0
    products = {"bf16", "fp16"} if definition.op_type != "moe" else {"fp8", "fp4"}
    if definition.op_type in ("rmsnorm", "rope", "sampling"):
        assert not work.flops
    elif "topk_indices" not in definition.outputs:  # short sequences need no scores
        assert set(work.flops) <= products and all(count > 0 for count in work.flops.values())
        assert work.flops
    assert work.read_bytes + work.written_bytes <= definition.bytes_of(workload.axes)


@pytest.mark.parametrize("name", sorted(definitions()))
def test_one_formula_fits_a_bundled_definition_or_the_more_special_comes_first(name: str) -> None:
    definition = definition_of(name)
    fitting = [
        found.inputs
        for found in FORMULAS
        if found.op_type == definition.op_type and found.inputs <= set(definition.inputs)
    ]
    assert fitting and all(other < fitting[0] for other in fitting[1:])


@pytest.mark.skipif(not PUBLISHED, reason="the sample of the real dataset is not there")
@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_published_definitions_take_as_much_as_ours_of_the_same_name(path: Path) -> None:
    published = decode(path.read_bytes(), Definition)
    workload = workload_of(path.stem)
    values = inputs_of(path.stem, workload)
    work = work_of(published, workload.axes, values)
    assert work.basis == "formula"
    assert work == work_of(definition_of(path.stem), workload.axes, values)


def test_the_name_of_a_definition_does_not_matter() -> None:
    workload = workload_of(GEMM)
    other = structs.replace(definition_of(GEMM), name="mine")
    assert work_of(other, workload.axes, {}).basis == "formula"


def unknown(dtype: DType) -> tuple[Definition, dict[str, Value]]:
    """A definition of no known family: [n, 4] float32 and something else to an output alike."""
    tensors = {
        "x": TensorSpec(shape=["n", "width"], dtype=DType.FLOAT32),
        "other": TensorSpec(shape=["n"], dtype=dtype),
    }
    definition = Definition(
        name="d",
        op_type="mine",
        axes={"n": AxisVar(), "width": AxisVar()},
        inputs=tensors,
        outputs={
            "y": TensorSpec(shape=["n", "width"], dtype=DType.FLOAT32),
            "sums": TensorSpec(shape=["n"], dtype=DType.BFLOAT16),
        },
        reference="def run(x, other): ...",
    )
    return definition, completed(definition, {"n": 10, "width": 4}, {})


@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.INT8])
def test_an_unknown_operator_reads_and_writes_everything_once(dtype: DType) -> None:
    definition, values = unknown(dtype)
    work = work_of(definition, {"n": 10, "width": 4}, values)
    read = 10 * 4 * 4 + 10 * dtype.bits // 8
    assert work == Work(read_bytes=read, written_bytes=10 * 4 * 4 + 10 * 2, basis="shapes")


@pytest.mark.parametrize("dtype", [DType.INT32, DType.INT64, DType.INT16, DType.BOOL])
def test_where_an_input_may_choose_only_new_outputs_are_sure(dtype: DType) -> None:
    definition, values = unknown(dtype)
    work = work_of(definition, {"n": 10, "width": 4}, values)
    assert work == Work(read_bytes=0, written_bytes=10 * 2, basis="shapes")


def test_inputs_that_a_formula_does_not_expect_are_told_by_their_shapes() -> None:
    found = definition_of(RMSNORM)
    columns = structs.replace(found.inputs["weight"], shape=["batch_size"])
    odd = structs.replace(found, inputs=found.inputs | {"weight": columns})
    work = work_of(odd, {"batch_size": 3}, {})
    assert work.basis == "shapes" and work.read_bytes == 2 * (3 * 4096 + 3)


@pytest.mark.parametrize(
    ("dtypes", "rate"),
    [
        (("bfloat16", "bfloat16"), "bf16"),
        (("float32", "float32"), "tf32"),
        (("float32", "float16"), "fp16"),
        (("bfloat16", "float8_e5m2"), "fp8"),
    ],
)
def test_products_run_at_the_precision_of_the_narrower_operand(
    dtypes: tuple[str, str], rate: str
) -> None:
    found = definition_of(GEMM)
    inputs = {
        name: structs.replace(spec, dtype=DType(dtype))
        for (name, spec), dtype in zip(found.inputs.items(), dtypes, strict=True)
    }
    work = work_of(structs.replace(found, inputs=inputs), {"M": 2}, {})
    assert work.flops == {rate: 2 * 2 * 4096 * 4096}


AXES = {"batch_size": 2, "num_pages": 4, "len_indptr": 3, "num_kv_indices": 3}


@pytest.mark.parametrize(
    ("indptr", "indices"),
    [
        ([0, 2, 1], [0, 1, 2]),
        ([0, 2, 4], [0, 1, 2]),
        ([-1, 2, 3], [0, 1, 2]),
        ([0, 2, 3], [0, 1, 4]),
    ],
    ids=["backwards", "beyond the table", "negative", "no such page"],
)
def test_broken_tables_are_told_by_shapes_without_their_caches(
    indptr: list[int], indices: list[int]
) -> None:
    name = "gqa_paged_decode_h32_kv8_d128_ps1"
    good = work_with(name, AXES, kv_indptr=[0, 2, 3], kv_indices=[0, 1, 2])
    assert good.basis == "formula"
    work = work_with(name, AXES, kv_indptr=indptr, kv_indices=indices)
    # The output has the form of the queries, which a solution might return.
    assert work == Work(read_bytes=0, written_bytes=2 * 32 * 4, basis="shapes")


def test_a_table_that_is_no_tensor_is_told_by_shapes() -> None:
    definition = definition_of("gqa_paged_decode_h32_kv8_d128_ps1")
    values = completed(definition, AXES, {}) | {"kv_indptr": 3, "kv_indices": torch.zeros(3)}
    assert work_of(definition, AXES, values).basis == "shapes"
