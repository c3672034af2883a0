"""Lays the sources of a solution out as files. Imports nothing of them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from engine.schema.names import Language
from engine.schema.solution import Solution

PACKAGE = "fitui_solution"
"""Name of the folder, under which it is also a package, for relative imports."""

_NEEDS_GPU = {Language.CUDA: "CUDA", Language.TILELANG: "TileLang"}


class CannotBuild(Exception):
    """There is no builder for a solution here; says why."""


def check_buildable(solution: Solution, device: str) -> None:
    """Make sure that a solution can be built and run on a device.

    Raises:
        CannotBuild: It is for the other kind of device, or a package is not installed.
    """
    language = solution.spec.language
    if device != "cpu" and {name.lower() for name in solution.spec.target_hardware} == {"cpu"}:
        raise CannotBuild(f"not run on {device}: its target_hardware names the CPU only")
    if device == "cpu" and language in _NEEDS_GPU:
        raise CannotBuild(f"not run on cpu: a {_NEEDS_GPU[language]} solution needs a GPU")
    if language is Language.TILELANG and find_spec("tilelang") is None:
        raise CannotBuild("tilelang is not installed; pip install tilelang")


def lay_out(solution: Solution, parent: Path) -> Path:
    """Write the sources below ``parent`` and return the folder that holds them.

    Every path was checked by the schema to stay inside.

    Raises:
        OSError: They cannot be written.
    """
    folder = parent / PACKAGE
    for source in solution.sources:
        target = folder / source.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source.content, encoding="utf-8", errors="surrogatepass")
    return folder
