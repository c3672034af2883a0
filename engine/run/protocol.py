"""Messages between the runner, the fork server and the child program.

Every message is one JSON object in a length-prefixed frame (``channel``), checked against these
Structs on arrival; raw tensors travel beside it as sealed memory files. There is no pickle, and
nothing here is a verdict: a child reports ticks, bytes and exceptions.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from engine.evaluate.facts import Check, Rule
from engine.measure.calibration import Calibration
from engine.measure.facts import Work
from engine.schema.definition import Definition
from engine.schema.workload import Workload

Nanoseconds = Annotated[int, Meta(ge=0, lt=1 << 62)]
"""Bounded: a child could send a number with a thousand digits, which no float can hold."""

Megahertz = Annotated[float, Meta(ge=0, lt=1e6)]

DRY = "dry"
"""In place of a device: no GPU is visible, and kernels are compiled but not launched."""


class TensorMeta(Struct, kw_only=True):
    """One tensor in a memory file.

    Args:
        dtype: Name as in torch, without the prefix ("bfloat16"), or what came instead of a
            tensor ("NoneType") where ``shape`` is None.
        shape: Lengths, or None where this is not a tensor.
        offset: First byte in the memory file; -1 where the bytes were not sent.
        nbytes: Number of bytes.
    """

    name: str
    dtype: str
    shape: list[int] | None
    offset: int = -1
    nbytes: int = 0


# --- runner -> child ---------------------------------------------------------------------------


class Load(Struct, tag="load", kw_only=True):
    """Import a solution from ``folder``, or load its ``library``, and keep the entry function."""

    folder: str
    library: str = ""
    binding: str = ""
    language: str
    entry_file: str
    entry_function: str
    destination_passing: bool
    inputs: list[str]
    outputs: list[str]


class Open(Struct, tag="open", kw_only=True):
    """Take one set of inputs: tensors from the memory file that comes along, and scalars."""

    key: int
    order: list[str]
    tensors: list[TensorMeta]
    scalars: dict[str, bool | int | float]
    outputs: list[TensorMeta]


class Call(Struct, tag="call", kw_only=True):
    """Call once (or ``repeat`` times, outputs stacked) on a set and send the outputs."""

    key: int
    repeat: int = 1


class Block(Struct, tag="block", kw_only=True):
    """Make ``n`` timed calls, rotating through the sets; keep the outputs of the last.

    Args:
        warmup: Calls before them that are not timed.
        timer: Which one; "auto" is the best that works.
        cold: With an L2 cache that holds nothing of the inputs, else with one that does.
    """

    keys: list[int]
    n: int
    warmup: int = 0
    timer: str = "auto"
    cold: bool = True


class Export(Struct, tag="export"):
    """Send the outputs of the last timed call."""


class Close(Struct, tag="close", kw_only=True):
    """Forget sets of inputs."""

    keys: list[int]


# Only the trusted role answers these.


class LoadReference(Struct, tag="load_reference", kw_only=True):
    """Execute a definition's reference."""

    definition: Definition


class Generate(Struct, tag="generate", kw_only=True):
    """Make one set of inputs from a seed, send it, and keep it with its expected outputs.

    ``blobs`` maps each blob path that the workload names to the real file.
    """

    key: int
    workload: Workload
    seed: str
    evaluator: str
    blobs: dict[str, str]


class Compare(Struct, tag="compare", kw_only=True):
    """Compare outputs (in the memory file that comes along) with what the reference gives."""

    key: int
    evaluator: str
    rule: Rule
    outputs: list[TensorMeta]
    repeat: int = 1


class Calibrate(Struct, tag="calibrate"):
    """Find the floors and ceilings of the device."""


# Only the dry role answers these, and Load.


class Pretend(Struct, tag="pretend", kw_only=True):
    """Be a process on a GPU of this compute capability ("90"), which is not there. Comes first."""

    capability: str


class DryCall(Struct, tag="dry_call", kw_only=True):
    """Call once with tensors that hold nothing, so that kernels get compiled."""

    order: list[str]
    tensors: list[TensorMeta]
    scalars: dict[str, bool | int | float]
    outputs: list[TensorMeta]


ToChild = (
    Load
    | Open
    | Call
    | Block
    | Export
    | Close
    | LoadReference
    | Generate
    | Compare
    | Calibrate
    | Pretend
    | DryCall
)


# --- child -> runner ---------------------------------------------------------------------------


class Ready(Struct, tag="ready", kw_only=True):
    """The child is prepared and waits for orders."""

    pid: int
    seconds: float = 0.0
    isolation: str = ""


class Done(Struct, tag="done", kw_only=True):
    """An order without a result is carried out; ``seconds`` is how long it took."""

    seconds: float = 0.0


class Outputs(Struct, tag="outputs", kw_only=True):
    """Outputs of a call, in the memory file that comes along."""

    tensors: list[TensorMeta]
    seconds: float = 0.0


class Inputs(Struct, tag="inputs", kw_only=True):
    """A generated set, in the memory file that comes along.

    ``call_s`` is how many seconds the reference's call on it took, ``work`` the least that any
    implementation must do for it, ``most_sets`` how many such sets there is room for.
    """

    tensors: list[TensorMeta]
    scalars: dict[str, bool | int | float]
    call_s: float = 0.0
    work: Work | None = None
    most_sets: int | None = None


class Ticks(Struct, tag="ticks", kw_only=True):
    """Raw figures of a block of timed calls, in nanoseconds.

    Args:
        busy_ns: How long the device was at work in each call; empty where unknown.
        activities: Kernels, copies and memsets of each call; empty where unknown.
        clock_mhz: Of the multiprocessors just before each call; empty where unknown.
        kernels: [name, duration] of the last call's, in order of start.
    """

    timer: str
    device_ns: list[Nanoseconds]
    host_ns: list[Nanoseconds]
    busy_ns: list[Nanoseconds] = field(default_factory=list)
    activities: list[Nanoseconds] = field(default_factory=list)
    clock_mhz: list[Megahertz] = field(default_factory=list)
    kernels: list[tuple[str, int]] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


class Checks(Struct, tag="checks", kw_only=True):
    """Result of a comparison."""

    checks: list[Check]


class Calibrated(Struct, tag="calibrated", kw_only=True):
    """What the device was seen to do."""

    calibration: Calibration


class Failure(Struct, tag="failure", kw_only=True):
    """Carrying out an order raised.

    Args:
        kind: "build", "raised", "out_of_memory", "outputs" or "timer" (which says nothing of what
            was to be timed).
        error: Name of the exception's class.
        message: Its text.
        trace: Traceback, without the frames of this program.
    """

    kind: str
    error: str
    message: str
    trace: str = ""


FromChild = Ready | Done | Outputs | Inputs | Ticks | Checks | Calibrated | Failure


# --- runner <-> fork server, guardian -> runner ------------------------------------------------


class Fork(Struct, tag="fork", kw_only=True):
    """Make a child. Four descriptors come along: channel, log, status, flag page.

    Args:
        scratch: Private folder of the child; its home, temporary folder and caches.
        trusted: The reference's role instead of a solution's.
        spawn: Start a fresh interpreter instead of forking this one.
        device: "cpu", "cuda" or DRY.
        memory_limit: Bytes of memory that the child and all it starts may use.
        process_limit: Processes that it may have at a time.
    """

    scratch: str
    trusted: bool
    spawn: bool
    device: str
    memory_limit: int
    process_limit: int


class ServerReady(Struct, tag="server_ready", kw_only=True):
    """The fork server has imported everything and can fork.

    Args:
        clean: True if a fork is safe: one thread, CUDA untouched.
        reason: Why it is not.
    """

    pid: int
    seconds: float
    clean: bool
    reason: str
    versions: dict[str, str]


class Watching(Struct, tag="watching", kw_only=True):
    """The guardian's child has started."""

    pid: int
    guardian: int


class Ended(Struct, tag="ended", kw_only=True):
    """The guardian's child and everything it started is gone.

    Args:
        code: Exit code, or None where a signal ended it.
        signal: Number of the signal, or None.
        orphans: Processes it left behind, which were killed.
        stuck: Processes that could not be killed.
        over_limit: The limit for which the guardian killed it, in words, or "".
    """

    code: int | None
    signal: int | None
    orphans: int = 0
    stuck: int = 0
    over_limit: str = ""
