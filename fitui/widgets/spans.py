"""Cutting the spans of a line: to what is in sight, and at the hits of a search."""

from __future__ import annotations

from fitui.widgets.lines import Span


def seen_spans(spans: list[Span], left: int, width: int) -> tuple[list[Span], int]:
    """The part of a line that is in sight, and how many columns of it are still to be left out.

    A line of a megabyte costs what is seen of it, where its characters are a column wide.
    """
    seen: list[Span] = []
    at = 0
    for position, (text, style) in enumerate(spans):
        if at >= left + width:
            break
        if not text.isascii():
            return [*seen, *spans[position:]], 0 if seen else left - at
        end = at + len(text)
        if end > left:
            seen.append((text[max(0, left - at) : left + width - at], style))
        at = end
    return seen, 0


def mark_hits(spans: list[Span], needle: str) -> list[Span]:
    """A line with every occurrence of a text marked, whatever its case."""
    text = "".join(part for part, _style in spans)
    folded, wanted = text.casefold(), needle.casefold()
    if len(folded) != len(text) or wanted not in folded:
        return spans
    result: list[Span] = []
    start, hit = 0, folded.find(wanted)
    for part, style in spans:
        end, at = start + len(part), start
        while hit >= 0 and hit < end:
            if at < hit:
                result.append((text[at:hit], style))
            at = max(at, hit)
            stop = min(end, hit + len(wanted))
            result.append((text[at:stop], "match"))
            at = stop
            if hit + len(wanted) > end:
                break
            hit = folded.find(wanted, hit + len(wanted))
        if at < end:
            result.append((text[at:end], style))
        start = end
    return result
