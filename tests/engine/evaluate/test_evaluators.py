"""The evaluators' torch side: what is expected of a set, and one check per output and call."""

from __future__ import annotations

import pytest
import torch

from engine.evaluate.evaluators import BY_NAME
from engine.evaluate.facts import Rule
from engine.schema import Definition, DType, Workload
from engine.schema.definition import AxisVar, TensorSpec
from engine.schema.workload import RandomInput

RULE = Rule(atol=0.01, rtol=0.01)
SPEC = TensorSpec(shape=["M"], dtype=DType.FLOAT32)
DEFINITION = Definition(
    name="d",
    op_type="toy",
    axes={"M": AxisVar()},
    inputs={"x": SPEC},
    outputs={"y": SPEC, "z": SPEC},
    reference="def run(x): ...",
)
ONE, TWO = torch.ones(3), torch.full((3,), 2.0)


@pytest.mark.parametrize(
    ("returned", "expected"), [(ONE, [ONE]), ((ONE, TWO), [ONE, TWO]), ([ONE], [ONE])]
)
def test_a_reference_may_return_one_output_or_several(returned: object, expected: object) -> None:
    assert BY_NAME["default"].expect(lambda: returned) == expected


def test_every_output_of_every_call_is_checked() -> None:
    calls = [[ONE, TWO], [ONE, ONE]]
    checks = BY_NAME["default"].compare(DEFINITION, {}, [ONE, TWO], calls, RULE)
    assert [(check.output, check.ok) for check in checks] == [
        ("y", True),
        ("z", True),
        ("y", True),
        ("z", False),
    ]


def test_an_output_too_few_is_an_error_and_no_verdict() -> None:
    with pytest.raises(ValueError):
        BY_NAME["default"].compare(DEFINITION, {}, [ONE, TWO], [[ONE]], RULE)


def test_a_samplers_reference_must_run_and_expects_nothing() -> None:
    calls: list[int] = []
    assert BY_NAME["sampling"].expect(lambda: calls.append(1)) == []
    assert calls == [1]


def test_default_inputs_are_those_of_the_workload() -> None:
    workload = Workload(uuid="w", axes={"M": 5}, inputs={"x": RandomInput()})
    values = BY_NAME["default"].make_inputs(DEFINITION, workload, "seed", {})
    assert {name: tuple(value.shape) for name, value in values.items()} == {"x": (5,)}
