"""The command line: finds the subcommand, hands over, and turns errors into one sentence.

Each subcommand is a module of this package with ``HELP`` (one line), ``add_arguments(parser)``
and ``run(args) -> int``; it is imported only when it is asked for. Exit status: 0 fine, 1 some
evaluation failed, 2 usage or data error.
"""

from __future__ import annotations

import argparse
import difflib
import gc
import importlib
import importlib.metadata
import os
import sqlite3
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

COMMANDS = (
    "bench",
    "compare",
    "runs",
    "attach",
    "pause",
    "resume",
    "priority",
    "cancel",
    "devices",
    "pack",
    "unpack",
    "pull",
    "ls",
    "show",
    "validate",
    "index",
    "config",
    "doctor",
)
"""Every subcommand, in the order of ``fitui --help``."""

FAILED, WRONG = 1, 2
_GLOBAL = ("--dataset", "--overlay", "--state")

_DESCRIPTION = """\
Terminal workbench for GPU kernels in the FlashInfer Trace format.

Without a command, opens the screen; VIEW says on what: `fitui 'traces status:failed'`.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments without the program's name; those of the process where None.

    Returns:
        The exit status.
    """
    try:
        status = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        _drop_output()
        return 0
    except KeyboardInterrupt:
        return 130
    except (LookupError, OSError, ValueError, sqlite3.Error) as error:
        if not _is_expected(error):
            raise
        print(f"fitui: {_sentence(error)}", file=sys.stderr)
        return WRONG


def _dispatch(arguments: list[str]) -> int:
    common, rest = _split_global(arguments)
    if common.state:
        os.environ["FITUI_STATE"] = str(Path(common.state).expanduser().absolute())
    if not rest:
        return _open_screen(common, "")
    first = rest[0]
    if first.startswith(":"):
        # As in the program, for views that are named as a command is: `fitui :devices`.
        return _open_screen(common, " ".join([first[1:], *rest[1:]]))
    if first in COMMANDS:
        module = _module(first)
        if module is None:
            print(f"fitui: {first} is not part of this installation", file=sys.stderr)
            return WRONG
        parser = argparse.ArgumentParser(
            prog=f"fitui {first}",
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[global_options()],
            allow_abbrev=False,
        )
        module.add_arguments(parser)
        args = parser.parse_args(_glue_expressions(rest[1:]), common)
        status: int = module.run(args)
        return status
    if first.startswith("-"):
        return _top_option(rest)
    close = difflib.get_close_matches(first, COMMANDS, n=1, cutoff=0.75)
    if close and len(rest) == 1 and " " not in first:
        print(f"fitui: there is no command {first!r}; did you mean {close[0]}?", file=sys.stderr)
        return WRONG
    return _open_screen(common, " ".join(rest))


def global_options() -> argparse.ArgumentParser:
    """Options that may stand before or after the subcommand."""
    parser = argparse.ArgumentParser(prog="fitui", add_help=False, allow_abbrev=False)
    group = parser.add_argument_group("where things are")
    suppress = argparse.SUPPRESS
    group.add_argument(
        "--dataset",
        metavar="PATH",
        default=suppress,
        help="dataset folder; else $FIB_DATASET_PATH, else the bundled one",
    )
    group.add_argument(
        "--overlay",
        metavar="DIR",
        default=suppress,
        help="folder for new solutions and traces where the dataset is not to be written",
    )
    group.add_argument(
        "--state", metavar="DIR", default=suppress, help="folder of runs (FITUI_STATE)"
    )
    return parser


def _split_global(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Take the global options out, wherever they stand."""
    taken: list[str] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if argument.split("=", 1)[0] in _GLOBAL:
            taken.append(argument)
            if "=" not in argument:
                taken.extend(waiting[:1])
                del waiting[:1]
        else:
            rest.append(argument)
    nothing = argparse.Namespace(dataset=None, overlay=None, state=None)
    return global_options().parse_args(taken, nothing), rest


def _glue_expressions(arguments: Sequence[str]) -> list[str]:
    """``--sort -age`` as ``--sort=-age``, which argparse does not take for an option."""
    result: list[str] = []
    for argument in arguments:
        if result and result[-1] in ("--sort", "--where"):
            result[-1] += f"={argument}"
        else:
            result.append(argument)
    return result


def _top_option(rest: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="fitui",
        usage="fitui [VIEW]\n       fitui COMMAND ...",
        description=_DESCRIPTION,
        epilog=_command_list(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[global_options()],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fitui {_version()}")
    parser.parse_args(rest)
    return WRONG  # pragma: no cover - every option of the top level ends the program


def _command_list() -> str:
    lines = ["commands (`fitui COMMAND --help` says more):"]
    for name in COMMANDS:
        module = _module(name)
        if module is not None:
            lines.append(f"  {name:<8} {module.HELP}")
    return "\n".join(lines)


def _module(name: str) -> ModuleType | None:
    path = f"{__name__}.{name}"
    return importlib.import_module(path) if find_spec(path) else None


def _version() -> str:
    try:
        return importlib.metadata.version("fitui")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def _open_screen(common: argparse.Namespace, view: str) -> int:
    from fitui.view import ViewError, parse_view

    try:
        parse_view(view)
    except ViewError as error:
        print(f"fitui: {error}", file=sys.stderr)
        return WRONG
    # A key behind another frame waits for two ticks of Textual's at most, and at each turn of
    # another thread for its end: 33 and 5 ms otherwise.
    os.environ.setdefault("TEXTUAL_FPS", "240")
    sys.setswitchinterval(0.0005)
    # What is imported stays: looking for garbage in it takes a twentieth of the start.
    gc.disable()
    from fitui.app import run_app

    gc.freeze()
    gc.enable()
    status: int | None = run_app(
        dataset=common.dataset, overlay=common.overlay, state=common.state, view=view
    )
    return status or 0


def _is_expected(error: Exception) -> bool:
    """True for what a user can cause; anything else is a bug and keeps its traceback."""
    from engine.schema import SchemaError
    from engine.store import QueryError

    return isinstance(error, LookupError | OSError | SchemaError | QueryError | sqlite3.Error)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _drop_output() -> None:
    """The reader of our output has gone: let the interpreter's last flush go nowhere."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, sys.stdout.fileno())
    os.close(descriptor)
