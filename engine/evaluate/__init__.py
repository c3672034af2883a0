"""Correctness: which inputs a solution is checked on, what counts as equal, and the verdict.

``registry``, ``facts`` and ``verdict`` are plain Python for the runner; ``inputs`` and the
evaluators use torch and live in the trusted process that also runs the reference.
"""
