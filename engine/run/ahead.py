"""Compile ahead: kernels of Triton solutions are compiled before a device is taken for them.

Triton compiles at a kernel's first call, in the process that holds the GPU. Here a child that sees
no GPU makes these calls before, with tensors that hold nothing and a driver that launches nothing
(``dry``), and what it leaves in Triton's cache is put where the child on the GPU looks. Nothing
depends on it: a kernel that is not there is compiled at its first call.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import metadata
from itertools import count
from pathlib import Path

import msgspec
from msgspec import Struct

from engine.build.layout import lay_out
from engine.places import cache_dir
from engine.run import protocol
from engine.run.devices import Device
from engine.run.dry_orders import dry_calls, load_order
from engine.run.kernel_cache import copy_kernels, count_kernels
from engine.run.process import (
    Cancelled,
    Child,
    ChildBrokeProtocol,
    ChildGone,
    ChildTimedOut,
    Server,
    ServerFailed,
)
from engine.run.start_method import must_spawn
from engine.schema import Definition, Language, Solution, Workload, digest

RETRY_S = 24 * 3600.0
"""Seconds for which a dry call that failed is not tried again."""
_FORMAT = "1"
"""Changes whenever dry calls do something else."""
_LONGEST = 300
"""Characters of a reason."""
_DRY_DEVICE = Device(name=protocol.DRY, hardware="", key="")
_KERNELS, _RESULT = "kernels", "result.json"


class Compiled(Struct, kw_only=True, frozen=True):
    """What is compiled of a solution.

    Args:
        folder: Kernels to be copied with :func:`install`, in the cache; never to be changed.
            None where there are none.
        kernels: How many.
        seconds: How long it took.
        cached: No process was started.
        reason: Why some are missing, in one line; "" if every call went through.
    """

    folder: Path | None
    kernels: int
    seconds: float
    cached: bool
    reason: str = ""


class _Result(Struct, kw_only=True):
    """What the cache keeps beside the kernels; ``limit_s`` is 0 unless time ran out."""

    reason: str
    limit_s: float
    made: float


class Ahead:
    """Compiles Triton solutions before a GPU is needed. Any thread may use it.

    Args:
        scratch: Folder for private folders of children.
        cache: Folder of results; the user's where None.
    """

    def __init__(self, scratch: Path, cache: Path | None = None) -> None:
        self._scratch = scratch
        self._cache = cache or cache_dir() / "triton"
        # The kernel ends a fork server together with the thread that started it, so a thread of
        # its own starts it, and has all the talk with it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._server: Server | None = None
        self._broken = ""
        self._slots = threading.Semaphore(max(1, len(os.sched_getaffinity(0)) // 2))
        self._guard = threading.Lock()
        self._locks: dict[Path, threading.Lock] = {}
        self._numbers = count()

    def compile(
        self,
        solution: Solution,
        definition: Definition,
        workloads: Sequence[Workload],
        capability: str,
        *,
        limit_s: float,
        stop: Callable[[], bool] = lambda: False,
    ) -> Compiled:
        """Compile what calls on some workloads need, or find what was compiled before.

        Args:
            solution: Of any language.
            definition: What it solves.
            workloads: What it will be called on.
            capability: Of the GPU, without the dot ("90"); "" without one.
            limit_s: Seconds for all of it, once its turn has come.
            stop: Asked now and then; True gives up.

        Raises:
            Cancelled: ``stop`` said so.
        """
        started = time.monotonic()
        if stop():
            raise Cancelled
        if solution.spec.language is not Language.TRITON or not capability:
            return Compiled(folder=None, kernels=0, seconds=0.0, cached=True)
        calls = dry_calls(definition, workloads)
        solution_key, key = _keys(solution, definition, calls, capability)
        entry = self._cache / solution_key / key
        with self._alone(entry, stop):
            result = _known(entry, limit_s)
            cached = result is not None
            if result is None:
                orders = [protocol.Pretend(capability=capability), *calls]
                with _held(self._slots, stop):
                    result = self._make(solution, definition, orders, entry, limit_s, stop)
        kernels = count_kernels(entry / _KERNELS)
        return Compiled(
            folder=entry / _KERNELS if kernels else None,
            kernels=kernels,
            seconds=time.monotonic() - started,
            cached=cached,
            reason=result.reason,
        )

    def close(self) -> None:
        """End the fork server. Nothing may be compiled after this."""
        self._thread.submit(self._end_server).result()
        self._thread.shutdown()

    def _end_server(self) -> None:
        if self._server is not None:
            self._server.close()

    @contextmanager
    def _alone(self, entry: Path, stop: Callable[[], bool]) -> Iterator[None]:
        """Nobody else in this process works on the same calls."""
        with self._guard:
            lock = self._locks.setdefault(entry, threading.Lock())
        with _held(lock, stop):
            yield

    def _make(
        self,
        solution: Solution,
        definition: Definition,
        orders: Sequence[Struct],
        entry: Path,
        limit_s: float,
        stop: Callable[[], bool],
    ) -> _Result:
        """Have a child carry out orders, and put what it leaves into the cache."""
        folder = self._scratch / f"ahead-{next(self._numbers)}"
        result = _Result(reason="", limit_s=0.0, made=time.time())
        try:
            sources = lay_out(solution, folder / "src")
            # What an attempt did not finish, or other workloads needed, is not compiled again.
            for former in sorted(entry.parent.glob(f"*/{_KERNELS}")):
                copy_kernels(former, _triton_cache(folder))
            load = load_order(solution, definition, sources)
            child = self._thread.submit(self._child, folder).result()
            try:
                reason = _talk(child, [orders[0], load, *orders[1:]], limit_s, stop)
                result.reason = reason.replace(f"{sources}/", "")
            except ChildTimedOut:
                result.reason = f"the dry calls did not finish within {limit_s:g} s"
                result.limit_s = limit_s
            except (ChildGone, ChildBrokeProtocol) as error:
                result.reason = f"a dry call failed: {error}"
            finally:
                child.kill()
            self._store(folder, entry, result)
        except (ServerFailed, OSError) as error:
            # No fault of the solution's, so that nothing is remembered.
            result.reason = f"nothing could be compiled ahead: {error}"
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return result

    def _child(self, folder: Path) -> Child:
        """Start a dry child. Runs in the thread of the fork server.

        Raises:
            ServerFailed: It cannot be started.
        """
        if self._broken:
            raise ServerFailed(self._broken)
        try:
            if self._server is None:
                self._scratch.mkdir(parents=True, exist_ok=True)
                self._server = Server(_DRY_DEVICE, self._scratch, spawn=must_spawn())
            return self._server.child(folder)
        except ServerFailed as error:
            # It can take minutes to fail: not for every solution.
            self._broken = str(error)
            raise
        except (ChildGone, ChildTimedOut, ChildBrokeProtocol) as error:
            raise ServerFailed(str(error)) from None

    def _store(self, folder: Path, entry: Path, result: _Result) -> None:
        """Put a child's kernels into the cache under their key, in place of former ones."""
        entry.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix="making-", dir=self._cache))
        try:
            written = _triton_cache(folder)
            if written.resolve() == _triton_cache(folder.resolve()):
                copy_kernels(written, making / _KERNELS)
            (making / _RESULT).write_bytes(msgspec.json.encode(result))
            if entry.exists():
                entry.rename(making / "former")
            try:
                making.rename(entry)
            except OSError:
                if not entry.exists():  # else somebody else was faster
                    raise
            shutil.rmtree(entry / "former", ignore_errors=True)
        finally:
            shutil.rmtree(making, ignore_errors=True)


def install(compiled: Compiled, scratch: Path) -> None:
    """Put kernels where the child that is about to start in ``scratch`` will find them.

    Raises:
        OSError: The folder cannot be written.
    """
    if compiled.folder is not None:
        copy_kernels(compiled.folder, _triton_cache(scratch))


def _triton_cache(scratch: Path) -> Path:
    """Where ``prepare_child`` tells Triton to keep what it compiles."""
    return scratch / "cache" / "triton"


def _talk(child: Child, orders: Sequence[Struct], limit_s: float, stop: Callable[[], bool]) -> str:
    """Give orders one after another; whatever a call raises, the next one is made.

    Returns:
        The first exception in one line, or "".
    """
    deadline = time.monotonic() + limit_s
    reason = ""
    for order in orders:
        left = deadline - time.monotonic()
        answer, descriptors = child.ask(order, limit=left, phase="a dry call", stop=stop)
        for descriptor in descriptors:
            os.close(descriptor)
        if isinstance(answer, protocol.Failure):
            reason = reason or _one_line(answer)
            if not isinstance(order, protocol.DryCall):
                break
        elif not isinstance(answer, protocol.Done):
            raise ChildBrokeProtocol(f"it answered with {type(answer).__name__}")
    return reason


def _one_line(failure: protocol.Failure) -> str:
    lines = failure.message.strip().splitlines() or [""]
    # Of Triton's, the first lines quote the kernel.
    line = lines[-1] if failure.error == "CompilationError" else lines[0]
    return (line if line.startswith(failure.error) else f"{failure.error}: {line}")[:_LONGEST]


@contextmanager
def _held(lock: threading.Lock | threading.Semaphore, stop: Callable[[], bool]) -> Iterator[None]:
    while not lock.acquire(timeout=0.1):
        if stop():
            raise Cancelled
    try:
        yield
    finally:
        lock.release()


def _known(entry: Path, limit_s: float) -> _Result | None:
    """What the cache says, unless it is worth another attempt."""
    try:
        result = msgspec.json.decode((entry / _RESULT).read_bytes(), type=_Result)
    except (OSError, msgspec.DecodeError):
        return None
    if not result.reason:
        return result
    is_old = time.time() - result.made > RETRY_S
    had_less_time = 0 < result.limit_s < limit_s
    return None if is_old or had_less_time else result


def _keys(
    solution: Solution, definition: Definition, calls: Sequence[Struct], capability: str
) -> tuple[str, str]:
    """Names of all that belongs to a solution here, and of what belongs to these calls."""
    versions = [_version(name) for name in ("triton", "torch")]
    python = sys.implementation.cache_tag or sys.version
    contents = [solution.content_hash(), definition.content_hash(), capability]
    parts = sorted(msgspec.json.encode(call).decode() for call in calls)
    return digest([_FORMAT, *contents, python, *versions]), digest(parts)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
