"""Checks of the layout: files in unusual places, and files and blobs that nobody reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.validate import Finding, Group, read_dataset, validate
from tests.engine.validate.samples import (
    BLOB,
    DEFINITION,
    NAME,
    SOLUTION,
    TRACES,
    WORKLOADS,
    Sample,
    definition,
    solution,
    trace,
    workload,
)


def found(sample: Sample) -> dict[str, Finding]:
    return sample.found(Group.LAYOUT)


@pytest.mark.parametrize(
    ("path", "to", "check", "message"),
    [
        (DEFINITION, f"definitions/{NAME}.json", "wrong-folder", "definitions/paged"),
        (DEFINITION, f"definitions/gemm/{NAME}.json", "wrong-folder", "definitions/paged"),
        (DEFINITION, "definitions/paged/other.json", "wrong-name", f"{NAME}.json"),
        (WORKLOADS, f"workloads/{NAME}.jsonl", "wrong-folder", "workloads/paged"),
        (WORKLOADS, "workloads/paged/other.jsonl", "wrong-name", f"{NAME}.jsonl"),
        (SOLUTION, "solutions/flat.json", "wrong-folder", f"solutions/baseline/paged/{NAME}"),
        (SOLUTION, SOLUTION.replace("baseline/", "ada/"), "wrong-folder", "solutions/baseline"),
        (TRACES, f"traces/paged/deep/{NAME}.jsonl", "wrong-folder", "traces/baseline/paged"),
        (TRACES, TRACES.replace("baseline", "ada"), "wrong-folder", "traces/baseline/paged"),
        (TRACES, "traces/baseline/paged/other.jsonl", "wrong-name", f"{NAME}.jsonl"),
    ],
)
def test_a_file_in_an_unusual_place_is_told_where_it_belongs(
    path: str, to: str, check: str, message: str, sample: Sample
) -> None:
    target = sample.root / to
    target.parent.mkdir(parents=True, exist_ok=True)
    (sample.root / path).rename(target)
    finding = found(sample)[check]
    assert finding.file == to and message in finding.message


@pytest.mark.parametrize("to", [f"traces/paged/{NAME}.jsonl", TRACES.replace(NAME, f"{NAME}.h-1")])
def test_places_that_traces_may_have_too(to: str, sample: Sample) -> None:
    (sample.root / to).parent.mkdir(parents=True, exist_ok=True)
    (sample.root / TRACES).rename(sample.root / to)
    assert not found(sample)


def test_names_that_are_no_names_of_files_lie_under_harmless_ones(sample: Sample) -> None:
    sample.write(SOLUTION, solution(author="a/b"))
    (sample.root / "solutions/a_b/paged").mkdir(parents=True)
    (sample.root / "solutions/baseline/paged" / NAME).rename(
        sample.root / "solutions/a_b/paged" / NAME
    )
    (sample.root / TRACES).unlink()
    assert not found(sample)


@pytest.mark.parametrize(
    "path",
    [
        "definitions/paged/old.jsonl",
        "workloads/paged/list.json",
        "solutions/baseline/.hidden.json",
        "traces/.ipynb_checkpoints/attend.jsonl",
        "definitions/paged/upper.JSON",
    ],
)
def test_a_document_that_no_loader_reads_is_named(path: str, sample: Sample) -> None:
    sample.write(path, definition())
    finding = found(sample)["ignored-file"]
    assert finding.file == path and "no loader" in finding.message


def test_links_that_are_not_followed_are_named(sample: Sample) -> None:
    (sample.root / "definitions/linked").symlink_to(sample.root / "definitions/paged")
    (sample.root / "solutions/gone.json").symlink_to(sample.root / "none")
    findings = sample.report([Group.LAYOUT]).findings
    assert [(item.file, item.check) for item in findings] == [
        ("definitions/linked", "ignored-file"),
        ("solutions/gone.json", "ignored-file"),
    ]


def test_what_explains_a_dataset_is_passed_over_and_other_files_are_mentioned(
    sample: Sample,
) -> None:
    for path in ("README.md", "definitions/README.md", "solutions/.gitkeep", "blob/.gitattributes"):
        sample.text(path, "hello")
    assert not found(sample) and set(sample.infos()) == {"benchmark-skipped"}
    sample.text("solutions/kernel.cu", "//")
    assert sample.infos()["stray-file"].file == "solutions/kernel.cu"


def test_a_blob_that_no_workload_names_is_mentioned(sample: Sample) -> None:
    sample.text("blob/workloads/old.safetensors", b"0")
    assert sample.infos()["blob-unused"].file == "blob/workloads/old.safetensors"
    # A line that cannot be read may name it.
    sample.text("workloads/paged/bad.jsonl", "{\n")
    assert "blob-unused" not in sample.infos()


def test_a_file_without_lines_is_doubted(sample: Sample) -> None:
    sample.text("traces/ada/paged/attend.jsonl", "\n\n")
    assert found(sample)["empty-file"].file == "traces/ada/paged/attend.jsonl"


def test_a_file_whose_lines_cannot_be_read_is_not_called_empty(sample: Sample) -> None:
    sample.text("traces/ada/paged/attend.jsonl", "{\n")
    assert "empty-file" not in found(sample)


def test_lines_of_two_definitions_in_one_file_are_told_apart(sample: Sample) -> None:
    sample.write("definitions/paged/b.json", {**definition(), "name": "b"})
    sample.lines(WORKLOADS, workload(), {**workload("w2"), "definition": "b"})
    finding = found(sample)["wrong-name"]
    assert finding.file == WORKLOADS and "b.jsonl" in finding.message


def test_a_folder_that_cannot_be_listed_is_an_error(sample: Sample) -> None:
    (sample.root / TRACES).unlink()
    for folder in ("traces/baseline/paged", "traces/baseline", "traces"):
        (sample.root / folder).rmdir()
    sample.text("traces", "no folder at all")
    assert found(sample)["folder-unreadable"].file == "traces"


def test_a_dataset_without_definitions_is_doubted(tmp_path: Path) -> None:
    (tmp_path / "solutions").mkdir()
    report = validate(read_dataset([tmp_path]), [Group.LAYOUT])
    assert [item.check for item in report.findings] == ["no-definitions"]


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no dataset"):
        read_dataset([tmp_path])


def test_files_of_an_overlay_are_named_in_full(sample: Sample, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay"
    (overlay / "traces").mkdir(parents=True)
    misplaced = overlay / "traces/attend.jsonl"
    misplaced.write_text((sample.root / TRACES).read_text())
    report = validate(read_dataset([sample.root, overlay]), [Group.LAYOUT])
    assert [(item.check, item.file) for item in report.findings] == [
        ("wrong-folder", str(misplaced))
    ]


def test_blobs_may_lie_in_either_layer(sample: Sample, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay"
    (overlay / BLOB).parent.mkdir(parents=True)
    (sample.root / BLOB).rename(overlay / BLOB)
    (overlay / "traces").mkdir()
    assert not validate(read_dataset([sample.root, overlay]), [Group.LAYOUT]).findings


def test_a_trace_of_another_author_belongs_to_his_folder(sample: Sample) -> None:
    path = SOLUTION.replace("baseline", "ada").replace("torch_", "mine_")
    sample.write(path, solution("mine_attend", "ada"))
    sample.lines(TRACES, trace(), trace("mine_attend"))
    assert "traces/ada/paged" in found(sample)["wrong-folder"].message
