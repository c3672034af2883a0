"""The rules of a solution, and the hash that is its identity."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from engine.schema import Binding, BuildSpec, Language, Problem, Solution, SourceFile, decode

Document = dict[str, Any]


def read(document: Document) -> Solution:
    return decode(json.dumps(document), Solution)


def test_a_valid_solution_is_read(solution: Document) -> None:
    found = read(solution)
    assert found.spec.language is Language.PYTHON
    assert found.spec.entry_file == "main.py"
    assert found.spec.entry_function == "run"
    assert found.spec.binding is None


def test_outputs_are_passed_in_unless_the_solution_says_otherwise(solution: Document) -> None:
    assert read(solution).spec.destination_passing_style is True
    solution["spec"]["destination_passing_style"] = False
    assert read(solution).spec.destination_passing_style is False


@pytest.mark.parametrize(
    ("path", "value", "field", "message"),
    [
        ("name", "", "name", "must not be empty"),
        ("definition", "", "definition", "must not be empty"),
        ("author", "", "author", "must not be empty"),
        ("sources", [], "sources", "needs at least one file"),
        ("sources.1.path", "main.py", "sources[1].path", "'main.py' appears twice"),
        ("sources.1.path", "", "sources[1].path", "must not be empty"),
        ("sources.1.path", "/etc/x.py", "sources[1].path", "'/etc/x.py' leaves the solution's"),
        ("sources.1.path", "../x.py", "sources[1].path", "'../x.py' leaves the solution's"),
        ("sources.1.path", "a/../x.py", "sources[1].path", "'a/../x.py' leaves the solution's"),
        ("sources.1.path", "a\0.py", "sources[1].path", "'a\\x00.py' leaves the solution's"),
        ("sources.1.content", "", "sources[1].content", "file 'helpers.py' is empty"),
        ("sources.0.content", None, "sources[0].content", "Expected `str`, got `null`"),
        ("spec.language", "cutedsl", "spec.language", "Invalid enum value 'cutedsl'"),
        ("spec.binding", "pybind", "spec.binding", "Invalid enum value 'pybind'"),
        ("spec.target_hardware", [], "spec.target_hardware", "needs at least one item"),
        ("spec.dependencies", ["a", ""], "spec.dependencies[1]", "must not be empty"),
        ("spec.entry_point", "", "spec.entry_point", "must read file::function"),
        ("spec.entry_point", "main.py", "spec.entry_point", "must read file::function"),
        ("spec.entry_point", "main.py::a::b", "spec.entry_point", "must read file::function"),
        ("spec.entry_point", "x.py::run", "spec.entry_point", "file 'x.py' is not among"),
        ("spec.destination_passing_style", "maybe", "spec.destination_passing_style", "Expected"),
    ],
)
def test_a_broken_rule_names_its_field(
    solution: Document,
    edited: Callable[..., Document],
    refusal: Callable[..., Problem],
    path: str,
    value: Any,
    field: str,
    message: str,
) -> None:
    document = edited(solution, path, value)
    problem = refusal(document, Solution)
    assert problem.field == field
    assert problem.message.startswith(message)
    key = field.rpartition(".")[2].partition("[")[0]
    assert f'"{key}"' in line(document, problem) or "[" in field


def line(document: Document, problem: Problem) -> str:
    return json.dumps(document, indent=2).splitlines()[(problem.line or 0) - 1]


@pytest.mark.parametrize("key", ["language", "target_hardware", "entry_point"])
def test_a_missing_key_of_the_spec_is_named(
    solution: Document,
    without: Callable[..., Document],
    refusal: Callable[..., Problem],
    key: str,
) -> None:
    document = without(solution, f"spec.{key}")
    problem = refusal(document, Solution)
    assert (problem.field, problem.message) == (f"spec.{key}", "is missing")
    assert '"spec"' in line(document, problem)


def made(**changes: Any) -> Solution:
    spec: dict[str, Any] = {
        "language": Language.CUDA,
        "target_hardware": ["cuda"],
        "entry_point": "k.cu::run",
        "dependencies": ["cublas"],
    }
    spec.update(
        {key: value for key, value in changes.items() if key in BuildSpec.__struct_fields__}
    )
    sources = changes.get("sources", [("k.cu", "code"), ("k.h", "head")])
    return Solution(
        name=changes.get("name", "k"),
        definition=changes.get("definition", "d"),
        author=changes.get("author", "a"),
        description=changes.get("description"),
        spec=BuildSpec(**spec),
        sources=[SourceFile(path=path, content=content) for path, content in sources],
    )


@pytest.mark.parametrize(
    "change",
    [
        {"definition": "other"},
        {"language": Language.CPP},
        {"entry_point": "k.cu::go"},
        {"entry_point": "k.h::run"},
        {"binding": Binding.TORCH},
        {"binding": Binding.TVM_FFI},
        {"destination_passing_style": False},
        {"dependencies": []},
        {"dependencies": ["cublas", "cudnn"]},
        {"dependencies": ["cudnn"]},
        {"sources": [("k.cu", "code "), ("k.h", "head")]},
        {"sources": [("k.cu", "code"), ("k2.h", "head")]},
        {"sources": [("k.cu", "code")]},
        {"sources": [("k.cu", "code"), ("k.h", "head"), ("l.h", "more")]},
    ],
    ids=repr,
)
def test_everything_that_changes_what_runs_changes_the_hash(change: dict[str, Any]) -> None:
    assert made(**change).content_hash() != made().content_hash()


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"author": "other"},
        {"description": "other"},
        {"target_hardware": ["cuda", "cpu"]},
        {"sources": [("k.h", "head"), ("k.cu", "code")]},
    ],
    ids=repr,
)
def test_what_does_not_change_what_runs_leaves_the_hash(change: dict[str, Any]) -> None:
    assert made(**change).content_hash() == made().content_hash()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            {"sources": [("k.cu", "ab"), ("k.h", "c")]},
            {"sources": [("k.cu", "a"), ("bk.h", "c")]},
        ),
        ({"dependencies": ["ab", "c"]}, {"dependencies": ["a", "bc"]}),
        (
            {"dependencies": ["k.cu", "code"], "sources": [("k.cu", "code")]},
            {"dependencies": [], "sources": [("k.cu", "code"), ("l", "x")]},
        ),
        (
            {"entry_point": "k.cu::run", "binding": None, "definition": "d"},
            {"entry_point": "k.cu::runtorch", "binding": None, "definition": "d"},
        ),
    ],
)
def test_a_letter_that_moves_over_a_boundary_changes_the_hash(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert made(**one).content_hash() != made(**other).content_hash()


def test_the_hash_is_the_same_on_every_machine() -> None:
    assert made().content_hash() == "929cec410a62f417"


def test_the_hash_does_not_depend_on_how_the_file_spells_defaults(solution: Document) -> None:
    plain = read(solution).content_hash()
    solution["spec"]["destination_passing_style"] = "true"
    solution["spec"]["binding"] = None
    solution["unknown"] = 1
    assert read(solution).content_hash() == plain
