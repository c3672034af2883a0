"""The bundled files are what the authoring code writes, and keep every rule of the schema."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from flashinfer_trace import ROOT
from flashinfer_trace.authoring.__main__ import problems
from flashinfer_trace.authoring.emit import render, stale, write
from tests.flashinfer_trace.bundled import NAMES, ROPE, TOP_K, definitions, solutions, workloads

DTYPES = {
    "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float4_e2m1",
    "int64", "int32", "int16", "int8", "bool",
}  # fmt: skip


@pytest.fixture(scope="module")
def rendered() -> dict[str, bytes]:
    return render(problems())


def test_no_file_is_stale(rendered: dict[str, bytes]) -> None:
    assert stale(ROOT, rendered) == []


def test_writing_again_changes_nothing_and_a_change_is_named(
    rendered: dict[str, bytes], tmp_path: Path
) -> None:
    assert set(write(tmp_path, rendered)) == set(rendered)
    assert write(tmp_path, rendered) == []
    first = min(rendered)
    (tmp_path / first).write_text("{}")
    (tmp_path / "definitions/gemm/old.json").write_text("{}")
    (tmp_path / "solutions/me").mkdir()
    (tmp_path / "solutions/me/mine.json").write_text("{}")
    expected = ["differs: " + first, "left over: definitions/gemm/old.json"]
    assert sorted(stale(tmp_path, rendered)) == expected


def test_the_command_checks_and_importing_the_package_does_not_import_torch() -> None:
    command = [sys.executable, "-m", "flashinfer_trace.authoring", "--check"]
    done = subprocess.run(command, cwd=ROOT.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    code = "import sys, flashinfer_trace; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, check=True)


def test_every_json_file_has_two_spaces_and_a_final_newline() -> None:
    for folder in ("definitions", "solutions"):
        for path in (ROOT / folder).rglob("*.json"):
            text = path.read_text()
            assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


def test_the_bundled_blobs_stay_small() -> None:
    assert sum(path.stat().st_size for path in (ROOT / "blob").rglob("*.*")) < 16_000_000


@pytest.mark.parametrize("name", NAMES)
def test_a_definition_is_valid_described_and_where_it_belongs(name: str) -> None:
    definition = definitions()[name]
    assert (ROOT / f"definitions/{definition['op_type']}/{name}.json").is_file()
    assert definition["description"] and all(definition["tags"])
    inputs, outputs, axes = definition["inputs"], definition["outputs"], definition["axes"]
    assert not set(inputs) & set(outputs)
    for axis in axes.values():
        assert axis["description"]
        assert axis["type"] == "var" or (axis["type"] == "const" and axis["value"] > 0)
    for tensor in (*inputs.values(), *outputs.values()):
        assert tensor["description"] and tensor["dtype"] in DTYPES
        assert set(tensor["shape"] or ()) <= set(axes)
    bound = {axis for tensor in inputs.values() for axis in tensor["shape"] or ()}
    assert {axis for axis, value in axes.items() if value["type"] == "var"} <= bound
    for constraint in definition["constraints"]:
        ast.parse(constraint, mode="eval")


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_takes_the_inputs_in_order_and_needs_only_torch(name: str) -> None:
    definition = definitions()[name]
    tree = ast.parse(definition["reference"])
    (run,) = (node for node in tree.body if getattr(node, "name", "") == "run")
    assert isinstance(run, ast.FunctionDef)
    assert [argument.arg for argument in run.args.args] == list(definition["inputs"])
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import)
                for alias in node.names}  # fmt: skip
    assert imported <= {"torch", "math"}


def test_solutions_are_valid_packed_and_where_they_belong() -> None:
    op_types = {name: record["op_type"] for name, record in definitions().items()}
    for name, record in solutions().items():
        folder = f"solutions/{record['author']}/{op_types[record['definition']]}"
        assert (ROOT / folder / record["definition"] / f"{name}.json").is_file()
        spec, sources = record["spec"], record["sources"]
        languages = {"triton", "cuda", "cpp"} if record["author"] == "fitui" else {"python"}
        assert record["description"] and spec["language"] in languages
        places = {"cuda": ["cuda"], "cpp": ["cpu"]}  # the others run on both
        assert spec["target_hardware"] == places.get(spec["language"], ["cuda", "cpu"])
        paths = [source["path"] for source in sources]
        assert len(set(paths)) == len(paths)
        file, function = spec["entry_point"].split("::")
        assert file in paths and function == "run"
        for source in sources:
            path = PurePosixPath(source["path"])
            assert not path.is_absolute() and ".." not in path.parts
            assert source["content"].strip()


@pytest.mark.parametrize("name", NAMES)
def test_a_solution_takes_the_inputs_then_the_outputs_it_writes(name: str) -> None:
    definition = definitions()[name]
    ours = [record for record in solutions().values() if record["definition"] == name]
    assert {"baseline", "fitui"} <= {record["author"] for record in ours}
    for record in ours:
        if record["spec"]["language"] in ("cuda", "cpp"):
            continue  # see test_family_compiled.py
        (source,) = (item for item in record["sources"] if item["path"] == "main.py")
        tree = ast.parse(source["content"])
        (run,) = (node for node in tree.body if getattr(node, "name", "") == "run")
        assert isinstance(run, ast.FunctionDef)
        expected = list(definition["inputs"])
        if record["spec"]["destination_passing_style"]:
            expected += definition["outputs"]
        assert [argument.arg for argument in run.args.args] == expected


def test_both_calling_styles_occur_for_each_author() -> None:
    styles = {
        (record["author"], record["spec"]["destination_passing_style"])
        for record in solutions().values()
    }
    assert styles >= {(author, dps) for author in ("baseline", "fitui") for dps in (True, False)}


def test_workload_identities_are_unique_and_lines_are_bare_traces() -> None:
    lines = [line for name in NAMES for line in workloads(name)]
    assert len({line["workload"]["uuid"] for line in lines}) == len(lines) == 144
    for line in lines:
        assert list(line) == ["definition", "solution", "workload", "evaluation"]
        assert line["solution"] is line["evaluation"] is None


@pytest.mark.parametrize("name", NAMES)
def test_a_workload_binds_every_axis_and_input(name: str) -> None:
    definition = definitions()[name]
    variable = {axis for axis, value in definition["axes"].items() if value["type"] == "var"}
    for line in workloads(name):
        assert line["definition"] == name
        assert set(line["workload"]["axes"]) == variable
        assert list(line["workload"]["inputs"]) == list(definition["inputs"])


def test_what_indexes_is_never_random() -> None:
    for name in NAMES:
        for tensor, record in definitions()[name]["inputs"].items():
            if record["dtype"].startswith("int"):
                kinds = {line["workload"]["inputs"][tensor]["type"] for line in workloads(name)}
                assert kinds == {"safetensors"}, (name, tensor)
    assert len(workloads(ROPE)) >= 8 and len(workloads(TOP_K)) >= 8
