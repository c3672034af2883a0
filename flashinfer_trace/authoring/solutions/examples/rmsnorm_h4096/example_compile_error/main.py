"""An example of a mistake: an import that outlived a renaming, found only on loading."""

import torch

from .helpers import reciprocal_rms  # type: ignore[attr-defined]  # the mistake


def run(hidden_states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Never called: the import above raises ImportError."""
    rows = hidden_states.float()
    scale: torch.Tensor = reciprocal_rms(rows)
    return (rows * scale * weight).to(hidden_states.dtype)
