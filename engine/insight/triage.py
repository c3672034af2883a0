"""What fails now, by cause: looks through the logs of a store's failures, a portion at a time.

One thread looks, which may take a while where there are many; any thread may ask meanwhile for what
has been found so far.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from engine.insight.cause_cache import CauseCache, identity
from engine.insight.causes import Cause, cause_of
from engine.insight.clusters import Cluster, Failure, by_cluster, cluster_up
from engine.insight.failing_axes import Pattern, describe
from engine.insight.mutes import read_mutes
from engine.schema import Status
from engine.store import LatestRow, QueryError, TraceRow, TraceStore, visits

LATEST = "is:latest status:failed"
"""The evaluations that count: the latest of the present version of each pair."""
EVER = "status:failed"
"""The same with those that have been superseded."""
WORD = "cause"
"""The word of filters of traces that stands for a cluster."""

T = TypeVar("T")

_AT_ONCE = 500
_PORTION_S = 0.1


class Asked(Struct, frozen=True):
    """A filter of clusters, taken apart.

    Args:
        where: What is left for the store, in its place within the text.
        muted: True where ``is:muted`` asks for what is muted.
        ever: True where ``is:ever`` asks for evaluations that have been superseded, too.
        words: Plain words, which are also looked for in causes; none where there is more.
    """

    where: str
    muted: bool
    ever: bool
    words: tuple[str, ...]


_OWN = re.compile(r"(?<!\S)is:(muted|ever)(?!\S)", re.IGNORECASE)
_PLAIN = re.compile(r"[^\s()|!\"<>=:-][^\s()|!\"<>=:]*(?:\s+[^\s()|!\"<>=:-][^\s()|!\"<>=:]*)*")


def take_apart(text: str) -> Asked:
    """What a filter of clusters asks for."""
    own = {word.lower() for word in _OWN.findall(text)}
    where = _OWN.sub(lambda match: " " * len(match[0]), text)
    plain = _PLAIN.fullmatch(where.strip())
    words = tuple(where.casefold().split()) if plain else ()
    return Asked(where if where.strip() else "", "muted" in own, "ever" in own, words)


class Triage:
    """The failures of a store by cause.

    Args:
        store: The dataset.
        base: Which failures: :data:`LATEST` or :data:`EVER`.
        cache: Folder of the cache of causes; the user's where None.
    """

    def __init__(self, store: TraceStore, base: str = LATEST, cache: Path | None = None) -> None:
        self.base = base
        self._store = store
        self._cache = cache
        self._lock = threading.Lock()
        self._failures: dict[int, Failure] = {}
        self._patterns: dict[tuple[str, str], Pattern] = {}
        self._causes: dict[Cause, Cause] = {}
        self._numbers: dict[str, tuple[int, int]] = {}
        self._by_key: dict[str, list[Failure]] | None = None

    def look(self, stop: Callable[[], bool] = lambda: False) -> Iterator[int]:
        """Bring what is known up to date.

        Yields:
            After each portion, how many failures are still to be looked at.
        """
        wanted = self._store.ids(self.base)
        with self._lock:
            alive = set(wanted)
            gone = [number for number in self._failures if number not in alive]
            for number in gone:
                self._numbers.pop(self._failures.pop(number).definition, None)
            self._by_key = None
            # The newest were written last, and have the highest ids.
            missing = [number for number in reversed(wanted) if number not in self._failures]
        self._find_patterns()
        cache = CauseCache(self._cache)
        try:
            left = len(missing)
            for start in range(0, len(missing), _AT_ONCE):
                rows = self._store.traces_of(missing[start : start + _AT_ONCE])
                for looked_at in self._portions(rows, cache, stop):
                    left -= looked_at
                    yield left
                    if stop():
                        return
        finally:
            cache.close()
        yield 0

    def _portions(
        self, rows: Sequence[TraceRow], cache: CauseCache, stop: Callable[[], bool]
    ) -> Iterator[int]:
        """Look at some failures, for a moment at a time.

        Yields:
            How many were looked at.
        """
        numbers = {row.id: identity(row) for row in rows}
        known = cache.find(numbers.values())
        fresh: dict[int, Cause] = {}
        found: list[Failure] = []
        begun = time.monotonic()
        for row in rows:
            number = numbers[row.id]
            cause = known.get(number)
            if cause is None:
                cause = self._cause(row)
                if cause is not None:
                    fresh[number] = cause
                # Another thread, such as one that answers keys, need not wait for its turn.
                time.sleep(0)
            if cause is not None:
                found.append(_failure(row, self._causes.setdefault(cause, cause)))
            if stop() or time.monotonic() - begun > _PORTION_S:
                cache.keep(fresh)
                self._take(found)
                yield len(found)
                fresh, found, begun = {}, [], time.monotonic()
        cache.keep(fresh)
        self._take(found)
        yield len(found)

    def _cause(self, row: TraceRow) -> Cause | None:
        """The cause by the trace's log; None for one whose file has just changed."""
        try:
            evaluation = self._store.trace(row.id).evaluation
        except (LookupError, ValueError, OSError):
            return None
        if evaluation is None:
            return None
        return cause_of(row.status, evaluation.log, evaluation.correctness)

    def _take(self, found: Sequence[Failure]) -> None:
        with self._lock:
            self._failures.update((item.trace, item) for item in found)
            self._by_key = None

    def _find_patterns(self) -> None:
        """Find out for wrong values which workloads have them, where that may have changed."""
        counts = [
            self._store.facet("traces", "definition", f"is:latest status={status}")
            for status in (Status.INCORRECT_NUMERICAL, Status.PASSED)
        ]
        patterns = dict(self._patterns)
        for definition, wrong in counts[0].items():
            numbers = (wrong, counts[1].get(definition, 0))
            if self._numbers.get(definition) == numbers:
                continue
            self._numbers[definition] = numbers
            quoted = definition.replace("\\", "\\\\").replace('"', '\\"')
            workloads = self._store.workloads(where=f'definition="{quoted}"')
            axes = {row.uuid: row.axes for row in workloads}
            patterns |= _patterns(self._store.latest(definition), axes)
        with self._lock:
            self._patterns = patterns
            self._by_key = None

    # Asking

    def failures(self) -> list[Failure]:
        """Every failure that has been looked at."""
        with self._lock:
            return list(self._failures.values())

    def clusters(self, text: str = "") -> list[Cluster]:
        """What has been found so far, as clusters, the most frequent first, muted ones last.

        Args:
            text: Filter of the failures: as of traces, or words of the cause; ``is:muted`` keeps
                only what is muted. ``is:ever`` says nothing here; ``base`` does.

        Raises:
            QueryError: The filter means nothing.
        """
        asked = take_apart(text)
        failures = self.failures()
        if asked.where:
            kept = set(self._within(asked.where, self._store.ids))
            failures = [item for item in failures if item.trace in kept or _says(item, asked.words)]
        with self._lock:
            patterns = self._patterns
        last = visits.read().last
        found = cluster_up(failures, patterns, last_visit=last, muted=read_mutes())
        return [row for row in found if row.muted] if asked.muted else found

    def check(self, text: str) -> None:
        """Make sure that a filter means something, without asking what.

        Raises:
            QueryError: With the place in ``text``.
        """
        where = take_apart(text).where
        if where:
            self._within(where, lambda whole: self._store.traces(whole, limit=0))

    def _within(self, where: str, ask: Callable[[str], T]) -> T:
        """Ask for failures that meet a filter, too."""
        begin = f"{self.base} ("
        try:
            return ask(f"{begin}{where})")
        except QueryError as error:
            start, end = (max(0, at - len(begin)) for at in (error.start, error.end))
            raise QueryError(error.message, start, min(end, len(where))) from None

    def members(self, key: str) -> list[int]:
        """Traces of a cluster, by its key or the beginning of one."""
        found = self._members()
        return [item.trace for name in found if name.startswith(key) for item in found[name]]

    def pairs(self, key: str) -> list[tuple[str, str, str]]:
        """Definition, solution and workload of each failure of a cluster."""
        members = self._members().get(key, [])
        return [(item.definition, item.solution, item.workload) for item in members]

    def _members(self) -> dict[str, list[Failure]]:
        """Failures by the key of their cluster."""
        with self._lock:
            found = self._by_key
            if found is None:
                found = self._by_key = by_cluster(self._failures.values(), self._patterns)
            return found


def _failure(row: TraceRow, cause: Cause) -> Failure:
    return Failure(row.id, row.definition, row.solution, row.workload, row.status, row.time, cause)


def _says(failure: Failure, words: Sequence[str]) -> bool:
    """True where a cause says every word; no word says nothing."""
    text = f"{failure.cause.kind} {failure.cause.line} {failure.cause.hint}".casefold()
    return bool(words) and all(word in text for word in words)


def _patterns(
    latest: Sequence[LatestRow], axes: dict[str, dict[str, int]]
) -> dict[tuple[str, str], Pattern]:
    """What tells the workloads with wrong values from those that pass, for each solution."""
    wrong: dict[tuple[str, str], list[dict[str, int]]] = {}
    right: dict[tuple[str, str], list[dict[str, int]]] = {}
    for row in latest:
        if row.workload not in axes:
            continue
        if row.status == Status.INCORRECT_NUMERICAL:
            wrong.setdefault((row.definition, row.solution), []).append(axes[row.workload])
        elif row.status == Status.PASSED:
            right.setdefault((row.definition, row.solution), []).append(axes[row.workload])
    return {pair: describe(found, right.get(pair, [])) for pair, found in wrong.items()}
