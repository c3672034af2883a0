"""The clock that every age on the screens is told by.

A module of its own, so that pictures of the screens can be made at a moment that never changes.
Waiting and file times are measured with :mod:`time` itself.
"""

from __future__ import annotations

import time


def now() -> float:
    """Unix time in seconds."""
    return time.time()
