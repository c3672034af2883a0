"""Attention: what is bundled has the real dataset's facts, and batches as a server sends them."""

from __future__ import annotations

import ast
import hashlib
import json
from collections import Counter
from functools import cache

import numpy as np
import pytest
from safetensors.numpy import load_file

from flashinfer_trace import ROOT
from tests.flashinfer_trace.attention_cases import NAMES, OP_TYPES
from tests.flashinfer_trace.bundled import DECODE, Record, definitions, solutions, workloads
from tests.flashinfer_trace.families import SAMPLE, facts, names

# The real dataset gives each of these one length of a last page too many.
MISCOUNTED = [
    f"gqa_paged_prefill_causal_{heads}_d128_ps64"
    for heads in ("h16_kv1", "h16_kv2", "h20_kv4", "h24_kv4", "h24_kv8", "h32_kv16")
]
# The real dataset's blobs of these are cached prefixes without the queries' own tokens.
CAPTURED_PREFIXES = [f"gqa_paged_prefill_causal_h32_kv{count}_d128_ps1" for count in (4, 8)]


@cache
def lines_of(name: str) -> list[Record]:
    return workloads(name)


@cache
def tables_of(name: str) -> list[dict[str, np.ndarray]]:
    """The stored inputs of each workload."""
    found = []
    for line in lines_of(name):
        stored = {key: item for key, item in line["workload"]["inputs"].items() if "path" in item}
        (path,) = {item["path"] for item in stored.values()}
        tensors = load_file(ROOT / path)
        assert {item["tensor_key"] for item in stored.values()} == set(tensors) == set(stored)
        found.append({key: tensors[key] for key in stored})
    return found


def spelt(tensors: Record) -> str:
    """The tensors as the table of facts spells them."""
    return "; ".join(
        f"{name}:{spec['dtype']}[{','.join(spec['shape'] or ['scalar'])}]"
        for name, spec in tensors.items()
    )


def test_there_are_as_many_as_in_the_real_dataset() -> None:
    assert [len(names(op_type)) for op_type in OP_TYPES] == [37, 9, 6, 2]
    real = facts("definitions.tsv", "name").values()
    assert {row["name"] for row in real if row["op_type"] in OP_TYPES} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_definition_has_the_signature_and_tags_of_the_real_one(name: str) -> None:
    definition, row = definitions()[name], facts("definitions.tsv", "name")[name]
    axes = definition["axes"].items()
    variable, inputs = set(row["var_axes"].split(",")), row["inputs"]
    if name in MISCOUNTED:
        variable |= {"batch_size"}
        wrong = "kv_last_page_len:int32[len_indptr]"
        assert wrong in inputs
        inputs = inputs.replace(wrong, wrong.replace("len_indptr", "batch_size"))
    assert {axis for axis, spec in axes if spec["type"] == "var"} == variable
    fixed = {f"{axis}={spec['value']}" for axis, spec in axes if spec["type"] == "const"}
    assert fixed == set(row["const_axes"].split(","))
    assert spelt(definition["inputs"]) == inputs
    assert spelt(definition["outputs"]) == row["outputs"]
    tags = row["tags"].replace(":flashinfer.Batch", ":flashinfer.prefill.Batch")  # one lacks it
    assert set(definition["tags"]) == set(tags.split())


@pytest.mark.parametrize("name", NAMES)
def test_a_definition_is_described_and_its_constants_are_in_its_name(name: str) -> None:
    definition = definitions()[name]
    items = [definition, *definition["axes"].values(), *definition["inputs"].values()]
    for item in (*items, *definition["outputs"].values()):
        assert item["description"].endswith(".")
    for axis in definition["axes"].values():
        assert axis["type"] == "var" or str(axis["value"]) in name


@pytest.mark.parametrize("name", NAMES)
def test_solutions_take_the_inputs_then_the_outputs_they_write(name: str) -> None:
    definition = definitions()[name]
    ours = [record for record in solutions().values() if record["definition"] == name]
    assert {"baseline", "fitui"} == {record["author"] for record in ours}
    for record in ours:
        (source,) = (item for item in record["sources"] if item["path"] == "main.py")
        (run,) = (n for n in ast.parse(source["content"]).body if getattr(n, "name", "") == "run")
        assert isinstance(run, ast.FunctionDef)
        expected = list(definition["inputs"])
        if record["spec"]["destination_passing_style"]:
            expected += definition["outputs"]
        assert [argument.arg for argument in run.args.args] == expected


@pytest.mark.parametrize("name", NAMES)
def test_workloads_fit_the_definition_and_every_constraint_holds(name: str) -> None:
    definition = definitions()[name]
    fixed = {axis: spec.get("value") for axis, spec in definition["axes"].items()}
    codes = [compile(text, "<constraint>", "eval") for text in definition["constraints"]]
    lines = lines_of(name)
    assert len(lines) >= 8
    assert len({line["workload"]["uuid"] for line in lines}) == len(lines)
    for line, tables in zip(lines, tables_of(name), strict=True):
        axes, inputs = line["workload"]["axes"], line["workload"]["inputs"]
        assert None not in (values := fixed | axes).values() and set(axes) < set(values)
        assert list(inputs) == list(definition["inputs"])
        integers = {key for key, spec in definition["inputs"].items() if spec["dtype"] == "int32"}
        assert set(tables) == integers
        for key, table in tables.items():
            shape = definition["inputs"][key]["shape"]
            assert list(table.shape) == [values[axis] for axis in shape]
            assert table.dtype == np.int32
        for code in codes:
            assert eval(code, {}, values | tables) is True


@pytest.mark.parametrize("name", [name for name in NAMES if "ps64" in name])
def test_the_constraints_reject_wrong_tables(name: str) -> None:
    definition, line = definitions()[name], lines_of(name)[-1]
    fixed = {axis: spec.get("value") for axis, spec in definition["axes"].items()}
    values = fixed | line["workload"]["axes"] | tables_of(name)[-1]
    last = values["kv_last_page_len"]
    wrong = {
        "kv_indices": values["kv_indices"] - values["num_pages"],
        "kv_last_page_len": np.where(np.arange(len(last)) == 3, 65, last),
        "kv_indptr": values["kv_indptr"][::-1],
        "batch_size": len(last) + 1,
    }
    for key, value in wrong.items():
        verdicts = [eval(text, {}, values | {key: value}) for text in definition["constraints"]]
        assert not all(verdicts), key


@pytest.mark.parametrize("name", NAMES)
def test_batches_are_ragged_and_no_page_is_used_twice(name: str) -> None:
    shared = 0
    for line, tables in zip(lines_of(name), tables_of(name), strict=True):
        held = np.diff(tables["kv_indptr"])
        assert held.min() >= 1
        if len(held) >= 16 and held.mean() > 4:
            assert held.max() > 1.5 * held.mean()
        if "qo_indptr" in tables:
            asking = np.diff(tables["qo_indptr"])
            assert asking.min() >= 1
            if name not in CAPTURED_PREFIXES:
                size = definitions()[name]["axes"].get("page_size", {"value": 1})["value"]
                last = tables.get("kv_last_page_len", np.ones_like(held))
                assert ((held - 1) * size + last >= asking).all()  # queries are among the keys
        if "kv_indices" in tables:
            pages = tables["kv_indices"]
            if len(pages) <= line["workload"]["axes"]["num_pages"]:
                assert len(np.unique(pages)) == len(pages)
            else:
                shared += 1
    assert shared == (name == CAPTURED_PREFIXES[1])


@pytest.mark.parametrize("name", [name for name in NAMES if "ps64" in name])
def test_last_pages_hold_one_token_and_all_they_can(name: str) -> None:
    lengths = {length for tables in tables_of(name) for length in tables["kv_last_page_len"]}
    assert {1, 64} <= lengths and len(lengths) > 20


@pytest.mark.parametrize("name", NAMES)
def test_captured_workloads_have_the_axis_values_of_the_real_ones(name: str) -> None:
    rows = [row for row in facts_of_workloads() if row["definition"] == name]
    for row in rows:
        found = [line["workload"]["axes"][row["axis"]] for line in lines_of(name)]
        assert len(found) == int(row["n_workloads"])
        real_zeros = row["min"] == "0"  # a cache of no pages, with pages in use
        ours = sorted(0 if real_zeros and value == 2 else value for value in found)
        quartiles = [ours[((len(ours) - 1) * part + 2) // 4] for part in range(5)]
        named = [int(row[key]) for key in ("min", "p25", "median", "p75", "max")]
        assert quartiles == named, row["axis"]
        for item in row["values_top(value:count)"].split():
            value, times = map(int, item.split(":"))
            assert ours.count(value) == times
    sample = SAMPLE / "workloads" / definitions()[name]["op_type"] / f"{name}.jsonl"
    if sample.is_file():
        real = [json.loads(line)["workload"]["axes"] for line in sample.read_text().splitlines()]
        assert counted(real) == counted([line["workload"]["axes"] for line in lines_of(name)])


def counted(axes: list[dict[str, int]]) -> Counter[tuple[tuple[str, int], ...]]:
    return Counter(tuple(sorted(one.items())) for one in axes)


def facts_of_workloads() -> list[dict[str, str]]:
    facts("workloads.tsv", "axis")  # skips without the table
    lines = (SAMPLE / "workloads.tsv").read_text().splitlines()
    head = lines[0].split("\t")
    return [dict(zip(head, line.split("\t"), strict=True)) for line in lines[1:]]


def test_what_results_of_earlier_versions_refer_to_is_the_same() -> None:
    folder = ROOT / f"blob/workloads/gqa_paged/{DECODE}"
    state = hashlib.sha256((ROOT / f"workloads/gqa_paged/{DECODE}.jsonl").read_bytes())
    for path in sorted(folder.iterdir()):
        state.update(path.name.encode() + path.read_bytes())
    assert state.hexdigest()[:16] == "dec4cb4dde4aef56"


def test_the_stored_tables_stay_small() -> None:
    folders = [ROOT / "blob/workloads" / op_type for op_type in OP_TYPES]
    files = [path for folder in folders for path in folder.rglob("*.safetensors")]
    assert sum(path.stat().st_size for path in files) < 12_000_000
