"""The user's settings: ``config.toml``, read strictly, with the defaults of whatever is wrong.

One source for everything about it: the Structs below with their descriptions make the checks, the
JSON schema, the example, docs/config.md and what ``fitui config`` prints (fitui/config_text.py).
Knows no widgets.
"""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from engine.schema.run import Busy
from fitui.key_names import KeyProblem, faults, key_name
from fitui.themes import AUTO, NAMES
from fitui.view import KINDS, ViewError, parse_view

Theme = Literal["auto", "dark", "light", "ansi-dark", "ansi-light", "mono"]
assert set(Theme.__args__) == {AUTO, *NAMES}  # type: ignore[attr-defined]
Switch = Literal["auto", "on", "off"]


class RunConfig(Struct, kw_only=True, forbid_unknown_fields=True):
    """How ``r`` runs, and where ``R`` begins."""

    device: Annotated[
        str,
        Meta(
            description="What runs are on: `idle` (every GPU that may be taken, else the CPU), "
            "`cpu`, `cuda`, `cuda:0,1`, or a GPU's UUID, as for `fitui bench --device`.",
            examples=["cuda:0,1"],
        ),
    ] = "idle"
    quick: Annotated[
        Literal["auto", "yes", "no"],
        Meta(
            description="Whether runs are quick: few small workloads, short timing. `auto` is "
            "quick on the CPU and in full on GPUs.",
            examples=["no"],
        ),
    ] = "auto"
    busy: Annotated[
        Busy,
        Meta(
            description="What to do with a GPU on which somebody else's processes are: `wait` for "
            "it, `skip` it, or measure beside them and `flag` the result.",
            examples=["skip"],
        ),
    ] = Busy.WAIT
    ask_above_s: Annotated[
        float,
        Meta(
            ge=0,
            description="Estimated seconds from which on a run is not started without a question.",
            examples=[600.0],
        ),
    ] = 120.0


class Config(Struct, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set."""

    theme: Annotated[
        Theme,
        Meta(
            description="Colours. `auto` chooses by the terminal: none where NO_COLOR is set "
            "(which wins over every choice), the terminal's own 16 over SSH, else what COLORTERM "
            "says. `:theme NAME` changes it while the program runs.",
            examples=["ansi-dark"],
        ),
    ] = "auto"
    mouse: Annotated[
        Switch,
        Meta(
            description="`auto` and `on`: clicks and the wheel work. `off` leaves the mouse to "
            "the terminal, whose own selection of text then works without Shift.",
            examples=["off"],
        ),
    ] = "auto"
    home: Annotated[
        str,
        Meta(
            description="View of a first start, and where Esc ends; the text of any view. Without "
            "one: what fails, or the definitions where nothing does.",
            examples=["traces status:failed sort:-age"],
        ),
    ] = ""
    pager: Annotated[
        str,
        Meta(
            description="Command that shows long texts outside of the program; else $PAGER, else "
            "`less -R`, else `more`.",
            examples=["less -RS"],
        ),
    ] = ""
    editor: Annotated[
        str,
        Meta(
            description="Command that opens sources; else $VISUAL, else $EDITOR.",
            examples=["nvim"],
        ),
    ] = ""
    run: Annotated[RunConfig, Meta(description="How `r` runs, and where `R` begins.")] = field(
        default_factory=RunConfig
    )
    keys: Annotated[
        dict[str, list[str]],
        Meta(
            description="Other keys for commands: the id of a command (in "
            "docs/keys.md) with all of its keys, as they stand on the keyboard (`g`, `G`, `/`, "
            "`Ctrl+d`, `F5`, `Space`). Two commands may share a key only where they do so anyway.",
            examples=[{"reload": ["F5"], "page_down": ["PgDn", "Ctrl+f"]}],
        ),
    ] = field(default_factory=dict)
    columns: Annotated[
        dict[str, str],
        Meta(
            description="Columns of a kind of view, in the words of its `cols:` part: what to "
            "add to the usual ones, and with `-` what to leave out.",
            examples=[{"traces": "+author,-device"}],
        ),
    ] = field(default_factory=dict)

    def tools(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The environment with the pager and the editor of the settings."""
        chosen = {"PAGER": self.pager, "VISUAL": self.editor}
        return {**environment, **{name: text for name, text in chosen.items() if text}}


class Problem(Struct, frozen=True, kw_only=True):
    """Something in the file that does not hold.

    Args:
        line: In the file, from 1; 0 where the file as a whole is meant.
        field: ``run.device``, or "" for the file as a whole.
    """

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return self._after(self.file)

    @property
    def short(self) -> str:
        """Without the folder of the file."""
        return self._after(Path(self.file).name)

    def _after(self, file: str) -> str:
        place = f"{file}:{self.line}" if self.line else file
        what = f"{self.field}: " if self.field else ""
        return f"{place}: {what}{self.message}"


class Read(Struct, kw_only=True):
    """The settings that hold.

    Args:
        file: Where they were looked for.
        there: False where there is no such file.
        lines: By field, where it is set.
        problems: What in the file was wrong; the defaults hold for it.
    """

    config: Config
    file: Path
    there: bool
    lines: dict[str, int]
    problems: list[Problem]


def config_file() -> Path:
    """``$FITUI_CONFIG``, or ``fitui/config.toml`` in ``$XDG_CONFIG_HOME`` or ``~/.config``."""
    if chosen := os.environ.get("FITUI_CONFIG"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser().absolute() / "fitui" / "config.toml"


def read_config(file: Path | None = None) -> Read:
    """Read the settings. Never fails: what is wrong is told, and its defaults hold.

    Args:
        file: None for the user's own.
    """
    file = file or config_file()
    read = Read(config=Config(), file=file, there=True, lines={}, problems=[])
    try:
        text = file.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except FileNotFoundError:
        read.there = False
        return read
    except OSError as error:
        _report(read, 0, "", f"cannot be read: {error.strerror or error}")
        return read
    except UnicodeDecodeError as error:
        _report(read, 0, "", f"is not UTF-8 from byte {error.start} on")
        return read
    except tomllib.TOMLDecodeError as error:
        _report(read, _line_of(error, text), "", f"is not TOML: {error}")
        return read
    places = find_lines(text)
    _fill(read, places, read.config, values, "")
    _check(read, places)
    read.problems.sort(key=lambda problem: problem.line)
    return read


def _report(read: Read, line: int, name: str, message: str) -> None:
    read.problems.append(Problem(file=str(read.file), line=line, field=name, message=message))


def _line_of(error: tomllib.TOMLDecodeError, text: str) -> int:
    found = re.search(r"\(at line (\d+)", str(error))
    return int(found[1]) if found else text.count("\n") + 1


_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


def find_lines(text: str) -> dict[str, int]:
    """By dotted name, the line on which a table of the file begins or a key is set."""
    found: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _dotted(header[1])
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault(".".join(filter(None, (table, _dotted(key[1])))), number)
    return found


def _dotted(text: str) -> str:
    return ".".join(part.strip("\"'") for part in _PART.findall(text))


def _fill(read: Read, places: dict[str, int], into: Struct, values: Any, above: str) -> None:
    """Take over the values of a table, one by one."""
    known = {item.name: item for item in msgspec.structs.fields(into)}
    for name, value in values.items():
        where = f"{above}{name}"
        line = places.get(where, places.get(above.rstrip("."), 0))
        if name not in known:
            _report(read, line, where, f"there is no such setting{_close(name, known)}")
            continue
        default = getattr(into, name)
        if isinstance(default, Struct | dict) and not isinstance(value, dict):
            _report(read, line, where, f"is a table: write [{where}]")
        elif isinstance(default, Struct):
            _fill(read, places, default, value, f"{where}.")
        elif isinstance(default, dict):
            kind = list[str] if name == "keys" else str
            for key, item in value.items():
                at = places.get(f"{where}.{key}", line)
                if _converted(read, at, f"{where}.{key}", item, kind, default, key):
                    read.lines[f"{where}.{key}"] = at
        elif _converted(read, line, where, value, known[name].type, into, name):
            read.lines[where] = line


def _converted(
    read: Read, line: int, where: str, value: Any, kind: Any, into: Any, name: str
) -> bool:
    try:
        found = msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        _report(read, line, where, _said(str(error), kind, value))
        return False
    if isinstance(into, dict):
        into[name] = found
    else:
        setattr(into, name, found)
    return True


def _said(message: str, kind: Any, value: Any) -> str:
    """What msgspec says, with the choices where there are some."""
    schema = msgspec.json.schema(kind)
    if "$ref" in schema:
        schema = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    if choices := schema.get("enum"):
        return f"{value!r} is none of {', '.join(map(str, choices))}"
    return message.partition(" - at ")[0]


def _close(name: str, known: Mapping[str, object]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; there is {', '.join(known)}"


def _check(read: Read, places: Mapping[str, int]) -> None:
    """What the types do not say. What is wrong gets its default back."""
    config = read.config
    try:
        parse_view(config.home)
    except ViewError as error:
        _report(read, places.get("home", 0), "home", str(error))
        config.home = ""
    for name in ("pager", "editor"):
        try:
            shlex.split(getattr(config, name))
        except ValueError as error:
            _report(read, places.get(name, 0), name, f"is no command: {error}")
            setattr(config, name, "")
    for kind in list(config.columns):
        if kind not in KINDS:
            message = f"no view named {kind!r}: one of {', '.join(KINDS)}"
        else:
            try:
                # With names for what the kinds are about that need some.
                parse_view(f"{kind} a b cols:{config.columns[kind]}")
            except ViewError as error:
                message = str(error)
            else:
                continue
        _report(read, places.get(f"columns.{kind}", 0), f"columns.{kind}", message)
        del config.columns[kind]
    _check_keys(read, places)


def _check_keys(read: Read, places: Mapping[str, int]) -> None:
    keys = read.config.keys

    def refuse(name: str, message: str) -> None:
        _report(read, places.get(f"keys.{name}", 0), f"keys.{name}", message)
        del keys[name]

    for name, texts in list(keys.items()):
        try:
            keys[name] = [key_name(text) for text in texts]
        except KeyProblem as error:
            refuse(name, str(error))
    # Without one, what clashed with it may go well, or clash with what is back.
    while found := faults(keys):
        for name, message in found.items():
            refuse(name, message)
