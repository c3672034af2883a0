"""What is made of solutions before a device is needed: in which order, and that it is found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.build.compiler import CompileFailed
from engine.run.builds import Builds
from engine.run.devices import Device
from engine.run.files import RunFolder
from engine.run.plan import Task
from engine.run.process import Cancelled
from engine.run.schedule import Part, Unit
from engine.schema import BuildSpec, Definition, Language, Settings, Solution, SourceFile, Workload
from engine.schema.run import Request

from .conftest import DOUBLE

GPU = Device(name="cuda:0", hardware="H200", key="GPU-0", capability="90")
CPU = Device(name="cpu", hardware="CPU", key="cpu")
KERNEL = """\
import triton
import triton.language as tl

@triton.jit
def double(X, Y, n, B: tl.constexpr):
    at = tl.program_id(0) * B + tl.arange(0, B)
    tl.store(Y + at, tl.load(X + at, mask=at < n) * 2, mask=at < n)

def run(x, y):
    double[(triton.cdiv(x.numel(), 64),)](x, y, x.numel(), 64)
"""


class FakeRun:
    """As much of a run as builds look at."""

    def __init__(self, folder: Path, order: float = 0.0) -> None:
        self.folder = RunFolder(folder)
        self.folder.logs.mkdir(parents=True)
        self.request = Request(
            run="r", created=0.0, dataset=[], devices=[], settings=Settings(build_limit_s=60.0)
        )
        self.order = (0, order)
        self.halted = self.stopped = False
        self.reporter = self
        self.said: list[str] = []

    def event(self, _kind: object, evaluation: str, **_fields: object) -> None:
        self.said.append(evaluation)

    def paused(self) -> bool:
        return self.halted

    def stop(self) -> bool:
        return self.stopped


def unit(name: str, text: str, language: Language) -> Unit:
    file = "main.cpp" if language is Language.CPP else "main.py"
    solution = Solution(
        name=name,
        definition="double",
        author="tester",
        spec=BuildSpec(language=language, target_hardware=["any"], entry_point=f"{file}::run"),
        sources=[SourceFile(path=file, content=text)],
    )
    part = Part(definition=msgspec.convert(DOUBLE, Definition))
    workload = Workload(uuid="w", axes={"n": 128}, inputs={})
    cells = [Task(evaluation=f"{name}.1", solution=solution, workload=workload)]
    return Unit(part=part, solution=solution, cells=cells)


@pytest.fixture
def builds(tmp_path: Path) -> Iterator[Builds]:
    made = Builds(tmp_path / "scratch")
    yield made
    made.close()


def finish(builds: Builds, device: Device, *units: Unit) -> None:
    deadline = time.monotonic() + 120
    while not all(builds.ready(one, device) for one in units):
        assert time.monotonic() < deadline
        builds.pump()
        time.sleep(0.02)


def test_kernels_are_compiled_for_a_gpu_and_found_by_the_child(
    builds: Builds, tmp_path: Path
) -> None:
    run: Any = FakeRun(tmp_path / "run")
    triton = unit("triton", KERNEL, Language.TRITON)
    builds.want(run, triton, GPU)
    assert not builds.ready(triton, GPU)
    finish(builds, GPU, triton)
    child = tmp_path / "child"
    assert builds.take(run, triton, GPU, child).library is None
    assert list((child / "cache" / "triton").rglob("*.cubin"))


def test_what_needs_no_build_is_ready_at_once(builds: Builds, tmp_path: Path) -> None:
    run: Any = FakeRun(tmp_path / "run")
    plain = unit("plain", "def run(x, y): ...", Language.PYTHON)
    on_cpu = unit("on_cpu", KERNEL, Language.TRITON)
    builds.want(run, plain, GPU)
    builds.want(run, on_cpu, CPU)
    assert builds.ready(plain, GPU)
    assert builds.ready(on_cpu, CPU)


def test_the_run_that_goes_first_is_built_first_and_a_paused_one_not_at_all(
    builds: Builds, tmp_path: Path
) -> None:
    last: Any = FakeRun(tmp_path / "last", 2.0)
    first: Any = FakeRun(tmp_path / "first", 1.0)
    paused: Any = FakeRun(tmp_path / "paused", 0.0)
    paused.halted = True
    broken = [unit(f"broken{n}", f"#error no {n}\n", Language.CPP) for n in range(12)]
    for one in broken[:10]:
        builds.want(last, one, CPU)
    builds.want(first, broken[10], CPU)
    builds.want(paused, broken[11], CPU)
    builds.pump()
    deadline = time.monotonic() + 60
    while not first.said and time.monotonic() < deadline:
        time.sleep(0.01)
    assert first.said == ["broken10.1"]
    assert len(last.said) < 10
    finish(builds, CPU, *broken[:11])
    assert not builds.ready(broken[11], CPU)
    assert paused.said == []


def test_a_failed_build_is_told_when_the_unit_is_taken(builds: Builds, tmp_path: Path) -> None:
    run: Any = FakeRun(tmp_path / "run")
    broken = unit("broken", "#error this is wrong\n", Language.CPP)
    builds.want(run, broken, CPU)
    finish(builds, CPU, broken)
    with pytest.raises(CompileFailed, match="this is wrong"):
        builds.take(run, broken, CPU, tmp_path / "child")
    (log,) = run.folder.logs.iterdir()
    assert "this is wrong" in log.read_text()


def test_a_cancelled_run_is_told_so_and_forgotten(builds: Builds, tmp_path: Path) -> None:
    run: Any = FakeRun(tmp_path / "run")
    plain = unit("plain", "def run(x, y): ...", Language.PYTHON)
    run.stopped = True
    with pytest.raises(Cancelled):
        builds.take(run, plain, CPU, tmp_path / "child")
    triton = unit("triton", KERNEL, Language.TRITON)
    builds.want(run, triton, GPU)
    builds.forget(run)
    assert builds.ready(triton, GPU)
