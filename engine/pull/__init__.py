"""Fetching a published dataset from the hub: whole or in part, again and again.

Needs the extra ``hub`` (huggingface_hub), which is imported by :class:`Hub` and nothing else here.
"""

from engine.pull.fetch import PUBLISHED, default_folder, pull
from engine.pull.hub import EXTRA, Hub
from engine.pull.missing import MissingBlobs
from engine.pull.published import PublishedFile, PullError, Selection
from engine.pull.report import Outcome, Report, State

__all__ = [
    "EXTRA",
    "PUBLISHED",
    "Hub",
    "MissingBlobs",
    "Outcome",
    "PublishedFile",
    "PullError",
    "Report",
    "Selection",
    "State",
    "default_folder",
    "pull",
]
