"""Norms, products, rotary embedding and samplers have what the real dataset's have, and rules."""

from __future__ import annotations

import ast
import hashlib
from functools import cache

import pytest
import torch
from safetensors import safe_open

from flashinfer_trace import ROOT
from tests.flashinfer_trace.bundled import Record, definitions, solutions, workloads
from tests.flashinfer_trace.families import facts, names

OP_TYPES = ("rmsnorm", "gemm", "rope", "sampling")
NAMES = names(*OP_TYPES)

# Of the workloads that results of earlier versions refer to.
IDENTITIES = {
    "rmsnorm_h4096": "92e363d89567e9d7",
    "fused_add_rmsnorm_h4096": "abc40aab6ad4dabe",
    "gemm_n4096_k4096": "b57e36df86eeaabc",
    "rope_with_cos_sin_cache_neox_style_d128_rd64": "ce5dba5073d652aa",
    "top_k_sampling_from_probs_v128256": "fa39b4d56c4c7be7",
}


@cache
def lines_of(name: str) -> list[Record]:
    return workloads(name)


def spelt(tensors: Record) -> str:
    """The tensors as the table of facts spells them."""
    return "; ".join(
        f"{name}:{spec['dtype']}[{','.join(spec['shape'])}]" for name, spec in tensors.items()
    )


def test_there_are_as_many_as_in_the_real_dataset() -> None:
    counts = [len(names(op_type)) for op_type in OP_TYPES]
    assert counts == [15, 32, 1, 21]
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
    assert definition["tags"] == row["tags"].split()
    assert (ROOT / "definitions" / row["folder"] / f"{name}.json").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_a_definition_is_described_and_its_constants_are_in_its_name(name: str) -> None:
    definition = definitions()[name]
    assert definition["description"].endswith(".")
    described = (*definition["axes"].values(), *definition["inputs"].values())
    for item in (*described, *definition["outputs"].values()):
        assert item["description"].endswith(".")
    for axis in definition["axes"].values():
        assert axis["type"] == "var" or str(axis["value"]) in name


@pytest.mark.parametrize("name", NAMES)
def test_every_definition_has_a_baseline_and_a_triton_kernel(name: str) -> None:
    definition = definitions()[name]
    for author, prefix in (("baseline", "torch"), ("fitui", "triton")):
        record = solutions()[f"{prefix}_{name}"]
        assert (record["author"], record["definition"]) == (author, name)
        (main,) = (item for item in record["sources"] if item["path"] == "main.py")
        tree = ast.parse(main["content"])
        (run,) = (node for node in tree.body if getattr(node, "name", "") == "run")
        assert isinstance(run, ast.FunctionDef)
        expected = list(definition["inputs"])
        if record["spec"]["destination_passing_style"]:
            expected += definition["outputs"]
        assert [argument.arg for argument in run.args.args] == expected


@pytest.mark.parametrize("name", NAMES)
def test_workloads_bind_what_is_variable_and_are_enough(name: str) -> None:
    definition, lines = definitions()[name], lines_of(name)
    variable = [axis for axis, spec in definition["axes"].items() if spec["type"] == "var"]
    for line in lines:
        assert line["definition"] == name
        assert list(line["workload"]["axes"]) == variable
        assert list(line["workload"]["inputs"]) == list(definition["inputs"])
    assert len({line["workload"]["uuid"] for line in lines}) == len(lines)
    assert len(lines) >= (7 if name.endswith("rmsnorm_h2048") else 8)


@pytest.mark.parametrize("name", names("rmsnorm", "gemm"))
def test_captured_workloads_have_the_axis_values_of_the_real_ones(name: str) -> None:
    row = facts("workloads.tsv", "definition").get(name)
    if row is None:
        return  # the real dataset has no workloads of it
    values = sorted(line["workload"]["axes"][row["axis"]] for line in lines_of(name))
    assert len(values) == int(row["n_workloads"])
    assert (values[0], values[-1]) == (int(row["min"]), int(row["max"]))
    assert values[len(values) // 2] == int(row["median"])
    shown = {int(item.split(":")[0]) for item in row["values_top(value:count)"].split()}
    assert shown <= set(values)


@pytest.mark.parametrize("name", names("rope", "sampling"))
def test_stored_tensors_fit_the_definition_and_what_indexes_is_stored(name: str) -> None:
    definition = definitions()[name]
    fixed = {axis: spec.get("value") for axis, spec in definition["axes"].items()}
    for line in lines_of(name):
        sizes = fixed | line["workload"]["axes"]
        for tensor, spec in definition["inputs"].items():
            item = line["workload"]["inputs"][tensor]
            assert item["type"] == "safetensors" or spec["dtype"] in ("float32", "bfloat16")
            if item["type"] == "random":
                continue
            with safe_open(ROOT / item["path"], framework="pt") as file:
                value = file.get_tensor(item["tensor_key"])
            assert list(value.shape) == [sizes[axis] for axis in spec["shape"]]
            assert value.dtype == getattr(torch, spec["dtype"])


@pytest.mark.parametrize("name", names("sampling"))
def test_the_limits_are_what_users_of_a_server_ask_for(name: str) -> None:
    size = definitions()[name]["axes"]["vocab_size"]["value"]
    seen: dict[str, set[float]] = {"top_k": set(), "top_p": set()}
    for line in lines_of(name):
        for limit in set(line["workload"]["inputs"]) - {"probs"}:
            item = line["workload"]["inputs"][limit]
            with safe_open(ROOT / item["path"], framework="np") as file:
                seen[limit] |= {round(float(one), 6) for one in file.get_tensor(item["tensor_key"])}
    assert seen["top_k"] in (set(), {1, 20, 40, 50, 64, 1000, size})
    assert seen["top_p"] - {0.1} in (set(), {0.5, 0.8, 0.9, 0.95, 0.99, 1.0})
    assert any(seen.values())


@pytest.mark.parametrize("name", IDENTITIES)
def test_identities_of_workloads_do_not_change(name: str) -> None:
    text = " ".join(line["workload"]["uuid"] for line in lines_of(name))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == IDENTITIES[name]


def test_the_stored_limits_are_small() -> None:
    files = (ROOT / "blob/workloads/sampling").rglob("*.safetensors")
    assert sum(path.stat().st_size for path in files) < 200_000
