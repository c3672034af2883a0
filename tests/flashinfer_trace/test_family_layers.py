"""Experts, recurrences and sparse attention have the real dataset's signatures, and workloads."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from msgspec import convert
from safetensors import safe_open

from engine.evaluate.evaluators import BY_NAME
from engine.schema import Definition, Workload, decode
from flashinfer_trace import ROOT
from tests.flashinfer_trace.bundled import Record, definitions, solutions, workloads
from tests.flashinfer_trace.families import facts, names
from tests.flashinfer_trace.shrunk import plan, reference

OP_TYPES = ("moe", "gdn", "mamba_ssu", "dsa_paged")
NAMES = names(*OP_TYPES)
EXPERT_PARALLEL = re.compile(r"ep:\d+")


@cache
def lines_of(name: str) -> list[Record]:
    return workloads(name)


def sizes_of(line: Record) -> dict[str, int]:
    axes = definitions()[line["definition"]]["axes"]
    fixed = {name: axis["value"] for name, axis in axes.items() if axis["type"] == "const"}
    return fixed | line["workload"]["axes"]


def given(line: Record, framework: str) -> Record:
    """The inputs of a workload that are not random."""
    found: dict[str, Any] = {}
    for name, item in line["workload"]["inputs"].items():
        if item["type"] == "scalar":
            found[name] = item["value"]
        elif item["type"] == "safetensors":
            assert item["path"].startswith("./blob/workloads/")
            with safe_open(ROOT / item["path"], framework=framework) as file:
                found[name] = file.get_tensor(item["tensor_key"])
    return found


def spelt(tensors: Record) -> str:
    """The tensors as the table of facts spells them."""
    return "; ".join(
        f"{name}:{spec['dtype']}[{','.join(spec['shape'] or ['scalar'])}]"
        for name, spec in tensors.items()
    )


def test_there_are_as_many_as_in_the_real_dataset() -> None:
    assert [len(names(op_type)) for op_type in OP_TYPES] == [19, 9, 2, 3]
    real = facts("definitions.tsv", "name").values()
    assert {row["name"] for row in real if row["op_type"] in OP_TYPES} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_definition_has_the_signature_and_tags_of_the_real_one(name: str) -> None:
    definition, row = definitions()[name], facts("definitions.tsv", "name")[name]
    axes = definition["axes"].items()
    assert [axis for axis, spec in axes if spec["type"] == "var"] == row["var_axes"].split(",")
    fixed = [f"{axis}={spec['value']}" for axis, spec in axes if spec["type"] == "const"]
    assert fixed == row["const_axes"].split(",")
    assert spelt(definition["inputs"]) == row["inputs"]
    assert spelt(definition["outputs"]) == row["outputs"]
    # Some there say two sizes of expert parallelism at once; ours say the one of the axes.
    mine, real = definition["tags"], row["tags"].split()
    assert set(mine) <= set(real)
    assert all(EXPERT_PARALLEL.fullmatch(tag) for tag in set(real) - set(mine))
    assert len([tag for tag in mine if EXPERT_PARALLEL.fullmatch(tag)]) <= 1
    assert (ROOT / "definitions" / row["folder"] / f"{name}.json").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_a_definition_is_described_and_its_parameters_are_in_order(name: str) -> None:
    definition = definitions()[name]
    assert definition["description"].endswith(".")
    described = (*definition["axes"].values(), *definition["inputs"].values())
    for item in (*described, *definition["outputs"].values()):
        assert item["description"].endswith(".")
    record = solutions()[f"torch_{name}"]
    (main,) = (item["content"] for item in record["sources"] if item["path"] == "main.py")
    extra = definition["outputs"] if record["spec"]["destination_passing_style"] else ()
    for source, expected in (
        (definition["reference"], list(definition["inputs"])),
        (main, [*definition["inputs"], *extra]),
    ):
        tree = ast.parse(source)
        (run,) = (node for node in tree.body if getattr(node, "name", "") == "run")
        assert isinstance(run, ast.FunctionDef)
        assert [argument.arg for argument in run.args.args] == expected


def test_constants_of_the_sources_are_those_of_the_axes() -> None:
    for name in NAMES:
        axes = definitions()[name]["axes"]
        record = solutions()[f"torch_{name}"]
        texts = [definitions()[name]["reference"], record["sources"][0]["content"]]
        for text in texts:
            for constant, axis in (("TOP_K", "top_k"), ("TOPK", "topk")):
                found = re.search(rf"^{constant} = (\d+)", text, re.MULTILINE)
                if found and axis in axes:
                    assert int(found[1]) == axes[axis]["value"], name
            for constant, short in (("N_GROUP", "ng"), ("TOPK_GROUP", "kg")):
                found = re.search(rf"^{constant} = (\d+)", text, re.MULTILINE)
                assert (found is None) == ("ds_routing" not in name)
                assert found is None or f"_{short}{found[1]}_" in name


@pytest.mark.parametrize("name", NAMES)
def test_workloads_bind_what_is_variable_and_are_enough(name: str) -> None:
    definition, lines = definitions()[name], lines_of(name)
    variable = {axis for axis, spec in definition["axes"].items() if spec["type"] == "var"}
    for line in lines:
        assert line["definition"] == name
        assert set(line["workload"]["axes"]) == variable
        assert list(line["workload"]["inputs"]) == list(definition["inputs"])
    assert len({line["workload"]["uuid"] for line in lines}) == len(lines) >= 8


@pytest.mark.parametrize("framework", ["pt", "np"])
@pytest.mark.parametrize("name", NAMES)
def test_every_constraint_holds(name: str, framework: str) -> None:
    np.ones(1).all()  # its first call imports, which the empty builtins below forbid
    for line in lines_of(name):
        values = sizes_of(line) | given(line, framework)
        for constraint in definitions()[name]["constraints"]:
            assert eval(constraint, {"__builtins__": {}}, values) is True, constraint


@pytest.mark.parametrize("name", NAMES)
def test_stored_tensors_fit_the_definition_and_what_indexes_is_stored(name: str) -> None:
    inputs = definitions()[name]["inputs"]
    for line in lines_of(name):
        sizes, values = sizes_of(line), given(line, "pt")
        for tensor, spec in inputs.items():
            if tensor not in values:
                floats = not spec["dtype"].startswith("int") or tensor == "k_index_cache_fp8"
                assert floats and spec["shape"] is not None
            elif spec["shape"] is None:
                kind = int if spec["dtype"] == "int32" else float
                assert isinstance(values[tensor], kind)
            else:
                assert list(values[tensor].shape) == [sizes[axis] for axis in spec["shape"]]
                assert values[tensor].dtype == getattr(torch, spec["dtype"])


def test_experts_of_deepseek_are_called_as_in_the_real_dataset() -> None:
    name = "moe_fp8_block_scale_ds_routing_topk8_ng8_kg4_e32_h7168_i2048"
    row = facts("workloads.tsv", "definition")[name]
    values = sorted(line["workload"]["axes"]["seq_len"] for line in lines_of(name))
    assert (len(values), values[0], values[-1]) == (19, int(row["min"]), int(row["max"]))
    assert values[len(values) // 2] == int(row["median"])


@pytest.mark.parametrize("name", names("moe"))
def test_stored_logits_send_every_token_to_this_rank(name: str) -> None:
    for line in lines_of(name):
        values = given(line, "pt")
        if "routing_logits" in values:
            begin = values["local_expert_offset"]
            held = sizes_of(line)["num_local_experts"]
            best = values["routing_logits"].topk(8, dim=1).indices
            assert ((best >= begin) & (best < begin + held)).any(dim=1).all()
            assert all(len(row.unique()) == len(row) for row in values["routing_logits"])


@pytest.mark.parametrize("name", names("mamba_ssu", "gdn"))
def test_no_two_rows_share_a_slot(name: str) -> None:
    for line in lines_of(name):
        for tensor, value in given(line, "pt").items():
            if tensor.endswith("_indices"):
                used = value[value >= 0]
                assert len(used.unique()) == len(used) > 0


def test_the_indexer_has_rows_with_a_choice_without_one_and_empty() -> None:
    (name,) = [name for name in names("dsa_paged") if "indexer" in name]
    lengths: set[int] = set()
    for line in lines_of(name):
        values = given(line, "pt")
        assert values["seq_lens"].max() > 2048
        lengths |= set(values["seq_lens"].tolist())
        for row, length in zip(values["block_table"], values["seq_lens"].tolist(), strict=True):
            pages = row[: -(-length // 64)]
            assert len(pages.unique()) == len(pages)
    assert {0, 1, 2048, 2049} <= lengths


@pytest.mark.parametrize(
    "name", ["gdn_decode_qk4_v8_d128_k_last", "mamba_ssu_decode_h64_d64_s128_ng4"]
)
def test_a_reference_runs_on_a_workload_of_its_own(name: str) -> None:
    definition = decode(json.dumps(definitions()[name]), Definition)
    line = lines_of(name)[0]
    workload = convert(line["workload"], Workload)
    stored = [item for item in line["workload"]["inputs"].values() if "path" in item]
    blobs = {item["path"]: str(ROOT / item["path"]) for item in stored}
    evaluator = BY_NAME[plan(definition).evaluator]
    values = evaluator.make_inputs(definition, workload, "seed", blobs)
    outputs = reference(name)(*values.values())
    for output, (found, spec) in zip(outputs, definition.outputs.items(), strict=True):
        assert output.shape == definition.shape_of(found, workload.axes)
        assert output.dtype == getattr(torch, spec.dtype.value) and output.isfinite().all()


def test_the_stored_tensors_are_small() -> None:
    files = [path for op in OP_TYPES for path in (ROOT / "blob/workloads" / op).rglob("*.*")]
    assert sum(path.stat().st_size for path in files) < 2_000_000
