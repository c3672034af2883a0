"""Questions that may take long, answered on a thread while keys go on working.

Whoever asks waits a moment, so that what is found at once is shown at once; what takes longer is
handed over when it comes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

KEY_S = 0.02
"""Seconds that a key waits for an answer before the screen goes on without it."""

LIVE_S = 0.01
"""The same for news that nobody has asked for."""

Wanted = Callable[[], bool]
"""Asked on the thread: False once the answer is of no more use."""


class _Question:
    """Something that is being found out."""

    def __init__(
        self,
        slot: str,
        find: Callable[[Wanted], Any],
        then: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self.slot, self.find, self.then, self.failed = slot, find, then, failed
        self.done = threading.Event()
        self.late = False
        self.value: Any = None
        self.error: Exception | None = None


class Patience:
    """Answers questions one after the other, on one thread that ends when there are none.

    Each question belongs to a slot, of which only the newest question counts: an older one is
    left out, or its answer is. Everything but ``find`` runs on the event loop.

    Args:
        tell: Called on the thread when there is something to :meth:`take`.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._counts: dict[str, _Question] = {}
        self._queue: list[_Question] = []
        self._late: list[_Question] = []
        self._busy = False
        self._lock = threading.Lock()

    def ask(
        self,
        slot: str,
        find: Callable[[Wanted], Any],
        then: Callable[[Any], None],
        failed: Callable[[Exception], None] | None = None,
        *,
        live: bool = False,
    ) -> None:
        """Ask, in the place of what was asked in the slot before.

        Args:
            slot: What the question is about.
            find: Finds the answer, on the thread.
            then: Takes the answer: before this returns if it comes soon, else by :meth:`take`.
            failed: Takes an exception instead; without it, it is raised where ``then`` would be
                called.
            live: True for news that no key has asked for.
        """
        question = _Question(slot, find, then, failed or _fail)
        with self._lock:
            self._forget(slot)
            self._counts[slot] = question
            self._queue.append(question)
            begins, self._busy = not self._busy, True
        if begins:
            threading.Thread(target=self._run, name="fitui-patience", daemon=True).start()
        question.done.wait(LIVE_S if live else KEY_S)
        with self._lock:
            question.late = not question.done.is_set()
        if not question.late:
            self._hand_over(question)

    def waits(self, *slots: str) -> bool:
        """True while a question of one of the slots has no answer."""
        return any(slot in self._counts for slot in slots)

    def drop(self, *slots: str) -> None:
        """Want no more answers to what was asked in some slots."""
        with self._lock:
            for slot in slots:
                self._forget(slot)

    def take(self) -> None:
        """Hand over the answers that came late.

        Raises:
            Exception: What one of them failed with; the next call goes on behind it.
        """
        while self._late:
            self._hand_over(self._late.pop(0))

    def _forget(self, slot: str) -> None:
        former = self._counts.pop(slot, None)
        if former in self._queue:
            self._queue.remove(former)

    def _hand_over(self, question: _Question) -> None:
        if self._counts.get(question.slot) is not question:
            return
        del self._counts[question.slot]
        if question.error is not None:
            question.failed(question.error)
        else:
            question.then(question.value)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._busy = False
                    return
                question = self._queue.pop(0)
            self._answer(question)

    def _answer(self, question: _Question) -> None:
        def wanted() -> bool:
            return self._counts.get(question.slot) is question

        try:
            question.value = question.find(wanted)
        except Exception as error:  # It is for the one who asked.
            question.error = error
        with self._lock:
            question.done.set()
            tells = question.late and wanted()
            if tells:
                self._late.append(question)
        if tells:
            with suppress(RuntimeError):  # The screen has just gone.
                self._tell()


def _fail(error: Exception) -> None:
    raise error
