"""How long a request will take."""

from __future__ import annotations

import time

import pytest

from engine.run.cost import EVALUATION_S, STARTUP_S, Cost, Earlier, estimate
from engine.run.progress import Cell
from engine.schema.run import Kind


def cell(
    solution: str,
    workload: str,
    elapsed_s: float | None,
    *,
    definition: str = "d",
    device: str = "cpu",
    startup_s: float | None = None,
    phase: Kind = Kind.DONE,
) -> Cell:
    return Cell(
        evaluation=f"{solution}{workload}",
        definition=definition,
        solution=solution,
        workload=workload,
        axes={},
        phase=phase,
        device=device,
        elapsed_s=elapsed_s,
        startup_s=startup_s,
    )


def cost(
    *cells: tuple[str, str, str],
    known: list[Earlier] | None = None,
    device_kind: str = "cpu",
    devices: int = 1,
) -> Cost:
    return estimate(cells, device_kind=device_kind, quick=True, known=known or [], devices=devices)


def quick(*cells: Cell) -> Earlier:
    return Earlier(True, cells)


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_where_nothing_was_seen_it_is_a_guess_and_says_so(kind: str) -> None:
    found = cost(("d", "s", "w1"), ("d", "s", "w2"), ("d", "t", "w1"), device_kind=kind)
    assert found.seconds == pytest.approx(3 * EVALUATION_S[kind, True] + 2 * STARTUP_S[kind])
    assert (found.count, found.known_share) == (3, 0.0)


def test_the_same_pair_takes_what_it_took_the_last_time() -> None:
    known = [quick(cell("s", "w", 2.0, startup_s=0.5)), quick(cell("s", "w", 9.0, startup_s=3.0))]
    assert cost(("d", "s", "w"), known=known) == Cost(1, 2.0, 1.0)


def test_start_up_is_counted_once_for_each_solution() -> None:
    known = [quick(cell("s", "w1", 2.0, startup_s=0.5), cell("s", "w2", 1.5))]
    assert cost(("d", "s", "w1"), ("d", "s", "w2"), known=known).seconds == pytest.approx(3.5)


def test_others_of_the_definition_then_any_other_stand_in() -> None:
    known = [
        quick(
            cell("a", "w", 1.0),
            cell("b", "w", 2.0),
            cell("c", "w", 9.0, startup_s=0.0),
            cell("x", "v", 30.0, definition="e"),
        )
    ]
    assert cost(("d", "new", "w"), known=known) == Cost(1, 2.0, 1.0)
    assert cost(("f", "new", "u"), known=known) == Cost(1, 5.5, 0.0)


def test_another_mode_or_kind_of_device_says_nothing_but_how_long_loading_takes() -> None:
    full = Earlier(False, [cell("s", "w", 60.0, startup_s=2.0)])
    gpu = quick(cell("s", "w", 0.1, device="cuda:0", startup_s=7.0))
    found = cost(("d", "s", "w"), known=[full, gpu])
    assert found == Cost(1, EVALUATION_S["cpu", True] + 2.0, 0.0)


def test_what_was_not_made_in_a_run_is_no_example() -> None:
    known = [quick(cell("s", "w", 50.0, phase=Kind.SKIPPED), cell("s", "w", None))]
    assert cost(("d", "s", "w"), known=known).known_share == 0.0


def test_devices_share_the_work_but_not_one_evaluation() -> None:
    known = [quick(cell("s", "w1", 4.0, startup_s=0.0), cell("s", "w2", 4.0))]
    pairs = [("d", "s", "w1"), ("d", "s", "w2")]
    assert cost(*pairs, known=known, devices=2).seconds == pytest.approx(4.0)
    assert cost(*pairs, known=known, devices=8).seconds == pytest.approx(4.0)
    assert cost(known=known, devices=8) == Cost(0, 0.0, 0.0)


def test_a_hundred_thousand_evaluations_are_estimated_at_once() -> None:
    wanted = [(f"d{n % 100}", f"s{n % 1000}", f"w{n}") for n in range(100_000)]
    known = [quick(*(cell(f"s{n % 1000}", f"w{n}", 1.0) for n in range(0, 20_000, 2)))]
    # The best of three: others work on the machine as well.
    took = []
    for _ in range(3):
        began = time.perf_counter()
        assert cost(*wanted, known=known).count == 100_000
        took.append(time.perf_counter() - began)
    assert min(took) < 0.2
