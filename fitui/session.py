"""The services under the screen: the store, the runs, and one thread that follows both.

Evaluates nothing: it reads files, writes requests, and says what has changed. Knows no Textual;
callbacks arrive on its own thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from msgspec import Struct, field

from engine.places import state_dir
from engine.run import client
from engine.run.progress import Cell
from engine.schema.run import Request
from engine.store import TraceStore, Watcher, resolve_layers
from fitui import format as form

POLL_S = 0.25
"""Seconds between two looks at a run that is going on."""

IDLE_S = 1.0
"""Seconds between two looks for runs that somebody else started."""


class RunView(Struct, frozen=True):
    """A run as it stood at one moment; never changed afterwards, but for its cells' fields."""

    run: str
    state: str
    request: Request
    folder: Path
    cells: dict[str, Cell]
    ended: int
    failed: int
    started: float | None
    finished: float | None
    message: str
    notices: tuple[str, ...]

    @property
    def live(self) -> bool:
        """True while something may still happen."""
        return self.state in ("starting", "running")

    @property
    def subject(self) -> str:
        """What was asked for, in short."""
        request = self.request
        if request.note:
            return request.note
        pairs = list(dict.fromkeys(solution for solution, _workload in request.pairs))
        names = list(request.solutions) or pairs or list(request.definitions) or ["everything"]
        return ", ".join(names[:2]) + (f" +{len(names) - 2}" if len(names) > 2 else "")

    @property
    def definitions(self) -> list[str]:
        """Definitions that it is about, as far as known."""
        found = dict.fromkeys(cell.definition for cell in self.cells.values())
        return list(found) or list(self.request.definitions)

    def cell_for(self, solution: str, workload: str) -> Cell | None:
        """The evaluation of a solution on a workload."""
        for cell in self.cells.values():
            if cell.solution == solution and cell.workload == workload:
                return cell
        return None


class Target(Struct, frozen=True, kw_only=True):
    """Something that can be run.

    Args:
        title: In words, for the dialog and the status line.
        definition: Whose matrix shows it.
        definitions: As in a request; likewise the others.
    """

    title: str
    definition: str = ""
    definitions: tuple[str, ...] = ()
    solutions: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()


class Choice(Struct, frozen=True, kw_only=True):
    """How to run."""

    device: str
    quick: bool
    note: str = ""


class Change(Struct, frozen=True):
    """What is new: the store's content, these runs, a word to say."""

    store: bool = False
    runs: frozenset[str] = field(default_factory=frozenset)
    message: str = ""


class Session:
    """Everything the screens ask.

    Args:
        dataset: Folder, or None for the bundled dataset.
        overlay: Folder to write to, or None to choose.
        state: State folder, or None for the user's own.
    """

    def __init__(
        self, dataset: Path | None = None, overlay: Path | None = None, state: Path | None = None
    ) -> None:
        self.state = state or state_dir()
        self.layers: list[Path] = list(resolve_layers(dataset, overlay=overlay))
        self.store = TraceStore.open(self.layers, wait=False)
        self.runs: dict[str, RunView] = {}
        self._handles: dict[str, client.RunHandle] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stale = threading.Event()
        self._files: list[Path] = []
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._watcher: Watcher | None = None
        self._listeners: Callable[[Change], None] = lambda _change: None
        self._devices: list[str] = []
        self._default_device = ""
        self._reasons: dict[int, str] = {}
        self._listed_at = -1.0
        self._find_runs()
        for run in list(self._handles):
            self._poll(run)

    # Following

    def start(self, on_change: Callable[[Change], None]) -> None:
        """Begin to follow the dataset and the runs.

        Args:
            on_change: Called on another thread.
        """
        self._listeners = on_change
        try:
            self._watcher = Watcher(self.layers, self._dataset_changed, self._files_changed)
        except OSError as error:
            on_change(Change(message=f"the dataset is not watched: {error}"))
        self._thread = threading.Thread(target=self._follow, name="fitui-session", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop following. Runs go on."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        if self._watcher is not None:
            self._watcher.stop()

    def _stopped(self) -> bool:
        return self._stopping

    def reload(self) -> None:
        """Look for changed files now."""
        self._dataset_changed()

    @property
    def dataset_status(self) -> str:
        """How complete the lists are, and how changes are noticed where not at once."""
        status = self.store.status
        mode = self._watcher.mode if self._watcher is not None else "not watched"
        return status if mode == "inotify" or self.store.indexing else f"{status}, {mode}"

    def _dataset_changed(self, *_ignored: object) -> None:
        self._stale.set()
        self._wake.set()

    def _follow(self) -> None:
        while not self._stopped():
            live = any(view.live for view in list(self.runs.values()))
            self._wake.wait(POLL_S if live else IDLE_S)
            if self._wake.is_set() and not self._stale.is_set() and not self._files:
                self._wake.clear()
            try:
                change = self._look()
            except Exception as error:  # A broken file must not end the following.
                change = Change(message=f"{type(error).__name__}: {error}")
            if (change.store or change.runs or change.message) and not self._stopped():
                self._listeners(change)

    def _files_changed(self, files: Collection[Path]) -> None:
        with self._lock:
            self._files += files
        self._wake.set()

    def _look(self) -> Change:
        new = False
        with self._lock:
            files, self._files = self._files, []
        if files:
            self._wake.clear()
            new = self.store.refresh(files)
        if self._stale.is_set() or self.store.indexing:
            self._stale.clear()
            self._wake.clear()
            new = self.store.refresh() or new
        changed = {run for run in self._find_runs() if self._poll(run) or True}
        changed |= {run for run, view in list(self.runs.items()) if view.live and self._poll(run)}
        if any(not self.runs[run].live for run in changed):
            # The last trace of a run may be younger than the last word of the watcher.
            new = self.store.refresh() or new
        return Change(store=new, runs=frozenset(changed))

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
            known = self.runs.get(run)
            if known is not None and not changed and known.state == handle.state:
                return False
            progress = handle.progress
            view = RunView(
                run=run,
                state=handle.state,
                request=handle.request,
                folder=handle.folder.path,
                cells=dict(progress.cells),
                ended=progress.ended,
                failed=progress.failed,
                started=progress.started,
                finished=progress.finished,
                message=progress.message,
                notices=tuple(progress.notices),
            )
            self.runs = dict(sorted({**self.runs, run: view}.items(), reverse=True))
            return True

    # Runs

    @property
    def devices(self) -> list[str]:
        """Devices of this machine, best first."""
        if not self._devices:
            from engine.run import devices

            self._devices = [device.name for device in devices.list_devices()]
            self._default_device = devices.default_device()
        return self._devices

    @property
    def default_choice(self) -> Choice:
        """How ``r`` runs: in full on a GPU, quickly on a CPU."""
        first = self.devices[0]
        device = self._default_device or first
        return Choice(device=device, quick=device == "cpu")

    def submit(self, target: Target, choice: Choice) -> RunView:
        """Start a run.

        Raises:
            OSError: The state folder cannot be written.
        """
        handle = client.submit(
            self.layers,
            devices=[choice.device],
            definitions=target.definitions,
            solutions=target.solutions,
            workloads=target.workloads,
            pairs=target.pairs,
            quick=choice.quick,
            note=choice.note,
            state=self.state,
        )
        return self._adopt(handle)

    def run_again(self, view: RunView) -> RunView:
        """Start a run that asks for the same as another.

        Raises:
            OSError: The state folder cannot be written.
        """
        request = view.request
        handle = client.submit(
            [Path(item) for item in request.dataset],
            devices=request.devices,
            definitions=request.definitions,
            solutions=request.solutions,
            workloads=request.workloads,
            pairs=request.pairs,
            settings=request.settings,
            note=request.note,
            state=self.state,
        )
        return self._adopt(handle)

    def _adopt(self, handle: client.RunHandle) -> RunView:
        with self._lock:
            self._handles[handle.run] = handle
        self._poll(handle.run)
        self._wake.set()
        return self.runs[handle.run]

    def cancel(self, run: str) -> None:
        """Ask a run to stop.

        Raises:
            OSError: Its folder cannot be written.
        """
        client.cancel(self._handles[run])
        self._wake.set()

    def reason(self, trace: int) -> str:
        """Why a stored evaluation failed, in one line; "" if its log does not tell."""
        if trace not in self._reasons:
            if len(self._reasons) > 1000:
                self._reasons.clear()
            try:
                evaluation = self.store.trace(trace).evaluation
            except (LookupError, ValueError, OSError):
                return ""
            self._reasons[trace] = form.reason(evaluation.log) if evaluation else ""
        return self._reasons[trace]

    def live_runs(self) -> list[RunView]:
        """Runs that go on, newest first."""
        return [view for view in self.runs.values() if view.live]

    def runs_of(self, definition: str) -> list[RunView]:
        """Runs about a definition, newest first."""
        return [view for view in self.runs.values() if definition in view.definitions]

    def overlay_folder(self) -> Path:
        """Where new traces go."""
        return self.layers[-1]


def layers_text(layers: Sequence[Path]) -> str:
    """The layers of a dataset for a message."""
    return " + ".join(str(path) for path in layers)
