"""Show one definition, solution, workload or trace in full.

  fitui show rmsnorm_h4096
  fitui show my_solution@3f9a
  fitui show 7f2c            a workload's uuid, or a beginning of one that is unique
  fitui show 1204            a trace by its number in `fitui ls traces`, or by its evaluation's id
  fitui show 1204 --brief    what an agent needs to mend the solution: cause, source, smallest
                             failing workload, reference, tolerances, command

With --json, one JSON object: kind, row (what lists show) and document (what the file says).
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable
from typing import Any

from engine.places import state_dir
from engine.store import NotFound, TraceStore
from fitui.cli import show_text
from fitui.cli.output import print_json
from fitui.copying.subject import Subject
from fitui.copying.texts import Texts

HELP = "show a definition, solution, workload or trace in full"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui show``."""
    parser.add_argument("name", metavar="NAME-OR-ID", help="what to show")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object")
    form.add_argument(
        "--brief",
        action="store_true",
        help="of a trace, or of a solution's latest failure: a brief for an agent, as Markdown",
    )


def run(args: argparse.Namespace) -> int:
    """Print what the name means."""
    with TraceStore.open(args.dataset, overlay=args.overlay) as store:
        kind, row = find(store, args.name)
        if args.brief:
            sys.stdout.write(_brief(store, kind, row))
            return 0
        document = _document(store, kind, row)
        if args.json:
            print_json({"kind": kind, "row": row, "document": document})
        else:
            _PRINTERS[kind](store, row, document)
    return 0


def _brief(store: TraceStore, kind: str, row: Any) -> str:
    """The brief about a trace, or about the latest failure of a solution.

    Raises:
        LookupError: It is something else, or has never been run.
    """
    if kind == "trace":
        subject = Subject(trace=row.id)
    elif kind == "solution":
        name = row.name if row.current else f"{row.name}@{row.version}"
        subject = Subject(solution=name, definition=row.definition)
    else:
        raise LookupError(f"a brief is about a trace or a solution, and this is a {kind}")
    return Texts(store, state_dir()).brief(subject).text


def find(store: TraceStore, name: str) -> tuple[str, Any]:
    """What a name or id means: a definition first, then a solution, a trace, a workload.

    Returns:
        Kind ("definition", ...) and its row.

    Raises:
        NotFound: Nothing has this name, or a beginning of a uuid is not unique.
    """
    quoted = _quote(name)
    for kind, rows in (
        ("definition", store.definitions(f"name={quoted}")),
        ("solution", store.solutions(f"name={quoted} is:latest")),
    ):
        if rows:
            return kind, rows[0]
    base, _, version = name.rpartition("@")
    if base:
        versions = store.solutions(f"name={_quote(base)}")
        for row in versions:
            if version and row.version.startswith(version):
                return "solution", row
    traces = store.traces(f"id={name}") if name.isascii() and name.isdigit() else []
    run, _, evaluation = name.rpartition("/")
    traces = traces or store.traces(
        f"evaluation={_quote(evaluation)}" + (f" run={_quote(run)}" if run else "")
    )
    if traces:
        return "trace", _only(traces, name, [f"{row.run}/{row.evaluation}" for row in traces])
    workloads = [row for row in store.workloads(f"uuid:{quoted}") if row.uuid.startswith(name)]
    if workloads:
        exact = [row for row in workloads if row.uuid == name]
        found = exact or workloads
        return "workload", _only(found, name, [f"{row.definition} {row.uuid}" for row in found])
    raise NotFound(f"Nothing in this dataset is called {name!r}{_similar(store, name)}.")


def _only(rows: list[Any], name: str, labels: list[str]) -> Any:
    if len(rows) > 1:
        some = ", ".join(labels[:5]) + (", ..." if len(labels) > 5 else "")
        raise NotFound(f"{name!r} means several: {some}.")
    return rows[0]


def _similar(store: TraceStore, name: str) -> str:
    names = [row.name for row in store.definitions()] + [row.name for row in store.solutions()]
    close = difflib.get_close_matches(name, names, n=3)
    return f"; similar: {', '.join(close)}" if close else ""


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _document(store: TraceStore, kind: str, row: Any) -> Any:
    if kind == "definition":
        return store.definition(row.name)
    if kind == "solution":
        return store.solution(row.name, row.version)
    if kind == "workload":
        return store.workload(row.uuid, row.definition)
    return store.trace(row.id)


_PRINTERS: dict[str, Callable[[TraceStore, Any, Any], None]] = {
    "definition": show_text.print_definition,
    "solution": show_text.print_solution,
    "workload": show_text.print_workload,
    "trace": show_text.print_trace,
}
