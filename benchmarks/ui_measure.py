"""What ``benchmarks.ui`` measures: one function for each kind of figure, all through a terminal."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks import ui_stream
from benchmarks.ui_screen import Screen
from benchmarks.ui_terminal import FRAME_END, REPOSITORY, Terminal, open_fitui

ROUNDS = 5
REST_S = 2.5
"""Seconds without a byte after which a start is over."""

KEYS = 120
"""Keys for the latency of one."""

RATE = 20.0
"""Traces a second of a run."""

SLOW = 30_000.0
"""Bytes a second of a slow line."""

IMPORT = "import textual.app, textual.screen, textual.widget"
DOWN, UP, ENTER, ESCAPE = b"j", b"k", b"\r", b"\x1b"


class Line(NamedTuple):
    """One figure; ``budget`` is None where there is none, else it must not be above it."""

    what: str
    size: str
    measured: float
    unit: str
    budget: float | None = None

    @property
    def kept(self) -> bool:
        """Whether it is within its budget."""
        return self.budget is None or self.measured <= self.budget


class Budgets(NamedTuple):
    """Most bytes, by the size of the terminal."""

    move: int
    scroll: int
    drill: int
    live: int


BUDGETS = {
    (80, 24): Budgets(450, 7_500, 9_000, 700),
    (200, 50): Budgets(800, 18_000, 18_000, 1_200),
}
"""From research on comparable programs; see the section on the workbench in RESULTS.md."""


class Bench(NamedTuple):
    """A dataset and the folder for what programs keep of it.

    Args:
        dataset: Its folder.
        places: Folder for state, data and cache.
        definition: One with many solutions, of which traces come in.
        other: Another one.
    """

    dataset: Path
    places: Path
    definition: str
    other: str

    @contextmanager
    def opened(
        self,
        view: str,
        size: tuple[int, int],
        *,
        answers: bool = True,
        rate: float | None = None,
    ) -> Iterator[Terminal]:
        """The workbench on a view, when it has come to rest."""
        with open_fitui(
            self.dataset, view, size, places=self.places, answers=answers, rate=rate
        ) as terminal:
            terminal.until(is_painted, 120, view)
            terminal.read(REST_S / 2)
            yield terminal

    @contextmanager
    def streaming(self, seconds: float) -> Iterator[None]:
        """While another process appends traces."""
        command = [sys.executable, "-m", "benchmarks.ui_stream", str(self.dataset)]
        command += [self.definition, str(RATE), str(seconds)]
        process = subprocess.Popen(command, cwd=REPOSITORY)
        try:
            yield
        finally:
            process.kill()
            process.wait()
            ui_stream.clear(self.dataset)


def is_painted(screen: Screen) -> bool:
    """True when the first frame with its footer is there."""
    return "q leave" in screen.lines[-1] and not screen.painting


def name_of(size: tuple[int, int]) -> str:
    """A size in words."""
    return f"{size[0]}x{size[1]}"


# Start


def start_up(bench: Bench) -> list[Line]:
    """From exec to the first rows, and the import of textual in turns with it."""
    imports, starts, torch = [], [], 0
    for _ in range(ROUNDS):
        begin = time.monotonic()
        subprocess.run([sys.executable, "-c", IMPORT], check=True)
        imports.append(time.monotonic() - begin)
        with open_fitui(bench.dataset, "traces", places=bench.places) as terminal:
            shown = terminal.until(lambda screen: screen.cursor is not None, 120, "a row")
            starts.append(shown - terminal.started)
            for key in (ENTER, ESCAPE, b"0", b"1", ENTER, ESCAPE, b"3", b"5"):
                terminal.press(key, 0.2)
            torch += _has_loaded(terminal, "torch")
    need, limit = statistics.median(starts), statistics.median(imports)
    return [
        Line("import of textual", "", limit, "s"),
        Line("exec to first rows", "80x24", need, "s", limit + 0.3),
        Line("starts after which torch was loaded", "80x24", torch, "", 0),
    ]


def _has_loaded(terminal: Terminal, library: str) -> bool:
    return f"/{library}/" in Path(f"/proc/{terminal.process.pid}/maps").read_text()


# Bytes


def quiet_bytes(
    bench: Bench, views: Sequence[str], size: tuple[int, int], seconds: float = 5.0
) -> list[Line]:
    """Bytes on every view: of nothing, of a step and back, of going in and out, of scrolling.

    The views are open side by side, and get each key at the same time. A view in which a step
    changes nothing, since it has no second row, has no figure for it. Of a step the first frame
    counts; what a preview beside the rows shows once the cursor has come to rest is a second one.
    """
    with ExitStack() as stack:
        opened = [
            (view, stack.enter_context(open_fitui(bench.dataset, view, size, places=bench.places)))
            for view in views
        ]
        terminals = [terminal for _view, terminal in opened]
        for view, terminal in opened:
            terminal.until(is_painted, 120, view)
        settle([terminal for view, terminal in opened if view != "devices"], REST_S, 60)
        for terminal in terminals:
            terminal.take()
        time.sleep(seconds)
        lines = [
            Line(
                f"idle {seconds:g} s: {view}",
                name_of(size),
                len(terminal.take()),
                "B",
                # Its figures are of the machine, and change with what else goes on there.
                None if view == "devices" else 0,
            )
            for view, terminal in opened
        ]
        steps = [press_all(terminals, key) for key in (DOWN, DOWN, UP, UP)]
        in_view = [view for view, terminal in opened if terminal.look().cursor is not None]
        for view, painted in zip(views, zip(*steps, strict=True), strict=True):
            what = "step" if view in in_view else "step that scrolls"
            first = [data.partition(FRAME_END) for data in painted]
            most = max(len(frame) + len(end) for frame, end, _rest in first)
            lines += _lines(what, [view], size, [most])
            lines += _lines("and its preview", [view], size, [max(len(r) for _, _, r in first)])
        crumbs = [terminal.look().lines[0] for terminal in terminals]
        into = press_all(terminals, ENTER, 0.8)
        # Where there is nothing to go into, Escape would lead home.
        went = [
            (view, terminal, len(data))
            for (view, terminal), crumb, data in zip(opened, crumbs, into, strict=True)
            if terminal.look().lines[0] != crumb
        ]
        inner = [view for view, _terminal, _size in went]
        out = press_all([terminal for _view, terminal, _size in went], ESCAPE, 0.8)
        lines += _lines("Enter", inner, size, [taken for _view, _terminal, taken in went])
        lines += _lines("Esc, back to", inner, size, [len(data) for data in out])
        return lines + _lines("step that scrolls", views, size, _scrolls(terminals))


def settle(terminals: Sequence[Terminal], quiet: float, limit: float = 5.0) -> None:
    """Wait until none of them has been written to for a while, in seconds, or for the limit."""
    end = time.monotonic() + limit
    while min(terminal.quiet_for for terminal in terminals) < quiet and time.monotonic() < end:
        time.sleep(0.02)


def press_all(terminals: Sequence[Terminal], key: bytes, quiet: float = 0.4) -> list[bytes]:
    """Type a key into all of them.

    Returns:
        What it brought, for each.
    """
    for terminal in terminals:
        terminal.take()
        terminal.send(key)
    time.sleep(quiet)
    settle(terminals, quiet)
    return [terminal.take() for terminal in terminals]


def _scrolls(terminals: Sequence[Terminal]) -> list[int]:
    """Bytes of the step with which each begins to scroll, 0 where none does."""
    # Tables scroll by eight rows at most, so one of the last eight steps does it.
    press_all(terminals, DOWN * (terminals[0].size[1] - 8))
    most = [0] * len(terminals)
    for _ in range(8):
        tops = [terminal.look().lines[2:6] for terminal in terminals]
        taken = press_all(terminals, DOWN, 0.15)
        for at, terminal in enumerate(terminals):
            if terminal.look().lines[2:6] != tops[at]:
                most[at] = max(most[at], len(taken[at].partition(FRAME_END)[0]))
    return most


def _lines(
    what: str, views: Sequence[str], size: tuple[int, int], sizes: Sequence[int]
) -> list[Line]:
    budgets = BUDGETS[size]
    budget: int | None = {
        "step": budgets.move,
        "step that scrolls": budgets.scroll,
        "and its preview": None,
    }.get(what, budgets.drill)
    return [
        Line(f"{what}: {view}", name_of(size), taken, "B", budget)
        for view, taken in zip(views, sizes, strict=True)
        if taken
    ]


def live(bench: Bench, size: tuple[int, int]) -> list[Line]:
    """Bytes of a frame that traces bring: where three of them are to be seen, and where none."""
    traces = ui_stream.models(bench.dataset, bench.definition)
    with (
        bench.opened(f"matrix {bench.definition}", size) as matrix,
        bench.opened(f"matrix {bench.other}", size) as aside,
    ):
        shown = [item for item in traces if item["solution"] in matrix.look().text][:3]
        assert len(shown) == 3, "no three solutions are in sight"
        aside.take()
        seen = []
        for number in range(ROUNDS):
            before = matrix.look().text
            matrix.take()
            ui_stream.append(bench.dataset, shown, 100 * number)
            matrix.until(lambda screen: screen.text != before, what="the traces")  # noqa: B023
            seen.append(len(matrix.read(0.4)))
        unseen = len(aside.take())
    ui_stream.clear(bench.dataset)
    budget = BUDGETS[size].live
    return [
        Line("live: 3 rows of a matrix change", name_of(size), max(seen), "B", budget),
        Line(f"live: {3 * ROUNDS} traces off-screen", name_of(size), unseen, "B", 0),
    ]


# Latency


def latency(
    bench: Bench,
    view: str,
    size: tuple[int, int],
    *,
    stream: bool = True,
    answers: bool = True,
    rate: float | None = None,
) -> tuple[list[float], Terminal]:
    """Seconds from a key to the last byte of the frame in which the cursor has moved.

    Returns:
        One for each key, and the terminal, closed.
    """
    chosen = random.Random(1)
    taken: list[float] = []
    with ExitStack() as stack:
        terminal = stack.enter_context(bench.opened(view, size, answers=answers, rate=rate))
        if stream:
            stack.enter_context(bench.streaming(3600))
            time.sleep(2.0)
        for number in range(KEYS):
            here = _row(terminal.look())
            begin = time.monotonic()
            terminal.send(DOWN if number % 60 < 30 else UP)
            moment = terminal.until(
                lambda screen: not screen.painting and _row(screen) not in ("", here),  # noqa: B023
                20,
                "the next row",
            )
            taken.append(moment - begin)
            time.sleep(chosen.uniform(0.03, 0.15))
    return taken, terminal


def _row(screen: Screen) -> str:
    """What tells the row under the cursor from others, whatever comes in: of a matrix its name."""
    y = screen.cursor
    if y is None:
        return ""
    return screen.lines[y].split()[0] if "matrix" in screen.lines[0] else screen.lines[y]


def latencies(bench: Bench, size: tuple[int, int]) -> Iterator[Line]:
    """Latency of a key: at rest, while traces stream in, over a slow line, without answers."""
    name = name_of(size)
    for view in ("traces", f"matrix {bench.definition}"):
        taken, _ = latency(bench, view, size, stream=False)
        yield from _spread(f"key to last byte: {view}", name, taken)
        taken, _ = latency(bench, view, size)
        yield from _spread(f"the same, {RATE:g} traces/s", name, taken, p95=25)
        taken, _ = latency(bench, view, size, rate=SLOW)
        what = f"the same, {RATE:g} traces/s, {SLOW / 1000:g} kB/s line"
        yield from _spread(what, name, taken, median=150)
    taken, mute = latency(bench, "traces", size, answers=False)
    yield from _spread("traces: a terminal that never answers", name, taken, p95=25)
    yield Line("questions it was asked", name, mute.probes, "", 3)


def _spread(
    what: str,
    size: str,
    seconds: Sequence[float],
    *,
    median: float | None = None,
    p95: float | None = None,
) -> list[Line]:
    taken = sorted(1000 * value for value in seconds)
    return [
        Line(f"{what}: median", size, statistics.median(taken), "ms", median),
        Line(f"{what}: p95", size, taken[int(0.95 * len(taken))], "ms", p95),
    ]
