"""What `fitui bench` asks for, and that no run goes on that nobody wants, nor stops that somebody
does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine.places import state_dir
from engine.run import client
from engine.run.devices import Device
from engine.schema import Kind, Status
from engine.schema.run import Busy, Request
from fitui.cli import main
from tests.fitui.ui.tiny_files import FakeRun, solution, write, write_dataset

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny dataset; runs get no runner."""
    monkeypatch.setattr("engine.run.client.start_runner", lambda _state: None)
    return write_dataset(tmp_path / "dataset")


def asked(dataset: Path, *arguments: str) -> Request:
    assert main(["bench", "--dataset", str(dataset), "--detach", *arguments]) == 0
    return client.list_runs()[0].request


def test_priority_and_what_to_do_beside_others_are_passed_on(dataset: Path) -> None:
    request = asked(dataset, "--device", "cpu", "--priority", "3", "--busy", "flag")
    assert (request.priority, request.busy) == (3, Busy.FLAG)
    assert not request.resume and not request.retry_failed


@pytest.mark.parametrize(
    ("options", "retry_failed"),
    [(["--resume"], False), (["--retry-failed"], True), (["--resume", "--retry-failed"], True)],
)
def test_resume_skips_what_was_made(dataset: Path, options: list[str], retry_failed: bool) -> None:
    request = asked(dataset, "--device", "cpu", *options)
    assert request.resume and request.retry_failed is retry_failed


def test_every_gpu_that_may_be_taken_is(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = [Device(name=f"cuda:{n}", hardware="H200", key=f"GPU-{n}") for n in (0, 2)]
    monkeypatch.setattr("fitui.cli.bench.find_devices", lambda _text: gpus)
    assert asked(dataset).devices == ["cuda:0", "cuda:2"]


def test_a_pattern_means_solutions_of_the_definitions_asked_for(dataset: Path) -> None:
    write(dataset / "solutions/me/other/triple_h8/fast3.json", solution("fast3", "triple_h8"))
    everything = asked(dataset, "--device", "cpu", "-s", "fast*")
    assert set(everything.solutions) == {"fast", "fast3"}
    assert asked(dataset, "--device", "cpu", "-d", "double*", "-s", "fast*").solutions == ["fast"]


def test_it_says_how_many_evaluations_and_about_how_long(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(dataset, "--device", "cpu", "--quick")
    assert "on cpu: 9 evaluations; traces go to" in capsys.readouterr().err
    earlier = FakeRun(state_dir(), dataset, quick=True)
    earlier.begin()
    for number in range(9):
        earlier.event(Kind.DONE, f"e{number}", device="cpu", status=Status.PASSED, elapsed_s=20.0)
    earlier.finish()
    asked(dataset, "--device", "cpu", "--quick")
    assert "on cpu: 9 evaluations, about 3 min; traces" in capsys.readouterr().err


def test_an_interrupt_while_a_run_is_asked_for_cancels_it(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    submit = client.submit

    def interrupted(*arguments: Any, **options: Any) -> client.RunHandle:
        os.kill(os.getpid(), signal.SIGINT)
        return submit(*arguments, **options)

    monkeypatch.setattr("fitui.cli.bench.submit", interrupted)
    assert main(["bench", "--dataset", str(dataset), "--device", "cpu"]) == 130
    (handle,) = client.list_runs()
    assert handle.folder.cancel_file.exists()
    assert f"cancelled run {handle.run}" in capsys.readouterr().err


def test_an_interrupt_before_the_run_is_followed_cancels_it(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fitui.cli.bench.announce", interrupt)
    assert main(["bench", "--dataset", str(dataset), "--device", "cpu"]) == 130
    (handle,) = client.list_runs()
    assert handle.folder.cancel_file.exists()


def test_a_reader_that_leaves_early_leaves_the_run_going(dataset: Path) -> None:
    run = FakeRun(state_dir(), dataset)
    run.begin()
    run.event(Kind.DONE, "e0", status=Status.PASSED, latency_ms=0.001)
    program = (
        "import sys, engine.run.client as client, fitui.cli as cli\n"
        "client.is_running = lambda queue, run: True\n"
        "sys.exit(cli.main(['attach', 'beef', '--json']))"
    )
    following = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert following.stdout is not None and following.stderr is not None
    assert '"e0"' in following.stdout.readline()
    following.stdout.close()
    # Only the next line finds out that nobody reads.
    deadline = time.monotonic() + 30
    for number in range(1, 9):
        if following.poll() is not None or time.monotonic() > deadline:
            break
        run.event(Kind.DONE, f"e{number}", status=Status.PASSED, latency_ms=0.001)
        time.sleep(0.5)
    assert following.wait(timeout=10) == 0
    assert following.stderr.read() == ""
    following.stderr.close()
    assert not run.folder.cancel_file.exists()
