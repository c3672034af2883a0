"""Checks of definitions."""

from __future__ import annotations

import pytest

from engine.validate import Group
from tests.engine.validate.samples import DEFINITION, Json, Sample, definition

BREAKING: dict[str, tuple[str, Json]] = {
    # check -> (field of the finding, what of the definition changes)
    "name-characters": ("name", {"name": "a/b"}),
    "no-tensors": ("outputs", {"outputs": {}}),
    "axis-unbound": ("axes.extra", {"axes": {**definition()["axes"], "extra": {"type": "var"}}}),
    "axis-empty": (
        "axes.page_size",
        {"axes": {**definition()["axes"], "page_size": {"type": "const", "value": 0}}},
    ),
    "tag-conflict": ("tags", {"tags": ["ep:1", "ep:4", "model:a", "model:b"]}),
    "last-page-shape": (
        "inputs.kv_last_page_len.shape",
        {
            "inputs": {
                **definition()["inputs"],
                "kv_last_page_len": {"shape": ["len_indptr"], "dtype": "int32"},
            }
        },
    ),
    "reference-syntax": ("reference", {"reference": "def run():\n    pass\nreturn 1\n"}),
    "parameter-order": ("reference", {"reference": "def run(kv_cache, q, *rest):\n    return q\n"}),
    "constraint-name": ("constraints[0]", {"constraints": ["rows == 1"]}),
    "constraint-form": ("constraints[1]", {"constraints": ["page_size > 0", "q.isnan().any()"]}),
    "constraint-false": ("constraints[0]", {"constraints": ["page_size == head_dim"]}),
}


@pytest.mark.parametrize("check", BREAKING)
def test_a_fault_is_found_where_it_is(check: str, sample: Sample) -> None:
    field, changes = BREAKING[check]
    sample.change(DEFINITION, lambda document: document.update(changes))
    finding = sample.found(Group.DEFINITION)[check]
    assert (finding.file, finding.field) == (DEFINITION, field)
    assert finding.message and finding.fix


def test_a_constraint_that_is_false_is_shown_with_its_values(sample: Sample) -> None:
    sample.change(DEFINITION, lambda document: document.update(BREAKING["constraint-false"][1]))
    message = sample.found(Group.DEFINITION)["constraint-false"].message
    assert message == "`page_size == head_dim` does not hold: head_dim = 4, page_size = 2"


def test_what_only_could_be_said_is_information(sample: Sample) -> None:
    axes = {**definition()["axes"], "spare": {"type": "const", "value": 3}}
    changes = {"description": None, "axes": axes}
    sample.change(DEFINITION, lambda document: document.update(changes))
    assert not sample.found(Group.DEFINITION)
    infos = sample.infos()
    assert infos["no-description"].file == DEFINITION
    assert infos["axis-unused"].field == "axes.spare"


def test_a_name_that_is_taken_twice_names_the_other_file(sample: Sample) -> None:
    other = DEFINITION.replace("attend", "zzz")
    sample.write(other, definition())
    finding = sample.found(Group.DEFINITION)["definition-duplicate"]
    assert finding.file == other and DEFINITION in finding.message


def test_the_rarer_spelling_of_a_function_is_doubted(sample: Sample) -> None:
    for name in ("b", "c"):
        sample.write(f"definitions/paged/{name}.json", {**definition(), "name": name})
    odd = {**definition(), "name": "d", "tags": ["x", "fi_api:flashinfer.attend"]}
    sample.write("definitions/paged/d.json", odd)
    finding = sample.found(Group.DEFINITION)["tag-spelling"]
    assert (finding.file, finding.field) == ("definitions/paged/d.json", "tags[1]")
    assert "3 definitions name it flashinfer.decode.attend" in finding.message


def test_a_definition_that_cannot_be_read_hides_no_other(sample: Sample) -> None:
    sample.text("definitions/paged/bad.json", '{\n  "name": "bad",\n  "op_type": 3\n}\n')
    sample.text("definitions/paged/worse.json", b"\xff\xfe")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"
    sample.text("definitions/paged/pointer.json", pointer)
    findings = sample.report([Group.DEFINITION]).findings
    by_file = {finding.file.rpartition("/")[2]: finding for finding in findings}
    assert set(by_file) == {"bad.json", "worse.json", "pointer.json"}
    assert (by_file["bad.json"].line, by_file["bad.json"].field) == (3, "op_type")
    assert "git lfs pull" in by_file["pointer.json"].message
    assert sample.report().checked["definitions"] == 1
