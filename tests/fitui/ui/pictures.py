"""Pictures of screens: small SVG files that any browser shows, and how two of them differ."""

from __future__ import annotations

import difflib
import html
import re
from pathlib import Path

FOLDER = Path(__file__).parent / "pictures"
HOW = "pytest tests/fitui/ui/test_pictures.py --snapshot-update"

_DROPPED = (
    r"@font-face\s*\{[^}]*\}",
    r"<!--.*?-->",
    r"<clipPath.*?</clipPath>",
    r"<defs>\s*</defs>",
    r' clip-path="[^"]*"',
)
_TEXT = re.compile(r'<text [^>]*?x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>')
_NUMBER = re.compile(r'(?<=[" ])\d+\.\d+(?=")')
"""Of an attribute; in texts there are no quotation marks as such."""
_COLUMN = 12.2
"""Units of a column in Textual's pictures."""


def slim(svg: str) -> str:
    """The picture without fonts from elsewhere and clip paths, a line for each piece of text."""
    for pattern in _DROPPED:
        svg = re.sub(pattern, "", svg, flags=re.DOTALL)
    svg = re.sub(r"terminal-\d+-", "", svg)
    svg = _NUMBER.sub(lambda match: f"{float(match[0]):.1f}".removesuffix(".0"), svg)
    svg = svg.replace("&#160;", "\xa0")
    svg = re.sub(r"<text [^>]*>\xa0*</text>", "", svg)
    svg = re.sub(r"(</text>|/>)(?=<)", r"\1\n", svg)
    return re.sub(r"\n\s*(?=\n)", "", svg).rstrip() + "\n"


def plain(svg: str) -> list[str]:
    """What a picture says, line by line."""
    found: dict[float, list[tuple[float, str]]] = {}
    body = svg[svg.index("<g ") :]
    for x, y, text in _TEXT.findall(body):
        found.setdefault(float(y), []).append((float(x), html.unescape(text)))
    lines = []
    for y in sorted(found):
        line = ""
        for x, text in sorted(found[y]):
            line = line.ljust(round(x / _COLUMN)) + text.replace("\xa0", " ")
        lines.append(line.rstrip())
    return lines


def difference(name: str, svg: str, kept: Path, made: Path) -> str:
    """How a picture differs from the one that is kept; "" if it does not.

    Args:
        name: Of the scene.
        svg: The picture.
        kept: File that it is held against.
        made: File to write it to where it differs.
    """
    try:
        former = kept.read_text("utf-8")
    except FileNotFoundError:
        return f"There is no picture of {name} yet. To make it:\n  {HOW} -k {name}"
    if former == svg:
        return ""
    made.write_text(svg, "utf-8")
    lines = difflib.unified_diff(plain(former), plain(svg), "before", "now", lineterm="", n=0)
    what = "\n".join(lines) or "(the same text; colours or styles differ)"
    return (
        f"{name} looks otherwise than in {kept.name}:\n{what}\n"
        f"Look at {made}. If it is meant so:\n  {HOW} -k {name}"
    )
