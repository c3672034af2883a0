"""The command line: output, exit status, and what it does not load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.store import TraceStore
from fitui.cli import main
from tests.engine.store.store_samples import Dataset, solution, workload

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT.parent / "shared" / "real_dataset"


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.small(tmp_path / "data")


class Console:
    """Runs the command line in this process on one dataset."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._root = root
        self._capsys = capsys
        self.error = ""

    def run(self, *arguments: str, status: int = 0) -> str:
        found = main([*arguments, "--dataset", str(self._root)])
        printed = self._capsys.readouterr()
        self.error = printed.err
        assert found == status, printed.err
        return printed.out

    def json(self, *arguments: str) -> list[Any]:
        return [json.loads(line) for line in self.run(*arguments, "--json").splitlines()]


@pytest.fixture
def console(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> Console:
    return Console(dataset.root, capsys)


def child(*arguments: str, program: str = "", **environment: str) -> Any:
    start = ["-c", program] if program else ["-m", "fitui"]
    return subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_ls_prints_aligned_columns(console: Console) -> None:
    lines = console.run("ls", "traces", "--sort", "-latency").splitlines()
    titles = "id age status definition solution workload us ref us speedup % roof"
    titles += " hardware flags"
    assert " ".join(lines[0].split()) == titles
    assert len(lines) == 6
    place = lines[0].index("definition")
    assert all(line[place:].startswith("gemm") for line in lines[1:])
    assert "80.0" in lines[1] and "M=4096" in lines[1]


def test_ls_json_is_one_object_a_line(console: Console) -> None:
    rows = console.json("ls", "traces", "--where", "author:ada lat>0", "--sort", "-age")
    assert [row["latency_ms"] for row in rows] == [0.01, 0.02]
    assert console.json("ls", "traces", "--limit", "0") == []
    assert len(console.json("ls", "traces", "--limit", "2")) == 2
    for kind in ("definitions", "solutions", "workloads", "problems"):
        assert isinstance(console.json("ls", kind), list)


def test_a_filter_may_begin_with_a_minus(console: Console) -> None:
    assert len(console.json("ls", "traces", "--where", "-status:failed")) == 4


def test_global_options_may_stand_before_the_command(
    dataset: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--dataset", str(dataset.root), "ls", "definitions", "--json"]) == 0
    assert main([f"--dataset={dataset.root}", "ls", "definitions", "--json"]) == 0
    assert capsys.readouterr().out.count('"gemm"') >= 2


def test_state_is_where_the_option_says(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FITUI_STATE", "elsewhere")
    assert main(["ls", "solutions", "--dataset", str(dataset.root), "--state", "/x/y"]) == 0
    assert os.environ["FITUI_STATE"] == "/x/y"


def test_problems_are_listed_and_mentioned(dataset: Dataset, console: Console) -> None:
    dataset.append("traces/ada/gemm/gemm.jsonl", "{bad")
    dataset.lines("workloads/b.jsonl", workload("b1", blob="blob/x.safetensors"))
    console.run("ls", "definitions")
    assert "2 problems" in console.error
    text = console.run("ls", "problems")
    assert "gemm.jsonl:4" in text and "blob/x.safetensors is missing" in text
    assert {row["line"] for row in console.json("ls", "problems")} == {1, 4}


def test_show_a_definition(console: Console) -> None:
    text = console.run("show", "gemm")
    assert "def run(x):" in text and "variable" in text and "float16" in text
    assert "slow" in text


def test_show_a_solution_and_one_of_its_versions(
    dataset: Dataset, console: Console, tmp_path: Path
) -> None:
    text = console.run("show", "fast")
    assert "-- main.py" in text and "main.py::run" in text and "1 of 2 workloads" in text
    with TraceStore.open(dataset.root) as store:
        version = store.solutions("sol=fast")[0].version
    over = Dataset(tmp_path / "over")
    over.put("solutions/fast.json", solution("fast", body="return"))
    text = console.run("show", f"fast@{version[:6]}", "--overlay", str(over.root))
    assert "hidden by another version" in text


def test_show_a_workload_by_a_unique_beginning(dataset: Dataset, console: Console) -> None:
    assert "M=4096" in console.run("show", "w2")
    console.run("show", "w", status=2)
    assert "means several" in console.error
    dataset.lines("workloads/b.jsonl", workload("b1", blob="blob/x.safetensors"))
    assert "missing" in console.run("show", "b")


def test_show_a_trace_by_number_and_by_evaluation(dataset: Dataset, console: Console) -> None:
    from tests.engine.store.store_samples import trace

    dataset.append(
        "traces/ada/gemm/gemm.jsonl",
        trace("fast", "w1", "TIMEOUT", day=9, run="r1", evaluation="e7", log="a\x1b[31mb\nlast"),
    )
    (row,) = console.json("ls", "traces", "--where", "evaluation=e7")
    for name in (str(row["id"]), "e7", "r1/e7"):
        text = console.run("show", name)
        assert "TIMEOUT" in text and "\nab\nlast\n" in text and "NVIDIA H200" in text


def test_show_json_has_row_and_document(console: Console) -> None:
    for name, kind in (("gemm", "definition"), ("fast", "solution"), ("w2", "workload")):
        (found,) = console.json("show", name)
        assert found["kind"] == kind and found["row"] and found["document"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["show", "fest"], "similar: fast"),
        (["ls", "traces", "--where", "foo:1"], "no field 'foo'"),
        (["ls", "traces", "--sort", "odd"], "no field 'odd'"),
        (["lss"], "did you mean ls"),
        (["nonsense here"], "no view named"),
    ],
)
def test_mistakes_are_one_sentence_and_status_2(
    console: Console, arguments: list[str], sentence: str
) -> None:
    console.run(*arguments, status=2)
    assert sentence in console.error
    assert console.error.count("\n") == 1 and console.error.startswith("fitui: ")


def test_a_missing_dataset_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "traces", "--dataset", "/no/such/place"]) == 2
    assert capsys.readouterr().err == "fitui: The dataset folder /no/such/place does not exist.\n"


@pytest.mark.parametrize("arguments", [["ls"], ["ls", "everything"], ["show"], ["--odd"]])
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_version_and_help_name_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--version", "--help"):
        with pytest.raises(SystemExit) as caught:
            main([option])
        assert caught.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("fitui ") and "show a definition" in text


def test_a_reader_that_goes_away_is_no_error(dataset: Dataset) -> None:
    command = f"{sys.executable} -m fitui ls traces --json --dataset {dataset.root} | head -n 1"
    found = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.stderr == "" and found.returncode == 0


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["ls", "traces"], ["ls", "--help"], ["show", "gemm"]]
)
def test_nothing_heavy_is_imported(dataset: Dataset, arguments: list[str]) -> None:
    program = (
        "import sys\nfrom fitui.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'triton', 'numpy', 'textual', 'rich'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy), file=sys.stderr)"
    )
    found = child(*arguments, program=program, FIB_DATASET_PATH=str(dataset.root))
    assert found.stderr.endswith("heavy: []\n")


def test_the_module_runs_as_a_program(dataset: Dataset) -> None:
    found = child("ls", "solutions", FIB_DATASET_PATH=str(dataset.root))
    assert found.returncode == 0 and "slow" in found.stdout
    assert child("ls", "traces", "--where", "(", FIB_DATASET_PATH=str(dataset.root)).returncode == 2


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample of the public dataset is not here")
def test_the_public_sample_is_listed_whole(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(SAMPLE, capsys)
    names = {row["name"] for row in console.json("ls", "definitions")}
    expected = {
        json.loads(path.read_text())["name"] for path in SAMPLE.glob("definitions/**/*.json")
    }
    assert names == expected and len(names) == 30
    lines = sum(
        bool(line.strip())
        for path in SAMPLE.glob("workloads/**/*.jsonl")
        for line in path.read_text().splitlines()
    )
    assert len(console.json("ls", "workloads")) == lines
    problems = console.json("ls", "problems")
    assert problems and all("is missing" in row["message"] for row in problems)
