"""What a solution says that it depends on: whether it is here, and what a compiler needs for it.

A dependency is a Python requirement ("triton>=3.0", "flashinfer-python"), the name of a Python
module, or a C++ library ("cublas", "cutlass>=3.7", "CUTLASS_3_7"). Nothing of it is imported.
"""

from __future__ import annotations

import platform
import re
from importlib import metadata
from importlib.util import find_spec

from msgspec import Struct
from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion

from engine.build.cpp_libraries import LIBRARIES, Found, find_library
from engine.schema import Language, Solution

_COMPILED = (Language.CPP, Language.CUDA)
_WITH_VERSION = re.compile(r"(?P<name>[a-z]+)_v?(?P<version>\d+(?:_\d+)*)")
_LONGEST = 80


class Needs(Struct, frozen=True):
    """What the compilers need for a solution's dependencies.

    Args:
        includes: Folders of headers.
        links: Names of libraries.
        libraries: Folders of libraries.
        run_paths: Folders of libraries where they are looked for when the solution is loaded.
    """

    includes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    run_paths: tuple[str, ...] = ()


class _Missing(Exception):
    """Something is not here; says what, and how to get it."""


def missing(solution: Solution) -> str:
    """The first dependency that is not here, and how to get it, in one line; "" if all are."""
    try:
        _needs(solution)
    except _Missing as error:
        return str(error)
    return ""


def needs_of(solution: Solution) -> Needs:
    """What the compilers need; call it where nothing is missing."""
    try:
        return _needs(solution)
    except _Missing:  # somebody has just removed it; the compilers will say so
        return Needs()


def _needs(solution: Solution) -> Needs:
    language = solution.spec.language
    found = [_find(item, language) for item in solution.spec.dependencies]
    return Needs(
        *(
            tuple(dict.fromkeys(part for item in found for part in getattr(item, field)))
            for field in Needs.__struct_fields__
        )
    )


def _find(text: str, language: Language) -> Found:
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    requirement = _parse(text, shown)
    if requirement is None:
        return Found()
    name = requirement.name.lower().replace("-", "_")
    compiled = language in _COMPILED
    if not compiled and _python_has(requirement, shown):
        return Found()
    if name in LIBRARIES:
        found = _find_cpp(name, requirement.specifier, shown)
        if language is Language.CUDA and name == "cudart":
            return Found(found.version, found.includes)  # nvcc links one of its own
        return found if compiled else Found()
    if compiled and _python_has(requirement, shown):
        return Found()
    raise _Missing(f"dependency {shown} is not installed; {_pip(requirement)}")


def _parse(text: str, shown: str) -> Requirement | None:
    """What is asked for; None where its marker says that it is not for this Python or system."""
    try:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate():
            return None
    except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):
        raise _Missing(
            f"dependency {shown!r} cannot be read: write it as pip does (numpy>=1.26)"
        ) from None
    match = _WITH_VERSION.fullmatch(requirement.name.lower().replace("-", "_"))
    if match and match["name"] in LIBRARIES and not requirement.specifier:
        requirement.name = match["name"]
        requirement.specifier = SpecifierSet(f">={match['version'].replace('_', '.')}")
    return requirement


def _find_cpp(name: str, wanted: SpecifierSet, shown: str) -> Found:
    library = LIBRARIES[name]
    others: list[str] = []
    for found in find_library(library):
        if not found.version or _fits(found.version, wanted):
            return found
        others.append(found.version)
    if others:
        raise _Missing(f"dependency {shown}: version {', '.join(others)} is here; {library.hint}")
    raise _Missing(f"dependency {shown} is not here (no {library.header}); {library.hint}")


def _python_has(requirement: Requirement, shown: str) -> bool:
    """Whether there is such a distribution, or else a module of that name.

    Raises:
        _Missing: It is there in another version.
    """
    if requirement.name.lower() == "python":
        versions = [platform.python_version()]
    else:
        versions = _installed(requirement)
        if not versions:
            return False
    if any(not version or _fits(version, requirement.specifier) for version in versions):
        return True
    raise _Missing(f"dependency {shown}: version {versions[0]} is installed; {_pip(requirement)}")


def _installed(requirement: Requirement) -> list[str]:
    """Versions of a distribution or module; "" where it does not tell, none if it is not here."""
    try:
        return [metadata.version(requirement.name)]
    except metadata.PackageNotFoundError:
        pass
    # Of a dotted name only the beginning: to find the rest would import it.
    module = requirement.name.replace("-", "_").partition(".")[0]
    try:
        if find_spec(module) is None:
            return []
    except (ImportError, ValueError, AttributeError):
        return []
    if not requirement.specifier:
        return [""]
    owners = metadata.packages_distributions().get(module, [])
    return [metadata.version(owner) for owner in owners] or [""]


def _fits(version: str, wanted: SpecifierSet) -> bool:
    try:
        return wanted.contains(version, prereleases=True)
    except InvalidVersion:
        return True


def _pip(requirement: Requirement) -> str:
    if requirement.name.lower() == "python":
        return "use another Python"
    text = f"{requirement.name}{requirement.specifier}"
    return f"pip install '{text}'" if requirement.specifier else f"pip install {text}"
