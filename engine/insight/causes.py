"""Why an evaluation failed, in one line, and a key that is the same for the same cause.

Looks through wrappers: the first compiler error and not the ``BuildError`` around it, the line of
the exception and not the tensors printed below it. Pure functions of the trace.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from engine.build.diagnostics import Diagnostic, Trouble, better, error_in, trouble_in
from engine.insight.faults import device_fault, ended_by_signal
from engine.insight.folding import fold, key_of, log_lines, without_dumps
from engine.insight.magnitude import Size, size_of
from engine.insight.tracebacks import (
    PRINTED,
    Joint,
    Raised,
    exceptions,
    own_frame,
    true_cause,
)
from engine.schema import Correctness, Status

LONGEST_LINE = 300
"""Characters of a cause's line."""
_HEAD, _TAIL = 512 << 10, 128 << 10
"""Characters of a log that are looked at, from its beginning and its end."""


class CauseKind(StrEnum):
    """What kind of thing went wrong."""

    COMPILE = "compile"
    TRITON = "triton"
    MACHINE = "machine"
    ARITY = "arity"
    MISSING = "missing"
    MEMORY = "memory"
    DEVICE = "device"
    EXCEPTION = "exception"
    SIGNAL = "signal"
    TIMEOUT = "timeout"
    SHAPE = "shape"
    DTYPE = "dtype"
    NUMERICAL = "numerical"
    OTHER = "other"


class Cause(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an evaluation failed.

    Args:
        kind: What kind of thing.
        line: In one line, with the numbers of this evaluation.
        key: The same for every evaluation that failed for this cause.
        file: Source file that the log names, as it does so, or "".
        number: Line in it, from 1, or 0.
        hint: What to try, or "".
        at: Line of the log that says so, from 0; -1 where none does.
    """

    kind: CauseKind
    line: str
    key: str
    file: str = ""
    number: int = 0
    hint: str = ""
    at: int = -1


def cause_of(status: str, log: str, correctness: Correctness | None = None) -> Cause:
    """Why an evaluation failed.

    Args:
        status: Of the trace; not PASSED.
        log: Of the trace, as any program wrote it.
        correctness: Of the trace, where it has that.
    """
    if status == Status.INCORRECT_NUMERICAL and correctness is not None:
        return _numerical(size_of(correctness))
    if len(log) <= _HEAD + _TAIL:
        return _of_log(status, log)
    head, middle = log[:_HEAD], log[_HEAD:-_TAIL]
    cause = _of_log(status, f"{head}\n{log[-_TAIL:]}")
    if cause.at <= head.count("\n"):
        return cause
    return replace(cause, at=cause.at + middle.count("\n") - 1)


def _of_log(status: str, log: str) -> Cause:
    lines = log_lines(log)
    said = lines[: lines.index(PRINTED)] if PRINTED in lines else lines
    formed = _FORMS.get(status)
    if formed is not None:
        return _plain(formed, status, said)
    raised = exceptions(said) or exceptions(lines)
    return (
        _compiler(lines, status == Status.COMPILE_ERROR)
        or _triton(raised, lines)
        or _exception(true_cause(raised), lines)
        or _ended(said)
        or _ended(lines)
        or _plain(CauseKind.OTHER, status, said)
    )


_FORMS = {
    Status.TIMEOUT.value: CauseKind.TIMEOUT,
    Status.INCORRECT_SHAPE.value: CauseKind.SHAPE,
    Status.INCORRECT_DTYPE.value: CauseKind.DTYPE,
}


def _made(
    kind: CauseKind, line: str, folded: str, *, at: int, hint: str = "", place: tuple[str, int]
) -> Cause:
    return Cause(
        kind=kind,
        line=without_dumps(line)[:LONGEST_LINE],
        key=key_of(kind, folded),
        file=place[0],
        number=place[1],
        hint=hint,
        at=at,
    )


# Wrong values, wrong form, too late


def _numerical(size: Size) -> Cause:
    line = f"wrong by {size.value}"
    return Cause(kind=CauseKind.NUMERICAL, line=line, key=key_of(CauseKind.NUMERICAL, size.name))


_TELLING = re.compile(
    r"shape|dtype|instead of|time[ds]? ?out|did not finish|within|[Ee]xpected|mismatch|[Ee]rror|"
    r"[Ff]ail|fatal|[Ii]nvalid"
)
_NOISE = ("Traceback (most", "During handling of", "The above exception", "Warning:")


def _plain(kind: CauseKind, status: str, lines: Sequence[str]) -> Cause:
    """By the first line that tells something, whatever it is."""
    telling = [
        (at, line.strip())
        for at, line in enumerate(lines)
        if line.strip() and not any(noise in line for noise in _NOISE)
    ]
    first = next(((at, line) for at, line in telling if _TELLING.search(line)), None)
    at, line = first or next(iter(telling), (-1, ""))
    if not line:
        words = status.lower().replace("_", " ")
        return _made(kind, f"{words}, and the log says nothing", status, at=-1, place=("", 0))
    return _made(kind, line, fold(line), at=at, place=("", 0))


# Compilers

_COMPILER_WORDS = (
    *(
        "error",
        "undefined reference",
        "cannot find",
        "multiple definition",
        "killed",
        "died due to",
    ),
    *("memory exhausted", "out of memory", "bad_alloc", "no space left", "file too large"),
)
"""One of them is in every line that the patterns of ``engine.build.diagnostics`` know."""
_MLIR = re.compile(r'loc\("(?P<file>[^"]+)":(?P<line>\d+):\d+\)+: error: (?P<message>.+)$')
_TROUBLES = {
    Trouble.MEMORY: "the compiler ran out of memory",
    Trouble.KILLED: "the compiler was killed from outside",
    Trouble.FILE_SIZE: "the compiler wrote a file that is too large",
    Trouble.DISK: "no space was left for the compiler to write",
}


def _compiler(lines: Sequence[str], building: bool) -> Cause | None:
    """By the first error of a compiler; what a driver says of it counts where nothing else does."""
    first: Diagnostic | None = None
    where, trouble = -1, None
    for at, line in enumerate(lines):
        small = line.lower()
        if not any(word in small for word in _COMPILER_WORDS):
            continue
        trouble = trouble or (trouble_in(line) if building else None)
        found = next((item for part in _parts(line) if (item := _diagnostic(part))), None)
        former = first
        first = better(former, found)
        if first is not former:
            where = at
        if first is not None and not first.summary:
            break
    if trouble is not None and (first is None or not first.line):
        words = _TROUBLES[trouble]
        return _made(CauseKind.MACHINE, words, words, at=where, place=("", 0))
    if first is None:
        return None
    line = str(replace(first, file=first.file.rpartition("/")[2] or first.file))
    hint, place = _linker_hint(first.message), (first.file, first.line)
    return _made(CauseKind.COMPILE, line, fold(first.message), at=where, hint=hint, place=place)


def _parts(line: str) -> list[str]:
    """A line, or the lines of an output that was printed as the text of a Python value."""
    return [part.strip() for part in (line.split("\\n") if "\\n" in line else [line])]


def _diagnostic(line: str) -> Diagnostic | None:
    if match := _MLIR.search(line):
        return Diagnostic(match["message"], match["file"], int(match["line"]))
    return error_in(line)


_LIBRARY = re.compile(r"(?:undefined (?:reference to|symbol:?)|-l)\W*(cublas|cudnn|cufft|cusparse)")


def _linker_hint(message: str) -> str:
    match = _LIBRARY.search(message)
    return f"name {match[1]} in the solution's dependencies" if match else ""


# Triton

_TRITON = ("CompilationError", "UnsupportedLanguageConstruct", "CompileTimeAssertionFailure")
_CARET = re.compile(r"^\s*\^\s*$")


def _triton(raised: Sequence[Raised], lines: Sequence[str]) -> Cause | None:
    """By what Triton says below its excerpt of the source, in the innermost function."""
    named = [item for item in raised if item.short in _TRITON]
    if not named:
        return None
    found = next((item for item in named if _caret(item, lines) >= 0), named[0])
    caret = _caret(found, lines)
    rest = (lines[at].strip() for at in range(caret + 1, found.end if caret >= 0 else 0))
    message = next((line for line in rest if line), "")
    before = raised[: raised.index(found)]
    if not message and found.joint is Joint.CAUSE and before:
        message = f"{before[-1].short}: {before[-1].message}"
    message = message or found.message
    at = max(found.at, caret - 1)
    return _made(CauseKind.TRITON, message, fold(message), at=at, place=("", 0))


def _caret(raised: Raised, lines: Sequence[str]) -> int:
    """Line of the caret below an exception's excerpt of the source, -1 where it has none."""
    return next((at for at in range(raised.at, raised.end) if _CARET.match(lines[at])), -1)


# Exceptions

_TOO_MANY = re.compile(
    r"takes (?:from \d+ to |at most )?(?P<due>\d+|no) (?:required )?(?:positional )?arguments?,? "
    r"but (?P<given>\d+)(?: positional arguments?.*)? (?:was|were) given"
    r"|takes (?P<due_given>\d+) positional arguments? \((?P<given_in>\d+) given\)"
)
_TOO_FEW = re.compile(r"missing \d+ required positional arguments?: ")
_FFI = re.compile(
    r"Mismatched number of arguments when calling:.*[Ee]xpected (?P<due>\d+) but got (?P<given>\d+)"
)
_STYLE = re.compile(
    r"(?P<style>Destination-passing|Value-returning) style callable"
    r"(?:: expected (?P<due>\d+) (?:positional )?parameters, but "
    r"(?:got (?P<own>\d+)|signature .*(?P<many>too many))?"
    r"| has incorrect number of parameters: (?P<own_first>\d+) != (?P<due_last>\d+))"
)
RETURNS = "try destination_passing_style=false"
WRITES = "try destination_passing_style=true"
_MISSING = re.compile(r"No module named '?(?P<module>[\w.]+)'?")


def _exception(raised: Raised | None, lines: Sequence[str]) -> Cause | None:
    """By the exception that the others follow from."""
    if raised is None:
        return None
    frame = own_frame(raised)
    place = (frame.file, frame.line) if frame else ("", 0)
    message = without_dumps(raised.message)
    line = f"{raised.short}: {message}" if message else raised.short
    fault = device_fault(f"{raised.name}: {raised.message}", lines)
    if fault is not None:
        kind = CauseKind.MEMORY if fault.memory else CauseKind.DEVICE
        return _made(kind, line, fault.name, at=raised.at, hint=fault.hint, place=place)
    arity = _arity(raised) if frame is None else None
    if arity is not None:
        return _made(CauseKind.ARITY, line, arity[0], at=raised.at, hint=arity[1], place=place)
    match = _MISSING.search(message)
    if match and raised.short in ("ModuleNotFoundError", "ImportError"):
        module = match["module"].partition(".")[0]
        return _made(CauseKind.MISSING, line, module, at=raised.at, place=place)
    folded = fold(line)
    if not message and frame is not None and frame.code:
        # A bare assertion is told by what it asserts.
        line, folded = f"{line}: {frame.code}", fold(f"{line}: {frame.code}")
    hint = _linker_hint(message)
    return _made(CauseKind.EXCEPTION, line, folded, at=raised.at, hint=hint, place=place)


def _arity(raised: Raised) -> tuple[str, str] | None:
    """(folded, hint) of a call of the entry point with the wrong number of arguments."""
    message = raised.message
    if match := _STYLE.search(message):
        own = match["own"] or match["own_first"]
        due = match["due"] or match["due_last"]
        takes_less = bool(match["many"]) or (own is not None and int(own) < int(due))
        if match["style"].startswith("Destination"):
            return ("takes less", RETURNS) if takes_less else ("takes more", "")
        return ("takes less", "") if takes_less else ("takes more", WRITES)
    if match := _FFI.search(message):
        takes_less = int(match["due"]) < int(match["given"])
        return ("takes less", RETURNS) if takes_less else ("takes more", WRITES)
    if raised.short == "TypeError" and _TOO_MANY.search(message):
        return "takes less", RETURNS
    if raised.short == "TypeError" and _TOO_FEW.search(message):
        return "takes more", WRITES
    return None


# Processes that ended without an exception

_WHAT = re.compile(r"^\s*what\(\):\s*(?P<message>.+)$")


def _ended(lines: Sequence[str]) -> Cause | None:
    """By the signal or the exit code that ended the process, or by what C++ said before."""
    for at, line in enumerate(lines):
        fault = device_fault(line, lines)
        if fault is not None:
            kind = CauseKind.MEMORY if fault.memory else CauseKind.DEVICE
            hint, place = fault.hint, ("", 0)
            return _made(kind, line.strip(), fault.name, at=at, hint=hint, place=place)
    for at, line in enumerate(lines):
        if match := _WHAT.match(line):
            message = match["message"]
            return _made(CauseKind.EXCEPTION, message, fold(message), at=at, place=("", 0))
    for at, line in enumerate(lines):
        if signal := ended_by_signal(line):
            return _made(CauseKind.SIGNAL, line.strip(), signal, at=at, place=("", 0))
    return None
