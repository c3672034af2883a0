"""What is made from the settings' one source: schema, example, document, and what holds.

``python -m fitui.config_text`` prints docs/config.md.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from fitui.config import Config, Read
from fitui.themes import LOOKS

WIDTH = 92


class Setting(Struct, frozen=True, kw_only=True):
    """One setting, as its schema has it.

    Args:
        name: With its table: ``run.device``.
        choices: Values that it may have; empty where that is not a list.
        example: A value to show.
    """

    name: str
    about: str
    default: Any
    choices: tuple[str, ...]
    example: Any


def schema() -> dict[str, Any]:
    """The JSON schema of the file's content."""
    found = msgspec.json.schema(Config)
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return found


def settings() -> list[Setting]:
    """Every setting, in the order of the file."""
    return list(_settings(schema(), "Config", Config(), ""))


def _settings(whole: dict[str, Any], kind: str, values: Struct, above: str) -> Iterator[Setting]:
    for name, found in whole["$defs"][kind]["properties"].items():
        default = getattr(values, name)
        if isinstance(default, Struct):
            yield from _settings(whole, type(default).__name__, default, f"{above}{name}.")
            continue
        named = found.get("$ref", "") or next(
            (item["$ref"] for item in found.get("allOf", found.get("anyOf", []))), ""
        )
        listed = whole["$defs"][named.rpartition("/")[2]] if named else found
        yield Setting(
            name=f"{above}{name}",
            about=found["description"],
            default=msgspec.to_builtins(default),
            choices=tuple(listed.get("enum", ())),
            example=found["examples"][0],
        )


def toml_value(value: Any) -> str:
    """A value as it stands in a TOML file, on one line."""
    if isinstance(value, dict):
        inner = ", ".join(f"{name} = {toml_value(item)}" for name, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    return json.dumps(value, ensure_ascii=False)


def example() -> str:
    """A file with every setting, commented out."""
    lines = ["# Settings of fitui. Everything is commented out: what stands here are examples."]
    table = ""
    for item in settings():
        head, _dot, name = item.name.rpartition(".")
        if isinstance(item.default, dict):
            head, name = item.name, ""
        lines.append("")
        if head != table and name:
            lines += [f"[{head}]", ""]
            table = head
        lines += [f"# {line}" for line in textwrap.wrap(_plain(item.about), WIDTH)]
        if item.choices:
            lines.append(f"# One of {', '.join(item.choices)}.")
        if name:
            lines.append(f"# Default: {toml_value(item.default)}")
            lines.append(f"# {name} = {toml_value(item.example)}")
            continue
        table = head
        lines.append(f"[{head}]")
        lines += [f"# {key} = {toml_value(value)}" for key, value in item.example.items()]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return text.replace("`", "")


def holding(read: Read) -> list[tuple[str, str, str]]:
    """What holds: each setting, its value, and where that comes from."""
    rows: list[tuple[str, str, str]] = []
    values = msgspec.to_builtins(read.config)
    for item in settings():
        value = values
        for part in item.name.split("."):
            value = value[part]
        if isinstance(value, dict):
            for name, one in value.items():
                rows.append((f"{item.name}.{name}", toml_value(one), _from(read, item, name)))
            if not value:
                rows.append((item.name, "{}", "default"))
        else:
            rows.append((item.name, toml_value(value), _from(read, item)))
    return rows


def _from(read: Read, item: Setting, key: str = "") -> str:
    line = read.lines.get(f"{item.name}.{key}" if key else item.name, 0)
    wrong = any(problem.field == item.name for problem in read.problems)
    if wrong:
        return "default, since what the file says is wrong"
    return f"{read.file.name}:{line}" if line else "default"


def document() -> str:
    """Text of docs/config.md."""
    lines = [
        "# Settings",
        "",
        "Made by `python -m fitui.config_text > docs/config.md`; do not edit.",
        "",
        "`~/.config/fitui/config.toml` (below `$XDG_CONFIG_HOME` where that is set; the file that",
        "`$FITUI_CONFIG` names, where that is). Every setting may be left out. What is wrong in it",
        "is told with file, line and field, in the status line and by `fitui doctor`; its default",
        "holds, and everything else in the file does too. Commands such as `fitui bench` take what",
        "they do from the command line alone.",
        "",
        "| command | what it prints |",
        "| --- | --- |",
        "| `fitui config` | what holds, and where it comes from |",
        "| `fitui config --example` | a file with every setting, commented out |",
        "| `fitui config --schema` | the JSON schema, for an editor's completion and checks |",
        "",
        "| setting | default | what it does |",
        "| --- | --- | --- |",
    ]
    for item in settings():
        about = item.about
        if item.choices:
            about += f" One of {', '.join(f'`{choice}`' for choice in item.choices)}."
        lines.append(f"| `{item.name}` | `{toml_value(item.default)}` | {about} |")
    lines += ["", "## Themes", "", "| theme | what it is |", "| --- | --- |"]
    lines += [f"| `{look.name}` | {look.about} |" for look in LOOKS]
    lines += ["", "## Example", "", "```toml", example().rstrip(), "```"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(document(), end="")
