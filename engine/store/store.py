"""TraceStore: one dataset, kept in step with its files, to be asked for pages of rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType

from engine.schema import Definition, Solution, Trace, Workload, encode
from engine.store.append import append_line
from engine.store.documents import (
    read_definition,
    read_solution,
    read_trace,
    read_trace_line,
    read_workload,
)
from engine.store.filing import trace_path
from engine.store.index import Index
from engine.store.layers import absolute, resolve_layers, unique_layers
from engine.store.lists import Lists
from engine.store.pages import Pages
from engine.store.refresh import Refresher, generation
from engine.store.save import find_version


class TraceStore(Lists):
    """A dataset of one or more layers, read through an index.

    Any thread may ask; each has its own connection. A query sees the index as of one moment.

    Attributes:
        layers: Folders, lowest first.
        notices: Sentences for the user about the index and the folders.
    """

    def __init__(self, layers: Sequence[Path], *, cache: Path | None = None) -> None:
        self.layers: tuple[Path, ...] = tuple(layers)
        self._index = Index(self.layers, cache)
        super().__init__(Pages(self._index, self.layers))
        self._refresher = Refresher(self._index, self.layers)

    @classmethod
    def open(
        cls,
        dataset: str | Path | Sequence[str | Path] | None = None,
        *,
        overlay: str | Path | None = None,
        cache: str | Path | None = None,
        wait: bool = True,
    ) -> TraceStore:
        """Open a dataset and bring its index up to date.

        Args:
            dataset: Folder, or list of layer folders, lowest first; None for the one that
                :func:`resolve_layers` finds.
            overlay: Folder for what is new.
            cache: Folder for the index; the user's cache folder where None.
            wait: Return when everything is indexed. Where False, and in :meth:`refresh` then, a
                large change is left to another process while this one shows what is there.

        Raises:
            FileNotFoundError: There is no such dataset folder.
        """
        if dataset is None or isinstance(dataset, str | Path):
            layers = resolve_layers(dataset, overlay=overlay)
        else:
            named = [*dataset, *([] if overlay is None else [overlay])]
            layers = unique_layers([absolute(layer) for layer in named])
            for layer in layers[:-1] or layers:
                if not layer.is_dir():
                    raise FileNotFoundError(f"The dataset folder {layer} does not exist.")
        store = cls(layers, cache=Path(cache) if cache is not None else None)
        store._refresher.wait = wait
        try:
            store.refresh()
        except BaseException:
            store.close()
            raise
        return store

    def __enter__(self) -> TraceStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def root(self) -> Path:
        """The layer that new solutions and traces go to."""
        return self.layers[-1]

    @property
    def notices(self) -> list[str]:
        """Sentences for the user about the index and the folders."""
        return [*self._index.notices, *self._refresher.notices]

    @property
    def generation(self) -> int:
        """A number that changes whenever indexed content changed, by any process."""
        return generation(self._index)

    @property
    def indexing(self) -> bool:
        """True while another process indexes what this one found changed.

        :meth:`refresh` then returns at once, and is to be called again now and then.
        """
        return self._refresher.indexing

    @property
    def status(self) -> str:
        """How complete the answers are: "up to date", or "indexing 41 %"."""
        return self._refresher.status

    def refresh(self, files: Collection[Path] | None = None) -> bool:
        """Read what changed on disk since the last time.

        Args:
            files: Look only at these; None for all.

        Returns:
            True where indexed content changed.

        Raises:
            OSError: The index cannot be written.
        """
        return self._refresher.refresh(files)

    @property
    def index_file(self) -> Path:
        """The index's database file."""
        return self._index.path

    def rebuild(self) -> None:
        """Read every file again, into an index that starts empty.

        Raises:
            OSError: The index cannot be written.
        """
        self._index.set_aside("it is being built again, as asked")
        self._index.path.with_suffix(".damaged").unlink(missing_ok=True)
        self.refresh()

    def close(self) -> None:
        """Let go of the index. The store cannot be used afterwards."""
        self._index.close()

    # -- documents

    def definition(self, name: str) -> Definition:
        """A definition in full.

        Raises:
            KeyError: There is none of this name.
            SchemaError: Its file has just been spoilt.
        """
        return read_definition(self._pages, name)

    def solution(self, name: str, version: str | None = None) -> Solution:
        """A solution in full.

        Args:
            name: Its name.
            version: Content hash, or the beginning of one; None for the version that counts.
                A version that is no longer in the dataset is looked for among those kept.

        Raises:
            KeyError: There is none of this name and version.
            SchemaError: Its file has just been spoilt.
        """
        try:
            return read_solution(self._pages, name, version)
        except KeyError:
            kept = find_version(name, version) if version else None
            if kept is None:
                raise
            return kept

    def workload(self, uuid: str, definition: str | None = None) -> Workload:
        """A workload in full.

        Args:
            uuid: Its uuid.
            definition: Where several definitions have a workload of this uuid.

        Raises:
            KeyError: There is none.
            SchemaError: Its file has just been spoilt.
        """
        return read_workload(self._pages, uuid, definition)

    def trace(self, trace_id: int) -> Trace:
        """An evaluation in full, with its log, read from its file.

        Args:
            trace_id: ``id`` of a :class:`TraceRow`.

        Raises:
            KeyError: There is none, or its file changed since it was listed.
        """
        return read_trace(self._pages, trace_id)

    def trace_line(self, trace_id: int) -> bytes:
        """The line of an evaluation as it stands in its file.

        Args:
            trace_id: ``id`` of a :class:`TraceRow`.

        Raises:
            KeyError: There is none.
        """
        return read_trace_line(self._pages, trace_id)

    def append(self, trace: Trace) -> tuple[Path, int]:
        """Append an evaluation to the trace file of its author, op and definition.

        Author and op come from the solution's and the definition's document; "unknown" stands
        for what is not in the dataset.

        Returns:
            The file, and the offset of the line in it.

        Raises:
            AppendError: The file cannot be written; the error carries the line.
            ValueError: ``trace`` has no evaluation.
        """
        if trace.evaluation is None:
            raise ValueError("a trace without an evaluation is not appended to traces/")
        path = self.trace_file(trace)
        offset = append_line(path, encode(trace) + b"\n")
        self.refresh()
        return path, offset

    def trace_file(self, trace: Trace) -> Path:
        """The file that :meth:`append` appends a trace to."""
        author = self._pages.select(
            "SELECT author FROM solution WHERE name = ? AND standing = 2", [trace.solution]
        )
        op_type = self._pages.select(
            "SELECT op_type FROM definition WHERE name = ? AND standing = 2", [trace.definition]
        )
        parts = [str(rows[0][0]) if rows else "unknown" for rows in (author, op_type)]
        return trace_path(self.root, parts[0], parts[1], trace.definition)
