"""The Triton solutions of whole families are right under Triton's interpreter, on the CPU."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from flashinfer_trace import ROOT


def test_every_distinct_triton_solution_is_right_when_interpreted() -> None:
    pytest.importorskip("triton")
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    command = [sys.executable, "-m", "tests.flashinfer_trace.interpret_families"]
    done = subprocess.run(
        command, cwd=ROOT.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 5 + 1 + 3
