"""Make the pictures of every screen: the real app, on the bundled dataset, with results of an H200.

    python screenshots/make.py            draw; for the screens of runs, run rmsnorm_h4096 quickly
    python screenshots/make.py --keep DIR run only if DIR holds no run yet, and keep it

Writes NAME-80x24.svg, NAME-120x36.svg and NAME-120x36.png beside this file.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import os
import re
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

_PLACE = ("x", "textLength")
FONT = "DejaVu Sans Mono"
SIZES = ((80, 24), (120, 36))
DEFINITION = "rmsnorm_h4096"
RECORDED = "gemm_n4096_k4096"
COMPARED = "fused_add_rmsnorm_h2048"
"""Has results of two solutions."""
RUN_LIMIT_S = 600.0

FAILING = "traces status:failed sort:time"
"""Opened with Enter and so on: the first failure in the bundled dataset."""
Scene = tuple[str, str, tuple[str, ...]]
"""Name of the picture, view, and keys to press in it."""

SCENES: tuple[Scene, ...] = (
    ("triage", "triage", ()),
    ("definitions", "definitions sort:-roofline", ("j", "j", "j")),
    ("definition", f"definition {DEFINITION}", ()),
    ("workloads", f"definition {DEFINITION} tab:workloads", ()),
    ("solutions", f"definition {DEFINITION} tab:solutions", ()),
    ("traces", "traces op:gqa_paged sort:-roofline", ()),
    ("matrix", f"matrix {DEFINITION}", ("e",)),
    ("trace-wrong-values", "traces status:INCORRECT_NUMERICAL", ("enter",)),
    ("trace-runtime-error", "traces status:RUNTIME_ERROR", ("enter",)),
    ("trace-log", "traces status:RUNTIME_ERROR", ("enter", "tab", "e")),
    ("trace-source", "traces status:COMPILE_ERROR", ("enter", "tab", "tab")),
    ("trace-diff", "traces status:INCORRECT_SHAPE", ("enter", "tab", "tab", "tab")),
    ("trace-workload", f"traces def:{RECORDED}", ("enter", *("tab",) * 4)),
    ("trace-json", f"traces def:{RECORDED}", ("enter", *("tab",) * 6)),
    ("trace-h200", f"traces def:{RECORDED} sort:latency", ("enter",)),
    ("compare", f"compare torch_{COMPARED} triton_{COMPARED}", ()),
    ("history", f"history triton_{RECORDED}", ()),
    ("devices", "devices", ()),
    ("solution", f"solution triton_{DEFINITION}", ()),
    ("versions", f"solution triton_{DEFINITION} tab:versions", ()),
    ("filter", "traces", ("slash", *"op:gemm roofline>=80")),
    ("frequency", "traces group:roofline", ()),
    ("columns", "traces op:gemm", ("C",)),
    ("copy", FAILING, ("enter", "y")),
    ("help", f"matrix {DEFINITION}", ("question_mark",)),
    ("palette", "definitions", ("colon", *"rms")),
    ("run-dialog", f"matrix {DEFINITION}", ("R",)),
    ("bad-files", "problems", ()),
)
"""Of what was recorded on a GPU and is bundled."""

AFTER_A_RUN: tuple[Scene, ...] = (
    ("runs", "runs", ()),
    ("run", "runs", ("enter",)),
    ("trace-passed", "traces status:PASSED", ("enter",)),
)
"""Of a run on the machine that makes the pictures."""


def make_run(state: Path) -> None:
    """Run the definition in quick mode on the CPU; draw the matrix half-way; wait."""
    from engine.run.client import submit
    from engine.store import resolve_layers

    handle = submit(
        resolve_layers(None), devices=["cpu"], definitions=[DEFINITION], quick=True, state=state
    )
    begin = time.monotonic()
    while handle.live and handle.progress.ended < 13 and time.monotonic() - begin < RUN_LIMIT_S:
        time.sleep(0.1)
        handle.poll()
    for size in SIZES:
        asyncio.run(draw("matrix-live", f"matrix {DEFINITION}", ("l",), size))
    while handle.live and time.monotonic() - begin < RUN_LIMIT_S:
        time.sleep(0.5)
        handle.poll()
    print(f"run {handle.run}: {handle.state}, {dict(handle.progress.counts)}")


async def draw(name: str, view: str, keys: tuple[str, ...], size: tuple[int, int]) -> None:
    """Start the app on a view, press keys, and write what it shows."""
    from fitui.app import FituiApp
    from fitui.session import Session

    session = Session()
    try:
        app = FituiApp(session, view)
        async with app.run_test(size=size) as pilot:
            await pilot.pause(1.0)
            for key in keys:
                await pilot.press(key)
                await pilot.pause(0.25)
            await pilot.pause(0.5)
            svg = local_font(app.export_screenshot(title="fitui"))
    finally:
        session.stop()
        session.store.close()
    target = HERE / f"{name}-{size[0]}x{size[1]}.svg"
    target.write_text(svg)
    if size == SIZES[-1]:
        write_png(svg, target.with_suffix(".png"))
    print(target.name)


def local_font(svg: str) -> str:
    """The picture without fonts from the network."""
    svg = re.sub(r"@font-face\s*\{[^}]*\}", "", svg)
    svg = re.sub(r"font-family:\s*[^;]*;", f"font-family: {FONT}, monospace;", svg)
    svg = re.sub(r"<text ([^>]*)>([^<]*)</text>", placed, svg)
    return svg.replace(str(Path.home()), "~")


def placed(match: re.Match[str]) -> str:
    """A text as its words, each at its own column, so that any monospace font stays aligned."""
    attributes, text = match[1], html.unescape(match[2]).replace("\xa0", " ")
    x, length = (re.search(rf'(?<![\w-]){name}="([\d.]+)"', attributes) for name in _PLACE)
    if x is None or length is None or not text.strip():
        return "" if not text.strip() else match[0]
    width = float(length[1]) / len(text)
    rest = re.sub(r'(?<![\w-])(?:x|textLength)="[^"]*"', "", attributes)
    return "".join(
        f'<text {rest} x="{float(x[1]) + word.start() * width:.2f}" '
        f'textLength="{len(word[0]) * width:.2f}">{html.escape(word[0])}</text>'
        for word in re.finditer(r"[─━]{1,4}|[^\s─━]+", text)
    )


def write_png(svg: str, target: Path) -> None:
    """The picture as pixels. The renderer ignores textLength, hence `placed`."""
    import cairosvg

    # The monospaced font has no braille, of which charts are made.
    svg = re.sub(
        r"<text ([^>]*)>([^<]*[\u2800-\u28ff][^<]*)</text>",
        r'<text style="font-family: DejaVu Sans" \1>\2</text>',
        svg,
    )
    cairosvg.svg2png(bytestring=svg.encode(), write_to=str(target), scale=1.0)


def main() -> None:
    """Run, then draw every scene at every size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", metavar="DIR", type=Path, help="state to keep and reuse")
    parser.add_argument("--only", metavar="NAME", help="one scene")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fitui-pictures-") as temporary:
        base = args.keep.absolute() if args.keep else Path(temporary)
        for name in ("state", "cache", "data"):
            os.environ[f"FITUI_{name.upper()}"] = str(base / name)
        os.environ.pop("FIB_DATASET_PATH", None)
        os.environ.pop("NO_COLOR", None)
        os.environ["COLORTERM"] = "truecolor"
        draw_all(SCENES, args.only)
        # The pictures above are of what is bundled, and know nothing of a run.
        os.environ["FITUI_STATE"] = str(base / "run/state")
        os.environ["FITUI_DATA"] = str(base / "run/data")
        if not list((base / "run/state/runs").glob("*")):
            make_run(base / "run/state")
        draw_all(AFTER_A_RUN, args.only)


def draw_all(scenes: tuple[Scene, ...], only: str | None) -> None:
    """Draw scenes, or one of them, at every size."""
    for name, view, keys in scenes:
        if only in (None, name):
            for size in SIZES:
                asyncio.run(draw(name, view, keys, size))


if __name__ == "__main__":
    main()
