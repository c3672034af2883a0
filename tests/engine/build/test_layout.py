"""Sources of a solution become files, and nothing else."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from engine.build import layout
from engine.build.layout import PACKAGE, CannotBuild, check_buildable, lay_out
from engine.schema import Language, Solution
from engine.schema.solution import BuildSpec, SourceFile


def solution(language: Language = Language.PYTHON, **files: str) -> Solution:
    sources = [SourceFile(path=path, content=text) for path, text in files.items()]
    return Solution(
        name="s",
        definition="d",
        author="a",
        spec=BuildSpec(
            language=language,
            target_hardware=["cpu", "cuda"],
            entry_point=f"{sources[0].path}::run",
        ),
        sources=sources,
    )


def test_every_source_is_written_below_the_package(tmp_path: Path) -> None:
    files = {"main.py": "a = 1\n", "kernels/deep/k.py": "b = 2\r\n", "notes.txt": "é\n"}
    folder = lay_out(solution(**files), tmp_path)
    assert folder == tmp_path / PACKAGE
    found = {
        str(path.relative_to(folder)): path.read_bytes().decode()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert found == files


def test_the_folder_may_have_to_be_made(tmp_path: Path) -> None:
    assert lay_out(solution(**{"m.py": "x"}), tmp_path / "new" / "er").is_dir()


def test_half_a_surrogate_pair_is_written_and_left_to_the_compiler(tmp_path: Path) -> None:
    folder = lay_out(solution(**{"m.py": "'\ud800'"}), tmp_path)
    assert (folder / "m.py").read_bytes() == b"'\xed\xa0\x80'"


@pytest.mark.parametrize("paths", [("a.py", "a.py/b.py"), ("a/b.py", "a"), (".", "x")])
def test_paths_that_exclude_each_other_cannot_be_written(
    tmp_path: Path, paths: tuple[str, str]
) -> None:
    with pytest.raises(OSError):
        lay_out(solution(**dict.fromkeys(paths, "x")), tmp_path)


def test_what_needs_a_gpu_is_not_run_on_the_cpu() -> None:
    for language, name in ((Language.CUDA, "CUDA"), (Language.TILELANG, "TileLang")):
        with pytest.raises(CannotBuild, match=f"not run on cpu: a {name} solution needs a GPU"):
            check_buildable(solution(language, **{"main.py": "x"}), "cpu")
    for language in (Language.PYTHON, Language.TRITON, Language.CPP):
        check_buildable(solution(language, **{"main.py": "x"}), "cpu")


def test_what_is_for_the_cpu_only_is_not_run_on_a_gpu() -> None:
    found = solution(Language.CPP, **{"main.cpp": "x"})
    for names, device, fits in (
        (["cpu"], "cpu", True),
        (["CPU"], "cuda:0", False),
        (["cpu", "NVIDIA H200"], "cuda:0", True),
    ):
        spec = msgspec.structs.replace(found.spec, target_hardware=names)
        chosen = msgspec.structs.replace(found, spec=spec)
        if fits:
            check_buildable(chosen, device)
        else:
            with pytest.raises(CannotBuild, match=f"not run on {device}: its target_hardware"):
                check_buildable(chosen, device)


def test_tilelang_is_run_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = solution(Language.TILELANG, **{"main.py": "x"})
    monkeypatch.setattr(layout, "find_spec", lambda name: None)
    with pytest.raises(CannotBuild, match="tilelang is not installed; pip install tilelang"):
        check_buildable(found, "cuda:0")
    monkeypatch.setattr(layout, "find_spec", lambda name: name == "tilelang")
    check_buildable(found, "cuda:0")
