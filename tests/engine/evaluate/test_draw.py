"""Who makes random tensors: the processor, or a device that shows that it makes the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine.evaluate import draw, random_torch
from engine.evaluate.draw import CHECKED, HOST, Maker
from engine.evaluate.random import stream
from engine.evaluate.random_torch import bits_of

CPU = torch.device("cpu")
WORDS = stream("seed", "x")
MADE: dict[str, Any] = {
    "bfloat16": lambda maker: maker.normal(WORDS, 50_001, torch.bfloat16),
    "float8": lambda maker: maker.normal(WORDS, 50_001, torch.float8_e4m3fn, 2.0),
    "bool": lambda maker: maker.integers(WORDS, 50_001, 2, torch.bool),
    "int32": lambda maker: maker.integers(WORDS, 50_001, 100, torch.int32),
    "rows": lambda maker: maker.heavy_tailed_rows(WORDS, 9, 1003),
    "wide rows": lambda maker: maker.heavy_tailed_rows(WORDS, 3, 2 * CHECKED),
    "few": lambda maker: maker.normal(WORDS, 3, torch.float32),
}


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.dtype is other.dtype and torch.equal(bits_of(one), bits_of(other.cpu()))


@pytest.mark.parametrize("device", [CPU, pytest.param(torch.device("cuda"), marks=pytest.mark.gpu)])
@pytest.mark.parametrize("kind", MADE)
def test_a_device_makes_what_the_processor_makes(
    kind: str, device: torch.device, capsys: pytest.CaptureFixture[str]
) -> None:
    made = MADE[kind](Maker(device, worth=1))
    assert made.device.type == device.type
    assert same_bits(MADE[kind](HOST), made)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("worth", "used"), [(1000, True), (1001, False)])
def test_only_large_tensors_are_made_by_a_device(
    worth: int, used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = random_torch.take
    monkeypatch.setattr(
        random_torch, "take", lambda *which: (asked.append(which[2]), real(*which))[1]
    )
    Maker(CPU, worth).normal(WORDS, 1000, torch.float32)
    assert bool(asked) is used


@pytest.mark.parametrize("kind", MADE)
def test_a_device_that_makes_something_else_is_found_out_and_asked_no_more(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a device whose arithmetic differs: its words are those of another key."""
    asked: list[int] = []

    def wrong(words: Any, start: int, count: int, device: torch.device) -> torch.Tensor:
        asked.append(count)
        return real(stream("another seed", "x"), start, count, device)

    real = random_torch.take
    monkeypatch.setattr(random_torch, "take", wrong)
    maker = Maker(CPU, worth=1)
    assert same_bits(MADE[kind](HOST), MADE[kind](maker))
    assert "cpu makes other random values" in capsys.readouterr().err
    asked.clear()
    assert same_bits(MADE[kind](HOST), MADE[kind](maker))
    assert asked == []
    assert capsys.readouterr().err == ""


def test_any_part_of_a_tensor_may_be_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that goes wrong in a later part only is found out by the draw that looks there."""
    good = HOST.normal(WORDS, 50_001, torch.float32)
    bad = good.clone()
    bad[40_000:] = 0.0
    monkeypatch.setattr(random_torch, "pick", lambda *which: bad)
    for place, found_out in ((0, False), (41_001, True), (50_001 - CHECKED, True)):
        monkeypatch.setattr(draw.chance, "randrange", lambda stop, place=place: place)
        made = Maker(CPU, worth=1).normal(WORDS, 50_001, torch.float32)
        assert torch.equal(made, good if found_out else bad)
