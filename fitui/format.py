"""Numbers, ages and names as a person reads them. Pure functions; knows no widgets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.schema.flags import ALARMS

_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """One line of foreign text made safe to paint: no escapes, no control characters."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub("·", _ESCAPE.sub("", text).expandtabs(4).replace("\n", " "))


def clean_lines(text: str) -> list[str]:
    """Lines of foreign text, each safe to paint; a carriage return keeps what it overwrote last."""
    lines = text.replace("\r\n", "\n").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return [clean(line.rstrip("\r").rsplit("\r", 1)[-1]) for line in lines]


def latency(milliseconds: float | None) -> str:
    """Latency in microseconds with three digits that mean something; from 10 ms on in ms or s."""
    if milliseconds is None:
        return ""
    micro = milliseconds * 1000
    if micro < 9.995:
        return f"{micro:.2f}"
    if micro < 99.95:
        return f"{micro:.1f}"
    if micro < 9999.5:
        return f"{micro:.0f}"
    if milliseconds < 9999.5:
        return f"{_three(milliseconds)}ms"
    return f"{_three(milliseconds / 1000)}s"


def _three(value: float) -> str:
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def speedup(value: float | None) -> str:
    """Ratio reference/solution, e.g. ``3.21x``."""
    if value is None:
        return ""
    return "<0.01x" if 0 < value < 0.01 else f"{_three(value)}x"


def roofline(percent: float | None, *, alarm: bool = False) -> str:
    """Percent of the limit with three digits that mean something, ``!`` after it for an alarm.

    Args:
        percent: Of the shortest time that the device allows; None where that is unknown.
        alarm: The time cannot be true.
    """
    figure = "" if percent is None else ">999" if percent >= 999.5 else _three(percent)
    return f"{figure}!" if alarm else figure


def flags_text(flags: Sequence[str]) -> str:
    """Flags of a measurement on one line, alarms first."""
    return clean(", ".join(sorted(flags, key=lambda flag: flag not in ALARMS)))


def error(value: float | None) -> str:
    """An absolute or relative error with two digits."""
    return "" if value is None else f"{value:.1e}"


def interval(value: float | None) -> str:
    """Relative half width of a confidence interval, in percent."""
    return "" if value is None else f"±{value * 100:.1f}%"


def seconds(value: float | None) -> str:
    """A duration."""
    if value is None:
        return ""
    if value < 60:
        return f"{value:.1f}s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def rough(value: float) -> str:
    """A duration that is only estimated: ``20 s``, ``7 min``, ``3 h``."""
    if value < 9.5:
        return f"{max(1, round(value))} s"
    if value < 90:
        return f"{round(value / 5) * 5} s"
    if value < 90 * 60:
        return f"{round(value / 60)} min"
    return f"{round(value / 3600)} h"


def devices(names: Sequence[str]) -> str:
    """Names of devices in short: ``cuda:0,1,2``, ``cpu``."""
    numbers = [name.removeprefix("cuda:") for name in names if name.startswith("cuda:")]
    others = [name for name in names if not name.startswith("cuda:")]
    return ",".join([*([f"cuda:{','.join(numbers)}"] if numbers else []), *others])


def age(moment: float | None, now: float) -> str:
    """How long ago a Unix time was, in its largest whole unit."""
    if not moment:
        return ""
    passed = max(0.0, now - moment)
    for unit, length in (("y", 31_557_600), ("d", 86_400), ("h", 3_600), ("m", 60)):
        if passed >= length:
            return f"{int(passed // length)}{unit}"
    return "now"


def path(file: Path) -> str:
    """A path, with ``~`` for the user's home folder."""
    try:
        return f"~/{file.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(file)


def count(number: int, noun: str) -> str:
    """``1 solution``, ``2 solutions``, ``1 204 traces``."""
    return f"{number:,} {noun}".replace(",", " ") + ("" if number == 1 else "s")


def short_axis(name: str) -> str:
    """Initials of an axis name of several words, else its first four letters."""
    words = [word for word in name.split("_") if word]
    return "".join(word[0] for word in words) if len(words) > 1 else name[:4]


def workload_labels(axes: Sequence[Mapping[str, int]]) -> list[list[str]]:
    """What tells workloads of one definition apart.

    Args:
        axes: Axis lengths of each workload.

    Returns:
        For each workload its labels (``bs=64``), one for each axis that differs among them; all
        axes where there is one workload only. Workloads that no axis tells apart get a number.
    """
    names = list(dict.fromkeys(name for item in axes for name in item))
    differing = [name for name in names if len({item.get(name) for item in axes}) > 1] or names
    shorts = [short_axis(name) for name in differing]
    if len(set(shorts)) < len(shorts):
        shorts = differing
    labels = [
        [
            f"{short}={item[name]}"
            for short, name in zip(shorts, differing, strict=True)
            if name in item
        ]
        for item in axes
    ]
    seen: dict[tuple[str, ...], int] = {}
    for parts in labels:
        key = tuple(parts)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > 1:
            parts.append(f"#{seen[key]}")
    return labels


_NOISE = ("Traceback (most recent call last)", "During handling of the above", "The above exc")
_ERROR_LINE = re.compile(
    r"(?:^|[\w.])(?:Error|Exception|Interrupt|Exit)\b.*|(?i:\berror\b[:\s].*|\bfatal\b.*|"
    r"\bmismatch\b.*|\btimed? ?out\b.*|\bkilled\b.*|\bsegmentation\b.*)"
)


def is_error_line(line: str) -> bool:
    """True for a line of a log that looks like the statement of an error."""
    return bool(_ERROR_LINE.search(line)) and not any(noise in line for noise in _NOISE)


def reason(log: str) -> str:
    """The line of a log that says why: the last raised error, else the first that tells.

    A Python traceback ends in its error, a compiler's first error is the one that matters.
    """
    lines = [line for line in clean_lines(log) if line.strip()]
    if not lines:
        return ""
    raised = [
        line.strip()
        for line in lines
        if not line[0].isspace() and re.match(r"[\w.]+(?:Error|Exception|Interrupt)\b", line)
    ]
    if raised:
        return raised[-1]
    for line in lines:
        if is_error_line(line):
            return line.strip()
    return next((line.strip() for line in lines if not any(n in line for n in _NOISE)), "")
