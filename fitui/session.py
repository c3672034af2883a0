"""The services under the screen: the store, the runs, and one thread that follows both.

Evaluates nothing: it reads files, writes requests, and says what has changed. Knows no Textual;
callbacks arrive on its own thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from engine.insight.triage import WORD
from engine.measure.verdicts import FEWEST_PROCESSES
from engine.places import state_dir
from engine.run.cost import Cost
from engine.schema.run import QUICK, Request, Settings
from engine.store import TraceStore, Watcher, resolve_layers
from fitui.estimates import Evaluations, cost_of, evaluations_of, made_with, without_done
from fitui.run_book import RunBook
from fitui.run_view import Change, Choice, Target, target_of
from fitui.triage_feed import TriageFeed
from fitui.why import why

POLL_S = 0.25
"""Seconds between two looks at a run that is going on."""

IDLE_S = 1.0
"""Seconds between two looks for runs that somebody else started."""


class Session(RunBook):
    """Everything the screens ask.

    Args:
        dataset: Folder, or None for the bundled dataset.
        overlay: Folder to write to, or None to choose.
        state: State folder, or None for the user's own.
    """

    def __init__(
        self, dataset: Path | None = None, overlay: Path | None = None, state: Path | None = None
    ) -> None:
        layers = list(resolve_layers(dataset, overlay=overlay))
        self.store = TraceStore.open(layers, wait=False)
        super().__init__(state or state_dir(), layers)
        self._stale = threading.Event()
        self._files: list[Path] = []
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._watcher: Watcher | None = None
        self._listeners: Callable[[Change], None] = lambda _change: None
        self._hardware: dict[str, str] = {}
        self._idle: tuple[str, ...] = ()
        self._reasons: dict[int, str] = {}
        self.triage = TriageFeed(self.store, self._causes_found)
        self.store.define(WORD, self.triage.members)

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
        self.triage.stop()

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

    def _causes_found(self, message: str) -> None:
        self._listeners(Change(message=message, triage=True))

    def _follow(self) -> None:
        try:
            message = self.revive()
        except OSError as error:
            message = f"stopped runs could not be started again: {error}"
        if message:
            self._listeners(Change(message=message))
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
        changed = self.look_at_runs()
        if any(not self.runs[run].live for run in changed):
            # The last trace of a run may be younger than the last word of the watcher.
            new = self.store.refresh() or new
        return Change(store=new, runs=frozenset(changed))

    # Before a run

    def _find_devices(self) -> None:
        if self._hardware:
            return
        from engine.run import devices

        self._hardware = {device.name: device.hardware for device in devices.list_devices()}
        try:
            self._idle = tuple(device.name for device in devices.find_idle())
        except devices.UnknownDevice:
            self._idle = ()

    @property
    def devices(self) -> list[str]:
        """Devices of this machine, best first."""
        self._find_devices()
        return list(self._hardware)

    @property
    def device_choices(self) -> list[tuple[str, ...]]:
        """What runs can be spread over: every GPU that may be taken, or one device."""
        single: list[tuple[str, ...]] = [(name,) for name in self.devices]
        if not self._idle or self._idle[0] not in self.devices:
            return single
        return list(dict.fromkeys([self._idle, *single]))

    @property
    def default_choice(self) -> Choice:
        """How ``r`` runs: in full on GPUs, quickly on a CPU."""
        devices = self.device_choices[0]
        return Choice(devices=devices, quick=devices == ("cpu",))

    def cost(self, target: Target, choice: Choice) -> Cost:
        """What a run would cost."""
        settings = QUICK if choice.quick else Settings()
        evaluations = evaluations_of(self.store, target, settings)
        if target.compare:
            evaluations *= FEWEST_PROCESSES
        elif choice.missing:
            self._find_devices()
            hardware = [self._hardware.get(name, "") for name in choice.devices]
            same_way = made_with(self.state, settings)
            evaluations = without_done(self.store, evaluations, hardware, same_way)
        return self._cost(evaluations, choice.devices, choice.quick)

    def cost_again(self, request: Request) -> Cost:
        """What it would cost to run the same again."""
        evaluations = evaluations_of(self.store, target_of(request), request.settings)
        return self._cost(evaluations, request.devices, request.settings.quick)

    def _cost(self, evaluations: Evaluations, devices: Sequence[str], quick: bool) -> Cost:
        return cost_of(evaluations, devices, quick, self.earlier())

    # What else the screens ask

    def reason(self, trace: int) -> str:
        """Why a stored evaluation failed, in one line; "" if its log does not tell."""
        if trace not in self._reasons:
            if len(self._reasons) > 1000:
                self._reasons.clear()
            try:
                evaluation = self.store.trace(trace).evaluation
            except (LookupError, ValueError, OSError):
                return ""
            line, hint = why(evaluation) if evaluation else ("", "")
            self._reasons[trace] = f"{line}: {hint}" if hint else line
        return self._reasons[trace]

    def has_work(self) -> bool:
        """True where something fails or runs now."""
        return bool(self.live_runs() or self.store.definitions("failed>0", limit=1))

    def overlay_folder(self) -> Path:
        """Where new traces go."""
        return self.layers[-1]


def layers_text(layers: Sequence[Path]) -> str:
    """The layers of a dataset for a message."""
    return " + ".join(str(path) for path in layers)
