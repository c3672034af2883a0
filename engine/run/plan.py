"""From a request to the evaluations it means, in the order in which they run."""

from __future__ import annotations

from msgspec import Struct, field

from engine.schema.definition import Definition
from engine.schema.errors import SchemaError
from engine.schema.run import Request
from engine.schema.solution import Solution
from engine.schema.workload import Workload
from engine.store import SolutionRow, TraceStore

FIRST_AUTHOR = "baseline"


class Task(Struct, kw_only=True):
    """One evaluation to be made, or one comparison.

    Args:
        known_problem: Why it cannot be made, where that is known beforehand.
        against: What the solution is measured in turns with, instead of being evaluated.
    """

    evaluation: str
    solution: Solution
    workload: Workload
    known_problem: str = ""
    against: Solution | None = None


class Job(Struct, kw_only=True):
    """Everything to be run of one definition, on one device, solution by solution."""

    definition: Definition
    cells: dict[str, list[Task]] = field(default_factory=dict)


class Planned(Struct, kw_only=True):
    """What a request means for a dataset as it is now.

    Args:
        notices: What was asked for and is not there.
    """

    jobs: list[Job]
    notices: list[str]

    @property
    def count(self) -> int:
        """Number of evaluations."""
        return sum(len(cells) for job in self.jobs for cells in job.cells.values())


def make_plan(request: Request, store: TraceStore) -> Planned:
    """Plan a request.

    Workloads go from small to large, so that the first results come soon and the large ones can
    be estimated; quick runs take the smallest only. The baseline's solutions come first.
    """
    if request.compare is not None:
        return _make_comparisons(request.compare, request, store)
    notices: list[str] = []
    jobs: list[Job] = []
    number = 0
    pairs = set(request.pairs)
    solution_names, uuids = _asked_for(request)
    for what, asked, known in (
        ("solution", solution_names, {row.name for row in store.solutions()}),
        ("workload", uuids, {row.uuid for row in store.workloads()}),
    ):
        notices += [f"no {what} {name!r}" for name in asked if name not in known]
    for name in _definitions(request, store, notices):
        definition = store.definition(name)
        workloads = _workloads(definition, request, store)
        solutions = _solutions(definition, request, store)
        for what, found in (("workloads", workloads), ("solutions", solutions)):
            if not found:
                notices.append(f"{name} has no {what} that the request means")
        job = Job(definition=definition)
        for solution in solutions:
            cells = []
            for workload, problem in workloads:
                if pairs and (solution.name, workload.uuid) not in pairs:
                    continue
                number += 1
                cells.append(
                    Task(
                        evaluation=f"{request.run}.{number:05d}",
                        solution=solution,
                        workload=workload,
                        known_problem=problem,
                    )
                )
            if cells:
                job.cells[solution.name] = cells
        if job.cells:
            jobs.append(job)
    return Planned(jobs=jobs, notices=notices)


def find_solution(store: TraceStore, name: str) -> Solution:
    """A solution by its name, or by ``name@version``.

    Raises:
        LookupError: There is none.
        SchemaError: Its file has just been spoilt.
    """
    try:
        return store.solution(name)
    except LookupError:
        base, _, version = name.rpartition("@")
        if not (base and version):
            raise
        return store.solution(base, version)


def _make_comparisons(names: tuple[str, str], request: Request, store: TraceStore) -> Planned:
    """One task for each workload that two solutions are to be compared on."""
    try:
        first, second = (find_solution(store, name) for name in names)
        definition = store.definition(first.definition)
    except (LookupError, SchemaError) as error:
        return Planned(jobs=[], notices=[str(error.args[0] if error.args else error)])
    if second.definition != definition.name:
        text = f"{names[0]} is for {definition.name}, {names[1]} for {second.definition}"
        return Planned(jobs=[], notices=[text])
    workloads = _workloads(definition, request, store)
    if not workloads:
        text = f"{definition.name} has no workloads that the request means"
        return Planned(jobs=[], notices=[text])
    tasks = [
        Task(
            evaluation=f"{request.run}.{number:05d}",
            solution=first,
            workload=workload,
            known_problem=problem,
            against=second,
        )
        for number, (workload, problem) in enumerate(workloads, start=1)
    ]
    return Planned(jobs=[Job(definition=definition, cells={first.name: tasks})], notices=[])


def _asked_for(request: Request) -> tuple[list[str], list[str]]:
    """Names of solutions and uuids of workloads that a request spells out, each once."""
    solutions = [*request.solutions, *(name for name, _ in request.pairs)]
    uuids = [*request.workloads, *(uuid for _, uuid in request.pairs)]
    return list(dict.fromkeys(solutions)), list(dict.fromkeys(uuids))


def _definitions(request: Request, store: TraceStore, notices: list[str]) -> list[str]:
    known = [row.name for row in store.definitions(sort="name")]
    if request.definitions:
        notices += [f"no definition {name!r}" for name in request.definitions if name not in known]
        return [name for name in known if name in request.definitions]
    if not (request.solutions or request.workloads or request.pairs):
        return known
    wanted = {row.definition for row in _wanted_solutions(request, store)}
    uuids = {*request.workloads, *(uuid for _, uuid in request.pairs)}
    if uuids:
        wanted &= {row.definition for row in store.workloads() if row.uuid in uuids}
    return [name for name in known if name in wanted]


def _wanted_solutions(request: Request, store: TraceStore) -> list[SolutionRow]:
    rows = store.solutions()
    for names in (set(request.solutions), {name for name, _ in request.pairs}):
        if names:
            rows = [row for row in rows if row.name in names]
    return rows


def _solutions(definition: Definition, request: Request, store: TraceStore) -> list[Solution]:
    rows = [row for row in _wanted_solutions(request, store) if row.definition == definition.name]
    rows.sort(key=lambda row: (row.author != FIRST_AUTHOR, row.author, row.name))
    names = dict.fromkeys(row.name for row in rows)
    return [store.solution(name) for name in names]


def _workloads(
    definition: Definition, request: Request, store: TraceStore
) -> list[tuple[Workload, str]]:
    rows = [row for row in store.workloads() if row.definition == definition.name]
    if request.workloads:
        rows = [row for row in rows if row.uuid in request.workloads]
    if request.pairs:
        wanted = {uuid for _, uuid in request.pairs}
        rows = [row for row in rows if row.uuid in wanted]
    found = [(store.workload(row.uuid, definition.name), row.problem) for row in rows]
    found.sort(key=lambda item: _size(definition, item[0]))
    narrowed = bool(request.workloads or request.pairs)
    if request.settings.quick and not narrowed:
        found = found[: request.settings.quick_workloads]
    return found


def _size(definition: Definition, workload: Workload) -> tuple[float, list[int]]:
    try:
        nbytes = float(definition.bytes_of(workload.axes))
    except KeyError:
        nbytes = float("inf")
    return nbytes, list(workload.axes.values())
