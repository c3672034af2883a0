"""Compiles C++ and CUDA solutions into libraries, in parallel, with limits, cached by content.

Runs compilers, never what they produce. A library is named by everything that goes into it: the
solution's content, the binding, compilers and packages, the GPU's architecture and the flags.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from msgspec import Struct

from engine.build.boxed import GIB, End, How, Limits, default_limits, run_boxed
from engine.build.build_log import BuildLog, Voice
from engine.build.cache import BUILDING, LIBRARY, LOG, builds_dir, touch
from engine.build.commands import (
    CUDA_FLAGS,
    FLAGS,
    Command,
    OddName,
    compile_commands,
    link_command,
)
from engine.build.dependencies import Needs, missing, needs_of
from engine.build.diagnostics import Trouble
from engine.build.layout import lay_out
from engine.build.toolchain import Toolchain, find_toolchain
from engine.schema import Binding, Language, Solution, digest

COMPILED = (Language.CPP, Language.CUDA)
_AT_ONCE = 4
_PASSED_ON = ("PATH", "CUDA_HOME", "LD_LIBRARY_PATH")
_LONGEST_TEXT = 64 << 10


_MOST_ATTEMPTS = 4
"""How often a compiler is started that somebody kills."""


class CompileFailed(Exception):
    """The sources do not compile.

    Attributes:
        reason: The first error, in one line.
        log: What the compilers said.
    """

    def __init__(self, reason: str, log: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.log = log


class DependencyMissing(CompileFailed):
    """Something that the solution says it needs is not here."""


class CompileKilled(CompileFailed):
    """Somebody killed the compilers, as often as they were started."""


class CompileTimedOut(CompileFailed):
    """The compilers did not finish in time; they were killed."""


class CompileStopped(CompileTimedOut):
    """The build was given up because nobody wants it any more; says nothing of the sources."""


class Compiled(Struct, kw_only=True, frozen=True):
    """A library that is ready to be loaded.

    Args:
        library: Its file, in the cache; never to be changed.
        cached: It was there already.
        seconds: That it took to build or find.
        log: What the compilers said.
    """

    library: Path
    cached: bool
    seconds: float
    log: str


def binding_of(solution: Solution) -> Binding:
    """The binding that a compiled solution uses; tvm-ffi where it names none."""
    return solution.spec.binding or Binding.TVM_FFI


def check_dependencies(solution: Solution) -> None:
    """Make sure that everything is here that a solution, of any language, says it needs.

    Raises:
        DependencyMissing: It is not.
    """
    if reason := missing(solution):
        raise DependencyMissing(reason, "")


def compile_solution(
    solution: Solution,
    *,
    architecture: str,
    limit_s: float,
    stop: Callable[[], bool] = lambda: False,
    cache: Path | None = None,
    log: Path | BuildLog | None = None,
    limits: Limits | None = None,
) -> Compiled:
    """Compile a solution, or find the library that was compiled before.

    Args:
        solution: In C++ or CUDA.
        architecture: Compute capability without the dot ("90"), or "" without a GPU.
        limit_s: Seconds for all of it.
        stop: Asked now and then; True gives up.
        cache: Folder of libraries; the user's where None.
        log: Grows while the compilers speak.
        limits: Of each compiler process; by the machine's memory where None.

    Raises:
        CannotBuild: A compiler or package is missing, or there is nothing to compile.
        CompileFailed: The sources are wrong, or need too much memory.
        DependencyMissing: Something is not here.
        CompileTimedOut: It took too long.
        CompileStopped: It was stopped.
        CompileKilled: Somebody killed the compilers.
        OSError: The cache cannot be written, or no compiler can be started.
    """
    started = time.monotonic()
    if stop():
        raise CompileStopped("the build was stopped", "")
    said = log if isinstance(log, BuildLog) else BuildLog(log)
    check_dependencies(solution)
    needs = needs_of(solution)
    binding = binding_of(solution)
    tools = find_toolchain(solution.spec.language, binding)
    folder = (cache or builds_dir()) / _key(solution, binding, tools, needs, architecture)
    library = folder / LIBRARY
    touch(folder)  # before the look, so that it is not trimmed after it
    if library.is_file():
        text = _kept_log(folder)
        said.write("built before", text)
        taken = time.monotonic() - started
        return Compiled(library=library, cached=True, seconds=taken, log=text)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=BUILDING, dir=folder.parent))
    try:
        sources = lay_out(solution, work)
        workshop = _Workshop(sources, started + limit_s, stop, said, limits or default_limits())
        try:
            commands = compile_commands(solution, tools, needs, architecture, sources)
        except OddName as error:
            raise CompileFailed(str(error), "") from None
        workshop.run_all(commands)
        objects = [work / f"{number}.o" for number in range(len(commands))]
        link = link_command(list(map(str, objects)), work / LIBRARY, tools, needs)
        workshop.run_all([link])
        for item in objects:
            item.unlink()
        text = said.text()[:_LONGEST_TEXT]
        (work / LOG).write_text(text, encoding="utf-8", errors="replace")
        try:
            work.rename(folder)
        except OSError:
            if not library.is_file():  # else somebody else was faster, with the same content
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    taken = time.monotonic() - started
    return Compiled(library=library, cached=False, seconds=taken, log=text)


def _key(
    solution: Solution, binding: Binding, tools: Toolchain, needs: Needs, architecture: str
) -> str:
    flags = [*FLAGS, *CUDA_FLAGS, *tools.defines, tools.standard]
    needed = msgspec.json.encode(needs).decode()
    return digest([solution.content_hash(), binding, architecture, *tools.versions, *flags, needed])


def _kept_log(folder: Path) -> str:
    try:
        return (folder / LOG).read_text(encoding="utf-8", errors="replace")[:_LONGEST_TEXT]
    except OSError:
        return ""


class _Workshop:
    """Runs the commands of one build, in boxes, and tells why one fails."""

    def __init__(
        self,
        folder: Path,
        deadline: float,
        stop: Callable[[], bool],
        log: BuildLog,
        limits: Limits,
    ) -> None:
        self._folder = folder
        self._deadline = deadline
        self._stop = stop
        self._log = log
        self._limits = limits
        self._environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        # In English, whatever the user speaks: we read it.
        self._environment |= {
            "LC_ALL": "C.UTF-8",
            "HOME": str(folder),
            "TMPDIR": str(folder.parent),
        }

    def run_all(self, commands: Sequence[Command]) -> None:
        """Run commands side by side; all of them to their end, for all that they say."""
        with ThreadPoolExecutor(min(_AT_ONCE, len(commands))) as pool:
            outcomes = list(pool.map(self._outcome, commands))
        problems = [item for item in outcomes if item is not None]
        if problems:
            # An error in the sources says more than that another file took too long.
            raise next((item for item in problems if type(item) is CompileFailed), problems[0])

    def _outcome(self, command: Command) -> CompileFailed | OSError | None:
        try:
            self._run(command)
        except (CompileFailed, OSError) as error:
            return error.with_traceback(None)
        return None

    def _run(self, command: Command) -> None:
        """Run one command; again where it was killed and not by us."""
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            voice = Voice(self._log, command.name, self._folder)
            end = run_boxed(
                command.words,
                folder=self._folder,
                environment=self._environment,
                limits=self._limits,
                seconds=max(0.0, self._deadline - time.monotonic()),
                stop=self._stop,
                hear=voice.hear,
            )
            voice.end()
            if not _was_killed(end, voice):
                break
            if attempt < _MOST_ATTEMPTS:
                self._log.write(command.name, "[killed from outside; it is tried again]\n")
        if end != End(How.EXIT, 0):
            raise self._problem(command, end, voice)

    def _problem(self, command: Command, end: End, voice: Voice) -> CompileFailed | OSError:
        text = voice.text()
        if end.how is How.STOPPED:
            return CompileStopped("the build was stopped", text)
        if end.how is How.LATE:
            return CompileTimedOut("the compiler did not finish within the limit", text)
        if end.how is How.FAILED:
            return OSError(end.text)
        if _was_killed(end, voice):
            return CompileKilled(
                f"the compiler was killed from outside (SIGKILL), {_MOST_ATTEMPTS} times; the "
                "machine may be short of memory",
                text,
            )
        error, trouble = voice.error, voice.trouble
        if trouble is not None and (error is None or not error.line or trouble is Trouble.DISK):
            if trouble is Trouble.DISK:
                return OSError(errno.ENOSPC, "no space is left for compilers to write")
            return CompileFailed(self._beyond(trouble), text)
        if end.how is How.SIGNAL and end.code == signal.SIGXFSZ:
            return CompileFailed(self._beyond(Trouble.FILE_SIZE), text)
        if error is not None:
            if not error.file and not error.summary and command.name != "link":
                error = msgspec.structs.replace(error, file=command.name)
            return CompileFailed(str(error), text)
        how = f"status {end.code}"
        if end.how is How.SIGNAL:
            how = signal.Signals(end.code).name
        return CompileFailed(f"{Path(command.words[0]).name} ended with {how}", text)

    def _beyond(self, trouble: Trouble) -> str:
        if trouble is Trouble.MEMORY:
            return f"the compiler ran out of memory (limit {self._limits.memory / GIB:g} GiB)"
        return f"the compiler wrote a file beyond {self._limits.file_size / GIB:g} GiB"


def _was_killed(end: End, voice: Voice) -> bool:
    """Whether it, or a compiler that it started, got a SIGKILL that is not ours."""
    if end.how is How.LOST or end == End(How.SIGNAL, signal.SIGKILL):
        return True
    located = voice.error is not None and voice.error.line
    return end != End(How.EXIT, 0) and voice.trouble is Trouble.KILLED and not located
