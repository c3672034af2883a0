"""Commands that repeat something, read again by the real command line."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

import pytest

from engine.schema.run import QUICK, Busy, Request, Settings
from engine.store import TraceStore, keep_version
from fitui.cli import _glue_expressions, _split_global, bench, compare, global_options
from fitui.cli.bench import _definition_names, _names, _solution_names, _workloads
from fitui.copying.command import bench_command, dataset_options, device_for, run_command
from fitui.copying.subject import Subject
from fitui.copying.texts import Texts
from tests.fitui.copying.conftest import latest
from tests.fitui.ui.tiny_files import lines, solution, workload, write


def read(command: str, module: Any = bench) -> argparse.Namespace:
    """What the command line understands of a command."""
    program, name, *rest = shlex.split(command)
    assert (program, name) == ("fitui", module.__name__.rpartition(".")[2])
    common, rest = _split_global(rest)
    parser = argparse.ArgumentParser(parents=[global_options()], allow_abbrev=False)
    module.add_arguments(parser)
    return parser.parse_args(_glue_expressions(rest), common)


def meant(store: TraceStore, command: str) -> tuple[list[str], list[str], list[str]]:
    """Definitions, solutions and workloads that ``fitui bench`` would run."""
    args = read(command)
    definitions = _names("definition", args.definition, _definition_names(store))
    solutions = _names("solution", args.solution, _solution_names(store, definitions))
    return definitions, solutions, _workloads(args, store)


def test_the_command_of_a_trace_means_that_pair(store: TraceStore, texts: Texts) -> None:
    command = texts.command(latest(store, "tma_a", "wl-0016")).text
    assert meant(store, command) == (["double_h8"], ["tma_a"], ["wl-0016"])
    args = read(command)
    assert args.device == "cpu"
    assert Path(args.dataset) == store.root


def test_of_a_solution_a_definition_and_a_workload(store: TraceStore, texts: Texts) -> None:
    command = texts.command(Subject(solution="fast", definition="double_h8")).text
    assert meant(store, command) == (["double_h8"], ["fast"], [])
    command = texts.command(Subject(definition="double_h8")).text
    assert meant(store, command) == (["double_h8"], [], [])
    command = texts.command(Subject(definition="double_h8", workload="wl-0256")).text
    assert meant(store, command) == (["double_h8"], [], ["wl-0256"])


@pytest.mark.parametrize("name", ["it's [a] $(reboot)", "a*b?", "-q", "two words", "[z]"])
def test_names_are_quoted_for_the_shell_and_mean_no_pattern(
    store: TraceStore, texts: Texts, root: Path, name: str
) -> None:
    write(root / "solutions/me/pointwise/double_h8/odd.json", solution(name))
    write(root / "solutions/me/pointwise/double_h8/z.json", solution("z"))
    store.refresh()
    command = texts.command(Subject(solution=name, definition="double_h8")).text
    assert meant(store, command)[1] == [name]


def test_a_uuid_with_which_others_begin_means_one_workload(
    store: TraceStore, texts: Texts, root: Path
) -> None:
    lines(root / "workloads/pointwise/more.jsonl", [workload("wl-00161", 17)])
    store.refresh()
    command = texts.command(Subject(definition="double_h8", workload="wl-0016")).text
    assert meant(store, command)[2] == ["wl-0016"]


def test_a_solution_that_is_gone_cannot_be_run(store: TraceStore, texts: Texts, root: Path) -> None:
    subject = latest(store, "tma_a")
    (root / "solutions/me/pointwise/double_h8/tma_a.json").unlink()
    store.refresh()
    with pytest.raises(LookupError, match="no longer in the dataset"):
        texts.command(subject)


def test_a_version_that_is_not_the_present_one_is_said_to_be_none(
    store: TraceStore, texts: Texts
) -> None:
    present = store.solution("fast").content_hash()
    assert texts.command(Subject(solution=f"fast@{present}", definition="double_h8")).note == ""
    keep_version(store.solution("fast"))
    write(store.root / "solutions/me/pointwise/double_h8/fast.json", changed("fast"))
    store.refresh()
    copy = texts.command(Subject(solution=f"fast@{present}", definition="double_h8"))
    assert meant(store, copy.text)[1] == ["fast"]
    assert "changed since" in copy.note


def changed(name: str) -> dict[str, Any]:
    document = solution(name)
    document["sources"][0]["content"] += "# changed\n"
    return document


def test_flashinfers_timer_is_asked_for_and_others_are_left_to_auto() -> None:
    base = {"definition": "d", "device": "idle"}
    assert read(bench_command(**base, timer="flashinfer-events")).timer == "flashinfer"
    assert read(bench_command(**base, timer="cupti")).timer == "auto"
    assert read(bench_command(**base, quick=True)).quick


def test_the_device_is_of_the_same_model() -> None:
    mixed = {"cuda:0": "NVIDIA H200", "cuda:1": "NVIDIA L4", "cuda:2": "NVIDIA L4", "cpu": "CPU x"}
    assert device_for("NVIDIA L4", "cupti", mixed) == "cuda:1,2"
    assert device_for("NVIDIA H200", "cupti", {"cuda:0": "NVIDIA H200", "cpu": "CPU"}) == "idle"
    assert device_for("NVIDIA H200", "cupti", {"cpu": "CPU x"}) == "idle"
    assert device_for("CPU x", "", mixed) == "cpu"
    assert device_for("", "", {"cpu": "CPU x"}) == "cpu"
    assert device_for("", "", mixed) == "idle"


def test_the_usual_dataset_needs_no_option(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dataset_options([root]) == [f"--dataset={root}"]
    other = tmp_path / "over lay"
    assert dataset_options([root, other]) == [f"--dataset={root}", f"--overlay={other}"]
    monkeypatch.setenv("FIB_DATASET_PATH", str(root))
    assert dataset_options([root]) == []


def request(**fields: Any) -> Request:
    return Request(run="r", created=0.0, dataset=["x"], devices=["cuda:0", "cuda:1"], **fields)


def test_the_command_of_a_run() -> None:
    command = run_command(
        request(definitions=["d"], solutions=["a", "b"], settings=QUICK, busy=Busy.FLAG)
    )
    args = read(command)
    assert (args.definition, args.solution) == (["d"], ["a", "b"])
    assert (args.device, args.quick, args.busy) == ("cuda:0,1", True, "flag")
    args = read(run_command(request(settings=Settings(confirm=False, timer="flashinfer"))))
    assert args.no_confirm
    assert args.timer == "flashinfer"


def test_pairs_that_are_no_rectangle_take_a_command_each() -> None:
    text = run_command(request(pairs=[("a", "1"), ("a", "2"), ("b", "2"), ("b", "1"), ("c", "2")]))
    found = [(args.solution, args.workload) for args in map(read, text.splitlines())]
    assert found == [(["a", "b"], ["1", "2"]), (["c"], ["2"])]


def test_the_command_of_a_run_that_compares() -> None:
    args = read(run_command(request(compare=("a", "b@1234"), workloads=["w"])), compare)
    assert (args.a, args.b, args.measure, args.workload) == ("a", "b@1234", True, ["w"])
