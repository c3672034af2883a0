"""The second reading of a document: what pydantic's lax mode, and so flashinfer-bench, also takes.

Owns the list of those liberties: a missing ``type``, a number or a boolean written as a string, a
boolean for a number. It changes only values that the schema would refuse as they are, and leaves
alone what it cannot read, so that the error speaks of what the file says.
"""

from __future__ import annotations

import re
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

_INTEGER = re.compile(r"[+-]?\d+(?:_\d+)*(?:\.0*)?", re.ASCII)
_TRUE = frozenset({"1", "on", "t", "true", "y", "yes"})
_FALSE = frozenset({"0", "f", "false", "n", "no", "off"})


def relaxed(raw: Any, kind: Any) -> Any:
    """A JSON value in the form that ``kind`` wants, as far as lax mode allows.

    Args:
        raw: A JSON value. It is not changed.
        kind: The type it will be converted to.

    Raises:
        RecursionError: It is nested too deeply.
    """
    members = _members(kind)
    if isinstance(raw, dict):
        return _relaxed_dict(raw, members)
    if isinstance(raw, list):
        items = next((get_args(item)[0] for item in members if get_origin(item) is list), Any)
        return [relaxed(item, items) for item in raw]
    return _relaxed_leaf(raw, members)


def _members(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _relaxed_dict(raw: dict[str, Any], members: tuple[Any, ...]) -> dict[str, Any]:
    structs = [item for item in members if isinstance(item, type) and issubclass(item, _Struct)]
    tagged = [item for item in structs if item.__struct_config__.tag_field]
    if tagged and tagged[0].__struct_config__.tag_field not in raw:
        best = _meant(raw, tagged)
        raw = {best.__struct_config__.tag_field: best.__struct_config__.tag, **raw}
    for struct in structs:
        config = struct.__struct_config__
        if config.tag_field is None or raw[config.tag_field] == config.tag:
            hints = _hints(struct)
            return {
                key: relaxed(item, hints[key]) if key in hints else item
                for key, item in raw.items()
            }
    values = next((get_args(item)[1] for item in members if get_origin(item) is dict), Any)
    return {key: relaxed(item, values) for key, item in raw.items()}


_Struct = msgspec.Struct


@cache
def _hints(struct: type[msgspec.Struct]) -> dict[str, Any]:
    hints = get_type_hints(struct)
    return {info.encode_name: hints[info.name] for info in msgspec.structs.fields(struct)}


def _meant(raw: dict[str, Any], structs: list[Any]) -> Any:
    """The member of a tagged union with the most fields in common with an untagged object."""
    fewest = sorted(structs, key=lambda item: len(item.__struct_fields__))
    return max(fewest, key=lambda item: sum(name in raw for name in item.__struct_fields__))


def _relaxed_leaf(raw: Any, members: tuple[Any, ...]) -> Any:
    if isinstance(raw, str):
        return raw if str in members else _from_text(raw.strip(), members, raw)
    if isinstance(raw, bool) and bool not in members:
        if int in members:
            return int(raw)
        return float(raw) if float in members else raw
    if isinstance(raw, float) and int in members and float not in members and raw.is_integer():
        return int(raw)
    if isinstance(raw, (int, float)) and members == (bool,) and raw in (0, 1):
        return bool(raw)
    return raw


def _from_text(text: str, members: tuple[Any, ...], raw: str) -> Any:
    if int in members and _INTEGER.fullmatch(text) and len(text) < 4300:
        return int(text.partition(".")[0])
    if float in members:
        try:
            return float(text)
        except ValueError:
            pass
    if bool in members and text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    return raw
