"""What can be run of the dataset: whole definitions, solutions, workloads, or single pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.store import TraceStore
from fitui.format import count, short_axis
from fitui.run_view import Target


def definition_target(name: str, n_solutions: int = 0) -> Target:
    """All solutions of a definition."""
    number = f"{n_solutions} solutions" if n_solutions > 1 else "all solutions"
    return Target(title=f"{number} of {name}", definition=name, definitions=(name,))


def solution_target(definition: str, name: str) -> Target:
    """A solution on all workloads of its definition."""
    return Target(
        title=f"{name} on all workloads",
        definition=definition,
        definitions=(definition,),
        solutions=(name,),
    )


def pair_target(definition: str, solution: str, workload: str, axes: dict[str, int]) -> Target:
    """One solution on one workload."""
    where = " ".join(f"{short_axis(name)}={value}" for name, value in axes.items())
    return Target(
        title=f"{solution} on {where or workload}",
        definition=definition,
        definitions=(definition,),
        pairs=((solution, workload),),
    )


def marked_definitions(names: Sequence[str]) -> Target:
    """All solutions of several definitions."""
    one = names[0] if len(names) == 1 else ""
    return Target(
        title=f"{count(len(names), 'marked definition')}", definition=one, definitions=tuple(names)
    )


def marked_solutions(definition: str, names: Sequence[str]) -> Target:
    """Several solutions of a definition on all its workloads."""
    return Target(
        title=f"{count(len(names), 'marked solution')} on all workloads",
        definition=definition,
        definitions=(definition,),
        solutions=tuple(names),
    )


def marked_workloads(definition: str, uuids: Sequence[str]) -> Target:
    """All solutions of a definition on several of its workloads."""
    return Target(
        title=f"all solutions on {count(len(uuids), 'marked workload')}",
        definition=definition,
        definitions=(definition,),
        workloads=tuple(uuids),
    )


def marked_traces(store: TraceStore, ids: Iterable[str]) -> Target | None:
    """The pairs that several traces are about, each once; None where the traces are gone."""
    rows = store.traces_of([int(number) for number in ids])
    pairs = dict.fromkeys((row.solution, row.workload) for row in rows)
    definitions = dict.fromkeys(row.definition for row in rows)
    if not pairs:
        return None
    return Target(
        title=f"{count(len(pairs), 'pair')} of {count(len(rows), 'marked trace')}",
        definition=next(iter(definitions)) if len(definitions) == 1 else "",
        definitions=tuple(definitions),
        pairs=tuple(pairs),
    )
