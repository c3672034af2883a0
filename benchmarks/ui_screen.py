"""What a terminal shows: a small model, fed with the bytes that a program writes.

It understands what Textual writes: moving the cursor, colours, and text. Everything else is
passed over. The line under the cursor is told by its background.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len

from fitui.themes import LOOKS

_TOKEN = re.compile(
    r"\x1b\[(?P<lead>[?<>=]?)(?P<numbers>[\d;]*)[$ ]?(?P<end>[@-~])"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1bP[^\x1b]*\x1b\\"
    r"|\x1b[^\[\]P]"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f])"
    r"|(?P<text>[^\x00-\x1f]+)"
)

CURSOR = "48;2;" + ";".join(str(part) for part in bytes.fromhex(LOOKS[0].cursor[1:]))
"""Background of the line under the cursor in 24-bit colour."""

_ENDED_BY = {"22": "12", "23": "3", "24": "4", "27": "7", "29": "9"}


class Look(NamedTuple):
    """How a cell looks: its colours, and its attributes as digits (1 is bold, 7 reverse)."""

    fore: str = ""
    back: str = ""
    attributes: str = ""


class Screen:
    """The cells of a terminal.

    Args:
        size: Columns and lines.

    Attributes:
        painting: True in the midst of a frame, on a terminal that can take frames as a whole.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.width, self.height = size
        self.letters = [[" "] * self.width for _ in range(self.height)]
        self.looks = [[Look()] * self.width for _ in range(self.height)]
        self.painting = False
        self._x = self._y = 0
        self._look = Look()
        self._rest = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> None:
        """Take what the program has written; a sequence may be torn anywhere."""
        text, self._rest = self._rest + self._decoder.decode(data), ""
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                self._rest = text[at:]
                return
            at = found.end()
            if found["end"]:
                if found["numbers"] == "2026" and found["end"] in "hl":
                    self.painting = found["end"] == "h"
                elif not found["lead"]:
                    self._obey(found["end"], found["numbers"])
            elif found["text"]:
                self._write(found["text"])
            elif found["control"] == "\n":
                self._x, self._y = 0, self._y + 1
            elif found["control"] == "\r":
                self._x = 0

    @property
    def lines(self) -> list[str]:
        """The text, line by line."""
        return ["".join(line).rstrip() for line in self.letters]

    @property
    def text(self) -> str:
        """The whole text."""
        return "\n".join(self.lines)

    @property
    def cursor(self) -> int | None:
        """Line that is painted as the one under the cursor, None where there is none."""
        return next((y for y in range(self.height) if self._under_cursor(y)), None)

    def _under_cursor(self, y: int) -> str:
        pairs = zip(self.letters[y], self.looks[y], strict=True)
        return "".join(letter for letter, look in pairs if look.back == CURSOR)

    def _obey(self, end: str, numbers: str) -> None:
        if end == "m":
            self._look = _look_after(self._look, numbers.split(";"))
        elif end == "H":
            y, x = ([int(item or 1) for item in numbers.split(";")] + [1, 1])[:2]
            self._x, self._y = x - 1, y - 1
        elif end == "C":
            self._x += int(numbers or 1)
        elif end == "J":
            for letters, looks in zip(self.letters, self.looks, strict=True):
                letters[:], looks[:] = [" "] * self.width, [Look()] * self.width

    def _write(self, text: str) -> None:
        if not 0 <= self._y < self.height:
            return
        letters, looks = self.letters[self._y], self.looks[self._y]
        for letter in text:
            room = 1 if letter.isascii() else cell_len(letter)
            if self._x + room > self.width:
                return
            if not room:
                letters[self._x - 1] += letter
                continue
            letters[self._x : self._x + room] = [letter, *[""] * (room - 1)]
            looks[self._x : self._x + room] = [self._look] * room
            self._x += room


def _look_after(look: Look, codes: Sequence[str]) -> Look:
    """What a change of style leaves."""
    at = 0
    while at < len(codes):
        code, length = codes[at], 1
        if code in ("38", "48"):
            length = 5 if codes[at + 1 : at + 2] == ["2"] else 3
        value = ";".join(codes[at : at + length])
        at += length
        number = int(code or 0)
        if number == 0:
            look = Look()
        elif number < 10:
            look = look._replace(attributes="".join(sorted({*look.attributes, code})))
        elif code in _ENDED_BY:
            left = (item for item in look.attributes if item not in _ENDED_BY[code])
            look = look._replace(attributes="".join(left))
        elif 30 <= number < 40 or 90 <= number < 98:
            look = look._replace(fore="" if number == 39 else value)
        elif 40 <= number < 50 or 100 <= number < 108:
            look = look._replace(back="" if number == 49 else value)
    return look
