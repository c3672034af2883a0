"""Show the settings: what holds and where it comes from, or how to write the file.

  fitui config                what holds, where it comes from, and what in the file is wrong
  fitui config --example      a file with every setting, commented out
  fitui config --schema       the JSON schema of the file

The file is ~/.config/fitui/config.toml ($XDG_CONFIG_HOME; $FITUI_CONFIG names another). Exit
status: 0, or 2 where something in the file is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from fitui.cli.output import Column, print_json, print_table
from fitui.config import read_config
from fitui.config_text import example, holding, schema
from fitui.themes import theme_for

HELP = "show the settings, an example of their file, or its schema"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui config``."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--schema", action="store_true", help="print the JSON schema of the file")
    what.add_argument("--example", action="store_true", help="print a commented file")
    what.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Print it."""
    if args.schema:
        print(json.dumps(schema(), indent=2))
        return 0
    if args.example:
        print(example(), end="")
        return 0
    read = read_config()
    rows = holding(read)
    if args.json:
        for name, value, origin in rows:
            print_json({"setting": name, "value": value, "from": origin})
    else:
        print(f"{read.file}{'' if read.there else ': no such file; `fitui config --example`'}\n")
        columns = [Column("setting"), Column("value", shrinks=True), Column("from")]
        print_table(columns, rows)
        theme, why = theme_for(os.environ, read.config.theme)
        print(f"\nIn this terminal the theme is {theme}{f': {why}' if why else ''}.")
    for problem in read.problems:
        print(f"fitui: {problem}", file=sys.stderr)
    return 2 if read.problems else 0
