"""The architecture's promises: who may import whom, what start-up may load, what never pickles."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "triton", "numpy", "safetensors")
LIGHT_PACKAGES = ("fitui", "engine.schema", "engine.store", "engine.insight", "engine.validate")
LIGHT_MODULES = (
    "engine.measure.calibration",
    "engine.measure.facts",
    "engine.measure.roofline",
    "engine.places",
    "engine.run.client",
    "engine.run.devices",
    "engine.run.files",
    "engine.run.progress",
)


def child(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that finds this checkout, installed or not, and no user's settings."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        cwd="/",
    )


def exists(module: str) -> bool:
    """Whether a module's file is there. Imports nothing."""
    path = ROOT.joinpath(*module.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def modules_of(package: str) -> list[str]:
    """The package and everything in it that Python could import."""
    folder = ROOT.joinpath(*package.split("."))
    files = [file.relative_to(ROOT) for file in folder.rglob("*.py")]
    names = [".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files]
    return sorted(name for name in names if not name.endswith("__main__"))


def test_import_contracts_hold() -> None:
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 broken." in result.stdout


LOAD = f"""
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    heavy = sorted(set(sys.modules) & {{*{HEAVY!r}}})
    if heavy:
        break
print(json.dumps([name, heavy]))
"""


@pytest.mark.parametrize("package", [*LIGHT_PACKAGES, *LIGHT_MODULES])
def test_start_up_leaves_the_heavy_packages_out(package: str) -> None:
    if not exists(package):
        pytest.skip(f"{package} does not exist yet")
    result = child(LOAD, *modules_of(package) or [package])
    assert result.returncode == 0, result.stderr
    name, heavy = json.loads(result.stdout.splitlines()[-1])
    assert heavy == [], f"after import of {name}"


COMMAND = f"""
import sys
sys.argv = ["fitui", *sys.argv[1:]]
from fitui.cli import main
try:
    status = main()
except SystemExit as end:
    status = end.code
assert not status, status
heavy = sorted(set(sys.modules) & {{*{HEAVY!r}}})
assert not heavy, heavy
"""


def test_help_appears_without_the_heavy_packages() -> None:
    if not (ROOT / "fitui" / "cli" / "__init__.py").read_text().strip():
        pytest.skip("fitui.cli is empty yet")
    result = child(COMMAND, "--help")
    assert result.returncode == 0, result.stderr
    assert "bench" in result.stdout


def test_the_heavy_packages_are_here_to_be_left_out() -> None:
    missing = [name for name in HEAVY if importlib.util.find_spec(name) is None]
    assert missing == [], "without them the tests above would prove nothing"


FORBIDDEN_CALLS = {
    "torch.load": "it unpickles",
    "torch.save": "it pickles",
    "np.load": "it may unpickle",
    "numpy.load": "it may unpickle",
    "ProcessPoolExecutor": "it pickles",
    "concurrent.futures.ProcessPoolExecutor": "it pickles",
    "os.system": "it goes through a shell",
}


def test_nothing_of_ours_calls_what_pickles() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node.func)}"
        for package in ("engine", "fitui")
        for file in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in FORBIDDEN_CALLS
    ]
    assert found == []
