"""The judge of samplers and the bundled ones: references pass, near misses of theirs do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.evaluate.registry import plan_for
from engine.evaluate.sampling import judge
from engine.schema import Definition, Settings, Workload, decode
from engine.schema.workload import RandomInput
from tests.engine.evaluate.test_sampling import Values, draw, filtered, heavy, keep_p, values

ROOT = Path(__file__).parents[3] / "flashinfer_trace"
FILES = sorted((ROOT / "definitions/sampling").glob("*.json"))
CALLS = 250
KS, PS = [20, 5, 100, 0, 50, 399, 400, 7], [0.9, 0.5, 0.95, 0.3, 1.0, 0.99, 0.7, 0.8]


def given(file: Path) -> Values:
    """Rows over 400 tokens, each with limits of its own."""
    limits: dict[str, Any] = {}
    if "top_k" in file.stem:
        limits["top_k"] = KS
    if "top_p" in file.stem:
        limits["top_p"] = PS
    return values(**limits)


def reference(file: Path) -> Callable[..., torch.Tensor]:
    scope: dict[str, Any] = {}
    exec(compile(json.loads(file.read_text())["reference"], file.name, "exec"), scope)
    run: Callable[..., torch.Tensor] = scope["run"]
    return run


def of_kind(kind: str) -> Path:
    return next(file for file in FILES if file.stem.startswith(f"{kind}_sampling"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_evaluator_is_the_one_of_samplers(file: Path) -> None:
    definition = decode(file.read_bytes(), Definition)
    inputs = {name: RandomInput() for name in definition.inputs}
    workload = Workload(uuid="w", axes={"batch_size": 16}, inputs=inputs)
    plan = plan_for(definition, workload, Settings())
    assert plan.evaluator == "sampling"
    assert plan.repeat * 16 >= 2000


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_bundled_reference_passes(file: Path) -> None:
    torch.manual_seed(6)
    inputs, run = given(file), reference(file)
    order = json.loads(file.read_text())["inputs"]
    calls = [[run(*(inputs[name] for name in order))] for _ in range(CALLS)]
    check = judge("samples", inputs, calls)
    assert check.ok, check.message


def without_k(inputs: Values) -> torch.Tensor:
    return filtered({name: value for name, value in inputs.items() if name != "top_k"})


def without_p(inputs: Values) -> torch.Tensor:
    return filtered({name: value for name, value in inputs.items() if name != "top_p"})


def one_k_more(inputs: Values) -> torch.Tensor:
    return filtered({**inputs, "top_k": inputs["top_k"] + 1})


def more_p(inputs: Values) -> torch.Tensor:
    return filtered({**inputs, "top_p": inputs["top_p"] + 0.02})


def less_p(inputs: Values) -> torch.Tensor:
    return filtered({**inputs, "top_p": inputs["top_p"] * 0.8})


def p_of_the_whole_row(inputs: Values) -> torch.Tensor:
    """The sum up to p is taken before k has cut the row: too many tokens."""
    return filtered({**inputs, "probs": keep_p(inputs["probs"], inputs["top_p"])} | {"top_p": ONE})


ONE = torch.ones(len(PS))
WRONG: list[tuple[str, Callable[[Values], torch.Tensor]]] = [
    ("top_k", without_k),
    ("top_k", one_k_more),
    ("top_p", without_p),
    ("top_p", more_p),
    ("top_p", less_p),
    ("top_k_top_p", without_k),
    ("top_k_top_p", without_p),
    ("top_k_top_p", more_p),
    ("top_k_top_p", less_p),
    ("top_k_top_p", p_of_the_whole_row),
]


@pytest.mark.parametrize(("kind", "wrong"), WRONG)
def test_a_near_miss_of_the_limits_is_refused(
    kind: str, wrong: Callable[[Values], torch.Tensor]
) -> None:
    inputs = given(of_kind(kind))
    assert judge("samples", inputs, draw(filtered(inputs), 1000)).ok
    assert not judge("samples", inputs, draw(wrong(inputs), 1000)).ok


@pytest.mark.parametrize("kind", ["top_k", "top_p", "top_k_top_p"])
def test_a_uniform_choice_among_the_right_tokens_is_refused(kind: str) -> None:
    inputs = given(of_kind(kind))
    check = judge("samples", inputs, draw((filtered(inputs) > 0).float()))
    assert (check.ok, check.bad) == (False, 0)


def test_leaving_out_the_token_that_reaches_p_is_refused() -> None:
    inputs = values(torch.tensor([[0.4, 0.3, 0.2, 0.1]]).repeat(8, 1), top_p=0.6)
    assert judge("samples", inputs, draw(filtered(inputs))).ok
    assert not judge("samples", inputs, [[torch.zeros(8, dtype=torch.int64)]] * CALLS).ok


@pytest.mark.parametrize("size", [128_256, 262_208])
def test_a_whole_vocabulary_is_judged_by_its_nucleus(size: int) -> None:
    inputs = values(heavy(2, size), top_p=0.9)
    assert judge("samples", inputs, draw(filtered(inputs), 500)).ok
    assert not judge("samples", inputs, draw(inputs["probs"], 500)).ok
