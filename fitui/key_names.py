"""Keys as people write them, and other keys for commands. Knows no widgets."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import combinations

from msgspec.structs import replace

from fitui import commands
from fitui.command_table import COMMANDS, Command

_NAMED = {
    *("enter", "escape", "space", "tab", "backspace", "delete", "insert", "home", "end"),
    *("up", "down", "left", "right", "pageup", "pagedown"),
    *(f"f{number}" for number in range(1, 25)),
}
_SHORT = {"pgdn": "pagedown", "pgup": "pageup", "esc": "escape", "del": "delete", "ins": "insert"}
_SIGNS = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
    "commercial_at": "at",
}
"""Signs that Textual does not call by their names in Unicode."""
_MODIFIERS = re.compile(r"(?:(?:ctrl|alt|shift)\+)*", re.IGNORECASE)


class KeyProblem(ValueError):
    """What is no key, or no command, or both of two at once."""


def key_name(text: str) -> str:
    """A key as Textual names it: ``Ctrl+d`` is ``ctrl+d``, ``/`` is ``slash``, ``G`` stays.

    Raises:
        KeyProblem: There is no such key.
    """
    head = _MODIFIERS.match(text)
    modifiers = head[0].lower() if head else ""
    key = text[len(modifiers) :]
    small = key.lower().replace(" ", "")
    if len(key) == 1 and key.isprintable():
        name = "space" if key == " " else key if key.isalnum() else _sign(key)
    elif _SHORT.get(small, small) in _NAMED:
        name = _SHORT.get(small, small)
    elif small in commands.SHOWN:
        name = small
    else:
        raise KeyProblem(f"there is no key {text!r}; e.g. g, G, /, Ctrl+d, F5, Space, PgDn")
    return modifiers + name


def _sign(key: str) -> str:
    name = unicodedata.name(key, "").lower().replace("-", "_").replace(" ", "_")
    return _SIGNS.get(name, name)


def rebound(changes: Mapping[str, Sequence[str]]) -> tuple[Command, ...]:
    """The registry, with other keys for some commands."""
    return tuple(
        replace(command, keys=tuple(changes[command.id])) if command.id in changes else command
        for command in COMMANDS
    )


def faults(changes: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What is wrong with other keys for commands.

    Two commands may share a key only where they do so in the registry, which is where they are
    never valid in one place, or where one is meant to hide the other.

    Args:
        changes: By the id of a command, its keys as Textual names them.

    Returns:
        By the id of a command, why it cannot have these keys.
    """
    known = [command.id for command in COMMANDS]
    found: dict[str, str] = {}
    for name, keys in changes.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else "; docs/keys.md lists them"
            found[name] = f"there is no command {name!r}{hint}"
        elif not keys:
            found[name] = "needs one key at least"
    usable = {name: keys for name, keys in changes.items() if name not in found}
    shared = {
        frozenset((one.id, other.id))
        for one, other in combinations(COMMANDS, 2)
        if set(one.keys) & set(other.keys)
    }
    for one, other in combinations(rebound(usable), 2):
        both = [key for key in one.keys if key in other.keys]
        if not both or frozenset((one.id, other.id)) in shared:
            continue
        # Who was not changed keeps the key, else who was changed first.
        order = [name for name in usable if name in (one.id, other.id)]
        loser, holder = (other, one) if order[-1] == other.id else (one, other)
        key = commands.shown_key(both[0])
        found.setdefault(loser.id, f"{key} is already the key of {holder.id} ({holder.title})")
    return found
