"""A process that answers what flashinfer-bench's own models say about a text.

Started with the folder that flashinfer-bench was installed to. Takes one JSON request a line and
answers with one JSON line. The package's ``__init__`` is not run, since it needs FlashInfer and a
GPU; ``flashinfer_bench.data`` is, as published.
"""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any


def load_models(folder: Path) -> Any:
    """The published package ``flashinfer_bench.data``."""
    sys.path.insert(0, str(folder))
    package = types.ModuleType("flashinfer_bench")
    package.__path__ = [str(folder / "flashinfer_bench")]
    sys.modules["flashinfer_bench"] = package
    import flashinfer_bench.data

    return flashinfer_bench.data


def answer(data: Any, request: dict[str, Any]) -> dict[str, Any]:
    """What the models say: their own dump of the text, or why they refuse it."""
    try:
        if "dataset" in request:
            found = data.TraceSet.from_path(request["dataset"])
            return {
                "definitions": sorted(found.definitions),
                "solutions": sorted(s.name for many in found.solutions.values() for s in many),
                "workloads": sum(len(many) for many in found.workloads.values()),
                "traces": sum(len(many) for many in found.traces.values()),
            }
        model = getattr(data, request["model"])
        document = model.model_validate_json(request["text"])
        unset = request.get("exclude_unset", True)
        return {"dump": document.model_dump_json(exclude_unset=unset)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def main() -> None:
    data = load_models(Path(sys.argv[1]))
    for line in sys.stdin:
        print(json.dumps(answer(data, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
