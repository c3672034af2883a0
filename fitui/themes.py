"""The looks: a few themes, and which of them a terminal gets. Values; imports no Textual.

A theme here is a set of colours by what they mean. The ones for terminals of 16 colours name the
terminal's own, so that they look as the user has chosen them to look; ``mono`` has none at all,
and what colour says elsewhere is said there by letters, words, bold, reverse and underline.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

AUTO = "auto"


class Look(Struct, frozen=True, kw_only=True):
    """Colours of a theme, as Textual spells colours.

    Args:
        name: As the user calls it.
        about: In a few words.
        dark: True for light letters on a dark ground.
        ground: Behind everything; likewise ``letters``.
        muted: Of what matters less.
        cursor: Behind the row under the cursor; ``on_cursor`` its letters.
    """

    name: str
    about: str
    dark: bool
    ground: str
    letters: str
    muted: str
    cursor: str
    on_cursor: str
    accent: str
    passed: str
    failed: str
    warn: str
    line: str

    @property
    def variables(self) -> dict[str, str]:
        """Its colours by the names that the styles have for them."""
        return {
            "muted": self.muted,
            "cursor": self.cursor,
            "on-cursor": self.on_cursor,
            "accent": self.accent,
            "passed": self.passed,
            "failed": self.failed,
            "warn": self.warn,
            "line": self.line,
        }

    @property
    def is_ansi(self) -> bool:
        """True where only the terminal's own 16 colours are used."""
        return self.letters.startswith("ansi")


MONO = "mono"

LOOKS: tuple[Look, ...] = (
    Look(
        name="dark",
        about="light letters on a dark ground, in 24-bit colour",
        dark=True,
        ground="#15181c",
        letters="#dfe3e8",
        muted="#99a3af",
        cursor="#1f4f86",
        on_cursor="#ffffff",
        accent="#7cb8ff",
        passed="#7fd08f",
        failed="#ff8a80",
        warn="#f0bd5e",
        line="#3a424c",
    ),
    Look(
        name="light",
        about="dark letters on a light ground, in 24-bit colour",
        dark=False,
        ground="#fbfbfa",
        letters="#1d2329",
        muted="#5b6570",
        cursor="#c4dcf7",
        on_cursor="#0a1a2b",
        accent="#0b57a8",
        passed="#146c2e",
        failed="#b3261e",
        warn="#855300",
        line="#c6ccd3",
    ),
    Look(
        name="ansi-dark",
        about="the terminal's own 16 colours, for a dark ground",
        dark=True,
        ground="ansi_default",
        letters="ansi_default",
        muted="ansi_default",
        cursor="ansi_blue",
        on_cursor="ansi_bright_white",
        accent="ansi_cyan",
        passed="ansi_green",
        failed="ansi_bright_red",
        warn="ansi_yellow",
        line="ansi_bright_black",
    ),
    Look(
        name="ansi-light",
        about="the terminal's own 16 colours, for a light ground",
        dark=False,
        ground="ansi_default",
        letters="ansi_default",
        muted="ansi_default",
        cursor="ansi_blue",
        on_cursor="ansi_bright_white",
        accent="ansi_blue",
        # The usual green can hardly be read on white.
        passed="ansi_default",
        failed="ansi_red",
        warn="ansi_magenta",
        line="ansi_bright_black",
    ),
    Look(
        name=MONO,
        about="no colour at all",
        dark=True,
        ground="ansi_default",
        letters="ansi_default",
        muted="ansi_default",
        cursor="ansi_default",
        on_cursor="ansi_default",
        accent="ansi_default",
        passed="ansi_default",
        failed="ansi_default",
        warn="ansi_default",
        line="ansi_default",
    ),
)
"""Every theme."""

NAMES = tuple(look.name for look in LOOKS)


def theme_for(environment: Mapping[str, str], chosen: str = AUTO) -> tuple[str, str]:
    """The theme of a terminal.

    Without a choice of the user: the terminal's own 16 colours, unless it says that it shows
    24-bit colour; those also over SSH, where colour costs bytes and the variable that tells is
    seldom passed on.

    Args:
        environment: With NO_COLOR, which wins over the user's choice, COLORTERM, SSH_CONNECTION
            and COLORFGBG, by which some terminals tell their ground.
        chosen: One of :data:`NAMES`, or "auto".

    Returns:
        Name, and why it is this one.
    """
    if environment.get("NO_COLOR"):
        return MONO, "NO_COLOR is set"
    if chosen != AUTO:
        return chosen, ""
    ground = "light" if _is_light(environment.get("COLORFGBG", "")) else "dark"
    if environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"):
        return f"ansi-{ground}", "over SSH"
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return ground, "COLORTERM says 24-bit colour"
    return f"ansi-{ground}", "COLORTERM does not say 24-bit colour"


def _is_light(colours: str) -> bool:
    """COLORFGBG is ``letters;ground`` by the terminal's numbers of colours."""
    return colours.rpartition(";")[2] in ("7", "15")
