"""Lays the sources of a solution out as files. Imports nothing of them."""

from __future__ import annotations

from pathlib import Path

from engine.schema.names import Language
from engine.schema.solution import Solution

PACKAGE = "fitui_solution"
"""Name of the folder, under which it is also a package, for relative imports."""

BUILDERS: dict[Language, str] = {
    Language.PYTHON: "python",
    Language.TRITON: "triton",
    Language.CPP: "compiler",
    Language.CUDA: "compiler",
}
"""Languages that can be built, and the builder that does it."""


class CannotBuild(Exception):
    """There is no builder for a solution here; says why."""


def check_buildable(solution: Solution, device: str) -> None:
    """Make sure that a solution can be built and run on a device.

    Raises:
        CannotBuild: There is no builder for its language, or it needs a GPU.
    """
    language = solution.spec.language
    if language is Language.CUDA and device == "cpu":
        raise CannotBuild("not run on cpu: a CUDA solution needs a GPU")
    if language not in BUILDERS:
        known = " and ".join(sorted(BUILDERS))
        raise CannotBuild(f"no builder for {language} yet, only for {known}")


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
