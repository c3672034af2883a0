"""The file of settings: what it may say, what is told about what is wrong, what is made of it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import msgspec
import pytest

from fitui import commands
from fitui.command_table import COMMANDS
from fitui.config import Config, config_file, read_config
from fitui.config_text import document, example, holding, schema, settings
from fitui.key_names import KeyProblem, faults, key_name, rebound
from fitui.themes import NAMES, theme_for

REPOSITORY = Path(__file__).resolve().parents[2]


def write(text: str) -> Path:
    """The user's file."""
    file = config_file()
    file.write_text(text)
    return file


def test_without_a_file_the_defaults_hold() -> None:
    read = read_config()
    assert read.config == Config() and not read.there and not read.problems


def test_the_file_lies_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FITUI_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config_file() == tmp_path / "fitui/config.toml"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config_file() == tmp_path / ".config/fitui/config.toml"


def test_what_is_set_holds_and_says_where_it_was_set() -> None:
    file = write(
        'theme = "light"\nrun.ask_above_s = 5\n[keys]\ncopy = ["Ctrl+k"]\n'
        '[columns]\n"traces" = "+gpu"\n'
    )
    read = read_config()
    assert not read.problems
    config = read.config
    assert (config.theme, config.run.ask_above_s) == ("light", 5.0)
    assert config.keys == {"copy": ["ctrl+k"]} and config.columns == {"traces": "+gpu"}
    rows = {name: (value, origin) for name, value, origin in holding(read)}
    assert rows["theme"] == ('"light"', f"{file.name}:1")
    assert rows["run.ask_above_s"][1] == f"{file.name}:2"
    assert rows["columns.traces"] == ('"+gpu"', f"{file.name}:6")
    assert rows["mouse"] == ('"auto"', "default")


@pytest.mark.parametrize(
    ("text", "line", "name", "words"),
    [
        ('theme = "dakr"', 1, "theme", "'dakr' is none of"),
        ("\nmouse = true", 2, "mouse", "is none of auto"),
        ("them = 'dark'", 1, "them", "did you mean theme?"),
        ("[run]\nquick = 'yes'\nask_above_s = -1", 3, "run.ask_above_s", ">= 0"),
        ("[run]\nask_above_s = '9'", 2, "run.ask_above_s", "Expected `float`"),
        ("run = 3", 1, "run", "write [run]"),
        ("[run]\nbusy = 'never'", 2, "run.busy", "wait"),
        ("home = 'nowhere'", 1, "home", "no view named"),
        ('pager = "less \'"', 1, "pager", "no command"),
        ("[columns]\ntrace5 = '+gpu'", 2, "columns.trace5", "no view named"),
        ("[columns]\ntraces = '+a,b'", 2, "columns.traces", "mixes both ways"),
        ("[columns]\ntraces = 3", 2, "columns.traces", "Expected `str`"),
        ("[keys]\ncopy = 'k'", 2, "keys.copy", "Expected `array`"),
        ("[keys]\ncopy = ['Hyper+k']", 2, "keys.copy", "no key"),
        ("[keys]\ncpoy = ['k']", 2, "keys.cpoy", "did you mean copy?"),
        ("[keys]\ncopy = []", 2, "keys.copy", "one key at least"),
        ("[keys]\ncopy = ['r']", 2, "keys.copy", "r is already the key of run"),
        ("[keys]\ncopy = ['ctrl+o']\nsort = ['Ctrl+o']", 3, "keys.sort", "of copy"),
    ],
)
def test_what_is_wrong_is_named_and_its_default_holds(
    text: str, line: int, name: str, words: str
) -> None:
    file = write(text + "\n")
    read = read_config()
    assert len(read.problems) == 1, [str(item) for item in read.problems]
    (problem,) = read.problems
    assert (problem.line, problem.field) == (line, name)
    assert words in problem.message
    assert str(problem).startswith(f"{file}:{line}: {name}: ")
    kept = read.config.keys
    assert kept == ({"copy": ["ctrl+o"]} if "sort" in text else {})
    assert read.config.theme == "auto" and read.config.run.ask_above_s == 120


def test_one_error_hides_nothing_else() -> None:
    write('theme = 1\nmouse = "off"\n[run]\nbusy = "skip"\ndevice = 0\n[keys]\nsort = ["Ctrl+o"]')
    read = read_config()
    assert [item.field for item in read.problems] == ["theme", "run.device"]
    assert read.config.mouse == "off" and read.config.run.busy == "skip"
    assert read.config.keys == {"sort": ["ctrl+o"]}


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"theme = \n", 1, "not TOML"),
        (b"a = 1\n[run\n", 2, "not TOML"),
        (b"theme = 'd\xff'", 0, "UTF-8"),
    ],
)
def test_a_file_that_is_no_toml_is_told_about(content: bytes, line: int, words: str) -> None:
    config_file().write_bytes(content)
    read = read_config()
    assert read.config == Config()
    assert [(item.line, words in item.message) for item in read.problems] == [(line, True)]


def test_a_folder_in_its_place_is_told_about() -> None:
    config_file().mkdir()
    assert "cannot be read" in read_config().problems[0].message


def test_the_tools_of_the_settings_come_before_those_of_the_environment() -> None:
    config = Config(pager="most", editor="hx")
    assert config.tools({"PAGER": "more", "HOME": "/"}) == {
        "PAGER": "most",
        "VISUAL": "hx",
        "HOME": "/",
    }
    assert Config().tools({"PAGER": "more"}) == {"PAGER": "more"}


# What is made of it


def test_the_example_is_a_file_that_changes_nothing_and_whose_examples_are_valid() -> None:
    write(example())
    read = read_config()
    assert read.config == Config() and not read.problems
    live = "\n".join(
        line.removeprefix("# ") if " = " in line and line.startswith("# ") else line
        for line in example().splitlines()
    )
    tomllib.loads(live)
    write(live)
    read = read_config()
    assert not read.problems and set(read.lines) > {"theme", "run.busy", "columns.traces"}
    assert read.config.run.device == "cuda:0,1"


def test_the_schema_is_that_of_the_file() -> None:
    found = schema()
    json.dumps(found)
    names = found["$defs"]["Config"]["properties"]
    assert list(names) == [item.name for item in msgspec.structs.fields(Config)]
    assert set(names["theme"]["enum"]) == {"auto", *NAMES}
    assert found["$defs"]["Config"]["additionalProperties"] is False
    assert all(item.about for item in settings())


def test_the_document_is_fresh() -> None:
    written = (REPOSITORY / "docs/config.md").read_text()
    assert written == document(), "run python -m fitui.config_text > docs/config.md"


# Keys


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("g", "g"),
        ("G", "G"),
        ("/", "slash"),
        ("?", "question_mark"),
        ("+", "plus"),
        ("Ctrl++", "ctrl+plus"),
        ("Ctrl+d", "ctrl+d"),
        ("Shift+Tab", "shift+tab"),
        ("PgDn", "pagedown"),
        ("Page Up", "pageup"),
        ("Space", "space"),
        (" ", "space"),
        ("Esc", "escape"),
        ("F5", "f5"),
        ("left_square_bracket", "left_square_bracket"),
    ],
)
def test_keys_are_written_as_on_the_keyboard(text: str, name: str) -> None:
    assert key_name(text) == name


@pytest.mark.parametrize("text", ["", "gg", "Ctrl+", "F99", "\x00"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(KeyProblem):
        key_name(text)


def test_every_key_of_the_registry_is_a_key() -> None:
    for command in COMMANDS:
        assert [key_name(key) for key in command.keys] == list(command.keys)
        assert [key_name(commands.shown_key(key)) for key in command.keys] == list(command.keys)


def test_two_commands_can_change_places() -> None:
    assert not faults({"run": ["R"], "run_dialog": ["r"]})
    assert list(faults({"run": ["R"]})) == ["run"]
    assert not faults({"filter": ["ctrl+t"], "search": ["ctrl+t"]}), "they share a key anyway"
    changed = {item.id: item.keys for item in rebound({"run": ["R"], "run_dialog": ["r"]})}
    assert changed["run"] == ("R",) and changed["run_dialog"] == ("r",)


# Themes


@pytest.mark.parametrize(
    ("environment", "chosen", "theme"),
    [
        ({}, "auto", "ansi-dark"),
        ({"COLORTERM": "truecolor"}, "auto", "dark"),
        ({"COLORTERM": "24bit", "COLORFGBG": "0;15"}, "auto", "light"),
        ({"COLORTERM": "truecolor", "SSH_CONNECTION": "a 1 b 2"}, "auto", "ansi-dark"),
        ({"COLORFGBG": "0;default;15"}, "auto", "ansi-light"),
        ({"SSH_TTY": "/dev/pts/0"}, "dark", "dark"),
        ({"NO_COLOR": "1", "COLORTERM": "truecolor"}, "light", "mono"),
        ({"NO_COLOR": ""}, "auto", "ansi-dark"),
    ],
)
def test_the_terminal_decides_where_nobody_chose(
    environment: dict[str, str], chosen: str, theme: str
) -> None:
    assert theme_for(environment, chosen)[0] == theme
