"""Solution: the sources of one implementation of a definition, and how to build them."""

from __future__ import annotations

from pathlib import PurePosixPath

from msgspec import Struct, field

from engine.schema.errors import RuleError
from engine.schema.hashing import digest
from engine.schema.names import Binding, Language


class SourceFile(Struct, kw_only=True):
    """One file of a solution; ``path`` is relative to the solution's own folder."""

    path: str
    content: str

    def __post_init__(self) -> None:
        if not self.path:
            raise RuleError("path", "must not be empty")
        if not self.content:
            raise RuleError("content", f"file {self.path!r} is empty")
        pure = PurePosixPath(self.path)
        if pure.is_absolute() or ".." in pure.parts or "\0" in self.path:
            raise RuleError("path", f"{self.path!r} leaves the solution's folder")


class BuildSpec(Struct, omit_defaults=True, kw_only=True):
    """How the sources become a callable."""

    language: Language
    target_hardware: list[str]
    entry_point: str
    dependencies: list[str] = field(default_factory=list)
    destination_passing_style: bool = True
    binding: Binding | None = None

    def __post_init__(self) -> None:
        if not self.target_hardware:
            raise RuleError("target_hardware", "needs at least one item")
        for position, name in enumerate(self.dependencies):
            if not name:
                raise RuleError(f"dependencies[{position}]", "must not be empty")
        if self.entry_point.count("::") != 1:
            raise RuleError(
                "entry_point",
                f"must read file::function with exactly one `::`, not {self.entry_point!r}",
            )

    @property
    def entry_file(self) -> str:
        """Path of the file that holds the entry function."""
        return self.entry_point.split("::")[0]

    @property
    def entry_function(self) -> str:
        """Name of the function that is called."""
        return self.entry_point.split("::")[1]


class Solution(Struct, omit_defaults=True, kw_only=True):
    """One implementation of a definition."""

    name: str
    definition: str
    author: str
    spec: BuildSpec
    sources: list[SourceFile]
    description: str | None = None

    def __post_init__(self) -> None:
        for key in ("name", "definition", "author"):
            if not getattr(self, key):
                raise RuleError(key, "must not be empty")
        if not self.sources:
            raise RuleError("sources", "needs at least one file")
        seen: set[str] = set()
        for position, source in enumerate(self.sources):
            if source.path in seen:
                raise RuleError(f"sources[{position}].path", f"{source.path!r} appears twice")
            seen.add(source.path)
        if self.spec.entry_file not in seen:
            raise RuleError(
                "spec.entry_point", f"file {self.spec.entry_file!r} is not among the sources"
            )

    def content_hash(self) -> str:
        """Identity of what this solution does: a SHA-256 over every field that changes it.

        Each part is preceded by its length, so that no two different solutions share an
        encoding. Name, author and description do not take part.

        Returns:
            16 hexadecimal digits.
        """
        spec = self.spec
        parts = [
            self.definition,
            spec.language,
            spec.entry_point,
            spec.binding or "",
            "dps" if spec.destination_passing_style else "value",
            str(len(spec.dependencies)),
            *spec.dependencies,
        ]
        for source in sorted(self.sources, key=lambda item: item.path):
            parts += [source.path, source.content]
        return digest(parts)
