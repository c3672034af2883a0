"""The dataset on disk: found, indexed, queried, watched and appended to.

The files are the truth; the index is a cache that may be deleted at any time. Never imports
torch or numpy, knows no screen, and runs nothing.
"""

from engine.store.append import AppendError, append_line, append_once
from engine.store.blobs import BlobError, blob_path
from engine.store.documents import NotFound
from engine.store.filing import trace_path
from engine.store.layers import bundled_dataset, is_writable, resolve_layers
from engine.store.query import QueryError
from engine.store.rows import (
    CellRow,
    DefinitionRow,
    LatestRow,
    SolutionRow,
    SummaryRow,
    TraceRow,
    WorkloadRow,
)
from engine.store.save import keep_version, kept_versions, save_solution
from engine.store.sets import list_sets, read_set, write_set
from engine.store.store import TraceStore
from engine.store.watch import Watcher

__all__ = [
    "AppendError",
    "BlobError",
    "CellRow",
    "DefinitionRow",
    "LatestRow",
    "NotFound",
    "QueryError",
    "SolutionRow",
    "SummaryRow",
    "TraceRow",
    "TraceStore",
    "Watcher",
    "WorkloadRow",
    "append_line",
    "append_once",
    "blob_path",
    "bundled_dataset",
    "is_writable",
    "keep_version",
    "kept_versions",
    "list_sets",
    "read_set",
    "resolve_layers",
    "save_solution",
    "trace_path",
    "write_set",
]
