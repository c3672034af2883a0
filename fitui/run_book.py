"""The runs of this user: found, looked at, asked for and steered. Only files; knows no Textual.

One thread looks (:meth:`RunBook.look_at_runs`), another may ask and steer meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from engine.run import client
from engine.run.cost import Earlier
from engine.run.files import RunFolder
from engine.run.queue import Queue, Ticket, host_name, surroundings
from engine.schema.run import Busy, Settings
from fitui import format as form
from fitui.estimates import RECENT
from fitui.run_view import (
    Choice,
    Index,
    Repeat,
    RunView,
    Target,
    failed_of,
    index_of,
    target_of,
)
from fitui.survey import survey

REVIVE_S = 24 * 3600.0
"""Age of a run up to which it goes on by itself where its runner was lost."""

_WATCHED_ENDS = 20
"""Runs that did not finish and may be taken up again from another terminal, newest first."""


class RunBook:
    """Every run in a state folder.

    Args:
        state: The state folder.
        layers: The dataset that new runs are about.
    """

    def __init__(self, state: Path, layers: Sequence[Path]) -> None:
        self.state = state
        self.layers = list(layers)
        self.runs: dict[str, RunView] = {}
        self._handles: dict[str, client.RunHandle] = {}
        self._indices: dict[str, Index] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._listed_at = -1.0
        self._queue = Queue(state)
        self._find_runs()
        for run in list(self._handles):
            self._poll(run)

    # Looking

    def look_at_runs(self) -> set[str]:
        """Look at what may have changed.

        Returns:
            Runs that did.
        """
        changed = {run for run in self._find_runs() if self._poll(run) or True}
        return changed | {run for run in self._watched() if self._poll(run)}

    def _watched(self) -> list[str]:
        """Runs that go on, or may do so again."""
        views = list(self.runs.values())
        ended = [view.run for view in views if view.state in ("failed", "cancelled")]
        again = [run for run in ended[:_WATCHED_ENDS] if self._queue.ticket(run) is not None]
        return [view.run for view in views if view.unended] + again

    def _find_runs(self) -> list[str]:
        """Runs that appeared since the last look."""
        folder = client.runs_dir(self.state)
        try:
            modified = folder.stat().st_mtime
        except OSError:
            return []
        if modified == self._listed_at:
            return []
        found = [item for item in client.list_runs(self.state) if item.run not in self._handles]
        with self._lock:
            for handle in found:
                self._handles.setdefault(handle.run, handle)
        if time.time() - modified > 2:
            # A folder younger than that may still get its request.
            self._listed_at = modified
        return [handle.run for handle in found]

    def _poll(self, run: str) -> bool:
        with self._lock:
            handle = self._handles[run]
            changed = handle.poll()
            state, priority = handle.state, handle.priority
            known = self.runs.get(run)
            if known and not changed and (known.state, known.priority) == (state, priority):
                return False
            self.runs = dict(
                sorted(
                    {**self.runs, run: self._view(handle, state, priority)}.items(), reverse=True
                )
            )
            return True

    def _view(self, handle: client.RunHandle, state: str, priority: int) -> RunView:
        progress = handle.progress
        index = self._indices.get(handle.run)
        if index is None or len(index.pairs) < len(progress.cells):
            index = self._indices[handle.run] = index_of(progress.cells)
        return RunView(
            run=handle.run,
            state=state,
            request=handle.request,
            priority=priority,
            folder=handle.folder.path,
            log_file=handle.log_file,
            cells=dict(progress.cells),
            index=index,
            survey=survey(state, progress.cells.values()),
            ended=progress.ended,
            failed=progress.failed,
            started=progress.started,
            finished=progress.finished,
            message=progress.message,
            notices=tuple(progress.notices),
        )

    def live_runs(self) -> list[RunView]:
        """Runs that go on, newest first."""
        return [view for view in self.runs.values() if view.live]

    def runs_of(self, definition: str) -> list[RunView]:
        """Runs about a definition, newest first."""
        return [view for view in self.runs.values() if definition in view.definitions]

    def earlier(self) -> list[Earlier]:
        """What the newest runs have found out about how long things take, newest first."""
        newest = list(self.runs.values())[:RECENT]
        return [Earlier(view.request.settings.quick, view.cells.values()) for view in newest]

    def revive(self) -> str:
        """Have runs go on whose runner was lost, such as in a restart of the machine.

        Only those that were meant for this machine and these surroundings, of the last day, and
        that nobody paused.

        Returns:
            What was done in words, or "".

        Raises:
            OSError: The state folder cannot be written.
        """
        since = time.time() - REVIVE_S
        recent = [
            view
            for view in self.runs.values()
            if view.state == "stopped" and view.request.created > since
        ]
        if not recent:
            return ""
        mine = Ticket(host=host_name(), key=surroundings())
        lost = [
            view.run
            for view in recent
            if self._queue.ticket(view.run) == mine
            and not RunFolder(view.folder).pause_file.exists()
        ]
        if not lost:
            return ""
        client.start_runner(self.state)
        verb = "goes on: its" if len(lost) == 1 else "go on: their"
        return f"{form.count(len(lost), 'stopped run')} {verb} runner was gone"

    # Asking for runs, and steering them

    def submit(self, target: Target, choice: Choice) -> RunView:
        """Start a run.

        Raises:
            OSError: The state folder cannot be written.
        """
        return self._submit(
            self.layers,
            target,
            choice.devices,
            choice.settings,
            note=choice.note,
            busy=choice.busy,
            resume=choice.repeat is Repeat.SAME,
        )

    def run_again(self, view: RunView) -> RunView:
        """Start a run that asks for the same as another, whatever has been done meanwhile.

        Raises:
            OSError: The state folder cannot be written.
        """
        return self._once_more(view, target_of(view.request))

    def retry_failed(self, view: RunView) -> RunView:
        """Start a run of what of another did not pass, in the same way.

        Raises:
            OSError: The state folder cannot be written.
        """
        return self._once_more(view, failed_of(view))

    def _once_more(self, view: RunView, target: Target) -> RunView:
        request = view.request
        return self._submit(
            [Path(item) for item in request.dataset],
            target,
            request.devices,
            request.settings,
            note=request.note,
            priority=request.priority,
            busy=request.busy,
        )

    def _submit(
        self,
        dataset: Sequence[Path],
        target: Target,
        devices: Sequence[str],
        settings: Settings,
        *,
        note: str,
        priority: int = 0,
        busy: Busy = Busy.WAIT,
        resume: bool = False,
    ) -> RunView:
        handle = client.submit(
            dataset,
            devices=devices,
            definitions=target.definitions,
            solutions=target.solutions,
            workloads=target.workloads,
            pairs=target.pairs,
            settings=settings,
            note=note,
            priority=priority,
            busy=busy,
            resume=resume and not target.compare,
            compare=target.compare,
            state=self.state,
        )
        with self._lock:
            self._handles[handle.run] = handle
        return self._after(handle.run)

    def _after(self, run: str) -> RunView:
        """A run as it is now that something was done about it."""
        self._poll(run)
        self._wake.set()
        return self.runs[run]

    def cancel(self, run: str) -> None:
        """Ask a run to stop.

        Raises:
            OSError: Its folder cannot be written.
        """
        client.cancel(self._handles[run])
        self._after(run)

    def pause(self, run: str) -> None:
        """Ask a run to begin nothing more.

        Raises:
            OSError: Its folder cannot be written.
        """
        client.pause(self._handles[run])
        self._after(run)

    def resume(self, run: str) -> None:
        """Have a run go on that is paused, stopped, failed or cancelled.

        Raises:
            OSError: Its folder cannot be written.
            ValueError: It has finished.
        """
        client.resume(self._handles[run])
        self._after(run)

    def set_priority(self, run: str, priority: int) -> None:
        """Have a run go before those of lower priority.

        Raises:
            OSError: Its folder cannot be written.
        """
        client.set_priority(self._handles[run], priority)
        self._after(run)
