"""Loading a solution's entry, each time in a process of its own: it changes the import path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.build.layout import PACKAGE

ROOT = Path(__file__).parents[3]

CHILD = """
import json, sys
from engine.build.loader import BuildFailure, load_entry
folder, file, function, arguments, passing = json.loads(sys.argv[1])
try:
    entry = load_entry(folder, file, function, arguments=arguments, destination_passing=passing)
except BuildFailure as error:
    found = {"type": error.type, "message": error.message, "trace": error.trace, "str": str(error)}
else:
    found = {"result": entry(*range(arguments))}
print("\\n" + json.dumps(found))
"""


class Load:
    """Lays files out and loads one of them in a fresh interpreter."""

    def __init__(self, parent: Path) -> None:
        self.folder = parent / PACKAGE

    def __call__(
        self,
        files: dict[str, str | bytes],
        entry: str = "main.py::run",
        arguments: int = 1,
        passing: bool = False,
    ) -> dict[str, Any]:
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        file, function = entry.split("::")
        order = json.dumps([str(self.folder), file, function, arguments, passing])
        done = subprocess.run(
            [sys.executable, "-c", CHILD, order],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return Load(tmp_path)


PLUS_ONE = "def plus(x):\n    return x + 1\n"


def test_the_entry_function_is_returned_ready_to_call(load: Load) -> None:
    assert load({"main.py": "def run(x, y):\n    return x - y\n"}, arguments=2) == {"result": -1}


@pytest.mark.parametrize(
    "line", ["from helper import plus", "from .helper import plus", "from . import helper"]
)
def test_files_import_each_other_absolutely_and_relatively(load: Load, line: str) -> None:
    name = "helper.plus" if line.endswith("helper") else "plus"
    main = f"{line}\ndef run(x):\n    return {name}(x)\n"
    assert load({"main.py": main, "helper.py": PLUS_ONE}) == {"result": 1}


@pytest.mark.parametrize("marked", [True, False], ids=["package", "namespace package"])
@pytest.mark.parametrize(
    "line", ["from kernels.deep.k import plus", "from .kernels.deep.k import plus"]
)
def test_folders_are_packages_with_and_without_a_mark(load: Load, line: str, marked: bool) -> None:
    files: dict[str, str | bytes] = {
        "main.py": f"{line}\ndef run(x):\n    return plus(x)\n",
        "kernels/deep/k.py": f"from ..base import ONE\n{PLUS_ONE}",
        "kernels/base.py": "ONE = 1\n",
    }
    if marked:
        files |= {"kernels/__init__.py": "", "kernels/deep/__init__.py": ""}
    assert load(files) == {"result": 1}


@pytest.mark.parametrize(
    "line",
    ["from ..helper import plus", "from helper import plus", "from .near import plus"],
)
def test_an_entry_in_a_sub_folder_finds_the_others(load: Load, line: str) -> None:
    main = f"{line}\ndef run(x):\n    return plus(x)\n"
    files: dict[str, str | bytes] = {
        "sub/main.py": main,
        "sub/near.py": PLUS_ONE,
        "helper.py": PLUS_ONE,
    }
    assert load(files, "sub/main.py::run") == {"result": 1}


def test_an_init_file_at_the_top_runs_before_the_entry(load: Load) -> None:
    files: dict[str, str | bytes] = {
        "__init__.py": "SEEN = 5\n",
        "main.py": "from . import SEEN\ndef run(x):\n    return SEEN\n",
    }
    assert load(files) == {"result": 5}


def test_a_file_name_need_not_be_an_identifier(load: Load) -> None:
    files: dict[str, str | bytes] = {"my-kernel.py": "def run(x):\n    return 3\n"}
    assert load(files, "my-kernel.py::run") == {"result": 3}


def test_a_callable_object_is_an_entry_as_well(load: Load) -> None:
    main = "class C:\n    def __call__(self, x):\n        return 4\nrun = C()\n"
    assert load({"main.py": main}) == {"result": 4}


def test_a_syntax_error_names_file_and_line(load: Load) -> None:
    found = load({"main.py": "def run(x):\n    return (\n"})
    assert found["type"] == "SyntaxError"
    assert found["message"].startswith("main.py:2: SyntaxError: ")
    assert found["str"] == found["message"]
    assert "return (" in found["trace"]


def test_a_syntax_error_in_a_file_that_nobody_imports_is_one_too(load: Load) -> None:
    found = load({"main.py": "def run(x): ...\n", "sub/bad.py": "\n\n  x = 1\n y\n"})
    assert found["type"] == "IndentationError"
    assert found["message"].startswith("sub/bad.py:3: IndentationError: ")


@pytest.mark.parametrize("content", [b"x = '\xed\xa0\x80'\n", b"x = 1\0\n", b"# coding: no-such\n"])
def test_a_file_that_is_no_text_names_itself(load: Load, content: bytes) -> None:
    found = load({"main.py": content})
    assert found["message"].startswith("main.py:")
    assert "None" not in found["message"]


def test_a_folder_that_is_named_like_a_file_is_no_source(load: Load) -> None:
    files: dict[str, str | bytes] = {
        "main.py": "def run(x):\n    return 6\n",
        "odd.py/data.txt": "",
    }
    assert load(files) == {"result": 6}


def test_a_missing_function_is_named(load: Load) -> None:
    found = load({"main.py": "def walk(x): ...\n"})
    assert (found["type"], found["message"]) == ("AttributeError", "main.py has no function 'run'")


def test_what_is_no_function_is_not_taken_for_one(load: Load) -> None:
    assert load({"main.py": "run = 5\n"})["message"] == "main.py has no function 'run'"


def test_an_entry_file_of_another_kind_is_refused(load: Load) -> None:
    found = load({"main.cu": "x"}, "main.cu::run")
    assert found["message"] == "entry file main.cu is not a Python file"


def test_a_failing_import_is_told_from_the_solutions_own_frames_on(load: Load) -> None:
    files: dict[str, str | bytes] = {
        "main.py": "import helper\ndef run(x): ...\n",
        "helper.py": "raise RuntimeError('no luck')\n",
    }
    found = load(files)
    assert found["type"] == "RuntimeError"
    assert found["message"] == "RuntimeError while importing main.py: no luck"
    assert 'main.py", line 1, in <module>' in found["trace"]
    assert 'helper.py", line 1, in <module>' in found["trace"]
    assert "loader.py" not in found["trace"]


def test_a_missing_module_is_named(load: Load) -> None:
    found = load({"main.py": "import no_such_module_here\n"})
    assert found["type"] == "ModuleNotFoundError"
    assert "no_such_module_here" in found["message"]


def test_an_exit_during_the_import_is_a_failed_build(load: Load) -> None:
    found = load({"main.py": "import sys\nsys.exit('bye')\n"})
    assert found["message"] == "SystemExit while importing main.py: bye"


def test_an_error_without_a_text_is_a_failed_build(load: Load) -> None:
    main = "class Odd(Exception):\n    def __str__(self):\n        raise Odd\nraise Odd\n"
    found = load({"main.py": main})
    assert found["type"] == "Odd"
    assert found["message"] == "Odd while importing main.py: (its text cannot be made)"


def test_too_few_parameters_for_outputs_hint_at_the_other_style(load: Load) -> None:
    found = load({"main.py": "def run(x): ...\n"}, arguments=2, passing=True)
    assert found["type"] == "TypeError"
    assert found["message"] == (
        "main.py::run(x) cannot take 2 inputs and outputs: too many positional arguments"
        "; if it returns its outputs, set destination_passing_style=false"
    )


def test_a_wrong_number_of_inputs_is_told_without_that_hint(load: Load) -> None:
    found = load({"main.py": "def run(x, y): ...\n"}, arguments=1)
    assert found["message"] == (
        "main.py::run(x, y) cannot take 1 inputs: missing a required argument: 'y'"
    )


@pytest.mark.parametrize("signature", ["x, y=5", "*all", "x, *, fast=True", "x, /, y=0"])
def test_parameters_that_can_take_the_arguments_are_fine(load: Load, signature: str) -> None:
    assert load({"main.py": f"def run({signature}):\n    return 8\n"}) == {"result": 8}


def test_a_function_without_a_signature_is_left_to_the_first_call(load: Load) -> None:
    assert load({"main.py": "run = {}.get\n"})["result"] is None
