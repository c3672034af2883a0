"""Tables for pull requests: cells, what is left out, geomeans, and conditions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.schema.run import ComparisonRecord, Ratio, TimedBlock, Verdict
from engine.store import TraceStore
from fitui.copying import pull_request
from fitui.copying.conditions import Conditions, condition_lines
from fitui.copying.tables import (
    MOST_ROWS,
    Snapshot,
    in_us,
    markdown_of,
    matrix_snapshot,
    snapshot_of,
    table_of,
)
from fitui.run_book import RunBook
from fitui.screens.compare import COMPARE_FIELDS
from fitui.screens.compare_model import Records, look_up, rows_of
from fitui.screens.matrix_model import MatrixModel
from fitui.screens.rows import Field, listed_rows
from tests.fitui.ui.tiny_files import WORKLOADS, FakeRun, lines, trace


@pytest.fixture(autouse=True)
def fixed_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A moment that never changes."""
    monkeypatch.setattr("fitui.clock.now", lambda: 1_795_000_000.0)


def traces_table(store: TraceStore, where: str = "", view: str = "traces") -> str:
    """Traces in the columns of the command line's list."""
    fields = (
        Field("SOLUTION", 9, lambda row: str(row.solution)),
        Field("LAT us", 7, lambda row: str(row.latency_ms or ""), right=True),
    )
    rows = store.traces(where)
    snapshot = snapshot_of(listed_rows(fields, rows, lambda row: str(row.id)), view)
    assert snapshot is not None
    return pull_request.markdown(store, snapshot)


def test_latencies_are_microseconds_whatever_is_shown() -> None:
    assert in_us("LAT us", "12.3ms") == "12300"
    assert in_us("SUM A us", "1.50s") == "1500000"
    assert in_us("us", "9.99") == "9.99"
    assert in_us("us", "*12.3ms") == "*12300"
    assert in_us("AGE", "12s") == "12s"


def test_cells_cannot_break_the_table() -> None:
    table = table_of(["a", "n"], [False, True], [["x|y*", "<b>"], ["a\nb", "\x1b[31mred"]])
    assert markdown_of(table).splitlines() == [
        "| a | n |",
        "| --- | ---: |",
        "| x\\|y\\* | &lt;b> |",
        "| a b | red |",
    ]


def test_many_rows_are_left_out_and_counted(store: TraceStore) -> None:
    fields = (Field("N", 4, str),)
    source = listed_rows(fields, range(1234), str)
    snapshot = snapshot_of(source, "traces")
    assert snapshot is not None and len(snapshot.table.rows) == MOST_ROWS
    text = pull_request.markdown(store, snapshot)
    assert "... and 1 034 rows more, of 1 234" in text
    assert text.count("\n| ") == MOST_ROWS + 1
    assert snapshot_of(listed_rows(fields, [], str), "traces") is None


def test_the_footer_names_every_condition(store: TraceStore, root: Path) -> None:
    add_measured(store, root)
    text = traces_table(store, "solution=fast run=measured")
    assert "- device: NVIDIA H200\n" in text
    assert "- driver: 570.86\n" in text
    assert "- clock: 1965 to 1980 MHz\n" in text
    assert "- timer: cupti\n" in text
    assert "- samples of each figure: 40 to 60\n" in text
    assert "- 95 % interval: ±0.20 to ±0.40 %\n" in text
    assert "- solutions: `fast@0123abcd` (commit 4f5e6d7c+changes)\n" in text
    assert "- coverage: 2 of 3 workloads of `double_h8` evaluated, 2 passed" in text
    assert text.endswith("- `fitui traces`, as of 2026-11-18 11:06 UTC; latencies in us\n")


def add_measured(store: TraceStore, root: Path) -> None:
    """Two traces that say all of their conditions."""
    found = []
    for number, work in enumerate(WORKLOADS[:2]):
        made = trace("fast", work, "PASSED", evaluation=f"measured.0000{number}")
        own: dict[str, Any] = {"n": 40 + 20 * number, "ci": 0.004 - 0.002 * number}
        own["clock_mhz"] = 1965 + 15 * number
        made["evaluation"]["correctness"] = {"extra": {"fitui": own}}
        made["evaluation"]["environment"] = {
            "hardware": "NVIDIA H200",
            "libs": {
                "driver": "570.86",
                "fitui.run": "measured",
                "fitui.evaluation": f"measured.0000{number}",
                "fitui.timer": "cupti",
                "fitui.solution": "0123abcd4567ef89",
                "fitui.commit": "4f5e6d7c+changes",
            },
        }
        found.append(made)
    lines(root / "traces/me/pointwise/double_h8.jsonl", found)
    store.refresh()


def test_what_no_trace_tells_is_unknown(store: TraceStore) -> None:
    text = traces_table(store, "solution=fast")
    assert "- driver: unknown\n" in text and "- clock: unknown\n" in text
    assert "`fast` (version unknown, commit unknown)" in text
    text = traces_table(store, "solution=tma_a")
    assert "nothing here was timed" in text and "device" not in text


def test_what_some_traces_tell_is_told_with_how_many() -> None:
    said = condition_lines(
        [
            Conditions(solution="a", hardware="H200", timer="cupti", clock_mhz=1980.0),
            Conditions(solution="a", hardware="H200", timer="events"),
            Conditions(solution="a", hardware="L4", timer="cupti"),
        ]
    )
    assert said[:4] == [
        "device: H200 (2), L4 (1)",
        "driver: unknown",
        "clock: 1980 MHz, unknown for 2 of 3",
        "timer: cupti (2), events (1)",
    ]


def test_a_matrix_has_its_geomeans(store: TraceStore) -> None:
    where = 'definition="double_h8"'
    model = MatrixModel(
        store.solutions(where), store.workloads(where), store.matrix("double_h8"), lambda: "latency"
    )
    snapshot = matrix_snapshot(model, "matrix double_h8", "latency")
    assert snapshot is not None
    text = pull_request.markdown(store, snapshot)
    head = "| solution | bs=1 us | bs=16 us | bs=256 us | passed | geomean speedup |"
    assert text.splitlines()[0] == head
    assert "| large | 12.5 | 12.5 | N | 2/3 | 2.00x |" in text
    assert "| tma_b | C | - | - | 0/3 | - |" in text
    assert "- 5 of 21 cells passed, 10 failed, 6 without a result" in text
    assert "`fitui 'matrix double_h8'`" in text


def comparison_text(store: TraceStore, state: Path) -> str:
    runs = list(RunBook(state, [store.root]).runs.values())
    names = ("fast", "large")
    rows = rows_of(look_up(store, runs, names, Records()), runs, names)
    source = listed_rows(COMPARE_FIELDS, rows, lambda row: str(row.workload))
    snapshot = snapshot_of(source, "compare fast large")
    assert isinstance(snapshot, Snapshot)
    return pull_request.comparison(store, snapshot, rows, runs, names)


def test_a_comparison_has_the_geomean_and_its_coverage(store: TraceStore, tmp_path: Path) -> None:
    text = comparison_text(store, tmp_path / "fitui-state")
    assert "A = `fast`, B = `large`" in text
    assert "| all | 2 | 1.000 |" in text
    assert "- coverage: 3 of 3 workloads compared, 0 of them measured in turns" in text
    assert "- samples of each figure: 40" in text


def test_a_comparison_in_turns_has_the_conditions_of_its_run(
    store: TraceStore, tmp_path: Path
) -> None:
    state = tmp_path / "fitui-state"
    run = FakeRun(state, store.root, "20261122-100000-c0de")
    request = json.loads((run.folder.path / "request.json").read_text())
    request["compare"] = ["fast", "large"]
    (run.folder.path / "request.json").write_text(json.dumps(request))
    blocks = [
        TimedBlock(process=0, side=side, device_ns=[1000, 1010], clock_mhz=[1900.0, 1910.0])
        for side in "AB"
    ]
    run.folder.append_comparison(
        ComparisonRecord(
            evaluation="c.1",
            definition="double_h8",
            workload="wl-0016",
            axes={"batch_size": 16},
            a="fast",
            b="large",
            a_version=store.solution("fast").content_hash(),
            b_version=store.solution("large").content_hash(),
            device="cuda:0",
            hardware="NVIDIA H200",
            verdict=Verdict.FASTER,
            t=1.0,
            libs={"driver": "570.86"},
            timer="cupti",
            time=Ratio(value=0.9, low=0.891, high=0.909),
            a_ns=[1000.0],
            b_ns=[900.0],
            blocks=blocks,
        )
    )
    text = comparison_text(store, state)
    assert "- device: NVIDIA H200\n- driver: 570.86\n- clock: 1905 MHz\n- timer: cupti\n" in text
    assert "- samples of each figure: 2\n- 95 % interval: ±1.00 %" in text
    assert "`fast@" in text and "(commit unknown)" in text
    assert "1 of 3 workloads compared, 1 of them measured in turns" in text
