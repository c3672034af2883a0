"""A lexer for SASS, the GPU's own assembly as cuobjdump and nvdisasm print it."""

from __future__ import annotations

from pygments.lexer import RegexLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, Text


class SassLexer(RegexLexer):  # type: ignore[misc]
    """Labels, predicates, instructions, registers, constants; addresses and codes as comments."""

    name = "SASS"
    tokens = {  # noqa: RUF012
        "root": [
            (r"\s+", Text),
            (r"/\*(?:.|\n)*?\*/|//[^\n]*", Comment),
            (r"\.[\w.$]+:?", Name.Tag),
            (r"[\w.$]+:", Name.Function),
            (r"@!?U?P[\dT]+", Keyword),
            (r"(?:U?R[\dZ]+|U?P[\dT]+|SR_\w+|B\d+|SB\d+)(?:\.[\w.]+)?\b", Name.Variable),
            (r"-?0x[0-9a-fA-F]+|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", Number),
            (r"[A-Z][A-Z0-9_]*(?:\.[\w]+)*", Keyword),
            (r"[A-Za-z_$][\w$]*", Name),
            (r".", Operator),
        ]
    }
