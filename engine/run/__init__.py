"""Runs: from a request to verdicts in trace files, by processes that outlive the terminal.

``client`` and ``progress`` are what a user interface needs and never import torch. The runner
(``runner``) owns the verdicts; user code is only ever imported by ``worker`` in a process of
its own.
"""
