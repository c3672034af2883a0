"""Source code as lines: coloured a part at a time, the same as if it were coloured whole."""

from __future__ import annotations

import time

import pytest

from fitui.widgets import code
from fitui.widgets.code import LEXERS, LONGEST, CodeLines, highlight, lexer_for

PYTHON = '''\
"""A module.

Of several lines # no comment
"""
import torch  # """ no string

TEXT = \'\'\'
def no_function(): "
\'\'\'


def run(x):
    """One line."""
    return x * 2.0 if x else None
'''

CUDA = """\
/* A comment
   "of" several
   lines */
#include <cuda_bf16.h>
// /* no comment
const char* raw = R"(text
/* of lines */)";
template <int BLOCK>
__global__ void scale(const float* __restrict__ x, float* y) {
  y[threadIdx.x] = 2.0f * x[threadIdx.x];  // twice
}
"""


@pytest.mark.parametrize(("text", "lexer"), [(PYTHON, "python"), (CUDA, "cuda"), (CUDA, "cpp")])
@pytest.mark.parametrize("chunk", [1, 2, 3, 5])
def test_a_part_is_coloured_as_the_whole(
    text: str, lexer: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code, "_CHUNK", chunk)
    parts, whole = CodeLines(text, lexer, numbers=False), highlight(text, lexer)
    for index in reversed(range(len(parts))):
        tokens = ("comment", "string")
        assert joined(parts.spans(index), tokens) == joined(whole[index], tokens), index
        assert joined(parts.spans(index), ()) == [("", text.split("\n")[index])]


def joined(spans: list[tuple[str, str]], kept: tuple[str, ...]) -> list[tuple[str, str]]:
    """Spans with only some styles told apart, neighbours of one style as one."""
    result: list[tuple[str, str]] = []
    for text, style in spans:
        style = style if style in kept else ""
        if result and result[-1][0] == style:
            result[-1] = (style, result[-1][1] + text)
        else:
            result.append((style, text))
    return result or [("", "")]


@pytest.mark.parametrize(
    ("path", "text", "wanted"),
    [
        ("k.cu", "__global__ void f(int n);", ("__global__", "keyword")),
        ("k.cpp", "return 42;", ("return", "keyword")),
        ("k.py", "def f(): pass", ("def", "keyword")),
        ("k.ptx", "// a\nmov.u32 %r1, 4;", ("// a", "comment")),
        ("k.sass", "/*0010*/ @!P0 LDG.E R2, [R4.64] ;", ("/*0010*/", "comment")),
        ("k.sass", "/*0010*/ @!P0 LDG.E R2, [R4.64] ;", ("LDG.E", "keyword")),
        ("k.json", '{"a": 1}', ('"a"', "name")),
        ("k.toml", 'a = "b"', ('"b"', "string")),
    ],
)
def test_languages(path: str, text: str, wanted: tuple[str, str]) -> None:
    lines = CodeLines(text, lexer_for(path))
    spans = [span for index in range(len(lines)) for span in lines.spans(index)]
    assert wanted in [(text, style) for style, text in joined(spans, (wanted[1],))]


def test_every_lexer_is_there() -> None:
    for name in set(LEXERS.values()):
        assert highlight("a", name)[0]


def test_a_file_of_ten_thousand_lines_opens_at_its_end() -> None:
    text = "".join(f"x{number} = f({number})  # {number}\n" for number in range(10_000))
    highlight("a", "python")  # Pygments is there already.
    begun = time.perf_counter()
    lines = CodeLines(text)
    spans = [lines.spans(index) for index in range(9_950, 10_000)]
    assert time.perf_counter() - begun < 0.25
    assert ("# 9999", "comment") in spans[-1]
    assert spans[-1][0] == (" 10000  ", "dim")


def test_only_what_is_seen_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def counted(text: str, lexer: str) -> list[list[tuple[str, str]]]:
        seen.append(text.count("\n") + 1)
        return highlight(text, lexer)

    monkeypatch.setattr(code, "highlight", counted)
    lines = CodeLines("x = 1\n" * 10_000)
    for index in range(5_000, 5_050):
        lines.spans(index)
    assert sum(seen) <= 200


def test_an_endless_line_is_cut_and_not_coloured() -> None:
    lines = CodeLines('{"log": "' + "x" * 1_000_000 + '"}', "json", numbers=False)
    ((text, style),) = lines.spans(0)
    assert style == "" and len(text) < LONGEST + 50 and text.endswith("characters more")
    assert lines.plain(0) == text


def test_what_a_source_cannot_do_to_the_terminal() -> None:
    lines = CodeLines("x = '\x1b[31m'\n\ty = 2\r\n", "python")
    text = "".join(part for part, _style in lines.spans(0))
    assert text.isprintable()
    assert lines.plain(1) == " 2      y = 2"


def test_a_comment_that_never_ends_is_no_trouble() -> None:
    lines = CodeLines("/* begun\n" + "int x;\n" * 500, "cuda")
    assert lines.plain(400).endswith("int x;")
    assert "".join(text for text, _style in lines.spans(400)).endswith("int x;")
