"""Going through the dataset by keys."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from engine.store import TraceStore
from fitui.app import run_app
from tests.fitui.ui.conftest import Start
from tests.fitui.ui.tiny_files import WORKLOADS, lines, trace, write_dataset


async def test_definitions_say_what_there_is_to_run(start: Start) -> None:
    async with start("definitions") as driver:
        screen = driver.screen()
        assert "double_h8" in screen and "triple_h8" in screen
        assert "Every element times two." in driver.status
        assert "r run" in driver.bench.footer.text


async def test_enter_goes_in_and_escape_goes_out(start: Start) -> None:
    async with start("definitions") as driver:
        await driver.press("enter")
        assert driver.view == "definition double_h8"
        screen = driver.screen()
        for text in ("axes", "1 16 256", "float32", "batch_size > 0", "reference"):
            assert text in screen
        await driver.press("m", "enter")
        assert driver.view.startswith("trace ")
        await driver.press("escape", "escape", "escape")
        assert driver.view == "definitions"


async def test_moving_in_a_table(start: Start) -> None:
    async with start("definitions") as driver:
        table = driver.bench.table
        for key, row in (("j", 1), ("k", 0), ("G", 1), ("g", 0), ("down", 1), ("up", 0)):
            await driver.press(key)
            assert table.cursor == row, key
        for key, row in (("pagedown", 1), ("pageup", 0), ("ctrl+d", 1), ("ctrl+u", 0)):
            await driver.press(key)
            assert table.cursor == row, key
        await driver.press("l", "right", "h")
        assert table.column == 1


async def test_tabs_of_a_definition(start: Start) -> None:
    async with start("definition double_h8") as driver:
        seen = []
        for _ in range(5):
            await driver.press("tab")
            seen.append(driver.view)
        assert seen == [
            "definition double_h8 tab:workloads",
            "definition double_h8 tab:solutions",
            "definition double_h8 tab:traces",
            "matrix double_h8",
            "definition double_h8",
        ]
        await driver.press("shift+tab")
        assert driver.view == "matrix double_h8"


async def test_the_breadcrumb_names_a_definition_once(start: Start) -> None:
    async with start("definitions") as driver:
        await driver.press("enter", "m")
        assert driver.view == "matrix double_h8"
        first = driver.screen().splitlines()[0]
        assert "definitions > double_h8 > matrix" in first


async def test_the_numbers_jump(start: Start) -> None:
    async with start("definitions") as driver:
        for key, view in (("2", "traces"), ("3", "runs"), ("4", "problems"), ("1", "definitions")):
            await driver.press(key)
            assert driver.view == view


async def test_the_history_goes_back_and_forward(start: Start) -> None:
    async with start("definitions") as driver:
        await driver.press("2", "4", "left_square_bracket")
        assert driver.view == "traces"
        await driver.press("right_square_bracket")
        assert driver.view == "problems"
        await driver.press("right_square_bracket")
        assert "history ends" in driver.status


async def test_a_bad_file_is_listed_with_its_reason(start: Start) -> None:
    async with start("problems") as driver:
        assert "broken.json" in driver.screen()
        await driver.press("enter")
        assert "not JSON" in driver.status or "broken.json" in driver.status


async def test_filter_as_you_type_keep_and_restore(start: Start) -> None:
    async with start("definitions") as driver:
        await driver.press("slash")
        await driver.type("op:other")
        assert "double_h8" not in driver.screen() and "triple_h8" in driver.screen()
        await driver.press("enter")
        assert driver.view == "definitions op:other"
        await driver.press("slash", "x")
        assert "Nothing matches" in driver.screen()
        await driver.press("escape")
        assert driver.view == "definitions op:other" and "triple_h8" in driver.screen()
        await driver.press("escape")
        assert driver.view == "definitions" and "double_h8" in driver.screen()


async def test_an_error_in_the_filter_keeps_the_former_rows(start: Start) -> None:
    async with start("traces") as driver:
        await driver.press("slash")
        await driver.type("latency<1parsec")
        assert "latency" in driver.bench.typing.note
        assert "fast" in driver.screen()
        await driver.press("enter")
        assert driver.bench.typing.display, "an error is not kept"
        await driver.press("escape")
        assert driver.view == "traces"


async def test_an_error_in_a_tab_is_placed_in_what_was_typed(start: Start) -> None:
    async with start("definition double_h8 tab:traces") as driver:
        await driver.press("slash")
        await driver.type("nofield:1")
        assert driver.bench.typing._wrong == (0, len("nofield"))


async def test_sort_by_the_selected_column(start: Start) -> None:
    async with start("definitions") as driver:
        await driver.press("s", "s")
        assert driver.view == "definitions sort:-name"
        assert driver.bench.table.source.key(0) == "triple_h8"
        await driver.press("s")
        assert driver.view == "definitions"


async def test_a_solution_shows_its_sources_and_traces(start: Start) -> None:
    async with start("solution fast") as driver:
        assert "main.py" in driver.screen() and "y[:] = x + x" in driver.screen()
        await driver.press("tab", "tab")
        assert "12.5" in driver.screen()
        await driver.press("v")


async def test_the_matrix_shows_letters_and_latencies(start: Start) -> None:
    async with start("matrix double_h8") as driver:
        screen = driver.screen()
        assert "bs=1" in screen and "bs=256" in screen
        assert "P  12.5" in screen and "R" in screen and "N" in screen
        await driver.press("t")
        assert "P 2.00x" in driver.screen()
        await driver.press("e")
        assert driver.bench.matrix.source.key(driver.bench.matrix.cursor) in ("slow", "wrong")
        await driver.press("E", "e", "v")
        assert driver.view.startswith("solution")


async def test_a_failed_trace_opens_on_the_reason(start: Start) -> None:
    async with start("matrix double_h8") as driver:
        driver.bench.matrix.put_cursor("slow")
        await driver.press("enter")
        lines_shown = driver.screen().splitlines()
        assert "R RUNTIME_ERROR" in lines_shown[3]
        assert "mat1 and mat2 shapes cannot be multiplied" in lines_shown[5]
        for tab, text in (("log", "Traceback"), ("source", "def run(x, y)")):
            await driver.press("tab")
            assert driver.view.endswith(f"tab:{tab}") and text in driver.screen()


async def test_wrong_values_show_expected_and_got(start: Start) -> None:
    async with start("traces status:INCORRECT_NUMERICAL") as driver:
        await driver.press("enter")
        for text in ("12 of 96 elements wrong", "[3, 7]", "1.5", "2.5", "+1"):
            assert text in driver.screen()


async def test_search_in_a_log(start: Start) -> None:
    async with start("traces solution:slow") as driver:
        await driver.press("enter", "tab", "slash")
        await driver.type("main")
        assert "line 2" in driver.bench.typing.note
        await driver.press("enter", "n")
        assert "line 2 of 4" in driver.status
        await driver.press("N", "e")
        assert driver.bench.text.here == 3
        await driver.press("slash")
        await driver.type("nowhere")
        assert "no " in driver.bench.typing.note
        await driver.press("escape")
        assert driver.bench.text.needle == ""


async def test_text_scrolls(start: Start) -> None:
    async with start("solution fast", size=(40, 8)) as driver:
        for key in ("j", "k", "G", "g", "ctrl+d", "ctrl+u", "pagedown", "pageup", "l", "h"):
            await driver.press(key)
        assert driver.bench.text._top == 0


async def test_help_lists_the_keys_of_this_place(start: Start) -> None:
    async with start("matrix double_h8") as driver:
        await driver.press("question_mark")
        assert "keys valid here" in driver.screen() and "Go into what" in driver.screen()
        await driver.press("G")
        assert "compile error" in driver.screen()
        await driver.press("escape")
        assert "keys valid here" not in driver.screen()


async def test_the_palette_takes_commands_and_views(start: Start) -> None:
    async with start() as driver:
        await driver.press("colon")
        await driver.type("bad fi")
        await driver.press("enter")
        assert driver.view == "problems"
        await driver.press("ctrl+p")
        await driver.type("traces status:failed")
        await driver.press("enter")
        assert driver.view == "traces status:failed"
        await driver.press("colon", "escape")
        assert driver.view == "traces status:failed"


async def test_the_palette_finds_one_name_among_thousands(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, opened = TraceStore.facet, threading.Event()

    def facet(store: TraceStore, kind: str, column: str, where: str = "") -> dict[str, int]:
        if column != "name":
            return real(store, kind, column, where)
        assert opened.wait(60)
        return {f"{kind}_{number:05d}": 1 for number in range(3000)} | {"fast": 1}

    monkeypatch.setattr(TraceStore, "facet", facet)
    monkeypatch.setattr("fitui.screens.patience.KEY_S", 0.01)
    async with start("definitions") as driver:
        await driver.press("colon")
        await driver.type("solutions_02999")
        assert "Nothing of that name" in driver.screen(), "keys go on while names are read"
        opened.set()
        await driver.shows("solution solutions_02999")
        await driver.press("escape", "colon")
        await driver.shows("triage")
        await driver.type("fast")
        await driver.shows("solution fast")
        await driver.press("down", "down", "enter")
        assert driver.view == "solution fast"


async def test_the_next_start_shows_the_same_view(start: Start) -> None:
    async with start("definitions") as driver:
        await driver.press("j", "k", "enter", "m", "l", "q")
    async with start() as driver:
        assert driver.view == "matrix double_h8"
        assert driver.bench.matrix.column == 2
        await driver.press("escape")
        assert driver.view == "definition double_h8"


async def test_a_new_trace_appears_by_itself(start: Start, root: Path) -> None:
    async with start("matrix double_h8") as driver:
        assert driver.bench.bar.text.count("3/9") == 1
        lines(root / "traces/me/pointwise/double_h8.jsonl", [trace("slow", WORKLOADS[2], "PASSED")])
        await driver.until(lambda: "4/9" in driver.bench.bar.text)


async def test_the_first_line_says_how_far_the_index_is_and_when_it_is_done(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = ["indexing 7 %"]
    monkeypatch.setattr(TraceStore, "indexing", property(lambda _store: bool(status[0])))
    monkeypatch.setattr(TraceStore, "status", property(lambda _store: status[0] or "up to date"))
    async with start("definitions") as driver:
        await driver.shows("indexing 7 %")
        for status[0] in ("indexing 41 %", "indexing 90 %"):
            await driver.shows(status[0])
        status[0] = ""
        await driver.until(lambda: "indexing" not in driver.screen())
        assert "up to date" not in driver.screen()


async def test_reload_finds_files_where_nobody_watches(start: Start) -> None:
    async with start() as driver:
        await driver.press("ctrl+r")
        assert "looking" in driver.status


async def test_an_empty_dataset_says_what_to_do(start: Start, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    async with start(dataset=empty) as driver:
        assert "No definitions in this dataset." in driver.screen()
        assert "--dataset DIR" in driver.screen()
        for key, text in (
            ("2", "nothing has been run"),
            ("3", "No runs yet"),
            ("4", "could be read"),
        ):
            await driver.press(key)
            assert text in driver.screen()


async def test_a_definition_without_solutions_says_what_to_do(start: Start, tmp_path: Path) -> None:
    bare = write_dataset(tmp_path / "bare", solutions=(), traces=False)
    async with start("matrix double_h8", dataset=bare) as driver:
        assert "No solutions of double_h8 yet." in driver.screen()
        await driver.press("shift+tab")
        assert "has never been run" in driver.screen()


@pytest.mark.parametrize("view", ["definition nope", "trace 99999", "trace x", "run nope"])
async def test_a_view_of_what_is_not_there_is_no_crash(start: Start, view: str) -> None:
    async with start(view) as driver:
        assert "no " in driver.screen().lower() and "Esc goes back" in driver.screen()
        await driver.press("escape")


async def test_a_wide_screen_has_the_reference_beside(start: Start) -> None:
    async with start("definition double_h8", size=(200, 50)) as driver:
        await driver.shows("return x * 2")
        first = [line for line in driver.screen().splitlines() if "return x * 2" in line]
        assert first and first[0].index("return x * 2") > 90


async def test_the_mouse_selects_and_opens(start: Start) -> None:
    async with start("definitions") as driver:
        await driver.pilot.click("#table", offset=(5, 2))
        assert driver.bench.table.cursor == 1
        await driver.pilot.click("#table", offset=(5, 2), times=2)
        await driver.pilot.pause()
        assert driver.view == "definition triple_h8"


async def test_nothing_is_painted_when_nothing_changes(start: Start) -> None:
    async with start("matrix double_h8") as driver:
        await driver.pilot.pause(1.5)
        painted: list[object] = []
        driver.app._display = lambda *args, **_kwargs: painted.append(args)  # type: ignore[method-assign]
        await driver.pilot.pause(1.5)
        assert painted == []


def test_a_missing_folder_is_a_sentence_and_a_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(tmp_path / "nowhere") == 2
    assert "nowhere does not exist" in capsys.readouterr().err
    assert run_app(tmp_path, view="nonsense") == 2
    assert "no view named" in capsys.readouterr().err
