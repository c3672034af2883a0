"""The bundled CUDA solutions on a GPU. Run by hand on a GPU machine: ``pytest -m gpu``."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.run.client import submit
from engine.schema import Settings, Status
from flashinfer_trace import ROOT
from tests.engine.run.conftest import wait_for
from tests.flashinfer_trace.bundled import workloads
from tests.flashinfer_trace.compiled_cases import FUSED, ROPE, TOP_K

pytestmark = pytest.mark.gpu

SETTINGS = Settings(input_sets=1, max_samples=50, time_budget_s=0.2, build_limit_s=250.0)


@pytest.mark.parametrize(
    "names",
    [
        # Several rows a block; a vector a thread; two vectors a thread.
        pytest.param(["rmsnorm_h128", "rmsnorm_h512", "rmsnorm_h5376", "rmsnorm_h7168"], id="norm"),
        pytest.param([ROPE], id="rope"),
        pytest.param([TOP_K[0]], id="sampler"),
        pytest.param([FUSED], id="torch"),
    ],
)
def test_a_cuda_solution_passes_on_every_workload(names: list[str], tmp_path: Path) -> None:
    handle = submit(
        [ROOT, tmp_path / "overlay"],
        devices=["cuda:0"],
        solutions=[f"cuda_{name}" for name in names],
        settings=SETTINGS,
    )
    wait_for(handle, lambda found: not found.live, 500)
    cells = handle.progress.cells.values()
    assert len(cells) == sum(len(workloads(name)) for name in names)
    assert not [cell for cell in cells if cell.status is not Status.PASSED]
