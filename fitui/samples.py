"""The timed calls of one evaluation, as far as its run is on this machine, as a block of lines.

Traces carry figures; the calls themselves stay in the folder of the run. Knows no widgets' state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from engine.measure.statistics import steady, summarise
from engine.run.client import runs_dir
from engine.run.files import RunFolder
from engine.schema.run import SampleRecord
from fitui import format as form
from fitui.widgets.histogram import Histogram, histogram_lines
from fitui.widgets.lines import Span

_HEIGHT = 5
_KERNELS = 8
_NAME = 48
"""Columns of a kernel's name."""

Line = list[Span]


class Samples(Struct, frozen=True):
    """What was found.

    Args:
        record: The timed calls, or None.
        missing: Why there are none.
    """

    record: SampleRecord | None
    missing: str = ""


def find_samples(state: Path, libs: Mapping[str, str]) -> Samples:
    """The timed calls of an evaluation.

    Args:
        state: State folder.
        libs: Of the trace's environment.
    """
    run, evaluation = libs.get("fitui.run", ""), libs.get("fitui.evaluation", "")
    if not run or not evaluation or Path(run).name != run:
        return Samples(None, "samples were not kept: the trace names no run and evaluation")
    folder = RunFolder(runs_dir(state) / run)
    if not folder.samples_file.is_file():
        return Samples(None, f"samples are not on this machine: run {run} has no folder here")
    record = folder.read_samples(evaluation)
    if record is None or not record.device_ns:
        return Samples(None, f"run {run} kept no samples of this evaluation")
    return Samples(record)


def sample_lines(found: Samples, width: int, *, plain: bool = False) -> list[Line]:
    """The timed calls as a histogram with its marks, their clocks, and the kernels of one call.

    Args:
        found: From :func:`find_samples`.
        width: Columns that there are.
        plain: Only ASCII.
    """
    record = found.record
    if record is None:
        return [[(f"   {form.clean(found.missing)}", "dim")]]
    clocks = record.clock_mhz if len(record.clock_mhz) == len(record.device_ns) else []
    kept, dropped = steady(record.device_ns, clocks)
    summary = summarise(kept)
    histogram = Histogram(kept, summary.p5, summary.p95, max(20, width - 8))
    others = list((Counter(record.device_ns) - Counter(kept)).elements())
    marks = [(float(value), "c") for value in others]
    marks += [(summary.p5, "<"), (summary.p95, ">"), (summary.median, "^")]
    ends = (_us(histogram.first), _us(histogram.last))
    lines = histogram_lines(histogram, marks, ends, _HEIGHT, plain=plain)
    lines.append(
        [
            ("   < ", "warn"),
            (f"5 % {_us(summary.p5)}   ", ""),
            ("^ ", "warn"),
            (f"median {_us(summary.median)}   ", "title"),
            ("> ", "warn"),
            (f"95 % {_us(summary.p95)}   ", ""),
            (f"of {form.count(len(kept), 'call')}", "dim"),
        ]
    )
    far = [
        f"{number} {word}, {least} {_us(value)}"
        for number, word, least, value in (
            (histogram.below, "quicker", "down to", min(kept)),
            (histogram.above, "slower", "up to", max(kept)),
        )
        if number
    ]
    if far:
        lines.append([(f"   not drawn: {'; '.join(far)}", "dim")])
    if dropped:
        lines.append([("   c ", "warn"), (f"{dropped} at another clock, left out", "")])
    known = [clock for clock in clocks if clock > 0]
    if known:
        spread = f"{min(known):.0f} to {max(known):.0f} MHz"
        lines.append([("   clock at the calls  ", "dim"), (spread, "")])
    return lines + _kernel_lines(record)


def _kernel_lines(record: SampleRecord) -> list[Line]:
    """What one call put on the device, the longest first."""
    if not record.kernels:
        return []
    spent: Counter[str] = Counter()
    times: Counter[str] = Counter()
    for name, nanoseconds in record.kernels:
        spent[name] += nanoseconds
        times[name] += 1
    lines: list[Line] = [[], [("   one call, by what it put on the device", "dim")]]
    for name, nanoseconds in spent.most_common(_KERNELS):
        shown = form.clean(name)
        shown = shown if len(shown) <= _NAME else shown[: _NAME - 1] + "…"
        often = f"   {times[name]} times" if times[name] > 1 else ""
        lines.append([(f"   {_us(nanoseconds):>10}  ", ""), (shown, "name"), (often, "dim")])
    more = len(spent) - _KERNELS
    if more > 0:
        lines.append([(f"   and {more} more", "dim")])
    return lines


def _us(nanoseconds: float) -> str:
    text = form.latency(nanoseconds / 1e6)
    return f"{text} us" if text[-1:].isdigit() else text
