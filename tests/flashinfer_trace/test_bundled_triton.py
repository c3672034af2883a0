"""The Triton solutions match the references under Triton's interpreter, on the CPU."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from flashinfer_trace import ROOT
from tests.flashinfer_trace.bundled import NAMES


def test_every_triton_solution_matches_when_interpreted() -> None:
    pytest.importorskip("triton")
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    command = [sys.executable, "-m", "tests.flashinfer_trace.interpret_triton"]
    done = subprocess.run(
        command, cwd=ROOT.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(NAMES)
