"""From a request to the evaluations it means, on a real dataset in a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.run.plan import Planned, make_plan
from engine.schema import QUICK, Request, Settings
from engine.store import TraceStore


def write(root: Path, name: str, document: dict[str, Any]) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document) + "\n")


def definition(name: str) -> dict[str, Any]:
    tensor = {"shape": ["n"], "dtype": "float32"}
    return {
        "name": name,
        "op_type": "toy",
        "axes": {"n": {"type": "var"}},
        "inputs": {"x": tensor},
        "outputs": {"y": tensor},
        "reference": "def run(x):\n    return x\n",
    }


def solution(name: str, of: str, author: str) -> dict[str, Any]:
    return {
        "name": name,
        "definition": of,
        "author": author,
        "spec": {"language": "python", "target_hardware": ["cpu"], "entry_point": "m.py::run"},
        "sources": [{"path": "m.py", "content": "def run(x, y): ...\n"}],
    }


def workload(of: str, uuid: str, n: int) -> dict[str, Any]:
    inputs = {"x": {"type": "random"}}
    return {"definition": of, "workload": {"uuid": uuid, "axes": {"n": n}, "inputs": inputs}}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TraceStore]:
    """Definitions a (three solutions, six workloads), b (one, one) and c (none, one)."""
    root = tmp_path / "dataset"
    for name in "abc":
        write(root, f"definitions/toy/{name}.json", definition(name))
    for name, of, author in (
        ("a_zoe", "a", "zoe"),
        ("a_base", "a", "baseline"),
        ("a_ada", "a", "ada"),
        ("b_ada", "b", "ada"),
    ):
        write(root, f"solutions/{author}/toy/{of}/{name}.json", solution(name, of, author))
    lines = [workload("a", f"a{n}", n) for n in (40, 5, 30, 10, 20, 50)]
    path = root / "workloads/toy/a.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name in "bc":
        write(root, f"workloads/toy/{name}.jsonl", workload(name, f"{name}1", 1))
    with TraceStore.open([root], cache=tmp_path / "cache") as opened:
        yield opened


Plan = Callable[..., Planned]


@pytest.fixture
def plan(store: TraceStore) -> Plan:
    def make(**fields: Any) -> Planned:
        request = Request(run="r", created=1.0, dataset=["x"], devices=["cpu"], **fields)
        return make_plan(request, store)

    return make


def cells(planned: Planned) -> list[tuple[str, str]]:
    return [
        (name, cell.workload.uuid)
        for job in planned.jobs
        for name, found in job.cells.items()
        for cell in found
    ]


ALL_OF_A = ["a5", "a10", "a20", "a30", "a40", "a50"]


def test_everything_is_meant_where_nothing_is_chosen(plan: Plan) -> None:
    planned = plan()
    assert [job.definition.name for job in planned.jobs] == ["a", "b"]
    assert planned.count == 3 * 6 + 1
    assert planned.notices == ["c has no solutions that the request means"]


def test_baselines_come_first_and_others_by_author(plan: Plan) -> None:
    (job, _) = plan().jobs
    assert list(job.cells) == ["a_base", "a_ada", "a_zoe"]


def test_workloads_go_from_small_to_large(plan: Plan) -> None:
    (job, _) = plan().jobs
    for found in job.cells.values():
        assert [cell.workload.uuid for cell in found] == ALL_OF_A


def test_evaluations_are_numbered_in_the_order_in_which_they_run(plan: Plan) -> None:
    found = [cell.evaluation for job in plan().jobs for row in job.cells.values() for cell in row]
    assert found == [f"r.{number:05d}" for number in range(1, 20)]


def test_a_definition_can_be_chosen(plan: Plan) -> None:
    planned = plan(definitions=["b"])
    assert (cells(planned), planned.notices) == ([("b_ada", "b1")], [])


def test_a_chosen_solution_brings_its_definition(plan: Plan) -> None:
    planned = plan(solutions=["b_ada"])
    assert (cells(planned), planned.notices) == ([("b_ada", "b1")], [])


def test_chosen_workloads_bring_their_definition_alone(plan: Plan) -> None:
    planned = plan(workloads=["a40", "a5"])
    assert {name for name, _ in cells(planned)} == {"a_base", "a_ada", "a_zoe"}
    assert {uuid for _, uuid in cells(planned)} == {"a5", "a40"}
    assert planned.notices == []


def test_pairs_are_exact(plan: Plan) -> None:
    planned = plan(pairs=[("a_zoe", "a20"), ("a_ada", "a5"), ("b_ada", "b1")])
    assert cells(planned) == [("a_ada", "a5"), ("a_zoe", "a20"), ("b_ada", "b1")]
    assert planned.notices == []


@pytest.mark.parametrize(
    ("fields", "notices"),
    [
        ({"definitions": ["nope"]}, ["no definition 'nope'"]),
        ({"solutions": ["nope"]}, ["no solution 'nope'"]),
        ({"workloads": ["nope"]}, ["no workload 'nope'"]),
        ({"pairs": [("nope", "a5")]}, ["no solution 'nope'"]),
        ({"pairs": [("b_ada", "nope")]}, ["no workload 'nope'"]),
        ({"solutions": ["nope", "b_ada"]}, ["no solution 'nope'"]),
    ],
)
def test_what_is_not_there_is_said(plan: Plan, fields: dict[str, Any], notices: list[str]) -> None:
    assert plan(**fields).notices == notices


def test_a_solution_of_another_definition_is_said(plan: Plan) -> None:
    planned = plan(definitions=["a"], solutions=["b_ada"])
    assert planned.notices == ["a has no solutions that the request means"]
    assert planned.count == 0


def test_a_quick_run_takes_the_smallest_workloads(plan: Plan) -> None:
    planned = plan(definitions=["a"], settings=QUICK)
    assert [uuid for name, uuid in cells(planned) if name == "a_ada"] == ALL_OF_A[:4]


def test_a_quick_run_of_chosen_workloads_takes_them_all(plan: Plan) -> None:
    planned = plan(workloads=ALL_OF_A, solutions=["a_ada"], settings=QUICK)
    assert [uuid for _, uuid in cells(planned)] == ALL_OF_A


def test_quick_settings_say_how_many(plan: Plan) -> None:
    settings = Settings(quick=True, quick_workloads=1)
    assert cells(plan(solutions=["a_ada"], settings=settings)) == [("a_ada", "a5")]
