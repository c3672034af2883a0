"""What the benchmark group evaluates, and what its results mean. Runs nothing itself.

One evaluation for each definition: its baseline, or its own reference made into a solution where
there is none, on the smallest workload.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from engine.schema import (
    BuildSpec,
    Definition,
    Language,
    Solution,
    SourceFile,
    Status,
    Workload,
    encode_pretty,
)
from engine.validate.baseline import baselines_of
from engine.validate.documents import Dataset, effective
from engine.validate.findings import Finding, found

_ENTRY = "main.py"
_NO_VERDICT = "no verdict"
"""How the runner begins to say that inputs could not be made, or that the reference failed."""
_NO_ROOM = ("memoryerror", "out of memory")
"""What is said where this machine is too small, which is no mistake of the dataset."""


class Trial(NamedTuple):
    """One evaluation to be made.

    Args:
        file: Of the definition, for findings.
        definition: What it is about.
        solution: Name of what is evaluated.
        workload: uuid of the workload.
        made: The solution where the dataset has none of that name.
    """

    file: str
    definition: str
    solution: str
    workload: str
    made: Solution | None


def trials(dataset: Dataset) -> Iterator[Trial]:
    """The evaluations that tell whether definitions work at all."""
    baselines = baselines_of(dataset)
    workloads: dict[str, list[Workload]] = {}
    for line in dataset.workloads:
        workloads.setdefault(line.item.definition, []).append(line.item.workload)
    for name, document in effective(dataset.definitions).items():
        sizes = [(_size(document.item, item), item.uuid) for item in workloads.get(name, ())]
        if not sizes:
            continue
        names = baselines.get(name, [])
        made = None if names else _reference_as_solution(document.item)
        solution = made.name if made else names[0]
        yield Trial(document.source.shown, name, solution, min(sizes)[1], made)


def write_solutions(overlay: Path, wanted: list[Trial]) -> None:
    """Write the solutions that were made into a layer of their own.

    Raises:
        OSError: It cannot be written.
    """
    folder = overlay / "solutions"
    folder.mkdir(parents=True)
    for number, trial in enumerate(wanted):
        if trial.made is not None:
            (folder / f"{number}.json").write_bytes(encode_pretty(trial.made))


def verdict(trial: Trial, status: Status | None, message: str) -> Finding:
    """What the result of an evaluation means.

    Args:
        trial: What was evaluated.
        status: Of the evaluation; None where it was not made.
        message: Why it was not made or did not pass; its first line is kept.
    """
    what = f"{trial.solution} on workload {trial.workload}"
    reason = message.partition("\n")[0] or "it was not run"
    if status is Status.PASSED:
        return found("benchmark-passed", f"{what} passed", file=trial.file)
    tried = status is not None or reason.startswith(_NO_VERDICT)
    too_large = any(words in reason.lower() for words in _NO_ROOM)
    check = "benchmark-failed" if tried and not too_large else "benchmark-unmeasured"
    ending = f"{status.value}: {reason}" if status is not None else reason
    return found(check, f"{what}: {ending}", file=trial.file)


def _size(definition: Definition, workload: Workload) -> float:
    try:
        return float(definition.bytes_of(workload.axes))
    except KeyError:
        return float("inf")


def _reference_as_solution(definition: Definition) -> Solution:
    return Solution(
        name=f"reference of {definition.name}",
        definition=definition.name,
        author="reference",
        spec=BuildSpec(
            language=Language.PYTHON,
            target_hardware=["cpu", "cuda"],
            entry_point=f"{_ENTRY}::run",
            destination_passing_style=False,
        ),
        sources=[SourceFile(path=_ENTRY, content=definition.reference)],
    )
