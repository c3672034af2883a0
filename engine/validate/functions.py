"""What can be told of a Python function without running it: how it can be called."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

_KEEPING = frozenset({"no_grad", "inference_mode", "compile", "wraps", "cache", "lru_cache"})
"""Decorators after which a function takes what it took before."""
Function = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Signature(NamedTuple):
    """How a function can be called.

    Args:
        names: Parameters that take positional arguments, in order.
        required: How many of them have no default.
        open_ended: Takes any number more.
        demanded: Parameters without a default that can be given by name only.
    """

    names: list[str]
    required: int
    open_ended: bool
    demanded: list[str]

    def takes(self, count: int) -> bool:
        """Whether it can be called with that many positional arguments."""
        most = count if self.open_ended else len(self.names)
        return self.required <= count <= most and not self.demanded

    def __str__(self) -> str:
        parts = list(self.names)
        optional = len(parts) - self.required
        count = f"{self.required} to {len(parts)}" if optional else str(len(parts))
        star = " or more" if self.open_ended else ""
        demanded = f", and {', '.join(self.demanded)} by name" if self.demanded else ""
        return f"{count}{star} ({', '.join(parts)}){demanded}"


def parse(source: str) -> ast.Module:
    """The tree of a module that Python would compile.

    Raises:
        SyntaxError: It would not; the message names the line.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Some errors (`return` outside of a function) only the compiler sees. Nothing is run.
            compile(source, "<source>", "exec", dont_inherit=True)
            return ast.parse(source)
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        raise SyntaxError(f"{where}{error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error)) from None


def signature_of(function: Function) -> Signature | None:
    """How a function can be called; None where a decorator may have changed it."""
    for decorator in function.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
        if name not in _KEEPING:
            return None
    arguments = function.args
    names = [item.arg for item in (*arguments.posonlyargs, *arguments.args)]
    demanded = [
        item.arg
        for item, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    ]
    required = len(names) - len(arguments.defaults)
    return Signature(names, required, arguments.vararg is not None, demanded)


def first_misplaced(pairs: Iterable[tuple[str, str]], names: Collection[str]) -> str:
    """What a function does with arguments that it takes in another order; "" where it is the same.

    Args:
        pairs: Parameters, each with the argument that it is given.
        names: Of all arguments.
    """
    for position, (name, given) in enumerate(pairs):
        if name != given and name in names:
            return f"takes {name} at position {position}, where it is given {given}"
    return ""


def top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements of a module, those inside of its ifs, tries and loops too."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop(0)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                yield child
            if not isinstance(child, (*_SCOPES, ast.expr)):
                waiting.append(child)


def own_nodes(function: Function) -> Iterator[ast.AST]:
    """Everything in a function's body but what belongs to functions inside of it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, (*_SCOPES, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))
