"""The services under the screen: the store, the runs, and one thread that follows both.

Evaluates nothing: it reads files, writes requests, and says what has changed. Knows no Textual;
callbacks arrive on its own thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from pathlib import Path

from msgspec.structs import replace

from engine.insight.triage import WORD
from engine.measure.verdicts import FEWEST_PROCESSES
from engine.places import state_dir
from engine.run.cost import Cost
from engine.store import TraceRow, TraceStore, Watcher, resolve_layers
from fitui.config import Read, read_config
from fitui.estimates import (
    Evaluations,
    cost_of,
    evaluations_of,
    made_with,
    missing_of,
    without_done,
)
from fitui.first_use import overlay_trouble, settings_trouble, state_trouble
from fitui.run_book import RunBook
from fitui.run_view import Change, Choice, Plan, Repeat, RunView, Target, failed_of, target_of
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
        settings: Of the user; None for those of the user's file.
    """

    def __init__(
        self,
        dataset: Path | None = None,
        overlay: Path | None = None,
        state: Path | None = None,
        settings: Read | None = None,
    ) -> None:
        self.settings = settings or read_config()
        layers = list(resolve_layers(dataset, overlay=overlay))
        self.store = TraceStore.open(layers, wait=False)
        super().__init__(state or state_dir(), layers)
        self._generation = self.store.generation
        self._status: str | None = None
        self._stale = threading.Event()
        self._files: list[Path] = []
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._watcher: Watcher | None = None
        self._listeners: Callable[[Change], None] = lambda _change: None
        self._hardware: dict[str, str] = {}
        self._idle: tuple[str, ...] = ()
        self._reasons: dict[int, str] = {}
        self._contents: dict[int, str] = {}
        self.triage = TriageFeed(self.store, self._causes_found)
        self.store.define(WORD, self.triage.members)

    # Following

    def start(self, on_change: Callable[[Change], None]) -> None:
        """Begin to follow the dataset and the runs.

        Args:
            on_change: Called on another thread.
        """
        self._listeners = on_change
        if self.triage.shown.left is not None:
            # The first page asked, and was answered before anybody listened.
            on_change(Change(triage=True))
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

    def _watch(self) -> None:
        """Begin to watch; what changed before that is looked for."""
        try:
            self._watcher = Watcher(self.layers, self._dataset_changed, self._files_changed)
        except OSError as error:
            self._listeners(Change(message=f"the dataset is not watched: {error}"))
        self._dataset_changed()

    def _follow(self) -> None:
        self._watch()
        try:
            message = self.revive()
        except OSError as error:
            message = f"stopped runs could not be started again: {error}"
        if message:
            self._listeners(Change(message=message))
        while not self._stopped():
            live = self.store.indexing or any(view.live for view in list(self.runs.values()))
            self._wake.wait(POLL_S if live else IDLE_S)
            if self._wake.is_set() and not self._stale.is_set() and not self._files:
                self._wake.clear()
            try:
                change = self._look()
            except Exception as error:  # A broken file must not end the following.
                change = Change(message=f"{type(error).__name__}: {error}")
            if change != Change() and not self._stopped():
                self._listeners(change)

    def _files_changed(self, files: Collection[Path]) -> None:
        with self._lock:
            self._files += files
        self._wake.set()

    def _look(self) -> Change:
        with self._lock:
            files, self._files = self._files, []
        if files:
            self._wake.clear()
            self.store.refresh(files)
        if self._stale.is_set() or self.store.indexing:
            self._stale.clear()
            self._wake.clear()
            self.store.refresh()
        changed = self.look_at_runs()
        if any(not self.runs[run].live for run in changed):
            # The last trace of a run may be younger than the last word of the watcher.
            self.store.refresh()
        # Another process may have read the files first: what counts is what was shown last.
        before, self._generation = self._generation, self.store.generation
        new = self._generation != before
        told, self._status = self._status, self.store.status if self.store.indexing else ""
        return Change(store=new, runs=frozenset(changed), status=told != self._status)

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
        """What runs can be spread over: that of the settings, every GPU that may be taken, or
        one device.

        Raises:
            UnknownDevice: The device of the settings is not here.
        """
        choices: list[tuple[str, ...]] = [(name,) for name in self.devices]
        if self._idle and self._idle[0] in self.devices:
            choices.insert(0, self._idle)
        wanted = self.settings.config.run.device
        if wanted != "idle":
            from engine.run import devices

            choices.insert(0, tuple(device.name for device in devices.find_devices(wanted)))
        return list(dict.fromkeys(choices))

    @property
    def default_choice(self) -> Choice:
        """How ``r`` runs, as the settings say; without them in full on GPUs, quickly on a CPU.

        Raises:
            UnknownDevice: The device of the settings is not here.
        """
        wanted = self.settings.config.run
        devices = self.device_choices[0]
        quick = devices == ("cpu",) if wanted.quick == "auto" else wanted.quick == "yes"
        return Choice(devices=devices, quick=quick, busy=wanted.busy)

    @property
    def ask_above_s(self) -> float:
        """Estimated seconds from which on a run is asked for first."""
        return self.settings.config.run.ask_above_s

    def plan(self, target: Target, choice: Choice) -> Plan:
        """What a choice means for a target, and what it will cost. Takes a moment.

        Raises:
            QueryError: The expression of the workloads cannot be understood.
        """
        self._find_devices()
        settings = choice.settings
        target = self._narrowed(target, choice.where)
        asked = left = evaluations_of(self.store, target, settings)
        under_way = 0
        if target.compare:
            cost = self._cost(asked * FEWEST_PROCESSES, choice)
            return _plan(target, choice, cost, asked, asked)
        if choice.repeat is Repeat.SAME:
            hardware = [self._hardware.get(name, "") for name in choice.devices]
            left = without_done(self.store, asked, hardware, made_with(self.state, settings))
        elif choice.repeat is Repeat.MISSING:
            missing = missing_of(self.store, asked, self._models(choice), self._made_for)
            begun = self._begun()
            left = [item for item in missing if item[1:] not in begun]
            under_way = len(missing) - len(left)
            if 0 < len(left) < len(asked):
                target = replace(
                    target,
                    definitions=tuple(dict.fromkeys(definition for definition, _, _ in left)),
                    solutions=(),
                    workloads=(),
                    pairs=tuple((solution, workload) for _, solution, workload in left),
                )
        return _plan(target, choice, self._cost(left, choice), asked, left, under_way)

    def _narrowed(self, target: Target, where: str) -> Target:
        """A target on the workloads that an expression keeps."""
        if not where.strip():
            return target
        kept = {row.uuid for row in self.store.workloads(where)}
        if target.pairs:
            pairs = tuple(pair for pair in target.pairs if pair[1] in kept)
            return replace(target, pairs=pairs or (("", ""),))
        uuids = [uuid for uuid in target.workloads if uuid in kept] if target.workloads else kept
        return replace(target, workloads=tuple(sorted(uuids)) or ("",))

    def _models(self, choice: Choice) -> set[str]:
        """Models of device whose results count: those chosen, where there is a choice."""
        if self.settings.config.run.device == "idle" and self.devices == ["cpu"]:
            return set()
        return {self._hardware.get(name, "") for name in choice.devices}

    def _made_for(self, row: TraceRow) -> str:
        """Content hash of the definition that a trace is of; a trace never changes."""
        if row.id not in self._contents:
            try:
                evaluation = self.store.trace(row.id).evaluation
            except (LookupError, ValueError, OSError):
                return ""
            libs = evaluation.environment.libs if evaluation else {}
            self._contents[row.id] = libs.get("fitui.definition", "")
        return self._contents[row.id]

    def _begun(self) -> set[tuple[str, str]]:
        """Pairs that a run is about which goes on, and that have not ended in it."""
        found: set[tuple[str, str]] = set()
        for view in self.live_runs():
            if view.request.compare is None:
                found |= {
                    (cell.solution, cell.workload) for cell in view.cells.values() if not cell.ended
                }
            if not view.cells:
                planned = evaluations_of(self.store, view.request, view.request.settings)
                found |= {item[1:] for item in planned}
        return found

    def cost_again(self, view: RunView) -> Cost:
        """What it would cost to run the same again."""
        return self._cost_once_more(view, target_of(view.request))

    def cost_of_failed(self, view: RunView) -> Cost:
        """What it would cost to run once more what failed in a run."""
        return self._cost_once_more(view, failed_of(view))

    def _cost_once_more(self, view: RunView, target: Target) -> Cost:
        request = view.request
        evaluations = evaluations_of(self.store, target, request.settings)
        return cost_of(evaluations, request.devices, request.settings.quick, self.earlier())

    def _cost(self, evaluations: Evaluations, choice: Choice) -> Cost:
        return cost_of(evaluations, choice.devices, choice.quick, self.earlier())

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

    def troubles(self) -> list[str]:
        """What stands in the way, each with what to do next."""
        found = (
            state_trouble(self.state),
            overlay_trouble(self.overlay_folder()),
            settings_trouble(self.settings),
        )
        return [words for words in found if words]

    def has_work(self) -> bool:
        """True where something fails or runs now."""
        return bool(self.live_runs() or self.store.definitions("failed>0", limit=1))

    def overlay_folder(self) -> Path:
        """Where new traces go."""
        return self.layers[-1]


def _plan(
    target: Target,
    choice: Choice,
    cost: Cost,
    asked: Evaluations,
    left: Evaluations,
    under_way: int = 0,
) -> Plan:
    return Plan(
        target=target,
        choice=choice,
        cost=cost,
        asked=len(asked),
        solutions=len({solution for _, solution, _ in left}),
        workloads=len({(definition, workload) for definition, _, workload in left}),
        under_way=under_way,
    )
