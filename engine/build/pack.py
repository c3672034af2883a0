"""A folder of sources, or one file, to a solution; and a solution back to a folder.

A folder holds ``config.toml`` (tables ``[solution]`` with name, definition, author, description and
``[build]`` with language, entry_point, destination_passing_style, binding, dependencies,
target_hardware) and the sources beside it, or below ``solution/<language>/``. What the file leaves
out is worked out from the sources and the definition, and said in a note.
"""

from __future__ import annotations

import ast
import getpass
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from engine.schema import (
    BuildSpec,
    Definition,
    Language,
    Problem,
    SchemaError,
    Solution,
)

CONFIG = "config.toml"
_LANGUAGES = {
    ".py": Language.PYTHON,
    ".cu": Language.CUDA,
    ".cpp": Language.CPP,
    ".cc": Language.CPP,
    ".cxx": Language.CPP,
}
_SOURCES = {
    *_LANGUAGES,
    *[".cuh", ".h", ".hh", ".hpp", ".hxx", ".inl", ".inc", ".ptx", ".txt", ".json"],
}
_ENTRY_NAMES = ("run", "kernel", "main")
_LARGEST_SOURCE = 4 << 20


class PackError(LookupError):
    """A folder or file is no solution; says why."""


class Packed(Struct, kw_only=True):
    """A solution made from files.

    Args:
        notes: What was left out or worked out, for the user.
        commit: Of the git checkout that the files lie in, with "+changes" where it is not clean;
            "" outside of one.
    """

    solution: Solution
    notes: list[str] = field(default_factory=list)
    commit: str = ""


class _Config(Struct, kw_only=True, forbid_unknown_fields=True):
    solution: _SolutionTable = field(default_factory=lambda: _SolutionTable())
    build: _BuildTable = field(default_factory=lambda: _BuildTable())


class _SolutionTable(Struct, kw_only=True, forbid_unknown_fields=True):
    name: str = ""
    definition: str = ""
    author: str = ""
    description: str = ""


class _BuildTable(Struct, kw_only=True, forbid_unknown_fields=True):
    language: Language | None = None
    entry_point: str = ""
    destination_passing_style: bool | None = None
    binding: str | None = None
    dependencies: list[str] = field(default_factory=list)
    target_hardware: list[str] = field(default_factory=list)


def config_of(path: Path) -> _Config:
    """What ``config.toml`` of a folder says; nothing where there is none.

    Raises:
        PackError: It cannot be read or says something unknown.
    """
    file = path / CONFIG
    if not path.is_dir() or not file.is_file():
        return _Config()
    try:
        return msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), _Config)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise PackError(f"{file}: {error}") from None


def pack(
    path: Path,
    definitions: Mapping[str, Definition],
    *,
    definition: str = "",
    name: str = "",
    author: str = "",
) -> Packed:
    """Make a solution.

    Args:
        path: Folder or source file.
        definitions: Those that are known, by name.
        definition: Which one it solves, where the folder does not say.
        name: In place of what the folder says.
        author: Likewise.

    Raises:
        PackError: Something is missing or does not fit.
        SchemaError: The result breaks a rule of the schema.
    """
    if not path.exists():
        raise PackError(f"there is no {path}")
    config = config_of(path)
    notes: list[str] = []
    solved = definition or config.solution.definition
    if not solved:
        raise PackError(f"{path} does not say which definition it solves: give -d DEFINITION")
    if solved not in definitions:
        raise PackError(f"there is no definition {solved!r} in this dataset")
    sources = _read_sources(path, config, notes)
    language = config.build.language or _language(sources, notes)
    entry = _entry_point(sources, config.build.entry_point, notes)
    passing = config.build.destination_passing_style
    if passing is None:
        passing = _style(sources, entry, definitions[solved], notes)
    document: dict[str, Any] = {
        "name": name or config.solution.name or path.resolve().stem,
        "definition": solved,
        "author": author or config.solution.author or getpass.getuser(),
        "spec": {
            "language": language,
            "target_hardware": config.build.target_hardware or ["cuda"],
            "entry_point": entry,
            "dependencies": config.build.dependencies,
            "destination_passing_style": passing,
            "binding": config.build.binding,
        },
        "sources": [{"path": item, "content": text} for item, text in sources.items()],
        "description": config.solution.description or None,
    }
    try:
        solution = msgspec.convert(document, Solution)
    except msgspec.ValidationError as error:
        raise SchemaError(Problem(message=str(error), file=str(path))) from None
    return Packed(solution=solution, notes=notes, commit=git_state(path))


def _read_sources(path: Path, config: _Config, notes: list[str]) -> dict[str, str]:
    root = path if path.is_dir() else path.parent
    found: dict[str, str] = {}
    files = [path] if path.is_file() else list(_files(_source_root(path, config)))
    if path.is_dir():
        root = _source_root(path, config)
    for file in sorted(files):
        relative = file.relative_to(root).as_posix()
        if path.is_dir() and file.suffix not in _SOURCES:
            if relative != CONFIG:
                notes.append(f"{relative} is left out: it is no kind of source")
            continue
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            notes.append(f"{relative} is left out: it is no text")
            continue
        if not text:
            notes.append(f"{relative} is left out: the schema does not allow empty files")
        elif len(text) > _LARGEST_SOURCE:
            notes.append(f"{relative} is left out: it is larger than 4 MiB")
        else:
            found[relative] = text
    if not found:
        raise PackError(f"{root} holds no sources")
    return found


def _source_root(path: Path, config: _Config) -> Path:
    """``solution/<language>/`` where there is one, else the folder itself."""
    nested = path / "solution"
    if not nested.is_dir():
        return path
    language = config.build.language
    if language is not None and (nested / language).is_dir():
        return nested / language
    folders = [item for item in nested.iterdir() if item.is_dir()]
    return folders[0] if len(folders) == 1 else nested


def _files(root: Path) -> Iterator[Path]:
    for file in root.rglob("*"):
        parts = file.relative_to(root).parts
        hidden = any(part.startswith((".", "__pycache__")) for part in parts)
        if file.is_file() and not hidden and not file.is_symlink():
            yield file


def _language(sources: Mapping[str, str], notes: list[str]) -> Language:
    found = {_LANGUAGES[suffix] for suffix in map(_suffix, sources) if suffix in _LANGUAGES}
    if Language.CUDA in found:
        language = Language.CUDA
    elif Language.CPP in found:
        language = Language.CPP
    elif any("import triton" in text for text in sources.values()):
        language = Language.TRITON
    else:
        language = Language.PYTHON
    notes.append(f"language {language}, by the sources")
    return language


def _suffix(path: str) -> str:
    return Path(path).suffix


def _functions(text: str) -> dict[str, ast.FunctionDef]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def _entry_point(sources: Mapping[str, str], given: str, notes: list[str]) -> str:
    if "::" in given:
        return given
    wanted = (given,) if given else _ENTRY_NAMES
    places = [
        f"{path}::{name}"
        for name in wanted
        for path, text in sources.items()
        if (name in _functions(text) if path.endswith(".py") else f"{name}(" in text)
    ]
    if not places:
        raise PackError(f"no source defines {' or '.join(wanted)}: say entry_point in {CONFIG}")
    same = [place for place in places if place.endswith(f"::{places[0].split('::')[1]}")]
    if len(same) > 1:
        raise PackError(f"{' and '.join(same)} could be meant: say entry_point in {CONFIG}")
    notes.append(f"entry point {places[0]}, by its name")
    return places[0]


def _style(
    sources: Mapping[str, str], entry: str, definition: Definition, notes: list[str]
) -> bool:
    """Whether outputs are passed in, by the number of the entry function's parameters."""
    path, _, name = entry.partition("::")
    function = _functions(sources.get(path, "")).get(name)
    if function is None:
        return True
    positional = [*function.args.posonlyargs, *function.args.args]
    required = len(positional) - len(function.args.defaults)
    inputs, outputs = len(definition.inputs), len(definition.outputs)
    if function.args.vararg is None and required <= inputs <= len(positional) < inputs + outputs:
        notes.append(f"destination_passing_style=false: {name} takes the {inputs} inputs alone")
        return False
    return True


def git_state(path: Path) -> str:
    """Commit of the checkout that a path lies in, "+changes" where the path is not clean."""
    folder = path if path.is_dir() else path.parent
    head = _git(folder, "rev-parse", "--short=12", "HEAD")
    if not head:
        return ""
    changed = _git(folder, "status", "--porcelain", "--", str(path.resolve()))
    return f"{head}+changes" if changed else head


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def unpack(solution: Solution, folder: Path) -> Path:
    """Write a solution's sources and a ``config.toml`` that packs them to the same again.

    Args:
        solution: What to write.
        folder: Where to; it must be empty or missing.

    Raises:
        PackError: The folder holds something already.
        OSError: It cannot be written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise PackError(f"{folder} is not empty")
    for source in solution.sources:
        target = folder / source.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source.content, encoding="utf-8")
    (folder / CONFIG).write_text(_config_text(solution), encoding="utf-8")
    return folder


def _config_text(solution: Solution) -> str:
    spec: BuildSpec = solution.spec
    lines = ["[solution]"]
    for key in ("name", "definition", "author", "description"):
        if value := getattr(solution, key):
            lines.append(f"{key} = {_quote(value)}")
    lines += ["", "[build]", f"language = {_quote(spec.language)}"]
    lines.append(f"entry_point = {_quote(spec.entry_point)}")
    lines.append(f"destination_passing_style = {str(spec.destination_passing_style).lower()}")
    if spec.binding:
        lines.append(f"binding = {_quote(spec.binding)}")
    for key, values in (
        ("dependencies", spec.dependencies),
        ("target_hardware", spec.target_hardware),
    ):
        if values:
            lines.append(f"{key} = [{', '.join(map(_quote, values))}]")
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    """A TOML basic string: JSON's escapes are a subset of TOML's."""
    return msgspec.json.encode(str(text)).decode().replace("\x7f", "\\u007F")
