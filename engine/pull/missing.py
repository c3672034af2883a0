"""Tensor files that a run needs and that were not pulled with their dataset."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Sequence
from pathlib import Path

from engine.pull.folder import staging, target_of
from engine.pull.hub import Hub
from engine.pull.needs import need_of
from engine.pull.published import PullError
from engine.pull.record import Record
from engine.pull.report import Report, State
from engine.pull.transfer import Transfer
from engine.schema import Workload
from engine.store.blobs import BlobError, blob_path


class MissingBlobs:
    """Fetches what a run finds missing. Threads may ask at once.

    Once the hub could not be reached it is not asked again: each of a run's evaluations would wait
    for it.

    Args:
        layers: Folders of the dataset, lowest first.
        endpoint: Root of another hub; huggingface_hub's own setting where None.
    """

    def __init__(self, layers: Sequence[Path], *, endpoint: str | None = None) -> None:
        self._layers = list(layers)
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._given_up = ""

    def fetch(self, workload: Workload, definition: str) -> str:
        """Fetch the tensor files of a workload that are missing from a pulled dataset.

        Args:
            workload: What is to run.
            definition: Name of its definition.

        Returns:
            What is still missing and which command fetches it, or "" where nothing is.
        """
        for path in need_of(workload).paths:
            with self._lock:
                problem = self._problem(path)
                if problem:
                    problem = self._fetch(path, problem, ["-d", definition, "-w", workload.uuid])
            if problem:
                return problem
        return ""

    def _problem(self, path: str) -> str:
        try:
            blob_path(self._layers, path)
        except BlobError as error:
            return str(error)
        return ""

    def _fetch(self, path: str, problem: str, selection: list[str]) -> str:
        for folder in reversed(self._layers):
            record = Record(folder)
            if record.repo:
                break
        else:
            return problem
        try:
            target_of(folder, path)
        except PullError:
            return problem
        command = ["fitui", "pull", "--to", str(folder), "--repo", record.repo, *selection]
        hint = f"{problem}; `{shlex.join(command)}` fetches it"
        if self._given_up:
            return f"{hint} ({self._given_up})"
        try:
            hub = Hub(record.repo, endpoint=self._endpoint)
            file = hub.file(record.commit, path)
            if file is None:
                return f"{problem}; it is not published in {record.repo} at {record.commit[:10]}"
            report = Report(repo=record.repo, commit=record.commit, folder=folder)
            with staging(folder) as staged:
                Transfer(hub, report, record, staged).run([file])
        except PullError as error:
            self._given_up = str(error) if error.final else ""
            return f"{hint} ({error})"
        except OSError as error:
            return f"{hint} ({error.filename}: {error.strerror})"
        self._given_up = report.stopped
        for outcome in report.of(State.FAILED, State.LEFT):
            return f"{hint} ({outcome.reason or report.stopped})"
        return self._problem(path)
