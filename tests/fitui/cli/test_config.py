"""``fitui config``, and what ``fitui doctor`` says of the settings."""

from __future__ import annotations

import json

import pytest

from fitui.cli import main
from fitui.cli.doctor import _settings
from fitui.config import config_file


def test_it_shows_what_holds_and_where_it_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config"]) == 0
    printed = capsys.readouterr().out
    assert "no such file" in printed and "In this terminal the theme is " in printed
    config_file().write_text('theme = "light"\n')
    assert main(["config", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"setting": "theme", "value": '"light"', "from": "fitui-config.toml:1"} in rows


def test_what_is_wrong_is_told_and_is_exit_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    config_file().write_text('theme = "lihgt"\nmouse = "off"\n')
    assert main(["config"]) == 2
    printed = capsys.readouterr()
    assert f"fitui: {config_file()}:1: theme: " in printed.err
    assert "since what the file says is wrong" in printed.out


def test_the_schema_and_the_example_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$defs"]["Config"]
    assert main(["config", "--example"]) == 0
    assert '# theme = "ansi-dark"' in capsys.readouterr().out


def test_doctor_names_each_fault_of_the_settings() -> None:
    assert [item.level for item in _settings()] == ["ok"]
    config_file().write_text('[run]\nbusy = "no"\ndevice = "cuda:99"\n')
    first, second = _settings()
    assert ":2: run.busy: " in first.found and "fitui config" in first.fix
    assert ":3: run.device: no device cuda:99 here" in second.found
