"""Write a solution's sources into a folder, with a config.toml that packs them again.

fitui unpack triton_rmsnorm_h4096 my_kernel/
fitui unpack triton_rmsnorm_h4096@1a2b3c4d old/     a former version
"""

from __future__ import annotations

import argparse
from pathlib import Path

from engine.build.pack import unpack
from engine.store import TraceStore

HELP = "write a solution's sources into a folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui unpack``."""
    parser.add_argument("solution", metavar="SOLUTION", help="name, or name@version")
    parser.add_argument("folder", metavar="FOLDER", help="empty or missing folder")


def run(args: argparse.Namespace) -> int:
    """Unpack."""
    name, _, version = args.solution.partition("@")
    with TraceStore.open(args.dataset, overlay=args.overlay) as store:
        solution = store.solution(name, version or None)
    print(unpack(solution, Path(args.folder)))
    return 0
