"""What a request means before it is made, and how that is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.run.cost import Cost
from engine.run.plan import make_plan
from engine.schema.run import QUICK, Request, Settings
from engine.store import TraceStore, resolve_layers
from fitui import format as form
from fitui.estimates import cost_words, evaluations_of, made_with, without_done
from tests.fitui.ui.tiny_files import WORKLOADS, FakeRun, lines, trace, write_dataset

RMSNORM = "rmsnorm_h4096"


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TraceStore]:
    folder = tmp_path_factory.mktemp("store")
    layers = resolve_layers(None, overlay=folder / "overlay")
    with TraceStore.open(layers, cache=folder) as store:
        yield store


def request(**fields: Any) -> Request:
    return Request(run="r", created=0.0, dataset=[], devices=["cpu"], **fields)


@pytest.mark.parametrize("settings", [QUICK, Settings()])
@pytest.mark.parametrize(
    "names",
    [
        {},
        {"definitions": [RMSNORM, "nothing"]},
        {"solutions": ["torch_rmsnorm_h4096"]},
        {"definitions": [RMSNORM], "solutions": ["torch_rmsnorm_h4096", "nothing"]},
        {"workloads": "some"},
        {"pairs": "some"},
        {"pairs": "some", "solutions": ["torch_rmsnorm_h4096"]},
        {"pairs": "some", "solutions": ["nothing"]},
    ],
)
def test_a_request_means_what_the_plan_of_the_runner_says(
    bundled: TraceStore, settings: Settings, names: dict[str, Any]
) -> None:
    uuids = [row.uuid for row in bundled.workloads(f'definition="{RMSNORM}"')][3:6]
    chosen = dict(names)
    if "workloads" in chosen:
        chosen["workloads"] = uuids
    if "pairs" in chosen:
        chosen["pairs"] = [("torch_rmsnorm_h4096", uuids[0]), ("triton_rmsnorm_h4096", uuids[1])]
    asked = request(settings=settings, **chosen)
    planned = {
        (job.definition.name, task.solution.name, task.workload.uuid)
        for job in make_plan(asked, bundled).jobs
        for cells in job.cells.values()
        for task in cells
    }
    found = evaluations_of(bundled, asked, settings)
    assert set(found) == planned
    assert len(found) == len(planned)


def test_what_has_a_result_of_the_same_kind_is_not_missing(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "dataset", traces=False)
    run = FakeRun(tmp_path / "state", root)
    rows = [
        trace("fast", WORKLOADS[0], "PASSED", evaluation="e0"),
        trace("slow", WORKLOADS[0], "RUNTIME_ERROR", evaluation="e1"),
        trace("wrong", WORKLOADS[0], "PASSED"),
    ]
    for row in rows[:2]:
        row["evaluation"]["environment"]["libs"]["fitui.run"] = run.run
    lines(root / "traces/me/pointwise/double_h8.jsonl", rows)
    with TraceStore.open([root]) as store:
        asked = evaluations_of(store, request(definitions=["double_h8"]), Settings())
        assert len(asked) == 9

        def missing(
            hardware: str = "Test CPU", settings: Settings | None = None, **how: bool
        ) -> int:
            same_way = made_with(tmp_path / "state", settings or Settings())
            return len(without_done(store, asked, [hardware], same_way, **how))

        assert missing() == 7, "a trace of which nobody knows the settings stands for nothing"
        assert missing(retry_failed=True) == 8
        assert missing(settings=QUICK) == 9
        assert missing("another CPU") == 9


def test_a_time_is_given_where_something_is_known() -> None:
    assert cost_words(Cost(288, 184.0, 0.5)) == "288 evaluations, about 3 min"
    assert cost_words(Cost(1, 3.2, 0.0)) == "1 evaluation"
    assert cost_words(Cost(1, 3.2, 0.0), guess=True) == "1 evaluation, perhaps 3 s"
    assert cost_words(Cost(0, 0.0, 0.0), guess=True) == "0 evaluations"


def test_estimated_times_are_round() -> None:
    seconds = (0.1, 7.4, 42.0, 89.0, 100.0, 3600.0, 8000.0)
    assert [form.rough(value) for value in seconds] == [
        "1 s",
        "7 s",
        "40 s",
        "90 s",
        "2 min",
        "60 min",
        "2 h",
    ]


def test_devices_are_named_in_short() -> None:
    assert form.devices(["cuda:0", "cuda:3"]) == "cuda:0,3"
    assert form.devices(["cpu"]) == "cpu"
    assert form.devices(["cuda:1", "cpu"]) == "cuda:1,cpu"
