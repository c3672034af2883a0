"""The whole of it: real datasets, choices of checks and definitions, and what is left untouched."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from engine.schema import SafetensorsInput, Status, Trace, decode
from engine.store import bundled_dataset
from engine.validate import CHECKS, Group, Severity, read_dataset, validate
from engine.validate.benchmark import trials, verdict, write_solutions
from tests.engine.validate.samples import (
    DEFINITION,
    NAME,
    SOLUTION,
    TENSORS,
    WORKLOADS,
    Sample,
    definition,
    int32,
    trace,
    workload,
)

ROOT = Path(__file__).parents[3]
REAL = ROOT.parent / "shared" / "real_dataset"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the sample of the published dataset is absent")


def stamps(root: Path) -> dict[str, tuple[int, int, int]]:
    found = {}
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        found[str(path)] = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return found


def test_a_sound_dataset_has_nothing_but_the_hint_at_run(sample: Sample) -> None:
    report = sample.report()
    assert [item.check for item in report.findings] == ["benchmark-skipped"]
    assert report.checks == list(Group)
    assert report.checked == {"definitions": 1, "workloads": 1, "solutions": 1, "traces": 1}


def test_the_bundled_dataset_has_no_error_and_no_warning() -> None:
    report = validate(read_dataset([bundled_dataset()]))
    grave = [item for item in report.findings if item.severity is not Severity.INFO]
    assert grave == []
    assert report.checked["definitions"] == 156
    assert {item.check for item in report.findings} <= {"benchmark-skipped", "axis-unused"}


def test_the_bundled_constraints_and_values_are_really_looked_at(tmp_path: Path) -> None:
    """Every stored page table of one definition, turned to page -1."""
    name = "gqa_paged_decode_h32_kv8_d128_ps1"
    source = bundled_dataset()
    lines = (source / f"workloads/gqa_paged/{name}.jsonl").read_text().splitlines()
    for folder in ("definitions", "workloads"):
        (tmp_path / folder).mkdir()
        for path in (source / folder / "gqa_paged").glob(f"{name}.*"):
            (tmp_path / folder / path.name).write_bytes(path.read_bytes())
    for line in lines:
        inputs = decode(line, Trace).workload.inputs
        paths = {item.path for item in inputs.values() if isinstance(item, SafetensorsInput)}
        for path in paths:
            target = tmp_path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            data = bytearray((source / path).read_bytes())
            data[-4:] = b"\xff\xff\xff\xff"
            target.write_bytes(data)
    report = validate(read_dataset([tmp_path]), [Group.WORKLOAD])
    touched = {item.line for item in report.findings if item.severity is Severity.ERROR}
    assert touched == set(range(1, len(lines) + 1))


@real
def test_the_published_sample_shows_its_known_mistakes() -> None:
    report = validate(read_dataset([REAL]))
    by_check: dict[str, set[str]] = {}
    for item in report.findings:
        by_check.setdefault(item.check, set()).add(Path(item.file).stem)
    assert by_check["parameter-order"] == {"trtllm_fp8_per_tensor_scale_moe_topk1_e16_h5120_i8192"}
    assert by_check["input-mutated"] == {"gdn_mtp_qk16_v32_d128_k_last"}
    assert len(by_check["baseline-missing"]) == 30
    # The sample comes without its blobs, and with workloads of nine definitions.
    assert len(by_check["no-workloads"]) == 21
    errors = {item.check for item in report.findings if item.severity is Severity.ERROR}
    assert errors == {"parameter-order", "blob-missing"}
    warnings = {item.check for item in report.findings if item.severity is Severity.WARNING}
    assert warnings == {"input-mutated", "baseline-missing", "no-workloads"}


def test_nothing_is_written_into_the_dataset(sample: Sample) -> None:
    before = stamps(sample.root)
    sample.report()
    assert stamps(sample.root) == before


def test_only_the_checks_that_were_asked_for_speak(sample: Sample) -> None:
    sample.blob("blob/spare.safetensors", TENSORS)
    sample.change(DEFINITION, lambda item: item.update(tags=["ep:1", "ep:2"], description=None))
    sample.change(SOLUTION, lambda item: item.update(author="ada"))
    sample.lines(WORKLOADS, workload(), workload())
    sample.text("solutions/bad.json", "{")
    for group in Group:
        findings = sample.report([group]).findings
        assert {item.group for item in findings} <= {group}
        assert group is Group.TRACE or findings


def test_only_the_definitions_that_were_asked_for_are_checked(sample: Sample) -> None:
    other = {**definition(), "name": "b", "tags": ["ep:1", "ep:2"]}
    sample.write("definitions/paged/b.json", other)
    sample.lines("workloads/paged/b.jsonl", {**workload("w2"), "definition": "b"})
    sample.text("definitions/paged/c.json", "{")
    sample.text("workloads/paged/c.jsonl", "{\n")
    sample.text("traces/ada/paged/c.jsonl", "{\n")
    sample.write("solutions/ada/paged/c/fast.json", {"name": "fast"})

    def files(*patterns: str) -> set[str]:
        findings = sample.report(definitions=patterns).findings
        return {item.file for item in findings if item.severity is not Severity.INFO}

    assert files(NAME) == set()
    assert files("b") == {"definitions/paged/b.json"}
    assert files("c", "att*") == {
        "definitions/paged/c.json",
        "workloads/paged/c.jsonl",
        "traces/ada/paged/c.jsonl",
        "solutions/ada/paged/c/fast.json",
    }
    assert sample.report(definitions=["*"]).checked["definitions"] == 2


def test_a_name_that_means_no_definition_is_refused(sample: Sample) -> None:
    with pytest.raises(LookupError, match="no definition 'none'"):
        sample.report(definitions=[NAME, "none"])


def test_findings_come_by_file_with_the_gravest_first(sample: Sample) -> None:
    changes = {"description": None, "tags": ["ep:1", "ep:2"], "constraints": ["x == 1"]}
    sample.change(DEFINITION, lambda document: document.update(changes))
    sample.text("definitions/paged/a.json", "{")
    findings = sample.report([Group.DEFINITION]).findings
    assert [item.check for item in findings] == [
        "definition-unreadable",
        "constraint-name",
        "tag-conflict",
        "no-description",
    ]


def test_names_of_files_need_not_be_text(sample: Sample) -> None:
    name = os.fsdecode(b"definitions/paged/\xff.json")
    (sample.root / name).write_text("{")
    (finding,) = (item for item in sample.report().findings if item.severity is Severity.ERROR)
    finding.file.encode()


def test_every_check_is_explained_with_its_severity() -> None:
    text = (ROOT / "docs/validate.md").read_text()
    told = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (\w+) \|", text, re.MULTILINE))
    assert told == {name: check.severity.value for name, check in CHECKS.items()}


# What --run evaluates


def test_the_smallest_workload_of_the_baseline_is_tried(sample: Sample) -> None:
    large, small = workload("large"), workload("small")
    large["workload"]["axes"]["num_pages"] = 50
    sample.lines(WORKLOADS, large, small)
    (trial,) = trials(read_dataset([sample.root]))
    assert (trial.definition, trial.solution, trial.workload) == (NAME, f"torch_{NAME}", "small")
    assert trial.made is None and trial.file == DEFINITION


def test_without_baseline_the_reference_is_tried(sample: Sample, tmp_path: Path) -> None:
    (sample.root / SOLUTION).unlink()
    wanted = list(trials(read_dataset([sample.root])))
    write_solutions(tmp_path / "overlay", wanted)
    (path,) = (tmp_path / "overlay").rglob("*.json")
    dataset = read_dataset([sample.root, tmp_path / "overlay"])
    (made,) = dataset.solutions
    assert made.item.name == wanted[0].solution
    assert made.item.sources[0].content == definition()["reference"]
    report = validate(dataset, [Group.SOLUTION])
    assert report.findings == [] and path.is_file()


def test_a_definition_without_workload_cannot_be_tried(sample: Sample) -> None:
    (sample.root / WORKLOADS).unlink()
    assert list(trials(read_dataset([sample.root]))) == []


@pytest.mark.parametrize(
    ("status", "message", "severity"),
    [
        (Status.PASSED, "", Severity.INFO),
        (Status.RUNTIME_ERROR, "it burned\nTraceback", Severity.ERROR),
        (None, "no verdict: it burned\nTraceback", Severity.ERROR),
        (None, "no verdict: MemoryError: it burned", Severity.WARNING),
        (Status.RUNTIME_ERROR, "CUDA out of memory: it burned", Severity.WARNING),
        (None, "it burned a minute of somebody else's", Severity.WARNING),
    ],
)
def test_what_a_result_means(
    status: Status | None, message: str, severity: Severity, sample: Sample
) -> None:
    (trial,) = trials(read_dataset([sample.root]))
    finding = verdict(trial, status, message)
    assert (finding.severity, finding.file) == (severity, DEFINITION)
    assert ("it burned" in finding.message) is (status is not Status.PASSED)
    assert "Traceback" not in finding.message


def test_ten_thousand_traces_are_walked_through_quickly(sample: Sample) -> None:
    sample.lines("traces/ada/paged/attend.jsonl", *[trace("gone")] * 10_000)
    report = sample.report([Group.TRACE])
    assert Counter(item.check for item in report.findings) == {"trace-solution": 1}
    assert report.findings[0].count == 10_000
    assert report.checked["traces"] == 10_001


def test_a_large_table_is_checked_without_numpy(sample: Sample) -> None:
    count = 300_000
    line = workload()
    line["workload"]["axes"] |= {"num_kv_indices": count, "batch_size": 1, "len_indptr": 2}
    sample.lines(WORKLOADS, line)
    tensors = {
        "kv_indptr": int32(0, count),
        "kv_indices": int32(*[3] * (count - 1), 5),
        "kv_last_page_len": int32(1),
    }
    sample.blob("blob/workloads/paged/attend/w1.safetensors", tensors)
    (finding,) = sample.report([Group.WORKLOAD]).findings
    assert f"[{count - 1}] is 5" in finding.message
