"""The texts that can be copied of a subject: name, command, error line, path, JSON, source, brief.

Reads the dataset; knows no widgets, so that it can work on a thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from engine.run.client import runs_dir
from engine.run.devices import list_devices
from engine.run.plan import find_solution
from engine.schema import Solution, encode_pretty
from engine.schema.run import QUICK
from engine.store import TraceRow, TraceStore
from engine.store.filing import file_part
from engine.store.save import versions_dir
from fitui.copying.brief import brief_of
from fitui.copying.command import bench_command, dataset_options, device_for, run_command
from fitui.copying.evidence import Evidence, cause_line, find_row, read_evidence
from fitui.copying.subject import Subject
from fitui.estimates import made_with
from fitui.run_view import RunView
from fitui.versions import find_version
from fitui.where import exact

_LONGEST = 64 << 20
"""Bytes of a log that are read."""


class Copy(Struct, frozen=True):
    """A text that is copied.

    Args:
        what: What it is, in two words.
        note: What to know of it, or "".
    """

    text: str
    what: str
    note: str = ""


class Texts:
    """Makes texts of subjects.

    Args:
        store: The dataset.
        state: State folder, with the runs.
        runs: Runs by their id, as far as they are at hand.
    """

    def __init__(
        self, store: TraceStore, state: Path, runs: Mapping[str, RunView] | None = None
    ) -> None:
        self._store = store
        self._state = state
        self._runs = runs or {}

    def name(self, subject: Subject) -> Copy:
        """Its name or id.

        Raises:
            LookupError: It has none; the other texts raise it where there is nothing to make them
                of, with the reason.
        """
        return Copy(_needed(subject.name, "nothing here has a name"), "name")

    def command(self, subject: Subject) -> Copy:
        """The command that repeats it."""
        rest = dataset_options(self._store.layers)
        if subject.command:
            return Copy(subject.command, "command")
        row = find_row(self._store, subject)
        run = self._runs.get(subject.run)
        if row is None and subject.kind == "run" and run is not None:
            folders = [Path(item) for item in run.request.dataset]
            return Copy(run_command(run.request, dataset_options(folders)), "command")
        if row is not None:
            return self.bench_of(row)
        here = {device.name: device.hardware for device in list_devices()}
        device = device_for("", "", here)
        solution = self._solution(subject.solution) if subject.solution else None
        command = bench_command(
            definition=_needed(subject.definition or (solution.definition if solution else ""), ""),
            solution=solution.name if solution else "",
            workloads=[subject.workload] if subject.workload else [],
            where=self._exactly(subject.workload, subject.definition),
            device=device,
            # As ``r`` does it.
            quick=device == "cpu",
            rest=rest,
        )
        return Copy(command, "command", self._note(subject.solution))

    def bench_of(self, row: TraceRow) -> Copy:
        """The command that makes an evaluation again."""
        here = {device.name: device.hardware for device in list_devices()}
        if not self._store.solutions(exact("name", row.solution), limit=1):
            raise LookupError(f"{row.solution} is no longer in the dataset: it cannot be run")
        command = bench_command(
            definition=row.definition,
            solution=row.solution,
            workloads=[row.workload],
            where=self._exactly(row.workload, row.definition),
            device=device_for(row.hardware, row.timer, here),
            quick=made_with(self._state, QUICK)(row),
            timer=row.timer,
            rest=dataset_options(self._store.layers),
        )
        name = f"{row.solution}@{row.version}" if row.version else row.solution
        return Copy(command, "command", self._note(name))

    def error(self, subject: Subject) -> Copy:
        """Why it failed, in one line."""
        text = subject.error
        if not text and (row := find_row(self._store, subject)) is not None:
            text = cause_line(self._store, read_evidence(self._store, row))
        return Copy(_needed(text, "nothing failed here"), "error line")

    def path(self, subject: Subject) -> Copy:
        """The file, with the line where it is one of many."""
        return Copy(subject.file or self._path(subject), "path")

    def _path(self, subject: Subject) -> str:
        if (row := find_row(self._store, subject)) is not None:
            return f"{row.file}:{row.line}"
        if subject.kind in ("run", "trace") and (run := self._runs.get(subject.run)):
            return str(run.folder)
        if subject.kind == "solution":
            return self._solution_file(subject.solution)
        if subject.kind == "workload":
            for work in self._store.workloads(exact("uuid", subject.workload)):
                if subject.definition in ("", work.definition):
                    return f"{work.file}:{work.line}"
        if subject.kind == "definition":
            for found in self._store.definitions(exact("name", subject.definition)):
                return found.file
        raise LookupError("nothing here lies in a file")

    def _solution_file(self, name: str) -> str:
        solution = self._solution(name)
        version = solution.content_hash()
        rows = self._store.solutions(exact("name", solution.name))
        rows.sort(key=lambda row: not row.current)
        for row in rows:
            if row.version == version:
                return row.file
        return str(versions_dir() / f"{version}.json")

    def json(self, subject: Subject) -> Copy:
        """The document, as it stands in its file."""
        return Copy(self._json(subject), "JSON")

    def _json(self, subject: Subject) -> str:
        if (row := find_row(self._store, subject)) is not None:
            try:
                data = msgspec.json.format(self._store.trace_line(row.id), indent=2)
            except msgspec.DecodeError:
                # A dialect of JSON, such as a bare NaN, which the store reads.
                data = encode_pretty(self._store.trace(row.id))
            return data.decode("utf-8", "replace")
        if subject.kind in ("solution", "definition"):
            return _read_text(Path(self._path(subject)))
        if subject.kind in ("run", "trace") and (run := self._runs.get(subject.run)):
            return encode_pretty(run.request).decode("utf-8", "replace")
        if subject.kind == "workload":
            found = self._store.workload(subject.workload, subject.definition or None)
            return encode_pretty(found).decode("utf-8", "replace")
        raise LookupError("nothing here has JSON")

    def source(self, subject: Subject) -> Copy:
        """The files of the solution, the entry first; without one, the definition's reference."""
        row = find_row(self._store, subject)
        if row is not None:
            found = find_version(self._store, row.solution, row.version)
            solution = found[0] if found else None
        else:
            solution = self._solution(subject.solution) if subject.solution else None
        if solution is not None:
            files = "1 file" if len(solution.sources) == 1 else f"{len(solution.sources)} files"
            return Copy(sources_text(solution), f"source, {files}")
        name = _needed(subject.definition, "there is no source here")
        return Copy(self._store.definition(name).reference, "reference")

    def reading(self, subject: Subject) -> Copy:
        """What is read in a pager, with the name of a file for it: a log, JSON or a reference."""
        row = find_row(self._store, subject)
        name = file_part(subject.name or subject.kind)
        if row is not None and subject.tab != "json":
            evaluation = self._store.trace(row.id).evaluation
            log = self._whole_log(row.run, row.evaluation) or (evaluation.log if evaluation else "")
            if log.strip():
                return Copy(log, f"{name}.log")
        run = self._runs.get(subject.run)
        if row is None and subject.kind == "trace":
            log = self._whole_log(subject.run, subject.evaluation)
            return Copy(_needed(log, "this evaluation has left no log yet"), f"{name}.log")
        if subject.kind == "run" and run is not None:
            log = _read_text(run.log_file)
            return Copy(_needed(log, "the runner has left no log"), f"{name}.log")
        if subject.kind == "definition":
            return Copy(self._store.definition(subject.definition).reference, f"{name}.py")
        return Copy(self.json(subject).text, f"{name}.json")

    def _whole_log(self, run: str, evaluation: str) -> str:
        """The log of an evaluation as its run keeps it, uncut; "" where it is not here."""
        if not run or not evaluation or "/" in run + evaluation:
            return ""
        return _read_text(runs_dir(self._state) / run / "logs" / f"{evaluation}.txt")

    def brief(self, subject: Subject) -> Copy:
        """What an agent needs to mend or better a solution."""
        row = find_row(self._store, subject)
        if row is None and subject.solution:
            row = self._example(subject)
        if row is None:
            what = subject.solution or "what is under the cursor"
            raise LookupError(f"{what} has never been run: there is nothing to brief about")
        return Copy(self.brief_of(read_evidence(self._store, row)), "brief")

    def brief_of(self, evidence: Evidence) -> str:
        """The brief about an evaluation."""
        return brief_of(self._store, self._state, evidence, self.bench_of)

    def _example(self, subject: Subject) -> TraceRow | None:
        """The latest evaluation of a solution: one that failed, if there is one."""
        solution = self._solution(subject.solution)
        where = f"{exact('solution', solution.name)} {exact('definition', solution.definition)}"
        if subject.workload:
            where += f" {exact('workload', subject.workload)}"
        if subject.solution == solution.name:
            where += " is:latest"
        else:
            where += f" {exact('version', solution.content_hash())}"
        failed = self._store.traces(f"{where} status:failed", limit=1)
        rows = failed or self._store.traces(where, limit=1)
        return rows[0] if rows else None

    def _solution(self, name: str) -> Solution:
        return find_solution(self._store, name)

    def _note(self, name: str) -> str:
        """What to know of a command that names a solution: it runs what is there now."""
        base, _at, version = name.rpartition("@")
        if not base or not version:
            return ""
        rows = self._store.solutions(f"{exact('name', base)} is:latest", limit=1)
        if not rows or rows[0].version.startswith(version):
            return ""
        return f"{base} has changed since: it runs as it is now"

    def _exactly(self, uuid: str, definition: str) -> str:
        """A filter for one workload, where others of its definition begin as its uuid does."""
        if not uuid:
            return ""
        rows = self._store.workloads(exact("definition", definition))
        longer = any(row.uuid != uuid and row.uuid.startswith(uuid) for row in rows)
        return exact("uuid", uuid) if longer else ""


def sources_text(solution: Solution) -> str:
    """The files of a solution one below the other, the entry first; several with their names."""
    entry = solution.spec.entry_file
    files = sorted(solution.sources, key=lambda source: source.path != entry)
    if len(files) == 1:
        return files[0].content
    return "\n".join(f"==> {file.path} <==\n{file.content}" for file in files)


def _read_text(path: Path) -> str:
    """The beginning of a file; "" where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(_LONGEST).decode("utf-8", "replace")
    except OSError:
        return ""


def _needed(text: str, reason: str) -> str:
    if not text:
        raise LookupError(reason or "there is nothing here to run")
    return text
