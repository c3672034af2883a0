"""`fitui validate` as a user calls it: text, JSON, exit status, and what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fitui.cli import main
from tests.engine.validate.samples import (
    DEFINITION,
    NAME,
    SOLUTION,
    WORKLOADS,
    Sample,
    solution,
    workload,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return Sample(tmp_path / "dataset")


class Console:
    """Runs `fitui validate` in this process."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._root = root
        self._capsys = capsys

    def run(self, *arguments: str, status: int = 0) -> str:
        found = main(["validate", "--dataset", str(self._root), *arguments])
        printed = self._capsys.readouterr()
        assert found == status, printed.out + printed.err
        return printed.out

    def json(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.run(*arguments, "--json", status=status))
        return document


@pytest.fixture
def console(sample: Sample, capsys: pytest.CaptureFixture[str]) -> Console:
    return Console(sample.root, capsys)


def test_a_sound_dataset_passes_and_says_what_was_checked(console: Console) -> None:
    last = console.run().splitlines()[-1]
    counts = "1 definition, 1 workload, 1 solution, 1 trace"
    assert last == f"checked {counts}: 0 errors, 0 warnings, 1 info"


def test_errors_are_grouped_by_file_with_what_to_do(sample: Sample, console: Console) -> None:
    sample.lines(WORKLOADS, *[workload()] * 6)
    sample.change(DEFINITION, lambda document: document.update(constraints=["rows > 1"]))
    lines = console.run(status=1).splitlines()
    start = lines.index(DEFINITION)
    assert lines[start + 1].startswith("  error    constraint-name: constraints[0]: `rows > 1`")
    assert lines[start + 2].startswith("           -> use names")
    start = lines.index(WORKLOADS)
    assert lines[start + 1].startswith("  error    uuid-duplicate: line 2: workload.uuid: w1")
    assert lines[start + 4] == "           and 2 more like it"
    assert len(console.run("--all", status=1).splitlines()) == len(lines) + 1


def test_warnings_fail_only_where_that_was_asked_for(sample: Sample, console: Console) -> None:
    sample.change(SOLUTION, lambda document: document.update(author="ada"))
    assert "baseline-missing" in console.run()
    console.run("--strict", status=1)
    console.run("--strict", "--checks", "definition, workload")


def test_json_is_one_object_with_the_places(sample: Sample, console: Console) -> None:
    sample.lines(WORKLOADS, workload(), workload())
    found = console.json(status=1)
    assert found["dataset"] == [str(sample.root)]
    assert found["checks"][0] == "layout" and len(found["checks"]) == 7
    assert found["checked"] == {"definitions": 1, "workloads": 2, "solutions": 1, "traces": 1}
    assert found["counts"] == {"error": 1, "warning": 0, "info": 1}
    (finding,) = (item for item in found["findings"] if item["severity"] == "error")
    assert finding["check"] == "uuid-duplicate" and finding["group"] == "workload"
    assert (finding["file"], finding["line"], finding["field"]) == (WORKLOADS, 2, "workload.uuid")
    assert finding["message"] and finding["fix"]


def test_checks_and_definitions_are_chosen(console: Console) -> None:
    assert console.json("--checks", "trace,layout")["checks"] == ["layout", "trace"]
    assert console.json("-d", "att*")["checked"]["definitions"] == 1


@pytest.mark.parametrize(
    "arguments", [["-d", "none"], ["--run", "--device", "cuda:99"], ["--dataset", "/nonexistent"]]
)
def test_what_is_not_there_is_a_usage_error(arguments: list[str], console: Console) -> None:
    assert console.run(*arguments, status=2) == ""


def test_an_unknown_group_is_a_usage_error(
    console: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        console.run("--checks", "layout,colour")
    assert caught.value.code == 2
    assert "benchmark" in capsys.readouterr().err


def test_an_overlay_is_checked_where_it_is_given_and_else_mentioned(
    sample: Sample, console: Console, tmp_path: Path
) -> None:
    overlay = tmp_path / "overlay"
    misplaced = overlay / "solutions/flat.json"
    misplaced.parent.mkdir(parents=True)
    misplaced.write_text(json.dumps(solution("mine", "ada")))
    found = console.json("--overlay", str(overlay))
    assert {item["file"] for item in found["findings"]} == {"", str(misplaced)}
    assert found["checked"]["solutions"] == 2


def test_the_overlay_of_a_read_only_dataset_is_mentioned(sample: Sample, console: Console) -> None:
    sample.root.chmod(0o555)
    try:
        before = console.json()["findings"]
        (overlay,) = (item for item in _default_overlays(sample.root))
        overlay.mkdir(parents=True)
        after = console.json()["findings"]
    finally:
        sample.root.chmod(0o755)
    assert [item["check"] for item in before] == ["benchmark-skipped"]
    assert {item["check"] for item in after} == {"benchmark-skipped", "overlay-apart"}


def _default_overlays(root: Path) -> Iterator[Path]:
    from engine.store import resolve_layers

    yield resolve_layers(root)[-1]


def test_foreign_text_cannot_steer_the_terminal(sample: Sample, console: Console) -> None:
    sample.change(SOLUTION, lambda document: document.update(definition="\x1b[2Jgone"))
    assert "\x1b" not in console.run(status=1)


def test_run_evaluates_in_a_folder_of_its_own(
    sample: Sample, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    before = {path: path.stat().st_mtime_ns for path in (sample.root, *sample.root.rglob("*"))}
    found = console.json("--run", "--checks", "definition")
    assert found["checks"] == ["definition", "benchmark"]
    (finding,) = found["findings"]
    assert (finding["check"], finding["file"]) == ("benchmark-passed", DEFINITION)
    assert f"torch_{NAME}" in finding["message"]
    after = {path: path.stat().st_mtime_ns for path in (sample.root, *sample.root.rglob("*"))}
    assert after == before
    assert list(temporary.iterdir()) == []
    for name in ("STATE", "CACHE", "DATA"):
        assert not Path(os.environ[f"FITUI_{name}"]).exists()


def test_run_fails_where_the_reference_does(sample: Sample, console: Console) -> None:
    (sample.root / SOLUTION).unlink()
    broken = "raise KeyError('no weights')"
    reference = f"def run(q, kv_cache, kv_indptr, *rest):\n    {broken}\n    return q\n"
    sample.change(DEFINITION, lambda document: document.update(reference=reference))
    found = console.json("--run", "--checks", "definition", status=1)
    (finding,) = found["findings"]
    assert finding["check"] == "benchmark-failed" and "no weights" in finding["message"]


def test_nothing_heavy_is_loaded() -> None:
    program = (
        "import sys; from fitui.cli import main; main(['validate', '-d', 'rope*']); "
        "print(sorted({'torch', 'triton', 'numpy', 'safetensors', 'textual'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
