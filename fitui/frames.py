"""Frames for a terminal, reduced to what differs from what it shows.

Textual paints whole lines and closes every piece of text with a full change of style. Over a slow
line that is most of the waiting, so :class:`Shadow` keeps the cells that the terminal shows,
and writes of a frame only the cells that differ, with the shortest change of style: what curses
does. Where a frame has anything that it does not know, it goes out as it is, and the terminal's
cells count as unknown. Knows no Textual.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from rich.cells import cell_len

_TOKEN = re.compile(
    r"\x1b\[(?P<y>\d+);(?P<x>\d+)H|\x1b\[(?P<style>[\d;]*)m|(?P<line>\n)|(?P<text>[^\x00-\x1f\x7f]+)"
)
_OFF = {"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "7": "27", "9": "29", "21": "24"}
_SEEN_ON_BLANKS = frozenset(("4", "7", "9", "21", "53"))
"""Attributes that show on a blank: underlines, strikes and reverse video."""

_GAP = 4
"""Cells without a change that are cheaper to write again than to pass over."""


class Style:
    """How a cell looks. There is one object for each way, so that they compare by identity.

    Args:
        codes: Parameters of the escape sequence that sets it, after a reset.
    """

    __slots__ = ("attributes", "back", "blank", "fore")

    def __init__(self, codes: str) -> None:
        self.fore = self.back = ""
        attributes = set()
        parts = codes.split(";")
        at = 0
        while at < len(parts):
            code = parts[at]
            length = 1
            if code in ("38", "48"):
                length = 5 if parts[at + 1 : at + 2] == ["2"] else 3
            value = ";".join(parts[at : at + length])
            at += length
            if code == "38" or (code[:1] == "3" and code != "3" and len(code) == 2):
                self.fore = "" if code == "39" else value
            elif len(code) == 2 and code[0] == "9":
                self.fore = value
            elif code == "48" or (len(code) == 2 and code[0] == "4"):
                self.back = "" if code == "49" else value
            elif len(code) == 3 and code.startswith("10"):
                self.back = value
            elif code not in ("", "0"):
                attributes.add(code)
        self.attributes = frozenset(attributes)
        seen = self.attributes & _SEEN_ON_BLANKS
        self.blank = (self.back, seen, self.fore if seen else "")


@lru_cache(maxsize=4096)
def style_of(codes: str) -> Style:
    """The style of the parameters of an escape sequence."""
    return Style(codes)


PLAIN = style_of("")


@lru_cache(maxsize=4096)
def change(old: Style, new: Style) -> str:
    """The shortest sequence from a style to another."""
    if old is new:
        return ""
    anew = [*sorted(new.attributes), *filter(None, (new.fore, new.back))]
    gone = old.attributes - new.attributes
    off = list(dict.fromkeys(_OFF.get(code, "0") for code in sorted(gone)))
    on = set(new.attributes - old.attributes)
    if "22" in off:
        on |= new.attributes & {"1", "2"}
    step = off + sorted(on)
    for before, after, none in ((old.fore, new.fore, "39"), (old.back, new.back, "49")):
        if before != after:
            step.append(after or none)
    whole = ";".join(["0", *anew]) if anew else ""
    short = ";".join(step)
    if "0" in off or len(whole) < len(short):
        return f"\x1b[{whole}m"
    return f"\x1b[{short}m" if short else ""


class _Row:
    """A line of the terminal; a style is None where it is not known what is shown."""

    __slots__ = ("letters", "styles", "uneven")

    def __init__(self, width: int) -> None:
        self.letters = [""] * width
        self.styles: list[Style | None] = [None] * width
        self.uneven = False

    def copy(self) -> _Row:
        row = _Row(0)
        row.letters, row.styles = self.letters.copy(), self.styles.copy()
        row.uneven = self.uneven
        return row

    def write(self, x: int, text: str, style: Style) -> int:
        """Put a text in.

        Returns:
            Column after it, beyond the row where it does not fit.
        """
        if text.isascii() or (len(text) == cell_len(text) and all(map(cell_len, text))):
            end = x + len(text)
            if end <= len(self.letters):
                self.letters[x:end] = text
                self.styles[x:end] = [style] * len(text)
            return end
        # Terminals do not agree on the width of all of these: such a line is written whole.
        self.uneven = True
        for letter in text:
            room = cell_len(letter)
            if x + room > len(self.letters):
                return len(self.letters) + 1
            if not room:
                self.letters[x - 1] += letter
            self.letters[x : x + room] = [letter, ""][:room]
            self.styles[x : x + room] = [style] * room
            x += room
        return x


class Shadow:
    """What the terminal shows, as far as it is known."""

    def __init__(self) -> None:
        self._size = (0, 0)
        self._rows: list[_Row] = []
        self._home = (-1, -1)

    def forget(self) -> None:
        """The terminal may show anything: the next frames go out whole."""
        self._size = (0, 0)

    def reduce(self, frame: str, size: tuple[int, int]) -> str:
        """What has to be written for a frame.

        Args:
            frame: Moves of the cursor, styles and text.
            size: Columns and lines of the terminal at this moment.

        Returns:
            The frame in short; "" where the terminal shows all of it.
        """
        if size != self._size:
            self._size, self._home = size, (-1, -1)
            self._rows = [_Row(size[0]) for _ in range(size[1])]
        read = self._read(frame)
        if read is None:
            self.forget()
            return frame
        touched, home = read
        changes = []
        for y, row in touched.items():
            if ranges := list(_changes(self._rows[y], row)):
                changes.append((y, row, ranges))
            self._rows[y] = row
        parts: list[str] = []
        style = PLAIN
        for y, row, ranges in _by_ground(changes):
            style = _write_row(parts, y, row, ranges, style)
        parts.append(change(style, PLAIN))
        if home != self._home or (changes and home != (0, 0)):
            # In its corner the cursor has no meaning, and it is hidden.
            parts.append(f"\x1b[{home[1] + 1};{home[0] + 1}H")
            self._home = home
        return "".join(parts)

    def _read(self, frame: str) -> tuple[dict[int, _Row], tuple[int, int]] | None:
        """The rows as they are to be, and where the cursor is left; None if that is not known."""
        x, y, style, at = 0, 0, PLAIN, 0
        rows: dict[int, _Row] = {}
        while found := _TOKEN.match(frame, at):
            at = found.end()
            kind = found.lastgroup
            if kind == "text":
                if y >= len(self._rows):
                    return None
                row = rows.get(y)
                if row is None:
                    row = rows[y] = self._rows[y].copy()
                    row.uneven = False
                x = row.write(x, found["text"], style)
                if x > self._size[0]:
                    return None
            elif kind == "style":
                codes = found["style"]
                if style is not PLAIN and codes not in ("", "0"):
                    return None
                style = style_of(codes) if codes != "0" else PLAIN
            elif kind == "line":
                x, y = 0, y + 1
            else:
                x, y = int(found["x"]) - 1, int(found["y"]) - 1
        return (rows, (x, y)) if at == len(frame) else None


_Change = tuple[int, _Row, list[tuple[int, int]]]
"""A line, what is in it now, and the ranges of its columns that have to be written."""


def _by_ground(changes: Sequence[_Change]) -> list[_Change]:
    """Lines that begin on one background after each other: a change of it is long."""
    grounds: dict[str, list[_Change]] = {}
    for item in changes:
        _y, row, ranges = item
        style = row.styles[ranges[0][0]]
        grounds.setdefault(style.back if style else "", []).append(item)
    return [item for group in grounds.values() for item in group]


def _write_row(
    parts: list[str], y: int, row: _Row, ranges: Sequence[tuple[int, int]], style: Style
) -> Style:
    """Append what brings ranges of a row to the terminal.

    Returns:
        The style that is left.
    """
    here = -1
    for first, end in ranges:
        if here < 0:
            parts.append(f"\x1b[{y + 1};{first + 1}H" if first else f"\x1b[{y + 1}H")
        else:
            parts.append(f"\x1b[{first - here}C")
        for letter, wanted in zip(row.letters[first:end], row.styles[first:end], strict=True):
            assert wanted is not None
            if wanted is not style and (letter != " " or wanted.blank != style.blank):
                parts.append(change(style, wanted))
                style = wanted
            parts.append(letter)
        here = end
    return style


def _changes(old: _Row, new: _Row) -> Iterator[tuple[int, int]]:
    """Ranges of columns that have to be written, from left to right."""
    if old.letters == new.letters and old.styles == new.styles:
        return
    uneven = old.uneven or new.uneven
    first = end = -1
    for x, differs in enumerate(_differing(old, new, uneven)):
        if not differs:
            continue
        if first >= 0 and x - end > 0 and not (x - end <= _GAP and _alike(new.styles, end - 1, x)):
            yield first, end
            first = x
        elif first < 0:
            first = x
        end = x + 1
    if first >= 0:
        yield first, end


def _differing(old: _Row, new: _Row, uneven: bool) -> Iterator[bool]:
    columns = zip(old.letters, old.styles, new.letters, new.styles, strict=True)
    for was, before, letter, style in columns:
        if style is None:
            yield False
        elif uneven or before is None or was != letter:
            yield True
        else:
            yield before is not style and (letter != " " or before.blank != style.blank)


def _alike(styles: Sequence[Style | None], first: int, last: int) -> bool:
    """True if the cells between two columns look like both."""
    return all(item is styles[last] for item in styles[first:last])
