"""Folders and files become solutions, and solutions become folders again."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from engine.build.pack import PackError, pack, unpack
from engine.schema import AxisVar, Definition, DType, Language, SchemaError, TensorSpec

DOUBLE = Definition(
    name="double",
    op_type="toy",
    axes={"n": AxisVar()},
    inputs={"x": TensorSpec(shape=["n"], dtype=DType.FLOAT32)},
    outputs={"y": TensorSpec(shape=["n"], dtype=DType.FLOAT32)},
    reference="def run(x):\n    return x * 2\n",
)
KNOWN = {"double": DOUBLE}
CONFIG = """
[solution]
name = "mine"
definition = "double"
author = "Team A"

[build]
language = "triton"
entry_point = "kernel.py::kernel"
"""


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_py", ".py").replace("_toml", ".toml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_file_becomes_a_solution(tmp_path: Path) -> None:
    write(tmp_path, fast_py="def run(x, y):\n    y.copy_(x + x)\n")
    packed = pack(tmp_path / "fast.py", KNOWN, definition="double")
    solution = packed.solution
    assert solution.name == "fast"
    assert solution.spec.language is Language.PYTHON
    assert solution.spec.entry_point == "fast.py::run"
    assert solution.spec.destination_passing_style
    assert [source.path for source in solution.sources] == ["fast.py"]


def test_a_function_of_the_inputs_alone_returns_its_outputs(tmp_path: Path) -> None:
    write(tmp_path, fast_py="def run(x):\n    return x + x\n")
    packed = pack(tmp_path / "fast.py", KNOWN, definition="double")
    assert not packed.solution.spec.destination_passing_style
    assert any("destination_passing_style=false" in note for note in packed.notes)


def test_a_folder_says_by_its_config_what_it_is(tmp_path: Path) -> None:
    write(
        tmp_path, config_toml=CONFIG, kernel_py="def kernel(x, y):\n    pass\n", util_py="A = 1\n"
    )
    solution = pack(tmp_path, KNOWN).solution
    assert (solution.name, solution.author) == ("mine", "Team A")
    assert solution.spec.language is Language.TRITON
    assert [source.path for source in solution.sources] == ["kernel.py", "util.py"]


def test_sources_may_lie_under_solution_and_language(tmp_path: Path) -> None:
    write(
        tmp_path,
        config_toml=CONFIG,
        solution__triton__kernel_py="def kernel(x, y):\n    pass\n",
        scripts__other_py="raise SystemExit\n",
    )
    solution = pack(tmp_path, KNOWN).solution
    assert [source.path for source in solution.sources] == ["kernel.py"]


def test_what_the_schema_forbids_is_left_out_with_a_note(tmp_path: Path) -> None:
    write(tmp_path, pkg__empty_py="", main_py="def run(x, y):\n    pass\n")
    packed = pack(tmp_path, KNOWN, definition="double")
    assert [source.path for source in packed.solution.sources] == ["main.py"]
    assert any("does not allow empty files" in note for note in packed.notes)


def test_a_file_that_is_no_source_is_left_out_with_a_note(tmp_path: Path) -> None:
    write(tmp_path, main_py="def run(x, y):\n    pass\n")
    (tmp_path / "fast.ptx").write_text("// none\n")
    (tmp_path / "README.md").write_text("How it works.\n")
    packed = pack(tmp_path, KNOWN, definition="double")
    assert [source.path for source in packed.solution.sources] == ["fast.ptx", "main.py"]
    assert "README.md is left out: it is no kind of source" in packed.notes


def test_hidden_and_cached_files_are_no_sources(tmp_path: Path) -> None:
    write(tmp_path, main_py="def run(x, y):\n    pass\n")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/x.py").write_text("1")
    (tmp_path / ".secret.py").write_text("1")
    packed = pack(tmp_path, KNOWN, definition="double")
    assert [source.path for source in packed.solution.sources] == ["main.py"]


@pytest.mark.parametrize(
    ("files", "definition", "reason"),
    [
        ({"main_py": "def run(x, y):\n    pass\n"}, "", "which definition it solves"),
        ({"main_py": "def run(x, y):\n    pass\n"}, "none", "no definition 'none'"),
        ({"main_py": "A = 1\n"}, "double", "no source defines"),
        ({"a_py": "def run(): 0\n", "b_py": "def run(): 0\n"}, "double", "could be meant"),
        ({"config_toml": "[solution\n"}, "double", "config.toml"),
        ({"config_toml": "[build]\nlanguage = 'rust'\n"}, "double", "rust"),
        ({"config_toml": "[build]\nflags = ''\n"}, "double", "flags"),
        ({"readme_md": "x"}, "double", "holds no sources"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_said(
    tmp_path: Path, files: dict[str, str], definition: str, reason: str
) -> None:
    write(tmp_path, **files)
    with pytest.raises(PackError, match=reason):
        pack(tmp_path, KNOWN, definition=definition)


def test_a_broken_rule_of_the_schema_is_a_schema_error(tmp_path: Path) -> None:
    config = CONFIG.replace("kernel.py::kernel", "other.py::kernel")
    write(tmp_path, config_toml=config, kernel_py="def kernel(x, y):\n    pass\n")
    with pytest.raises(SchemaError, match="not among the sources"):
        pack(tmp_path, KNOWN)


def test_unpacked_and_packed_again_it_is_the_same(tmp_path: Path) -> None:
    write(
        tmp_path / "in",
        config_toml=CONFIG + 'dependencies = ["a\\"b"]\ndestination_passing_style = false\n',
        kernel_py="def kernel(x):\n    return x\n",
        deep__er_py="B = 'é'\n",
    )
    first = pack(tmp_path / "in", KNOWN).solution
    again = pack(unpack(first, tmp_path / "out"), KNOWN).solution
    assert again == first


def test_a_folder_that_holds_something_is_not_overwritten(tmp_path: Path) -> None:
    write(tmp_path, main_py="def run(x, y):\n    pass\n")
    solution = pack(tmp_path, KNOWN, definition="double").solution
    with pytest.raises(PackError, match="is not empty"):
        unpack(solution, tmp_path)


def test_the_git_commit_is_kept_and_says_when_there_are_changes(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True)

    write(tmp_path, main_py="def run(x, y):\n    pass\n")
    assert pack(tmp_path, KNOWN, definition="double").commit == ""
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    clean = pack(tmp_path, KNOWN, definition="double").commit
    assert len(clean) == 12
    write(tmp_path, main_py="def run(x, y):\n    y.zero_()\n")
    assert pack(tmp_path, KNOWN, definition="double").commit == f"{clean}+changes"
