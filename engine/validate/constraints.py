"""The constraints of a definition: which can be evaluated, and which do not hold for a workload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from engine.schema import Definition
from engine.validate.expression import Constraint, Failed, Value, parse_constraint
from engine.validate.tensors import Tensor, Unknown, Unsupported

_FEW = 6
"""Elements of a tensor that a message shows one by one."""


class Fault(NamedTuple):
    """What is wrong with a constraint.

    Args:
        check: Name of the check.
        position: Of the constraint among those of the definition.
        message: What is wrong.
    """

    check: str
    position: int
    message: str


class Constraints(NamedTuple):
    """The constraints of a definition that workloads are held against, and what is wrong.

    Args:
        usable: By position.
        faults: Of the others, and of those that no workload can meet.
        names: Of everything that any of them speaks of.
    """

    usable: dict[int, Constraint]
    faults: list[Fault]
    names: set[str]


def constraints_of(definition: Definition) -> Constraints:
    """Read a definition's constraints, and evaluate those over constant axes alone."""
    known = {*definition.axes, *definition.inputs}
    result = Constraints({}, [], set())
    for position, text in enumerate(definition.constraints):
        try:
            constraint = parse_constraint(text)
        except Unsupported as error:
            message = f"`{text}` is not checked: it uses {error}"
            result.faults.append(Fault("constraint-form", position, message))
            continue
        result.names.update(constraint.names)
        if unknown := sorted(constraint.names - known):
            message = f"`{text}` speaks of {', '.join(unknown)}, no axis or input"
            result.faults.append(Fault("constraint-name", position, message))
        elif constraint.names <= definition.const_axes.keys():
            alone = {position: constraint}
            result.faults.extend(_broken(alone, definition.const_axes, "constraint-false"))
        else:
            result.usable[position] = constraint
    return result


def broken(constraints: Constraints, names: Mapping[str, Value]) -> Iterator[Fault]:
    """The constraints that a workload does not meet.

    Args:
        constraints: Of its definition.
        names: Its axes and inputs, as far as they are known.
    """
    return _broken(constraints.usable, names, "constraint-violated")


def _broken(
    constraints: Mapping[int, Constraint], names: Mapping[str, Value], check: str
) -> Iterator[Fault]:
    for position, constraint in constraints.items():
        text = f"`{constraint.text}`"
        try:
            if constraint.holds(names):
                continue
        except Unknown:
            continue
        except Unsupported as error:
            yield Fault("constraint-form", position, f"{text} is not checked: it uses {error}")
        except Failed as error:
            yield Fault(check, position, f"{text} cannot be evaluated: {error}")
        else:
            told = ", ".join(_told(constraint, names))
            yield Fault(check, position, f"{text} does not hold" + (f": {told}" if told else ""))


def _told(constraint: Constraint, names: Mapping[str, Value]) -> Iterator[str]:
    """The values that a constraint was evaluated with, as far as they are known."""
    for name in sorted(constraint.names & names.keys()):
        value = names[name]
        if not isinstance(value, Tensor):
            yield f"{name} = {value}"
        elif name not in constraint.valued:
            yield f"{name} has shape {list(value.shape)}"
        else:
            try:
                yield f"{name} = {_short(value.values)}"
            except (Unknown, Unsupported):
                continue  # the constraint was false without it


def _short(values: Sequence[object]) -> str:
    if len(values) <= _FEW:
        return str(list(values))
    first = ", ".join(map(str, values[:_FEW]))
    return f"[{first}, ... {len(values) - _FEW} more]"
