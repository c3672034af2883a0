"""The Triton solutions of recurrences match their references under Triton's interpreter."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from flashinfer_trace import ROOT
from tests.flashinfer_trace.bundled import definitions, solutions


def test_every_triton_solution_matches_when_interpreted() -> None:
    pytest.importorskip("triton")
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    command = [sys.executable, "-m", "tests.flashinfer_trace.interpret_recurrences"]
    done = subprocess.run(
        command, cwd=ROOT.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = {
        name
        for name, record in solutions().items()
        if record["author"] == "fitui"
        and definitions()[record["definition"]]["op_type"] in ("gdn", "mamba_ssu")
    }
    assert set(done.stdout.split()) == expected and len(expected) == 5
