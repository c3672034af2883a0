"""Names, error lines, paths, JSON, sources and briefs of what is under a cursor."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from engine.insight.triage import Triage
from engine.run.client import runs_dir
from engine.store import TraceStore
from fitui.copying.subject import Subject
from fitui.copying.texts import Texts
from tests.fitui.copying.conftest import latest
from tests.fitui.ui.failing_files import KERNEL, NVCC, cuda
from tests.fitui.ui.tiny_files import WORKLOADS, FakeRun, lines, trace, write


def test_the_error_line_is_that_of_triage(store: TraceStore, texts: Texts) -> None:
    triage = Triage(store)
    for _left in triage.look():
        pass
    clusters = triage.clusters()
    assert len(clusters) >= 4
    for cluster in clusters:
        line = f"{cluster.line}: {cluster.hint}" if cluster.hint else cluster.line
        assert texts.error(Subject(trace=cluster.example)).text == line


def test_what_passed_has_no_error_line(store: TraceStore, texts: Texts) -> None:
    with pytest.raises(LookupError, match="nothing failed"):
        texts.error(latest(store, "fast"))


def test_paths_name_the_line(store: TraceStore, texts: Texts, root: Path) -> None:
    path, _colon, line = texts.path(latest(store, "slow")).text.rpartition(":")
    assert json.loads(Path(path).read_text().splitlines()[int(line) - 1])["solution"] == "slow"
    folder = root / "solutions/me/pointwise/double_h8"
    assert texts.path(Subject(solution="fast")).text == str(folder / "fast.json")
    definition = texts.path(Subject(definition="double_h8")).text
    assert definition == str(root / "definitions/pointwise/double_h8.json")
    work = texts.path(Subject(definition="double_h8", workload="wl-0016")).text
    assert work == f"{root / 'workloads/pointwise/double_h8.jsonl'}:2"


def test_json_is_that_of_the_file(store: TraceStore, texts: Texts, root: Path) -> None:
    path = root / "solutions/me/pointwise/double_h8/fast.json"
    write(path, {**json.loads(path.read_text()), "of another program": 1})
    store.refresh()
    assert json.loads(texts.json(Subject(solution="fast")).text)["of another program"] == 1
    found = json.loads(texts.json(latest(store, "slow")).text)
    assert (found["solution"], found["evaluation"]["status"]) == ("slow", "RUNTIME_ERROR")
    work = json.loads(texts.json(Subject(definition="double_h8", workload="wl-0016")).text)
    assert work["axes"] == {"batch_size": 16}
    assert json.loads(texts.json(Subject(definition="double_h8")).text)["name"] == "double_h8"


def test_sources_begin_with_the_entry(store: TraceStore, texts: Texts, root: Path) -> None:
    assert texts.source(latest(store, "tma_a")).text == KERNEL
    document = cuda("tma_a")
    document["sources"].insert(0, {"path": "a/first.cuh", "content": "// header\n"})
    write(root / "solutions/me/pointwise/double_h8/tma_a.json", document)
    store.refresh()
    copy = texts.source(Subject(solution="tma_a"))
    assert copy.text == f"==> kernel.cu <==\n{KERNEL}\n==> a/first.cuh <==\n// header\n"
    assert copy.what == "source, 2 files"
    reference = texts.source(Subject(definition="double_h8"))
    assert reference.what == "reference" and "def run(x)" in reference.text


def test_what_is_not_there_is_said(texts: Texts) -> None:
    for make in (texts.path, texts.json, texts.source, texts.command, texts.name, texts.brief):
        with pytest.raises(LookupError, match=r"^\w.* \w"):
            make(Subject())


def test_the_pager_gets_the_whole_log(store: TraceStore, texts: Texts, tmp_path: Path) -> None:
    subject = latest(store, "slow")
    assert "cannot be multiplied" in texts.reading(subject).text
    made = {**trace("slow", WORKLOADS[1], "RUNTIME_ERROR", evaluation="r.00001", log="cut\n")}
    lines(store.root / "traces/me/pointwise/double_h8.jsonl", [made])
    store.refresh()
    logs = runs_dir(tmp_path / "fitui-state") / "r" / "logs"
    logs.mkdir(parents=True)
    (logs / "r.00001.txt").write_text("cut\nand the rest\n")
    copy = texts.reading(latest(store, "slow", "wl-0016"))
    assert copy.text == "cut\nand the rest\n" and copy.what.endswith(".log")
    assert json.loads(texts.reading(latest(store, "fast")).text)["solution"] == "fast"


# The brief


def test_a_brief_of_a_compile_error_shows_the_line(store: TraceStore, texts: Texts) -> None:
    text = texts.brief(latest(store, "tma_a", "wl-0256")).text
    assert text.startswith("# `tma_a` fails on `double_h8`: COMPILE_ERROR\n")
    assert '```\nkernel.cu:88: error: identifier "tma_load" is undefined\n```' in text
    assert "## Source: `kernel.cu`, line 88" in text
    assert ">  88    tma_load(smem, desc);" in text
    assert "   76  // line 76" in text and "// line 75" not in text
    assert "3 tried, 0 passed, 3 failed" in text


def test_it_is_told_by_the_smallest_workload_of_the_same_cause(
    store: TraceStore, texts: Texts
) -> None:
    found = [trace("tma_a", WORKLOADS[0], "COMPILE_ERROR", log="x.cu(3): error: other\n")]
    lines(store.root / "traces/me/pointwise/double_h8.jsonl", found)
    store.refresh()
    subject = latest(store, "tma_a", "wl-0256")
    text = texts.brief(subject).text
    assert "uuid: `wl-0016`" in text and "axes: batch_size=16 (fixed: hidden=8)" in text
    assert f"also seen as: trace {subject.trace}, on batch_size=256" in text
    assert "fitui bench -d double_h8 -s tma_a -w wl-0016 --device cpu" in text
    assert "input x: float32 [16, 8], random" in text


def test_a_brief_of_wrong_values_has_expected_and_got(store: TraceStore, texts: Texts) -> None:
    text = texts.brief(Subject(solution="wrong", definition="double_h8")).text
    assert "| y | 12 of 96 | [3, 7] | 1.5 | 2.5 |" in text
    assert "|got - expected| <= 0.01 + 0.01 * |expected|; every element must match" in text
    assert "by default; those of this evaluation are unknown" in text
    assert "```python\nimport torch\n\n\ndef run(x):" in text


def test_tolerances_are_those_of_the_run(store: TraceStore, tmp_path: Path) -> None:
    state = tmp_path / "fitui-state"
    run = FakeRun(state, store.root, "r", quick=True)
    request = run.folder.read_request()
    request.settings.atol, request.settings.matched_ratio = 0.5, 0.9
    (run.folder.path / "request.json").write_bytes(msgspec.json.encode(request))
    text = Texts(store, state).brief(Subject(solution="wrong", definition="double_h8")).text
    assert "<= 0.5 + 0.01 * |expected|; 90 % must match" in text
    assert "as run r had them" in text


def test_a_brief_of_what_passed_has_its_figures(store: TraceStore, texts: Texts) -> None:
    text = texts.brief(Subject(solution="fast", definition="double_h8")).text
    assert text.startswith("# `fast` passes on `double_h8`\n")
    assert "12.5 us" in text and "## Cause" not in text and "Expected" not in text


def test_code_with_fences_stays_inside_its_own(store: TraceStore, texts: Texts) -> None:
    found = [trace("slow", WORKLOADS[2], "RUNTIME_ERROR", log="ValueError: ```` oh\n" + NVCC)]
    lines(store.root / "traces/me/pointwise/double_h8.jsonl", found)
    store.refresh()
    assert "\n`````\nValueError: ```` oh" in texts.brief(latest(store, "slow", "wl-0256")).text


def test_what_never_ran_has_no_brief(store: TraceStore, texts: Texts, root: Path) -> None:
    write(root / "solutions/me/pointwise/double_h8/idle.json", cuda("idle"))
    store.refresh()
    with pytest.raises(LookupError, match="idle has never been run"):
        texts.brief(Subject(solution="idle", definition="double_h8"))
