"""What writes the bundled dataset: references, solutions and workloads as ordinary source.

Owns every fact in `definitions/`, `workloads/`, `solutions/` and `blob/`; knows nothing of the
engine that runs them. `python -m flashinfer_trace.authoring` writes the files.
"""
