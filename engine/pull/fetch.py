"""Pulling a dataset: what is published is listed once, at one commit; then documents, then blobs.

A file is complete or absent, so a pull that was killed is taken up by doing it again. What somebody
has changed is kept and named.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.places import data_dir
from engine.pull.folder import staging
from engine.pull.hub import Hub
from engine.pull.needs import Need, needs_of
from engine.pull.published import Place, PublishedFile, PullError, Selection, choose
from engine.pull.record import Pulled, Record
from engine.pull.report import Report, State
from engine.pull.transfer import Progress, Transfer
from engine.store.filing import file_part
from engine.store.layers import absolute, bundled_dataset

PUBLISHED = "flashinfer-ai/flashinfer-trace"
"""The dataset that the FlashInfer project publishes."""


def default_folder(repo: str = PUBLISHED) -> Path:
    """Where a published dataset goes unless another folder is named."""
    return data_dir() / "datasets" / Path(*(file_part(part) for part in repo.split("/")))


def pull(
    hub: Hub,
    folder: Path,
    selection: Selection,
    *,
    revision: str | None = None,
    blobs: bool = False,
    workloads: Sequence[str] = (),
    force: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Bring a folder up to what is published.

    Args:
        hub: The published dataset.
        folder: Where to; made where it is missing.
        selection: Which documents.
        revision: Branch, tag or commit; the newest where None.
        blobs: Also the tensor files that the chosen workloads need.
        workloads: Only the tensor files of these: uuids or beginnings of them.
        force: Replace what somebody has changed here.
        dry_run: Only say what would be done.
        progress: Told of each file; called in the caller's thread.

    Raises:
        PullError: Nothing can be pulled: no hub, no such dataset, revision or document.
        OSError: The folder or the state folder cannot be used.
    """
    folder = absolute(folder)
    if folder.resolve() == bundled_dataset():
        raise PullError(f"{folder} comes with the program; pull into another folder with --to")
    record = Record(folder)
    if record.repo not in ("", hub.repo):
        raise PullError(f"{folder} was pulled from {record.repo}; take another one with --to")
    commit = hub.commit(revision)
    published = {file.path: file for file in hub.files(commit)}
    choice = choose(published.values(), selection)
    report = Report(
        repo=hub.repo, commit=commit, folder=folder, dry_run=dry_run, misplaced=choice.misplaced
    )
    report.withdrawn = sorted(
        path for path in record.oids if path not in published and (folder / path).exists()
    )
    with tempfile.TemporaryDirectory() if dry_run else staging(folder) as staged:
        transfer = Transfer(hub, report, record, Path(staged), force=force, progress=progress)
        wanted = blobs or bool(workloads)
        tables = {file.path for file in choice.files if Place.of(file.path).kind == "workloads"}
        transfer.run(choice.files, to_read=tables if wanted else set())
        needs, problems = _read(report, Path(staged))
        if wanted:
            report.problems += problems
            needs = _narrow(needs, workloads, report)
            report.problems += _unpublished(needs, published)
        paths = dict.fromkeys(path for need in needs for path in need.paths)
        needed = [published[path] for path in paths if path in published]
        if wanted:
            transfer.run(needed)
        else:
            report.blobs_left = [file for file in needed if not (folder / file.path).exists()]
    if not dry_run:
        record.add(Pulled(hub.repo, commit))
    return report


def _read(report: Report, staged: Path) -> tuple[list[Need], list[str]]:
    """What the chosen workloads need, and a sentence for each line that cannot be read."""
    needs: list[Need] = []
    problems: list[str] = []
    for outcome in report.of(State.FETCHED, State.PRESENT, State.KEPT):
        if Place.of(outcome.path).kind == "workloads":
            under_way = staged / outcome.path
            here = under_way if under_way.exists() else report.folder / outcome.path
            found, unread = needs_of(here)
            needs += found
            problems += unread
    return needs, problems


def _narrow(needs: list[Need], workloads: Sequence[str], report: Report) -> list[Need]:
    """Only the workloads that are meant; all where none is named."""
    for uuid in workloads:
        if not any(need.uuid.startswith(uuid) for need in needs):
            report.problems.append(f"No workload that was chosen has the uuid {uuid!r}")
    return [need for need in needs if not workloads or need.uuid.startswith(tuple(workloads))]


def _unpublished(needs: Sequence[Need], published: Mapping[str, PublishedFile]) -> list[str]:
    absent = {path: need for need in needs for path in need.paths if path not in published}
    return [
        f"Workload {need.uuid} needs {path}, which is not published"
        for path, need in absent.items()
    ]
