"""Bytes <-> documents: decoding that can say exactly what is wrong, encoding that loses nothing.

Decoding is strict first and fast; a document that fails is read again leniently, the way
flashinfer-bench's pydantic models do ("4" for 4, a missing ``type``, bare NaN), and only then
refused, with file, line and field. Encoding spells non-finite floats as strings and, where an
original is given, keeps its unknown keys, its key order and its explicit nulls.
"""

from __future__ import annotations

import json
import math
import re
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from engine.schema.errors import Problem, SchemaError
from engine.schema.lenient import relaxed
from engine.schema.locate import first_problem, line_of

T = TypeVar("T")

_DEEPEST = 200
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{\]}]')
"""Strings, so that brackets inside them do not count, and brackets."""


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode(data: bytes | str, kind: type[T], *, file: str = "", line: int | None = None) -> T:
    """Read one document.

    Args:
        data: JSON text of the whole document.
        kind: ``Definition``, ``Solution``, ``Trace`` or another Struct of this package.
        file: Name to put into an error.
        line: Line of a JSONL file to put into an error. Where it is None, the line within
            ``data`` is looked up.

    Raises:
        SchemaError: With file, line, field and reason.
    """
    try:
        return cast(T, _decoder(cast(Any, kind)).decode(data))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _decode_lenient(data, kind, file, line)


def _decode_lenient(data: bytes | str, kind: type[T], file: str, line: int | None) -> T:
    text, raw = _parse(data, file, line)
    try:
        raw = relaxed(raw, kind)
        return msgspec.convert(raw, kind)
    except RecursionError:
        raise SchemaError(Problem(message="nested too deeply", file=file, line=line)) from None
    except UnicodeEncodeError:
        raise _half_a_pair(file, line) from None
    except msgspec.ValidationError as error:
        try:
            path, message = first_problem(raw, kind) or ((), str(error))
        except UnicodeEncodeError:
            raise _half_a_pair(file, line) from None
        where = line if line is not None else line_of(text, path)
        field = _path_text(path)
        raise SchemaError(Problem(message=message, file=file, line=where, field=field)) from None


def _half_a_pair(file: str, line: int | None) -> SchemaError:
    return SchemaError(Problem(message="holds half of a surrogate pair", file=file, line=line))


def _parse(data: bytes | str, file: str, line: int | None) -> tuple[str, Any]:
    """The text and its JSON value, by the standard library, which takes bare NaN and Infinity."""
    place = line
    try:
        text = data if isinstance(data, str) else bytes(data).decode("utf-8")
        if _is_too_deep(text):
            raise RecursionError
        return text, json.loads(text)
    except UnicodeDecodeError as error:
        if place is None:
            place = error.object[: error.start].count(b"\n") + 1
        message = f"not UTF-8 at byte {error.start}"
    except json.JSONDecodeError as error:
        place = line if line is not None else error.lineno
        message = f"not JSON: {error.msg} (column {error.colno})"
    except RecursionError:
        message = "nested too deeply"
    except ValueError:
        message = "holds a number with too many digits"
    raise SchemaError(Problem(message=message, file=file, line=place))


def _is_too_deep(text: str) -> bool:
    """Whether brackets nest deeper than any document of ours.

    Parsers give up at a depth that depends on who called them; a verdict on a file must not.
    """
    if text.count("[") + text.count("{") <= _DEEPEST:
        return False
    depth = 0
    for bracket in _BRACKET.findall(text):
        if bracket in "[{":
            depth += 1
            if depth > _DEEPEST:
                return True
        elif bracket in "]}":
            depth -= 1
    return False


def _path_text(path: tuple[str | int, ...]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def to_json_value(value: Any) -> Any:
    """Plain JSON value of a document, with non-finite floats as strings."""
    return _spell_floats(msgspec.to_builtins(value))


def _spell_floats(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        if math.isnan(value):
            return "NaN"
        return "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _spell_floats(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_spell_floats(item) for item in value]
    return value


def encode(value: msgspec.Struct, *, original: bytes | str | None = None) -> bytes:
    """JSON text of a document on one line.

    Args:
        value: The document.
        original: The text it was read from. Keys of it that the schema does not know stay, as
            do its key order and explicit nulls.
    """
    if original is None:
        return msgspec.json.encode(to_json_value(value))
    return msgspec.json.encode(_spell_floats(_overlay(json.loads(original), value)))


def encode_pretty(value: msgspec.Struct, *, original: bytes | str | None = None) -> bytes:
    """As :func:`encode`, with an indent of two and a final newline, for one-document files."""
    return msgspec.json.format(encode(value, original=original), indent=2) + b"\n"


def _overlay(original: Any, value: Any) -> Any:
    """``original`` with every known field set to what ``value`` says."""
    if isinstance(value, msgspec.Struct) and isinstance(original, dict):
        result = dict(original)
        for info in msgspec.structs.fields(value):
            name, new = info.encode_name, getattr(value, info.name)
            if name in original:
                result[name] = _overlay(original[name], new)
            elif not _is_default(info, new):
                result[name] = to_json_value(new)
        return result
    if isinstance(value, dict) and isinstance(original, dict):
        return {
            key: _overlay(original[key], item) if key in original else to_json_value(item)
            for key, item in value.items()
        }
    if isinstance(value, list) and isinstance(original, list) and len(value) == len(original):
        return [_overlay(old, new) for old, new in zip(original, value, strict=True)]
    if isinstance(original, (int, float)) and not isinstance(original, bool) and original == value:
        return original  # 1 and 1.0 are one value; the file keeps its own spelling
    return to_json_value(value)


def _is_default(info: msgspec.structs.FieldInfo, value: Any) -> bool:
    if info.default is not msgspec.NODEFAULT:
        return bool(value == info.default)
    if info.default_factory is not msgspec.NODEFAULT:
        return bool(value == info.default_factory())
    return False
