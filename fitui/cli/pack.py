"""Make a solution from a folder of sources or one file, and put it into the dataset.

  fitui pack my_kernel/                      a folder with config.toml and sources
  fitui pack kernel.py -d rmsnorm_h4096      one file

A solution of the same name and author gets a new version; former versions are kept in the user's
data folder. `fitui bench FOLDER` packs and runs in one go.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.build.pack import Packed, pack
from engine.store import TraceStore, resolve_layers, save_solution
from fitui.cli.output import print_json

HELP = "make a solution from a folder of sources or one file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui pack``."""
    parser.add_argument("path", metavar="FOLDER|FILE", help="sources")
    parser.add_argument("-d", "--definition", metavar="DEF", default="", help="what it solves")
    parser.add_argument("--name", default="", help="name of the solution")
    parser.add_argument("--author", default="", help="author of the solution")
    parser.add_argument("--json", action="store_true", help="print the solution as JSON")


def run(args: argparse.Namespace) -> int:
    """Pack and save."""
    layers = resolve_layers(args.dataset, overlay=Path(args.overlay) if args.overlay else None)
    packed, path = pack_into(
        layers, Path(args.path), args.definition, name=args.name, author=args.author
    )
    if args.json:
        print_json(packed.solution)
    else:
        print(path)
    return 0


def pack_into(
    layers: Sequence[Path], source: Path, definition: str, *, name: str = "", author: str = ""
) -> tuple[Packed, Path]:
    """Pack sources and save the solution in the dataset, saying what happened.

    Raises:
        PackError: The sources are no solution.
        SchemaError: The result breaks a rule of the schema.
        OSError: It cannot be written.
    """
    with TraceStore.open(layers) as store:
        known = {row.name: store.definition(row.name) for row in store.definitions()}
    packed = pack(source, known, definition=definition, name=name, author=author)
    for note in packed.notes:
        print(f"fitui: {note}", file=sys.stderr)
    solution = packed.solution
    path, changed = save_solution(layers[-1], known[solution.definition].op_type, solution)
    what = "new version of" if changed else "unchanged:"
    version = solution.content_hash()[:8]
    print(f"fitui: {what} {solution.name}@{version} in {path}", file=sys.stderr)
    return packed, path
