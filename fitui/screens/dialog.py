"""The base of dialogs: a box over the screen that takes every key until it is left."""

from __future__ import annotations

from typing import TypeVar

from textual.screen import ModalScreen

Result = TypeVar("Result")


class Dialog(ModalScreen[Result], inherit_bindings=False):
    """A modal box in the middle of the screen, without animation or focus ring."""

    ALLOW_SELECT = False
    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 0%; }
    Dialog > #box {
        width: 92%; max-width: 100; height: auto; max-height: 90%;
        border: solid $primary; background: $background; padding: 0;
    }
    """
