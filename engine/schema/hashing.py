"""Content hashes with an unambiguous encoding."""

from __future__ import annotations

import hashlib


def digest(parts: list[str]) -> str:
    """SHA-256 over length-prefixed parts, as 16 hexadecimal digits."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()[:16]
