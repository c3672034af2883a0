"""Random values: the same bytes everywhere, of the promised shape."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from engine.evaluate.random import (
    MOST,
    heavy_tailed_rows,
    integers,
    levels,
    normal,
    pick,
    stream,
)


def digest(values: np.ndarray) -> str:
    return hashlib.sha256(values.tobytes()).hexdigest()[:16]


def test_the_generator_gives_its_golden_bits() -> None:
    raw = stream("seed", "x").take(0, 2)
    assert raw.tolist() == [6259770658010277119, 12780914894143846701]


def test_normal_values_are_the_same_bits_everywhere() -> None:
    values = normal(stream("seed", "x"), 200_000)
    assert [float(value).hex() for value in values[:4]] == [
        "-0x1.6e62040000000p-1",
        "0x1.567fe00000000p-1",
        "0x1.b1d6900000000p+0",
        "0x1.9dda140000000p-2",
    ]
    assert digest(values) == "ae55da989f665bfe"


def test_integers_are_the_same_everywhere() -> None:
    drawn = integers(stream("seed", "x"), 6, 1000)
    assert drawn.tolist() == [339, 692, 729, 523, 581, 423]


def test_heavy_tailed_rows_are_the_same_bits_everywhere() -> None:
    assert digest(heavy_tailed_rows(stream("seed", "x"), 2, 1000)) == "e514e68f983d2dfe"


def test_another_seed_or_name_gives_other_values() -> None:
    values = {digest(normal(stream(*key), 8)) for key in (("a", "b"), ("a", "c"), ("b", "b"))}
    assert len(values) == 3


def test_seed_and_name_do_not_run_into_each_other() -> None:
    assert digest(normal(stream("ab", "c"), 8)) != digest(normal(stream("a", "bc"), 8))


def test_a_longer_series_begins_with_the_shorter_one() -> None:
    long = normal(stream("s", "n"), (1 << 16) + 100)
    assert (long[: 1 << 16] == normal(stream("s", "n"), 1 << 16)).all()


def test_normal_values_have_mean_zero_and_deviation_one() -> None:
    values = normal(stream("s", "n"), 1_000_000).astype(np.float64)
    assert abs(values.mean()) < 0.005
    assert abs(values.std() - 1) < 0.005
    assert np.abs(values).max() <= 3.47


@pytest.mark.parametrize("bound", [1, 2, 3, 127])
def test_integers_fill_their_range_and_stay_inside(bound: int) -> None:
    assert np.unique(integers(stream("s", "i"), 10_000, bound)).tolist() == list(range(bound))


def test_no_values_are_asked_for_and_none_come() -> None:
    assert normal(stream("s", "n"), 0).shape == (0,)
    assert integers(stream("s", "n"), 0, 5).shape == (0,)
    assert heavy_tailed_rows(stream("s", "n"), 0, 5).shape == (0, 5)


def test_heavy_tailed_rows_are_probabilities() -> None:
    rows = heavy_tailed_rows(stream("s", "p"), 3, 128_256)
    assert rows.dtype == np.float32
    assert (rows > 0).all()
    assert rows.sum(axis=1, dtype=np.float64) == pytest.approx([1, 1, 1], abs=1e-5)


def test_a_few_tokens_of_a_heavy_tailed_row_hold_much_of_it() -> None:
    row = np.sort(heavy_tailed_rows(stream("s", "p"), 1, 32_000)[0])[::-1]
    assert row[:100].sum() > 100 * row[-16_000:].sum() / 16_000 * 50


@pytest.mark.parametrize("start", [0, 4, 1 << 18, 300_000])
def test_a_series_can_be_entered_anywhere(start: int) -> None:
    words = stream("s", "n")
    assert (pick(words, levels(), 999, start) == normal(words, 400_000)[start : start + 999]).all()
    assert (
        integers(words, 999, 77, start) == integers(words, 400_000, 77)[start : start + 999]
    ).all()


def test_rows_can_be_entered_anywhere() -> None:
    words = stream("s", "p")
    assert (heavy_tailed_rows(words, 2, 33, 4) == heavy_tailed_rows(words, 9, 33)[4:6]).all()


def test_a_position_between_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 4, not at 5"):
        integers(stream("s", "n"), 8, 2, 5)


def test_levels_are_symmetric_and_rise() -> None:
    assert levels().shape == (MOST + 1,)
    assert (levels() == -levels()[::-1]).all()
    assert (np.diff(levels()) > 0).all()


def test_a_table_may_hold_anything() -> None:
    words = stream("s", "n")
    places = np.arange(MOST + 1, dtype=np.int32)
    assert (levels()[pick(words, places, 5000)] == normal(words, 5000)).all()
