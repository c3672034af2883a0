"""What fails, for the screens: looked at on a thread of its own, shown as far as it is known.

Nobody waits for it: a screen asks, shows what there is, and is told when there is more.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable

from msgspec import Struct

from engine.insight.clusters import Cluster
from engine.insight.triage import EVER, LATEST, Triage, take_apart
from engine.store import QueryError, TraceStore

TOLD_S = 0.25
"""Seconds between two times that a screen is told while many failures are looked at."""

REST_S = 5.0
"""Seconds at most between two times that failures are looked at."""

AT_ONCE = 20_000
"""Failures up to which another filter is answered at once."""


class Shown(Struct, frozen=True, kw_only=True):
    """What is known at one moment.

    Args:
        text: The filter that it answers.
        clusters: In order.
        every: Number of clusters without the filter.
        failures: Number of failures that were looked at.
        left: Number of those that are still to be looked at; None where nobody has looked yet.
    """

    text: str = ""
    clusters: tuple[Cluster, ...] = ()
    every: int = 0
    failures: int = 0
    left: int | None = None


class TriageFeed:
    """Looks at the failures of a store, again whenever there are others.

    Args:
        store: The dataset.
        tell: Called on the feed's thread when there is more to show, with what went wrong or "".
    """

    def __init__(self, store: TraceStore, tell: Callable[[str], None]) -> None:
        self.shown = Shown()
        self._store = store
        self._tell = tell
        self._triages = {base: Triage(store, base) for base in (LATEST, EVER)}
        self._text = ""
        self._looked_at = dict[str, int]()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def ask(self, text: str) -> None:
        """Have clusters shown that meet a filter, and what is new looked at.

        Raises:
            QueryError: The filter means nothing; what is shown stays.
        """
        triage = self._triage(text)
        triage.check(text)
        with self._lock:
            changed, self._text = text != self._text, text
        known = self._looked_at.get(triage.base) == self._store.generation
        if known and changed and len(triage.failures()) <= AT_ONCE:
            self._show(triage, 0)
        elif changed or not known:
            self._look_soon()

    def again(self) -> None:
        """Show what is known once more: other causes are muted now."""
        triage = self._triage(self._text)
        if self.shown.left == 0:
            self._show(triage, 0)

    def members(self, key: str) -> list[int]:
        """Traces of a cluster, as far as is known."""
        if self._looked_at.get(LATEST) != self._store.generation:
            self._look_soon()
        return [number for triage in self._triages.values() for number in triage.members(key)]

    def pairs(self, key: str) -> list[tuple[str, str, str]]:
        """Definition, solution and workload of each failure of a cluster that is shown."""
        return self._triage(self._text).pairs(key)

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _triage(self, text: str) -> Triage:
        return self._triages[EVER if take_apart(text).ever else LATEST]

    def _look_soon(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="fitui-triage", daemon=True)
            self._thread.start()
        self._wake.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wake.wait()
            self._wake.clear()
            begun = time.monotonic()
            try:
                self._look()
            except (sqlite3.Error, OSError) as error:
                if not self._stopped.is_set():
                    self._tell(f"failures could not be looked at: {error}")
            # Where traces come in all the time, half of it is left to others.
            self._stopped.wait(min(time.monotonic() - begun, REST_S))

    def _look(self) -> None:
        triage = self._triage(self._text)
        generation = self._store.generation
        told = 0.0
        for left in triage.look(self._stopped.is_set):
            if self._stopped.is_set() or self._triage(self._text) is not triage:
                return
            if time.monotonic() - told > TOLD_S and left:
                self._show(triage, left)
                self._tell("")
                told = time.monotonic()
        self._looked_at[triage.base] = generation
        self._show(triage, 0)
        self._tell("")

    def _show(self, triage: Triage, left: int) -> None:
        text = self._text
        try:
            clusters = triage.clusters(text)
            every = len(triage.clusters()) if text else len(clusters)
        except QueryError:
            # A run or a set that the filter names is gone.
            return
        failures = len(triage.failures())
        shown = Shown(
            text=text, clusters=tuple(clusters), every=every, failures=failures, left=left
        )
        with self._lock:
            # Else another thread has shown, or will show, what is asked for now.
            if text == self._text:
                self.shown = shown
