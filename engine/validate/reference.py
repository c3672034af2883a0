"""Checks of a definition's reference: how ``run`` is called, what it returns, what it changes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.schema import Definition
from engine.validate.functions import (
    Function,
    Signature,
    first_misplaced,
    own_nodes,
    parse,
    signature_of,
)

Fault = tuple[str, str]
"""Name of a check, and what is wrong."""

_HARMLESS = frozenset({"requires_grad_"})


def check_reference(definition: Definition) -> Iterator[Fault]:
    """What is wrong with a reference. It is parsed, never run."""
    try:
        tree = parse(definition.reference)
    except SyntaxError as error:
        yield "reference-syntax", f"does not compile: {error}"
        return
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    run = [node for node in functions if node.name == "run"][-1]  # the schema demands one
    signature = signature_of(run)
    if signature is not None:
        yield from _parameters(definition, signature)
    yield from _returned(definition, run)
    yield from _mutated(definition, run)


def _parameters(definition: Definition, signature: Signature) -> Iterator[Fault]:
    inputs = list(definition.inputs)
    if not signature.takes(len(inputs)):
        message = f"run takes {signature}, and is called with the {len(inputs)} inputs"
        yield "parameter-count", message
        return
    pairs = list(zip(signature.names, inputs, strict=False))
    if misplaced := first_misplaced(pairs, inputs):
        yield "parameter-order", f"run {misplaced}"
        return
    for name, given in pairs:
        if name != given:
            yield "parameter-name", f"run calls the input {given} {name}"


def _returned(definition: Definition, run: Function) -> Iterator[Fault]:
    wanted = len(definition.outputs)
    returns = [node for node in own_nodes(run) if isinstance(node, ast.Return)]
    if not any(node.value for node in returns):
        yield "output-count", f"run returns nothing, and there are {wanted} outputs"
        return
    for node in returns:
        parts = node.value.elts if isinstance(node.value, ast.Tuple) else None
        if parts is None or any(isinstance(item, ast.Starred) for item in parts):
            continue
        if len(parts) != wanted:
            message = f"line {node.lineno}: run returns {len(parts)} values for {wanted} outputs"
            yield "output-count", message


def _mutated(definition: Definition, run: Function) -> Iterator[Fault]:
    """Inputs that are written to under their own name.

    A name that is given another value somewhere in ``run`` may no longer be the input, and is
    passed over.
    """
    tensors = {name for name, spec in definition.inputs.items() if spec.shape is not None}
    nodes = list(own_nodes(run))
    added_to = {id(node.target) for node in nodes if isinstance(node, ast.AugAssign)}
    rebound = {
        node.id
        for node in nodes
        if isinstance(node, ast.Name)
        and isinstance(node.ctx, ast.Store)
        and id(node) not in added_to
    }
    lines: dict[str, int] = {}
    for node in nodes:
        for target in _written(node):
            name = _base(target)
            if name in tensors - rebound:
                lines.setdefault(name, target.lineno)
    for name, line in lines.items():
        yield "input-mutated", f"line {line}: run writes into its input {name}"


def _written(node: ast.AST) -> list[ast.expr]:
    """What a node writes to in place."""
    if isinstance(node, ast.Assign):
        return [item for item in node.targets if isinstance(item, ast.Subscript)]
    if isinstance(node, ast.AugAssign):
        return [node.target]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        method = node.func.attr
        in_place = method.endswith("_") and not method.endswith("__") and method not in _HARMLESS
        return [node.func.value] if in_place else []
    return []


def _base(node: ast.expr) -> str:
    """The name that an indexed expression starts with; "" where it is none."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
