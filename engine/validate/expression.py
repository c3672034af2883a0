"""Evaluates a definition's constraints: Python expressions over axes and inputs, safely.

The text is a stranger's. It is parsed and its tree is walked; names mean axes and inputs only, and
of attributes, methods and functions there are those of this file. Nothing is handed to ``eval``.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple

from engine.validate.tensors import (
    Number,
    Tensor,
    Unknown,
    Unsupported,
    applied,
    elementwise,
    inverted,
)

Value = Number | Tensor

_LARGEST_EXPONENT = 64
_LARGEST_BASE = 1 << 64

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: lambda left, right: left << _limited(right, _LARGEST_EXPONENT),
    ast.RShift: operator.rshift,
    ast.Pow: lambda left, right: (
        _limited(left, _LARGEST_BASE) ** _limited(right, _LARGEST_EXPONENT)
    ),
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: lambda value: applied(operator.neg, value),
    ast.UAdd: lambda value: applied(operator.pos, value),
    ast.Invert: inverted,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, items: item in items,
    ast.NotIn: lambda item, items: item not in items,
}
_REDUCTIONS: dict[str, Callable[[Any], Any]] = {
    "all": all,
    "any": any,
    "sum": sum,
    "min": min,
    "max": max,
}
_CASTS: dict[str, Callable[[Any], Any]] = {"int": int, "long": int, "float": float, "bool": bool}

_ATTRIBUTES = frozenset({"shape", "ndim"})
_OF_SHAPE = frozenset({"numel", "dim", "size", "len"})
_TORCH = frozenset({*_REDUCTIONS, "abs", "diff", "numel"})
_METHODS = frozenset({*_TORCH, *_CASTS, "item", "dim", "size"})
_FUNCTIONS = frozenset({*_REDUCTIONS, *_CASTS, "abs", "len"} - {"long"})

_NODES = (
    ast.Constant,
    ast.Name,
    ast.Tuple,
    ast.List,
    ast.BoolOp,
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.IfExp,
    ast.Subscript,
    ast.Slice,
    ast.Attribute,
    ast.Call,
)
_PARTS = (ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop)


class Failed(Exception):
    """Evaluating raised, as it would in Python; says why."""


class Constraint(NamedTuple):
    """A constraint that can be evaluated.

    Args:
        text: As the definition has it.
        tree: Parsed.
        names: What it speaks of.
        valued: Those of them of which it needs more than the shape.
    """

    text: str
    tree: ast.expr
    names: frozenset[str]
    valued: frozenset[str]

    def holds(self, names: Mapping[str, Value]) -> bool:
        """Whether it is true.

        Args:
            names: Axes and inputs.

        Raises:
            Failed: It cannot be evaluated with these.
            Unknown: It depends on something that ``names`` lacks, or that is left to chance.
            Unsupported: It needs what this evaluator cannot do.
        """
        try:
            return bool(_evaluate(self.tree, names))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise Failed(str(error)) from None
        except RecursionError:
            raise Unsupported("an expression of this length") from None


def parse_constraint(text: str) -> Constraint:
    """Read a constraint that is known to be a Python expression.

    Raises:
        Unsupported: It holds something that this evaluator does not know; says what.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
        for node in ast.walk(tree):
            _demand_known(node)
        names, valued = _names(tree), _names(tree, valued=True)
    except RecursionError:
        raise Unsupported("an expression of this length") from None
    return Constraint(text, tree, frozenset(names), frozenset(valued))


def _demand_known(node: ast.AST) -> None:
    if isinstance(node, ast.Call):
        _demand_callable(node)
    elif isinstance(node, ast.Constant) and not isinstance(node.value, (bool, int, float)):
        raise Unsupported(f"the value {node.value!r}")
    elif isinstance(node, ast.Attribute) and node.attr not in _ATTRIBUTES | _METHODS:
        raise Unsupported(f"the attribute {node.attr}")
    elif isinstance(node, (ast.operator, ast.cmpop)) and type(node) not in {*_BINARY, *_COMPARE}:
        raise Unsupported(f"the operator {type(node).__name__}")
    elif not isinstance(node, (*_NODES, *_PARTS)):
        raise Unsupported(type(node).__name__)


def _demand_callable(node: ast.Call) -> None:
    name, known = _called(node)
    if name not in known:
        raise Unsupported(f"the function {name or ast.unparse(node.func)}")
    if node.keywords or any(isinstance(item, ast.Starred) for item in node.args):
        raise Unsupported(f"arguments of {name} by name")


def _called(node: ast.Call) -> tuple[str, frozenset[str]]:
    """Name of what is called, and the names that exist where it is looked for."""
    function = node.func
    if isinstance(function, ast.Name):
        return function.id, _FUNCTIONS
    if isinstance(function, ast.Attribute):
        return function.attr, _TORCH if _is_torch(function.value) else _METHODS
    return "", frozenset()


def _is_torch(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "torch"


def _names(node: ast.AST, *, valued: bool = False) -> set[str]:
    """Names of axes and inputs in a tree; with ``valued``, without those whose shape is asked."""
    if isinstance(node, ast.Name):
        return {node.id}
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call):
        function = node.func
        plain = isinstance(function, ast.Name) or (
            isinstance(function, ast.Attribute) and _is_torch(function.value)
        )
        children = [*([] if plain else [function]), *node.args]
        if valued and _called(node)[0] in _OF_SHAPE:
            return set()
    if valued and isinstance(node, ast.Attribute) and node.attr in _ATTRIBUTES:
        return set()
    return {name for child in children for name in _names(child, valued=valued)}


def _evaluate(node: ast.expr, names: Mapping[str, Value]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            if name not in names:
                raise Unknown
            return names[name]
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return tuple(_evaluate(item, names) for item in items)
        case ast.BoolOp(op=kind, values=parts):
            result: Any = None
            for part in parts:
                result = _evaluate(part, names)
                if bool(result) is isinstance(kind, ast.Or):
                    break
            return result
        case ast.BinOp(left=left, op=kind, right=right):
            return _calculate(kind, _evaluate(left, names), _evaluate(right, names))
        case ast.UnaryOp(op=kind, operand=operand):
            value = _evaluate(operand, names)
            return not value if isinstance(kind, ast.Not) else _UNARY[type(kind)](value)
        case ast.Compare():
            return _compare(node, names)
        case ast.IfExp(test=test, body=body, orelse=other):
            return _evaluate(body if _evaluate(test, names) else other, names)
        case ast.Subscript():
            return _subscript(node, names)
        case ast.Attribute(value=inner, attr=name):
            return _attribute(_evaluate(inner, names), name)
        case ast.Call():
            return _call(node, names)
    raise Unsupported(type(node).__name__)


def _calculate(kind: ast.operator, left: Any, right: Any) -> Any:
    if isinstance(left, tuple) or isinstance(right, tuple):
        raise Unsupported("arithmetic with a list")  # [0] * 10**9 would be one
    return elementwise(_BINARY[type(kind)], left, right)


def _compare(node: ast.Compare, names: Mapping[str, Value]) -> Any:
    left = _evaluate(node.left, names)
    result: Any = True
    for kind, item in zip(node.ops, node.comparators, strict=True):
        right = _evaluate(item, names)
        tensors = isinstance(left, Tensor) or isinstance(right, Tensor)
        if tensors and not isinstance(kind, (ast.In, ast.NotIn)):
            result = elementwise(_COMPARE[type(kind)], left, right)
        else:
            result = _COMPARE[type(kind)](left, right)
        if len(node.ops) > 1 and not result:
            return False
        left = right
    return result


def _subscript(node: ast.Subscript, names: Mapping[str, Value]) -> Any:
    value = _evaluate(node.value, names)
    if isinstance(node.slice, ast.Slice):
        bounds = (node.slice.lower, node.slice.upper, node.slice.step)
        key: Any = slice(*(None if item is None else _evaluate(item, names) for item in bounds))
    else:
        key = _evaluate(node.slice, names)
    if not isinstance(value, Tensor):
        return value[key]
    if isinstance(key, (tuple, Tensor)):
        raise Unsupported("an index other than one number or slice")
    return value.part(key)


def _attribute(value: Any, name: str) -> Any:
    if isinstance(value, Tensor) and name == "shape":
        return value.shape
    if isinstance(value, Tensor) and name == "ndim":
        return len(value.shape)
    raise Unsupported(f"the attribute {name}")


def _call(node: ast.Call, names: Mapping[str, Value]) -> Any:
    function, (name, _) = node.func, _called(node)
    arguments = [_evaluate(item, names) for item in node.args]
    if isinstance(function, ast.Name):
        return _function(name, arguments)
    if isinstance(function, ast.Attribute) and not _is_torch(function.value):
        arguments.insert(0, _evaluate(function.value, names))
    value, *rest = arguments or [None]
    if not isinstance(value, Tensor):
        if name == "item" and not rest:
            return value  # a scalar is a number here, and a tensor elsewhere
        raise TypeError(f"{name}() of something that is no tensor")
    return _method(name, value, rest)


def _function(name: str, arguments: list[Any]) -> Any:
    """A function of Python."""
    if not arguments:
        raise TypeError(f"{name}() needs an argument")
    value = arguments[0]
    if len(arguments) > 1:
        if name not in ("min", "max") or any(isinstance(item, Tensor) for item in arguments):
            raise Unsupported(f"{name} with {len(arguments)} arguments")
        return _REDUCTIONS[name](arguments)
    if name == "len":
        return len(value)
    if name == "abs":
        return applied(abs, value)
    if name in _CASTS:
        return _CASTS[name](value.item() if isinstance(value, Tensor) else value)
    if not isinstance(value, Tensor):
        return _REDUCTIONS[name](value)
    if len(value.shape) != 1:
        raise Unsupported(f"{name} over the rows of a tensor")
    return _REDUCTIONS[name](value.values)


def _method(name: str, tensor: Tensor, arguments: list[Any]) -> Any:
    """A method of a tensor, or a function of torch."""
    if name == "size" and len(arguments) == 1:
        return tensor.shape[arguments[0]]
    if arguments:
        raise Unsupported(f"{name} with {len(arguments)} arguments")
    match name:
        case "item":
            return tensor.item()
        case "size":
            return tensor.shape
        case "dim":
            return len(tensor.shape)
        case "numel":
            return prod(tensor.shape)
        case "abs":
            return applied(abs, tensor)
        case "diff":
            return tensor.differences()
    if name in _CASTS:
        return applied(_CASTS[name], tensor)
    return tensor.reduced(_REDUCTIONS[name])


def _limited(value: Any, most: int) -> Any:
    if abs(value) > most:
        raise OverflowError("a power or shift is too large")
    return value
