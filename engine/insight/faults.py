"""What goes wrong on a device, told from a line of a log: faults, lack of memory, signals."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

from msgspec import Struct

from engine.insight.folding import fold


class Fault(Struct, frozen=True):
    """A fault of a device.

    Args:
        name: The same whichever library reports it, and however.
        memory: True where memory was lacking.
        hint: What to do, or "".
    """

    name: str
    memory: bool = False
    hint: str = ""


_HOST_MEMORY = re.compile(
    r"\bMemoryError\b|DefaultCPUAllocator: (?:can't|not enough)|std::bad_alloc|"
    r"[Cc]annot allocate memory"
)
_GPU_MEMORY = re.compile(
    r"CUDA out of memory|OutOfMemoryError|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|"
    r"(?:CUDA|cuda|Triton)[^:]*[Ee]rror[^:]*: out of memory|CUBLAS_STATUS_ALLOC_FAILED"
)
_KNOWN: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern), name, hint)
    for pattern, name, hint in (
        (r"illegal memory access|ILLEGAL_ADDRESS|IllegalAddress", "illegal memory access", ""),
        (r"misaligned address|MISALIGNED_ADDRESS|MisalignedAddress", "misaligned address", ""),
        (r"illegal instruction|ILLEGAL_INSTRUCTION", "illegal instruction", ""),
        (r"device-side assert|CUDA_ERROR_ASSERT|cudaErrorAssert", "assertion on the device", ""),
        (
            r"no kernel image is available|NO_BINARY_FOR_GPU|NoKernelImageForDevice",
            "no kernel image",
            "it was compiled for another GPU architecture",
        ),
        (
            r"too many resources requested for launch|LAUNCH_OUT_OF_RESOURCES|LaunchOutOfResources",
            "too many resources for a launch",
            "",
        ),
        (
            r"invalid configuration argument|InvalidConfiguration",
            "invalid launch configuration",
            "",
        ),
        (r"unspecified launch failure|LAUNCH_FAILED|LaunchFailure", "launch failure", ""),
        (r"invalid device function|InvalidDeviceFunction", "invalid device function", ""),
        (r"invalid resource handle|INVALID_HANDLE", "invalid handle", ""),
    )
)
_OTHER = re.compile(
    r"(?:CUDA|Triton|HIP|cuBLAS|CUBLAS|cuDNN) (?:driver |runtime )?[Ee]rror"
    r"(?: \[CUDA\])?(?: at [^:]+:\d+)?: ?(?P<message>[^\n]+)"
)
_ASSERTION = re.compile(r"Assertion `(?P<condition>.+)` failed")
_SIGNAL = re.compile(r"\b(?P<name>SIG[A-Z]{2,6})\b")
_SIGNAL_NUMBER = re.compile(
    r"(?:\b[Ss]ignal |exit ?code:? -|returned -|code -|status -)(?P<number>\d+)\b"
)
_SIGNAL_WORDS = (
    ("Segmentation fault", "SIGSEGV"),
    ("Aborted", "SIGABRT"),
    ("Bus error", "SIGBUS"),
    ("Floating point exception", "SIGFPE"),
)


def device_fault(text: str, lines: Sequence[str] = ()) -> Fault | None:
    """The fault that a line tells of.

    Args:
        text: The line.
        lines: The whole log, for the assertion that failed on the device.
    """
    if _HOST_MEMORY.search(text):
        return Fault("memory of the host", memory=True)
    if _GPU_MEMORY.search(text):
        return Fault("memory of the GPU", memory=True)
    if "CUDA" not in text and "cuda" not in text and "Triton" not in text and "HIP" not in text:
        return None
    for pattern, name, hint in _KNOWN:
        if pattern.search(text):
            if name.startswith("assertion"):
                name = f"{name} {_assertion(lines)}".strip()
            return Fault(name, hint=hint)
    match = _OTHER.search(text)
    return Fault(fold(match["message"])) if match else None


def _assertion(lines: Sequence[str]) -> str:
    found = (match for line in lines if (match := _ASSERTION.search(line)))
    return next((fold(match["condition"]) for match in found), "")


def ended_by_signal(line: str) -> str:
    """Name of the signal that a line says a process was ended by, or ""."""
    for words, name in _SIGNAL_WORDS:
        if words in line:
            return name
    if match := _SIGNAL.search(line):
        return match["name"]
    if match := _SIGNAL_NUMBER.search(line):
        try:
            return signal.Signals(int(match["number"])).name
        except ValueError:
            return ""
    return ""
