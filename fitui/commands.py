"""The one registry of commands: keys, footer, palette, ``?`` help and ``docs/keys.md``.

A command is valid where one of its scopes is active; pages say which scopes they have. The
handler of a command ``id`` is the method ``do_<id>`` of the widget, the page or the screen.
Knows no widgets. ``python -m fitui.commands`` prints docs/keys.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec.structs import replace

from fitui.command_table import COMMANDS, SCOPES, Command

_current = list(COMMANDS)


def use(bound: Iterable[Command]) -> None:
    """Give the commands of this program the keys that the user has chosen."""
    _current[:] = bound


SHOWN = {
    "slash": "/",
    "plus": "+",
    "minus": "-",
    "underscore": "_",
    "asterisk": "*",
    "equals_sign": "=",
    "exclamation_mark": "!",
    "colon": ":",
    "question_mark": "?",
    "left_square_bracket": "[",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "right_square_bracket": "]",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "enter": "Enter",
    "escape": "Esc",
    "space": "Space",
    "home": "Home",
    "end": "End",
    "tab": "Tab",
    "up": "Up",
    "down": "Down",
    "left": "Left",
    "right": "Right",
}
"""Keys that stand on the keyboard otherwise than Textual names them."""


def shown_key(key: str) -> str:
    """A key as it stands on the keyboard."""
    *modifiers, last = key.split("+")
    number = last[:1] == "f" and last[1:].isdigit()
    shown = SHOWN.get(last) or (last.upper() if number else last)
    return "+".join([*(part.title() for part in modifiers), shown])


def valid(scopes: Collection[str]) -> list[Command]:
    """Commands valid where these scopes are active, in registry order, one for each key."""
    taken: set[str] = set()
    result: list[Command] = []
    for command in _current:
        if any(scope in scopes for scope in command.scopes) and command.keys[0] not in taken:
            free = tuple(key for key in command.keys if key not in taken)
            taken.update(free)
            result.append(command if free == command.keys else replace(command, keys=free))
    return result


def for_key(key: str, scopes: Collection[str]) -> Command | None:
    """The command that a key means where these scopes are active."""
    return next((command for command in valid(scopes) if key in command.keys), None)


def by_id(name: str) -> Command:
    """The command of an id.

    Raises:
        KeyError: There is none.
    """
    for command in _current:
        if command.id == name:
            return command
    raise KeyError(name)


def key_of(name: str) -> str:
    """The first key of a command, as it stands on the keyboard."""
    return shown_key(by_id(name).keys[0])


def in_footer(scopes: Collection[str]) -> list[Command]:
    """Commands for the footer, most useful first."""
    return sorted((item for item in valid(scopes) if item.footer), key=lambda item: item.footer)


_HEAD = "| key | command | id | what it does |"
_RULE = "| --- | --- | --- | --- |"


def keys_document() -> str:
    """Text of docs/keys.md."""
    lines = [
        "# Keys",
        "",
        "Made by `python -m fitui.commands > docs/keys.md`; do not edit. In the program, `?` shows",
        "the keys that are valid where you are. By its id a command gets other keys in the",
        "settings (docs/config.md).",
        "",
    ]
    placed: set[str] = set()
    for scope, heading in SCOPES.items():
        here = [item for item in COMMANDS if scope in item.scopes and item.id not in placed]
        if not here:
            continue
        placed.update(item.id for item in here)
        lines += [f"## {heading}", "", _HEAD, _RULE]
        lines += [_row(item) for item in here]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _row(command: Command) -> str:
    cells = (_keys(command.keys), command.title, f"`{command.id}`", command.help)
    return f"| {' | '.join(cells)} |".replace("||", "\\|")


def _keys(keys: Iterable[str]) -> str:
    return ", ".join(f"`{shown_key(key)}`" for key in keys)


if __name__ == "__main__":
    print(keys_document(), end="")
