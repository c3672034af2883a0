"""Which activities of the device belong to which timed call.

The clock of the records is fitted to the host's now and then, and can be some microseconds off. So
calls are told apart by what lies between them: activities on a stream of our own, with which each
call is prepared, and a kernel of ours that goes before the call on its own stream. Windows by the
clock only say which of these is meant.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from msgspec import Struct, field

from engine.measure.activity import Record
from engine.measure.driver import GATE, SPIN

SLACK_NS = 20_000
"""How far the clock of the records may be off; what starts later after a call is late."""


class Share(Struct, kw_only=True):
    """What belongs to one call.

    Args:
        clock: The kernel of known cycles that went before it, where there is one.
        own: The call's activities, by start.
    """

    clock: Record | None = None
    own: list[Record] = field(default_factory=list)


def attribute(
    records: Sequence[Record], windows: Sequence[tuple[int, int]], own_stream: int, *, cold: bool
) -> tuple[list[Share], bool]:
    """Share activities out among calls.

    Args:
        records: Of a block of calls, by start.
        windows: Of each call, in order: two moments at which the device was idle.
        own_stream: On which calls are prepared; -1 where unknown.
        cold: Whether nothing but the preparation goes before each call; else one call more does.

    Returns:
        A share for each window, and whether anything ran outside of them that is not ours: only
        told of cold calls.
    """
    starts = [record.start for record in records]
    shares: list[Share] = []
    late = False
    taken = 0
    for opened, closed in windows:
        begin = max(taken, bisect_left(starts, opened - SLACK_NS))
        end = bisect_left(starts, closed + SLACK_NS)
        clock = _find_clock(records, begin, end, own_stream)
        # Our stream was idle then, even by a clock that is off: what it runs later is the call's.
        busy = bisect_left(starts, opened + SLACK_NS)
        first = _find_first(records, begin, clock, busy, own_stream, cold=cold)
        last = first
        # What prepares the next call cannot begin before this one has ended. Whoever works on our
        # stream earlier than that works for the call.
        while last < end and not (
            records[last].stream == own_stream and starts[last] >= closed - SLACK_NS
        ):
            last += 1
        late = late or any(record.stream != own_stream for record in records[taken:first])
        told = None if clock is None else records[clock]
        own = [one for one in records[first:last] if one is not told and one.name != GATE]
        shares.append(Share(clock=told, own=own))
        taken = last
    late = late or any(record.stream != own_stream for record in records[taken:])
    return shares, late and cold


def _find_clock(records: Sequence[Record], begin: int, end: int, own_stream: int) -> int | None:
    """The kernel that tells the clock of a call: the first of its name on another stream."""
    for number in range(begin, end):
        if records[number].name == SPIN and records[number].stream != own_stream:
            return number
    return None


def _find_first(
    records: Sequence[Record],
    begin: int,
    clock: int | None,
    busy: int,
    own_stream: int,
    *,
    cold: bool,
) -> int:
    """Where the activities of a call begin; from ``busy`` on, those of any stream are its own."""
    if clock is None:
        # Behind what has prepared it.
        first = begin
        while first < busy and records[first].stream == own_stream:
            first += 1
        return first
    first = clock
    # Streams that are not blocked may have begun before that kernel.
    while (
        cold
        and own_stream >= 0
        and first > begin
        and (first > busy or records[first - 1].stream != own_stream)
    ):
        first -= 1
    return first
