"""What the device did and when: activity records of this process, by CUPTI or by Kineto."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import torch
from msgspec import Struct

_BUFFER = 1 << 20
"""Bytes for activity records; a new one of eight times this cost half a millisecond."""


class Record(Struct, frozen=True, array_like=True):
    """One activity of the device; times in nanoseconds."""

    start: int
    end: int
    stream: int
    name: str


class Recorder(Protocol):
    """Records the activities of a block of calls.

    Attributes:
        name: What a result is labelled by.
    """

    name: str

    def begin(self) -> None:
        """Before the first call of a block."""

    def now(self) -> int:
        """Nanoseconds by the clock of the records."""

    def take(self) -> list[Record]:
        """After the last call of a block: everything since ``begin``, by start."""


class Cupti:
    """CUPTI's activity interface, by NVIDIA's own package; always on once made."""

    name = "cupti"

    def __init__(self) -> None:
        from cupti import cupti

        self._cupti = cupti
        self._records: list[Record] = []
        self._begun = 0
        kinds = cupti.ActivityKind
        names = {kinds.MEMCPY: "memcpy", kinds.MEMSET: "memset"}

        def buffer_wanted() -> tuple[int, int]:
            return _BUFFER, 0

        def buffer_done(activities: list[Any]) -> None:
            for item in activities:
                name = names.get(item.kind) or str(getattr(item, "name", "kernel"))
                self._records.append(Record(item.start, item.end, item.stream_id, name))

        cupti.activity_register_callbacks(buffer_wanted, buffer_done)
        for kind in (kinds.CONCURRENT_KERNEL, kinds.MEMCPY, kinds.MEMSET):
            cupti.activity_enable(kind)

    def begin(self) -> None:
        """See ``Recorder``."""
        self._begun = self.now()

    def now(self) -> int:
        """See ``Recorder``."""
        return int(self._cupti.get_timestamp())

    def take(self) -> list[Record]:
        """See ``Recorder``. Costs half a millisecond, however few there are."""
        self._cupti.activity_flush_all(1)
        records, self._records[:] = sorted(self._records, key=_start), []
        # Some can be left of what came before.
        return [record for record in records if record.start >= self._begun]


class Kineto:
    """PyTorch's profiler, which brings CUPTI along; its records are in the system's time."""

    name = "kineto"

    def __init__(self) -> None:
        activities = [torch.profiler.ProfilerActivity.CUDA]
        self._new: Callable[[], Any] = lambda: torch.profiler.profile(activities=activities)
        # The first start takes long, and says whether it works at all.
        profiler = self._new()
        profiler.start()
        torch.zeros(1, device="cuda")
        torch.cuda.synchronize()
        profiler.stop()
        if not _device_events(profiler):
            raise RuntimeError("the profiler of this PyTorch sees nothing of the device")
        self._profiler: Any = None

    def begin(self) -> None:
        """See ``Recorder``."""
        if self._profiler is not None:
            # A call of the block before has raised; only one can run at a time.
            self._profiler.stop()
        self._profiler = self._new()
        self._profiler.start()

    def now(self) -> int:
        """See ``Recorder``."""
        return time.time_ns()

    def take(self) -> list[Record]:
        """See ``Recorder``."""
        self._profiler.stop()
        found = [
            Record(
                event.start_ns(),
                event.start_ns() + event.duration_ns(),
                event.device_resource_id(),
                event.name(),
            )
            for event in _device_events(self._profiler)
        ]
        self._profiler = None
        return sorted(found, key=_start)


def make_recorder(wanted: str, troubles: list[str]) -> Recorder | None:
    """The best recorder that works here.

    Args:
        wanted: "auto", "cupti" or "kineto".
        troubles: Gets why a better one does not work.

    Returns:
        None where there is none.
    """
    makers: dict[str, Callable[[], Recorder]] = {"cupti": Cupti, "kineto": Kineto}
    for name, make in makers.items():
        if wanted not in ("auto", name):
            continue
        try:
            return make()
        except Exception as error:  # whatever fails, a lesser one may work, and the name says so
            troubles.append(f"no {name}: {type(error).__name__}: {error}")
    return None


def _device_events(profiler: Any) -> list[Any]:
    results = profiler.profiler.kineto_results
    return [event for event in results.events() if event.device_type().name == "CUDA"]


def _start(record: Record) -> int:
    return record.start
