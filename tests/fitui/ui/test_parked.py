"""Keys answer while work in the background stands still, and what it finds arrives afterwards.

Each case stops one thread in the midst of its real work: reading a file of the dataset, looking at
a failure's log, reading a run's events, asking the store, the driver, or a long text.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from engine.schema import Status
from engine.schema.run import Kind
from tests.engine.run.fake_nvml import FakeGpu, machine
from tests.fitui.ui.conftest import Driver, Start
from tests.fitui.ui.failing_files import write_failing
from tests.fitui.ui.tiny_files import WORKLOADS, FakeRun, lines, trace

LONG = "".join(f"ordinary line {number}\n" for number in range(4000)) + "the needle\n"


class Gate:
    """Stands in for a function: once shut, it stops other threads before they do its work.

    Args:
        real: The function.
        shut: False to let everybody through until :meth:`shut`.
    """

    def __init__(self, real: Callable[..., Any], shut: bool = True) -> None:
        self.parked = 0
        self._real = real
        self._open = threading.Event()
        if not shut:
            self._open.set()

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Wait if it is shut, then do the real work."""
        if not self._open.is_set() and threading.current_thread() is not threading.main_thread():
            self.parked += 1
            assert self._open.wait(60), "nobody opened the gate"
            self.parked -= 1
        return self._real(*args, **named)

    def __get__(self, instance: object, owner: type) -> Callable[..., Any]:
        """As a method."""
        return lambda *args: self(instance, *args)

    def shut(self) -> None:
        """Let nobody through from now on."""
        self._open.clear()

    def open(self) -> None:
        """Let everybody go on."""
        self._open.set()


@contextmanager
def gate_at(target: str, shut: bool = True) -> Iterator[Gate]:
    """Put a gate in the place of a function, ``module:name`` or ``module:Class.name``."""
    module, _colon, path = target.partition(":")
    *classes, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for part in classes:
        owner = getattr(owner, part)
    gate = Gate(getattr(owner, name), shut)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, gate)
        try:
            yield gate
        finally:
            gate.open()


class Work(Struct, frozen=True):
    """Work in the background.

    Args:
        target: Function within it that a gate takes the place of.
        view: That needs it.
        known: On the screen before.
        arrives: On the screen once it has gone on.
        begin: Makes it begin, where opening the view does not.
        keys: To press so that it begins.
        size: Of the terminal.
    """

    target: str
    view: str
    known: str
    arrives: str
    begin: Callable[[Driver, FakeRun], None] | None = None
    keys: tuple[str, ...] = ()
    size: tuple[int, int] = (80, 24)


def _add_trace(driver: Driver, _run: FakeRun) -> None:
    late = trace("slow", WORKLOADS[2], "TIMEOUT", log="the late one did not finish\n")
    lines(driver.root / "traces/late.jsonl", [late])
    driver.bench.session.reload()


def _go_on(_driver: Driver, run: FakeRun) -> None:
    run.event(Kind.DONE, "e4", status=Status.TIMEOUT, message="it took too long")


WORK = {
    "index": Work("engine.store.sync:read_file", "traces", "16 traces", "17 traces", _add_trace),
    "triage": Work("engine.insight.triage:cause_of", "triage", "ook", "6 causes"),
    "run": Work("engine.run.files:EventReader.poll", "runs", "0/9", "1/9", _go_on),
    "history": Work("fitui.screens.history:look_up", "history large", "Reading the traces", "12.5"),
    "compare": Work(
        "fitui.screens.compare:look_up", "compare fast large", "Reading what was", "geomean"
    ),
    "driver": Work("fitui.screens.devices:examine", "devices", "Asking the driver", "cuda:1"),
    "search": Work(
        "fitui.widgets.log:LogLines.plain",
        "trace 16 tab:log",
        "ordinary line 3",
        "the needle",
        keys=("slash", *"needle", "enter"),
    ),
    "preview": Work(
        "fitui.screens.store_list:trace_preview",
        "traces sort:time",
        "16 traces",
        "2026-11-22T10:00",
        size=(200, 50),
    ),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The dataset of which much fails, and a trace with a long log."""
    root = write_failing(tmp_path / "dataset")
    found = [trace("wrong", WORKLOADS[2], "RUNTIME_ERROR", log=LONG)]
    lines(root / "traces/me/pointwise/double_h8.jsonl", found)
    return root


@pytest.fixture
def gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with two GPUs."""
    monkeypatch.setattr("engine.run.locks.SHARED", tmp_path)
    with machine(FakeGpu("GPU-aaaa"), FakeGpu("GPU-bbbb")):
        yield


async def use(driver: Driver) -> None:
    """Move, filter, open another view and come back, each with an effect that is seen."""
    await driver.press("2", "g")
    assert driver.view == "traces" and driver.bench.table.cursor == 0
    await driver.press("j", "j")
    assert driver.bench.table.cursor == 2
    await driver.press("slash")
    await driver.type("sol:tma_a")
    assert "sol:tma_a" in driver.screen() and "3 left" in driver.bench.typing.note
    await driver.press("enter")
    assert driver.view == "traces sol:tma_a" and driver.bench.table.source.row_count == 3
    await driver.press("1", "enter")
    assert driver.view == "definition double_h8" and "batch_size > 0" in driver.screen()
    await driver.press("m")
    assert driver.view == "matrix double_h8" and "bs=256" in driver.screen()


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize("name", WORK)
async def test_keys_answer_while_work_stands_still(
    start: Start, fake_run: FakeRun, name: str
) -> None:
    work = WORK[name]
    with gate_at(work.target, shut=work.begin is None and not work.keys) as gate:
        async with start(work.view, size=work.size) as driver:
            await driver.shows(work.known)
            if work.begin is not None or work.keys:
                gate.shut()
            if work.begin is not None:
                work.begin(driver, fake_run)
            await driver.press(*work.keys)
            await driver.until(lambda: gate.parked > 0)
            assert work.arrives not in driver.screen()
            await use(driver)
            assert gate.parked > 0, "all the while the work has stood still"
            gate.open()
            await driver.press("colon")
            await driver.type(work.view)
            await driver.press("enter", *work.keys)
            await driver.shows(work.arrives)
