"""Triton solutions are compiled before a GPU is taken, and the GPU's process finds the kernels."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from engine.build.layout import lay_out
from engine.run.ahead import Ahead, Compiled, install
from engine.run.devices import Device
from engine.run.dry_orders import dry_calls
from engine.run.prepare import clean_environment
from engine.run.process import Cancelled, Server
from engine.run.reap import descendants
from engine.schema import BuildSpec, Definition, Language, Solution, SourceFile, Workload, decode

from .conftest import DOUBLE
from .triton_sources import CALL, HOST_CODE, KERNEL, NORMAL_CALL, RUN, TUNED

ROOT = Path(__file__).parents[3]


def one_of_each(paths: Iterable[Path]) -> list[Path]:
    """One solution of each text that differs in more than the values of its constants."""
    found: dict[str, Path] = {}
    for path in sorted(paths):
        text = json.dumps([item["content"] for item in json.loads(path.read_text())["sources"]])
        found.setdefault(re.sub(r"\\n[A-Z_]+ = [^\\]*", "", text), path)
    return sorted(found.values())


TRITON = list((ROOT / "flashinfer_trace/solutions/fitui").rglob("triton_*.json"))
BUNDLED = one_of_each(TRITON)


def triton_solution(text: str, *, language: Language = Language.TRITON) -> Solution:
    return Solution(
        name="mine",
        definition="double",
        author="tester",
        spec=BuildSpec(language=language, target_hardware=["cuda"], entry_point="main.py::run"),
        sources=[SourceFile(path="main.py", content=text)],
    )


def workloads_of(*lengths: int) -> list[Workload]:
    inputs = {"x": {"type": "random"}}
    found = [{"uuid": f"w{n}", "axes": {"n": n}, "inputs": inputs} for n in lengths]
    return msgspec.convert(found, list[Workload])


DOUBLE_DEFINITION = msgspec.convert(DOUBLE, Definition)


@pytest.fixture(scope="module")
def ahead(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ahead]:
    root = tmp_path_factory.mktemp("ahead")
    found = Ahead(root / "scratch", root / "cache")
    yield found
    found.close()


def compile_text(ahead: Ahead, text: str, *lengths: int, limit_s: float = 30.0) -> Compiled:
    return ahead.compile(
        triton_solution(text),
        DOUBLE_DEFINITION,
        workloads_of(*(lengths or (100,))),
        "90",
        limit_s=limit_s,
    )


def cubins(folder: Path | None) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.cubin")) if folder else []


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def assert_nothing_left(ahead: Ahead) -> None:
    """Only the fork server lives; a guardian that told the end may take a moment to end."""
    assert ahead._server is not None
    deadline = time.monotonic() + 2
    server = ahead._server.ready.pid
    while descendants(server) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert descendants(server) == []
    assert not list(ahead._scratch.glob("ahead-*"))


def bundled(path: Path) -> tuple[Solution, Definition, list[Workload]]:
    solution = decode(path.read_bytes(), Solution)
    (file,) = (ROOT / "flashinfer_trace/definitions").rglob(f"{solution.definition}.json")
    definition = decode(file.read_bytes(), Definition)
    (file,) = (ROOT / "flashinfer_trace/workloads").rglob(f"{solution.definition}.jsonl")
    rows = [json.loads(line)["workload"] for line in file.read_text().splitlines()]
    found = msgspec.convert(rows, list[Workload])
    return solution, definition, sorted(found, key=lambda one: sum(one.axes.values()))


def test_kernels_are_compiled_once(
    ahead: Ahead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compile_text(ahead, KERNEL + RUN, 100, 128, 200)
    assert (first.kernels, first.cached, first.reason) == (2, False, "")
    assert cubins(first.folder) == ["double.cubin"] * 2

    def no_process(*_: object, **__: object) -> Server:
        raise AssertionError("a process was to be started")

    monkeypatch.setattr("engine.run.ahead.Server", no_process)
    other = Ahead(tmp_path / "scratch", ahead._cache)
    again = compile_text(other, KERNEL + RUN, 200, 128, 100)
    other.close()
    assert (again.kernels, again.cached, again.folder) == (2, True, first.folder)


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_bundled_solutions_compile_ahead(ahead: Ahead, path: Path) -> None:
    solution, definition, workloads = bundled(path)
    done = ahead.compile(solution, definition, workloads[:1], "90", limit_s=60)
    assert done.reason == ""
    assert len(cubins(done.folder)) == done.kernels > 0


def test_what_solutions_do_on_the_host_is_answered(ahead: Ahead) -> None:
    done = compile_text(ahead, HOST_CODE)
    assert done.reason == ""
    assert cubins(done.folder) == ["double.cubin"]


def test_every_configuration_of_the_autotuner_is_compiled_and_none_is_chosen(
    ahead: Ahead,
) -> None:
    done = compile_text(ahead, TUNED)
    assert (done.reason, done.kernels) == ("", 4)
    assert done.folder is not None
    assert not list(done.folder.rglob("*.autotune.json"))


@pytest.mark.parametrize(
    ("text", "kernels", "reason"),
    [
        ("def run(x, y):\n    raise ValueError('not now\\nbut later')\n", 0, "ValueError: not now"),
        ("import no_such_module\n" + RUN, 0, "No module named 'no_such_module'"),
        (RUN + "    raise ValueError('after it')\n", 1, "ValueError: after it"),
        (RUN + "    os._exit(3)\n", 1, "ended by itself with exit code 3"),
        (RUN + "    sys.exit(4)\n", 1, "SystemExit: 4"),
        (RUN.replace("64)\n", "tl.no_such)\n"), 0, "AttributeError"),
        (RUN + "    os.system('sleep 60 &')\n    time.sleep(60)\n", 1, "within 3 s"),
        (RUN + "    os.kill(os.getppid(), 9)\n    time.sleep(60)\n", 1, "SIGKILL"),
    ],
)
def test_a_failure_costs_what_was_not_compiled_yet(
    ahead: Ahead, text: str, kernels: int, reason: str
) -> None:
    started = time.monotonic()
    done = compile_text(ahead, KERNEL + text, limit_s=3.0)
    assert time.monotonic() - started < 10
    assert reason in done.reason
    assert done.kernels == len(cubins(done.folder)) == kernels
    assert (done.folder is None) == (kernels == 0)
    assert_nothing_left(ahead)
    assert compile_text(ahead, KERNEL + text, limit_s=3.0).cached


def test_a_failure_of_one_workload_spares_the_others(ahead: Ahead) -> None:
    text = KERNEL + "def run(x, y):\n    if len(x) == 5:\n        raise ValueError(5)\n" + CALL
    done = compile_text(ahead, text, 5, 128)
    assert (done.kernels, done.reason) == (1, "ValueError: 5")


def test_more_time_continues_where_time_ran_out(ahead: Ahead) -> None:
    text = KERNEL + "def run(x, y):\n    if len(x) == 128:\n        time.sleep(2)\n" + CALL
    first = compile_text(ahead, text, 100, 128, limit_s=1.5)
    assert first.kernels == 1
    assert "within 1.5 s" in first.reason
    more = compile_text(ahead, text, 100, 128, limit_s=20.0)
    assert (more.kernels, more.reason, more.cached) == (2, "", False)


def test_what_is_compiled_for_some_workloads_is_there_for_others(ahead: Ahead) -> None:
    text = KERNEL + (
        "if list(__import__('pathlib').Path(os.environ['TRITON_CACHE_DIR']).glob('*/*.cubin')):\n"
        "    def listen(*, cache_hit, **_):\n"
        "        if not cache_hit:\n"
        "            raise RuntimeError('compiled anew')\n"
        "    triton.knobs.compilation.listener = listen\n"
    )
    first = compile_text(ahead, text + RUN, 100)
    assert first.folder is not None
    again = compile_text(ahead, text + RUN, 200)
    assert (again.kernels, again.reason, again.cached) == (1, "", False)
    assert again.folder is not None
    assert listing(again.folder) == listing(first.folder)
    special = compile_text(ahead, text + RUN, 128)
    assert special.reason == "RuntimeError: compiled anew"


def test_a_failure_is_tried_again_after_a_day(ahead: Ahead, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    text = (
        f"import pathlib\n{KERNEL}def run(x, y):\n    pathlib.Path({str(marker)!r}).read_text()\n"
    )
    first = compile_text(ahead, text + CALL)
    assert first.reason.startswith("FileNotFoundError")
    marker.touch()
    assert compile_text(ahead, text + CALL).reason == first.reason
    for result in ahead._cache.glob("*/*/result.json"):
        result.write_text(json.dumps({**json.loads(result.read_text()), "made": 0.0}))
    assert compile_text(ahead, text + CALL).reason == ""


def call_normally(
    ahead: Ahead, tmp_path: Path, path: Path, device: Device, count: int
) -> list[bool]:
    """Compile ahead, then call through Triton's own way; whether each kernel was found."""
    solution, definition, workloads = bundled(path)
    done = ahead.compile(solution, definition, workloads[:count], device.capability, limit_s=60)
    assert (done.reason, done.kernels > 0) == ("", True)
    sources = lay_out(solution, tmp_path / "elsewhere")
    install(done, tmp_path / "child")
    kernels = tmp_path / "child" / "cache" / "triton"
    before = listing(kernels)
    environment = clean_environment(device)
    environment.pop("TRITON_INTERPRET", None)
    environment |= {"TRITON_CACHE_DIR": str(kernels), "HOME": str(tmp_path)}
    hits: list[bool] = []
    for call in dry_calls(definition, workloads[:count]):
        arguments = [
            device.name.partition(":")[0],
            str(sources.parent),
            f"{sources.name}.{solution.spec.entry_file.removesuffix('.py')}",
            solution.spec.entry_function,
            msgspec.json.encode(call).decode(),
            str(solution.spec.destination_passing_style),
        ]
        made = subprocess.run(
            [sys.executable, "-c", NORMAL_CALL, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        hits += json.loads(made.stdout.splitlines()[-1])
    assert listing(kernels) == before
    return hits


@pytest.mark.parametrize("name", ["triton_rmsnorm_h4096", "triton_fused_add_rmsnorm_h4096"])
def test_keys_are_those_of_a_normal_call(ahead: Ahead, tmp_path: Path, name: str) -> None:
    # Others of the bundled solutions take other paths for tensors that are on the CPU.
    (path,) = (path for path in TRITON if path.stem == name)
    cpu = Device(name="cpu", hardware="", key="cpu", capability="90")
    assert call_normally(ahead, tmp_path, path, cpu, 1) == [True]


@pytest.mark.gpu
@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_a_gpu_compiles_nothing_any_more(ahead: Ahead, tmp_path: Path, path: Path) -> None:
    from engine.run.devices import list_devices

    hits = call_normally(ahead, tmp_path, path, list_devices()[0], 3)
    assert hits
    assert all(hits)


def test_other_languages_have_nothing_to_compile(ahead: Ahead) -> None:
    for language, capability in ((Language.PYTHON, "90"), (Language.TRITON, "")):
        solution = triton_solution(KERNEL + RUN, language=language)
        done = ahead.compile(
            solution, DOUBLE_DEFINITION, workloads_of(8), capability, limit_s=30, stop=bool
        )
        assert (done.folder, done.kernels, done.reason) == (None, 0, "")


def test_a_cancelled_call_leaves_no_process_and_no_result(ahead: Ahead) -> None:
    text = KERNEL + "def run(x, y):\n    time.sleep(60)\n"
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        ahead.compile(
            triton_solution(text),
            DOUBLE_DEFINITION,
            workloads_of(8),
            "90",
            limit_s=30,
            stop=lambda: time.monotonic() > begun + 0.5,
        )
    assert time.monotonic() - begun < 5
    assert_nothing_left(ahead)


def test_threads_that_ask_for_the_same_share_the_work(ahead: Ahead) -> None:
    texts = [KERNEL + RUN + f"# {number}\n" for number in range(3)] * 2
    results: list[Compiled] = []
    threads = [
        threading.Thread(target=lambda text=text: results.append(compile_text(ahead, text)))
        for text in texts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [done.kernels for done in results] == [1] * 6
    assert sum(not done.cached for done in results) == 3


def test_a_killed_fork_server_is_started_again(ahead: Ahead) -> None:
    compile_text(ahead, KERNEL + RUN + "# before\n")
    assert ahead._server is not None
    os.kill(ahead._server.ready.pid, signal.SIGKILL)
    done = compile_text(ahead, KERNEL + RUN + "# after\n")
    assert (done.kernels, done.reason) == (1, "")
