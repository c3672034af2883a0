"""Checks of solutions: what can be told of their sources without building or running them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement

from engine.build.dependencies import missing
from engine.schema import Definition, Language, Solution
from engine.validate.documents import Dataset, Document, effective
from engine.validate.findings import Finding, found
from engine.validate.functions import (
    Function,
    Signature,
    first_misplaced,
    parse,
    signature_of,
    top_level,
)

Fault = tuple[str, str, str]
"""Name of a check, field, and what is wrong."""

_COMPILED = (Language.CPP, Language.CUDA)


def check_solutions(dataset: Dataset) -> Iterator[Finding]:
    """What is wrong with the solutions."""
    definitions = effective(dataset.definitions)
    first: dict[tuple[int, str], Document[Solution]] = {}
    for document in dataset.solutions:
        solution, file = document.item, document.source.shown
        other = first.setdefault((document.source.layer, solution.name), document)
        if other is not document:
            message = f"{other.source.shown} has the name {solution.name} too"
            yield found("solution-duplicate", message, file=file, field="name")
        definition = definitions.get(solution.definition)
        if definition is None:
            message = f"there is no definition {solution.definition!r}"
            yield found("solution-definition", message, file=file, field="definition")
        for check, field, message in _faults(solution, definition and definition.item):
            yield found(check, message, file=file, field=field)


def _faults(solution: Solution, definition: Definition | None) -> Iterator[Fault]:
    broken = False
    for position, source in enumerate(solution.sources):
        field = f"sources[{position}]"
        if not source.content.strip():
            yield "source-empty", field, f"{source.path} holds nothing but blanks"
        elif source.path.endswith(".py"):
            try:
                parse(source.content)
            except SyntaxError as error:
                broken = True
                yield "source-syntax", field, f"{source.path}: {error}"
    if solution.spec.language in _COMPILED:
        yield from _compiled_entry(solution)
    elif not broken:
        yield from _python_entry(solution, definition)
    yield from _dependencies(solution)


def _compiled_entry(solution: Solution) -> Iterator[Fault]:
    word = re.compile(rf"\b{re.escape(solution.spec.entry_function)}\b")
    if not any(word.search(source.content) for source in solution.sources):
        message = f"no source speaks of {solution.spec.entry_function}"
        yield "entry-missing", "spec.entry_point", message


def _python_entry(solution: Solution, definition: Definition | None) -> Iterator[Fault]:
    spec = solution.spec
    if not spec.entry_file.endswith(".py"):
        message = f"{spec.entry_file} is not a Python file"
        yield "entry-missing", "spec.entry_point", message
        return
    (source,) = (item for item in solution.sources if item.path == spec.entry_file)
    entry = _defined(parse(source.content), spec.entry_function)
    if entry is None:
        message = f"{spec.entry_file} does not define {spec.entry_function}"
        yield "entry-missing", "spec.entry_point", message
    elif definition is not None and isinstance(entry, Function):
        signature = signature_of(entry)
        if signature is not None:
            yield from _called(definition, solution, signature)


def _defined(tree: ast.Module, name: str) -> ast.stmt | None:
    """The last statement at the top of a module that may define a name."""
    found_in = None
    for statement in top_level(tree):
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names = {statement.name}
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            names = {(item.asname or item.name).partition(".")[0] for item in statement.names}
        else:
            names = {
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
        if names & {name, "*"}:
            found_in = statement
    return found_in


def _called(definition: Definition, solution: Solution, signature: Signature) -> Iterator[Fault]:
    passing = solution.spec.destination_passing_style
    names = [*definition.inputs, *(definition.outputs if passing else ())]
    if not signature.takes(len(names)):
        what = "inputs and outputs" if passing else "inputs"
        message = f"takes {signature}, and is called with {len(names)} {what}"
        other = len(definition.inputs) + (0 if passing else len(definition.outputs))
        if signature.takes(other):
            style = str(not passing).lower()
            message += f"; it looks like destination_passing_style={style}"
        yield "entry-parameters", "spec.entry_point", message
        return
    pairs = zip(signature.names, names, strict=False)
    if misplaced := first_misplaced(pairs, names):
        message = f"{solution.spec.entry_function} {misplaced}"
        yield "entry-order", "spec.entry_point", message


def _dependencies(solution: Solution) -> Iterator[Fault]:
    readable = True
    for position, text in enumerate(solution.spec.dependencies):
        try:
            Requirement(text)
        except InvalidRequirement:
            readable = False
            message = f"{text!r} cannot be read"
            yield "dependency-unreadable", f"spec.dependencies[{position}]", message
    if readable and (message := missing(solution)):
        yield "dependency-missing", "spec.dependencies", message
