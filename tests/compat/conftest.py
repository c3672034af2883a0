"""flashinfer-bench's own models, installed once into a folder of their own, in a process apart."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"

Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def upstream_folder(pytestconfig: pytest.Config) -> Path:
    """A folder with flashinfer-bench and pydantic, kept between runs as long as the pins stay."""
    assert pytestconfig.cache is not None
    place = pytestconfig.cache.mkdir("flashinfer-bench")
    pins = [
        line for line in REQUIREMENTS.read_text().splitlines() if line and not line.startswith("#")
    ]
    ready = place / "-".join([*pins, sys.implementation.cache_tag or "python"])
    if not ready.is_dir():
        fresh = Path(tempfile.mkdtemp(dir=place))
        bench, *others = pins
        install(fresh, "--no-deps", bench)
        install(fresh, *others)
        try:
            fresh.rename(ready)
        except OSError:  # another process of this test run was faster
            shutil.rmtree(fresh)
    return ready


def install(folder: Path, *what: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(folder), *what]
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    if result.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.fail(
            f"{' '.join(what)} could not be installed, so compatibility is not proven:\n"
            f"{result.stderr[-2000:]}",
            pytrace=False,
        )


@pytest.fixture(scope="session")
def ask(upstream_folder: Path) -> Iterator[Ask]:
    """Ask the models about one text, or about a whole dataset."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(HERE / "upstream_models.py"), str(upstream_folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout
    sent, received = process.stdin, process.stdout

    def ask(**request: Any) -> dict[str, Any]:
        sent.write(json.dumps(request) + "\n")
        sent.flush()
        line = received.readline()
        assert line, "the process with flashinfer-bench's models has ended"
        reply = json.loads(line)
        assert isinstance(reply, dict)
        return reply

    yield ask
    sent.close()
    process.wait(timeout=30)
    received.close()
