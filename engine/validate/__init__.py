"""Checks a dataset: files, references, stored tensors and traces, each finding with its place.

Reads the files themselves, writes nothing, and runs nothing of what the dataset holds. Needs no
torch and no numpy.
"""

from engine.validate.checks import CHECKS, Check, Group, Severity
from engine.validate.documents import Dataset, read_dataset
from engine.validate.findings import Finding, found
from engine.validate.report import Report, validate

__all__ = [
    "CHECKS",
    "Check",
    "Dataset",
    "Finding",
    "Group",
    "Report",
    "Severity",
    "found",
    "read_dataset",
    "validate",
]
