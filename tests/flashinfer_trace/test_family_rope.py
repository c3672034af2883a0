"""The bundled rotary embedding means what the real dataset's one means."""

from __future__ import annotations

import torch

from tests.flashinfer_trace.bundled import ROPE, reference, small_inputs
from tests.flashinfer_trace.families import sample_run


def test_turning_means_what_the_real_one_means() -> None:
    real = sample_run(ROPE, {})
    for inputs in small_inputs(ROPE):
        for ours, theirs in zip(reference(ROPE)(**inputs), real(**inputs), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=2**-7, atol=2**-7)
