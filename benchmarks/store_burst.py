"""Very many changes at once, for ``benchmarks.store``: nothing may be missed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import store_data
from engine.store import TraceStore, Watcher

_WRITER = """
import sys
from pathlib import Path
root, folders, line = Path(sys.argv[1]), int(sys.argv[2]), sys.stdin.buffer.read()
def marked(mark):
    return line.replace(b'"log": "', b'"log": "%s ' % mark.encode()) + b"\\n"
for number in range(folders):
    path = root / f"traces/new{number}/op/f.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(marked(f"n{number}"))
for number, path in enumerate(sorted(root.glob("traces/x*/*.jsonl"))):
    with path.open("ab") as stream:
        stream.write(marked(f"m{number}"))
"""


def burst(folder: Path, files: int = 30_000, folders: int = 200) -> dict[str, Any]:
    """Another process appends to very many files at once, and makes folders with a file each.

    Returns:
        How many rows were missed, and the seconds until all were there.
    """
    root, cache = folder / "burst", folder / "burst-cache"
    for former in (root, cache):
        shutil.rmtree(former, ignore_errors=True)
    store_data.make(root, 1000)
    line = min(root.glob("traces/*/*/*.jsonl")).read_bytes().split(b"\n")[0]
    for number in range(files):
        path = root / f"traces/x{number % 100:02}/f{number}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(line.replace(b'"log": "', b'"log": "%d ' % number) + b"\n")
    with TraceStore.open(root, cache=cache) as store:
        before = store.count("traces")
    with TraceStore.open(root, cache=cache, wait=False) as store:
        watcher = Watcher(store.layers, store.refresh, store.refresh)
        start = time.monotonic()
        command = [sys.executable, "-c", _WRITER, str(root), str(folders)]
        subprocess.run(command, input=line, check=True)
        wanted = before + files + folders
        while (found := store.count("traces")) < wanted and time.monotonic() < start + 180:
            time.sleep(0.1)
            if store.indexing:
                store.refresh()
        seconds = time.monotonic() - start
        watcher.stop()
    for done in (root, cache):
        shutil.rmtree(done)
    return {"seconds": seconds, "missed": wanted - found, "before": before}
