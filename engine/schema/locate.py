"""Finding the place of an error: which field of a value, which line of its text.

msgspec names list positions but not dictionary keys, and no lines; both are worked out here,
only after a document has failed.
"""

from __future__ import annotations

import json
import re
import types
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from engine.schema.errors import RuleError

Path = tuple[str | int, ...]
Found = tuple[Path, str]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)


def first_problem(raw: Any, kind: Any, path: Path = ()) -> Found | None:
    """The innermost first thing in ``raw`` that does not fit ``kind``.

    Args:
        raw: A JSON value.
        kind: The type it should convert to.
        path: Where ``raw`` stands in the whole document.

    Returns:
        Path and message, or None when it fits.
    """
    try:
        msgspec.convert(raw, kind)
        return None
    except msgspec.ValidationError as error:
        # A rule of __post_init__ arrives wrapped; its field is relative to the object it is in.
        rule = error.__cause__
        if isinstance(rule, RuleError):
            inner = _inner_problem(raw, kind, path)
            return inner or (path + split_path(rule.field), rule.message)
        own = _own_problem(path, str(error))
        if own[1].startswith("Object missing required field"):
            missing = re.search(r"`([^`]+)`", own[1])
            if missing and isinstance(raw, dict) and missing[1] not in raw:
                inner = _inner_problem(raw, kind, path)
                return inner or ((*path, missing[1]), "is missing")
    except RecursionError:
        return path, "nested too deeply"
    return _inner_problem(raw, kind, path) or own


def _inner_problem(raw: Any, kind: Any, path: Path) -> Found | None:
    kind = _member(raw, kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(raw, dict):
        hints = get_type_hints(kind)
        for info in msgspec.structs.fields(kind):
            if info.encode_name in raw:
                place = (*path, info.encode_name)
                found = first_problem(raw[info.encode_name], hints[info.name], place)
                if found:
                    return found
    elif get_origin(kind) is dict and isinstance(raw, dict):
        for key, item in raw.items():
            found = first_problem(item, get_args(kind)[1], (*path, key))
            if found:
                return found
    elif get_origin(kind) is list and isinstance(raw, list):
        for position, item in enumerate(raw):
            found = first_problem(item, get_args(kind)[0], (*path, position))
            if found:
                return found
    return None


def _member(raw: Any, kind: Any) -> Any:
    """The member of a union that ``raw`` means: by tag, else the first that is not None."""
    if get_origin(kind) not in (Union, types.UnionType):
        return kind
    members = [item for item in get_args(kind) if item is not type(None)]
    for item in members:
        config = getattr(item, "__struct_config__", None)
        if config and isinstance(raw, dict) and raw.get(config.tag_field) == config.tag:
            return item
    return members[0] if len(members) == 1 else None


def _own_problem(path: Path, message: str) -> Found:
    """Message and place as msgspec gives them; a place inside a dictionary it cannot name."""
    text, _, place = message.partition(" - at `$")
    inner = place.rstrip("`")
    return (path if "..." in inner else path + split_path(inner)), text


def split_path(text: str) -> Path:
    """Parts of a path like ``inputs.q.shape[1]``."""
    parts: list[str | int] = []
    for name, position in re.findall(r"([^.\[\]]+)|\[(\d+)\]", text):
        parts.append(name if name else int(position))
    return tuple(parts)


def line_of(text: str, path: Path) -> int | None:
    """1-based line on which the value at ``path`` (or its innermost existing parent) starts.

    Args:
        text: Valid JSON.
        path: Keys and positions from the top.
    """
    stack: list[str | int] = []
    best, best_depth = 0, 0
    key: str | None = None
    expect_key: list[bool] = []
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token == ":":
            continue
        if token == ",":
            if expect_key and not expect_key[-1] and isinstance(stack[-1], int):
                stack[-1] += 1
            key = None
            continue
        if token in "}]":
            stack.pop()
            expect_key.pop()
            key = None
            continue
        inside_object = bool(expect_key) and expect_key[-1]
        if inside_object and key is None:
            key = _unquote(token)
            stack[-1] = key
            depth = len(stack)
            if depth > best_depth and tuple(stack) == path[:depth]:
                best, best_depth = match.start(), depth
            continue
        depth = len(stack)
        if depth > best_depth and tuple(stack) == path[:depth]:
            best, best_depth = match.start(), depth
        if token == "{":
            stack.append("")
            expect_key.append(True)
            key = None
        elif token == "[":
            stack.append(0)
            expect_key.append(False)
            key = None
    return text.count("\n", 0, best) + 1


def _unquote(token: str) -> str:
    if not token.startswith('"'):
        return token
    value: str = json.loads(token)  # msgspec refuses half of a surrogate pair
    return value
