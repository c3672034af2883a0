"""``fitui ls`` by the text of a view: the same rows, columns and counts as on the screen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fitui.cli import main
from fitui.cli.listing import Listing, listing_of
from fitui.view import ViewError
from tests.fitui.ui.tiny_files import write_dataset

Ls = Callable[..., str]


@pytest.fixture
def ls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ls:
    """Runs ``fitui ls`` on the tiny dataset."""
    root = write_dataset(tmp_path / "dataset")

    def run(*arguments: str, status: int = 0) -> str:
        assert main(["ls", *arguments, "--dataset", str(root)]) == status
        printed = capsys.readouterr()
        return printed.out if status == 0 else printed.err

    return run


def rows(text: str) -> list[Any]:
    """JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("traces status:failed sort:-age", Listing("traces", "status:failed", "-age")),
        ("solutions author:me", Listing("solutions", "author:me")),
        (
            "definition gemm tab:solutions lang:triton",
            Listing("solutions", 'definition="gemm" (lang:triton)'),
        ),
        ("matrix gemm", Listing("cells", 'definition="gemm"')),
        ("solution fast tab:traces", Listing("traces", 'solution="fast"')),
        ("history fast w1", Listing("traces", 'solution="fast" workload="w1"')),
        ("traces follow:newest cols:+run", Listing("traces", cols="+run")),
    ],
)
def test_views_that_are_lists(text: str, expected: Listing) -> None:
    assert listing_of(text) == expected


@pytest.mark.parametrize("text", ["definition gemm", "runs", "trace 1", "compare a b", "nonsense"])
def test_views_that_are_no_lists(text: str) -> None:
    with pytest.raises(ViewError, match=r"is no list|no view named"):
        listing_of(text)


def test_a_view_gives_the_rows_of_its_options(ls: Ls) -> None:
    by_view = ls("traces status:failed sort:solution,-id", "--json")
    assert by_view == ls("traces", "--where", "status:failed", "--sort", "solution,-id", "--json")
    assert by_view == ls("traces", "status:failed", "sort:solution,-id", "--json")
    assert [row["solution"] for row in rows(by_view)] == ["slow", "wrong"]
    both = rows(ls("traces solution:slow | solution:fast", "--where", "status:failed", "--json"))
    assert [row["solution"] for row in both] == ["slow"]


def test_columns_are_those_of_the_screen(ls: Ls) -> None:
    lines = ls("traces solution:fast sort:id cols:solution,latency,gpu").splitlines()
    assert lines[0].split() == ["solution", "lat", "us", "device"]
    assert lines[1].split() == ["fast", "12.5", "Test", "CPU"]
    heading = ls("definitions cols:+traces,-axes").splitlines()[0]
    assert "traces" in heading and "axes" not in heading
    assert "cols:" in ls("definitions cols:definition", "--markdown")


def test_counts(ls: Ls) -> None:
    lines = ls("traces group:solution").splitlines()
    assert [line.split() for line in lines] == [
        ["solution", "rows", "share"],
        ["fast", "3", "60.0%"],
        ["slow", "1", "20.0%"],
        ["wrong", "1", "20.0%"],
    ]
    (first,) = rows(ls("traces status:failed group:S", "--json", "--limit", "1"))
    assert first["rows"] == 1 and first["share"] == 0.5
    assert len(rows(ls("traces", "--where", first["filter"], "--json"))) == 1
    (lang,) = rows(ls("definition double_h8 tab:solutions group:lang", "--json"))
    assert (lang["value"], lang["rows"]) == ("python", 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("traces cols:+nonsense", "no column 'nonsense' here"),
        ("traces group:nonsense", "no column 'nonsense' here"),
        ("cells cols:+run", "cells have no cols:"),
        ("traces nofield:1", "no field 'nofield'"),
    ],
)
def test_what_means_nothing_is_a_sentence(ls: Ls, text: str, words: str) -> None:
    assert words in ls(text, status=2)


@pytest.mark.parametrize("text", ["runs", "traces cols:a,+b", "everything"])
def test_what_is_no_list_is_wrong_usage(
    ls: Ls, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        ls(text)
    assert caught.value.code == 2
    assert "fitui ls: error:" in capsys.readouterr().err
