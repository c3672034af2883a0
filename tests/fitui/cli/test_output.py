"""Tables and figures as people read them."""

from __future__ import annotations

import io
import time

import pytest

from fitui.cli.output import (
    Column,
    format_age,
    format_latency,
    format_ratio,
    name_column,
    print_json,
    print_table,
    shorten,
    width_of,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


COLUMNS = (Column("name", shrinks=True), Column("n", right=True))


def test_a_file_gets_every_character() -> None:
    out = io.StringIO()
    print_table(COLUMNS, [("x" * 300, "1"), ("y", "22")], out=out)
    assert out.getvalue().splitlines()[1] == "x" * 300 + "   1"
    assert out.getvalue().splitlines()[2].endswith(" 22")


def test_a_terminal_gets_its_width_and_an_ellipsis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    out = Terminal()
    print_table(COLUMNS, [("x" * 300, "1"), ("short", "22")], out=out)
    lines = out.getvalue().splitlines()
    assert max(map(width_of, lines)) == 40
    assert "…" in lines[1] and "short" in lines[2]


def test_names_stay_readable_and_what_matters_least_goes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = (
        name_column("solution"),
        Column("least", spare=2),
        name_column("definition", spare=1),
        Column("us", right=True),
    )
    row = ("torch_dsa_sparse_attention_h16", "x" * 10, "dsa_sparse_attention_h16", "12.5")
    shown = {}
    for width in (78, 62, 50, 26, 10):
        monkeypatch.setenv("COLUMNS", str(width))
        out = Terminal()
        print_table(columns, [row], out=out)
        shown[width] = (out.getvalue().splitlines()[1].split(), capsys.readouterr().err)
    assert shown[78] == ([*row], "")
    names = ["torch_dsa_spa…ion_h16", "dsa_sparse_at…ion_h16"]
    assert shown[62] == ([names[0], row[1], names[1], "12.5"], "")
    assert shown[50] == ([*names, "12.5"], "fitui: too narrow for: least\n")
    assert shown[26][0] == ["torch_dsa_spa…on_h16", "12.5"]
    assert shown[26][1] == "fitui: too narrow for: least, definition\n"
    assert shown[10][0] == ["torch…16", "12.5"], "at last a name is cut further"


def test_a_sentence_goes_on_below(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    out = Terminal()
    columns = [Column("what"), Column("found", shrinks=True, wraps=True)]
    print_table(columns, [("gpu", "none; solutions run on the CPU device"), ("b", "")], out=out)
    assert out.getvalue().splitlines() == [
        "what  found",
        "gpu   none; solutions run on",
        "      the CPU device",
        "b",
    ]


def test_foreign_control_characters_do_not_reach_the_terminal() -> None:
    out = io.StringIO()
    print_table(COLUMNS, [("a\x1b[2Jb\nc", "1")], out=out)
    assert "\x1b" not in out.getvalue() and out.getvalue().count("\n") == 2


def test_wide_characters_count_double() -> None:
    assert width_of("日本e\u0301") == 5
    assert shorten("日本語", 4) == "日…"


def test_figures_have_three_digits_and_nothing_is_a_dash() -> None:
    assert [format_latency(value) for value in (0.0019, 0.0221, 0.1544, None)] == [
        "1.90",
        "22.1",
        "154",
        "-",
    ]
    assert format_ratio(3.214) == "3.21x" and format_ratio(None) == "-"
    assert format_age(time.time() - 125) == "2m" and format_age(None) == "-"
    assert format_age(time.time() - 3 * 86400 - 5) == "3d"


def test_json_spells_non_finite_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": float("nan"), "b": [float("inf")]})
    assert capsys.readouterr().out == '{"a":"NaN","b":["Infinity"]}\n'
