"""Folders outside the dataset: where state, caches and overlays live.

Every folder follows the XDG base directory rules and can be moved by an environment variable.
"""

from __future__ import annotations

import os
from pathlib import Path


def _xdg(own: str, variable: str, fallback: str) -> Path:
    if chosen := os.environ.get(own):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get(variable) or fallback
    return Path(base).expanduser().absolute() / "fitui"


def state_dir() -> Path:
    """Runs and the UI's memory: ``$FITUI_STATE`` or ``$XDG_STATE_HOME/fitui``."""
    return _xdg("FITUI_STATE", "XDG_STATE_HOME", "~/.local/state")


def cache_dir() -> Path:
    """Disposable indexes: ``$FITUI_CACHE`` or ``$XDG_CACHE_HOME/fitui``."""
    return _xdg("FITUI_CACHE", "XDG_CACHE_HOME", "~/.cache")


def data_dir() -> Path:
    """Overlays of datasets that cannot be written: ``$FITUI_DATA`` or ``$XDG_DATA_HOME/fitui``."""
    return _xdg("FITUI_DATA", "XDG_DATA_HOME", "~/.local/share")
