"""What is told of a reference without running it."""

from __future__ import annotations

import json

import pytest

from engine.schema import Definition, decode
from engine.store import bundled_dataset
from engine.validate.reference import check_reference


def found(reference: str, outputs: int = 1) -> list[tuple[str, str]]:
    tensor = {"shape": ["n"], "dtype": "float32"}
    record = {
        "name": "x",
        "op_type": "x",
        "axes": {"n": {"type": "var"}},
        "inputs": {"a": tensor, "b": tensor, "scale": {"shape": None, "dtype": "float32"}},
        "outputs": {f"y{position}": tensor for position in range(outputs)},
        "reference": reference,
    }
    return list(check_reference(decode(json.dumps(record), Definition)))


def body(*lines: str, parameters: str = "a, b, scale") -> str:
    return f"def run({parameters}):\n" + "".join(f"    {line}\n" for line in lines)


SOUND = [
    body("return a + b"),
    body("return a", parameters="a, b, scale, extra=None"),
    body("return a", parameters="a, b, *rest"),
    body("return a", parameters="a, b, scale=1.0, *, flag=True"),
    "import torch\n\n\n@torch.no_grad()\n" + body("return a"),
    "def run():\n    pass\n\n\n" + body("return a"),  # the last of the name counts
    body("def inner():", "    return 1, 2", "return a"),
    body("if scale:", "    return a", "return b"),
    body("a = a.clone()", "a[0] = 1", "a.mul_(2)", "a += 1", "return a"),
    body("y = a.clone()", "y[0] = 1", "y.add_(a)", "return y"),
    body("scale += 1", "return a * scale"),
    body("a.float().mul_(2)", "a.requires_grad_(False)", "return a.__len__()"),
    body("def helper(a):", "    a[0] = 1", "return a"),
]


@pytest.mark.parametrize("reference", SOUND)
def test_a_sound_reference_is_left_alone(reference: str) -> None:
    assert found(reference) == []


@pytest.mark.parametrize(
    ("reference", "check", "message"),
    [
        (body("return a", parameters="b, a, scale"), "parameter-order", "takes b at position 0"),
        (body("return a", parameters="a, x, b"), "parameter-order", "takes b at position 2"),
        (body("return a", parameters="a, x, scale"), "parameter-name", "the input b x"),
        (body("return a", parameters="a, b"), "parameter-count", "takes 2 (a, b)"),
        (body("return a", parameters="a, b, scale, c"), "parameter-count", "takes 4"),
        (body("return a", parameters="a, b, *, scale"), "parameter-count", "scale by name"),
        (body("a + b"), "output-count", "returns nothing"),
        (body("return a, b"), "output-count", "line 2: run returns 2 values for 1"),
        (body("b[0] = 1", "return a"), "input-mutated", "line 2: run writes into its input b"),
        (body("b[0][1:] += 1", "return a"), "input-mutated", "its input b"),
        (body("b += 1", "return a"), "input-mutated", "its input b"),
        (body("b.copy_(a)", "return a"), "input-mutated", "its input b"),
        (body("for i in a:", "    b[i].zero_()", "return a"), "input-mutated", "line 3"),
        ("def run(a, b, scale):\n    return a\nreturn 3\n", "reference-syntax", "line 3"),
    ],
)
def test_a_fault_is_named_with_its_place(reference: str, check: str, message: str) -> None:
    (fault,) = found(reference)
    assert fault[0] == check and message in fault[1]


def test_several_outputs_are_counted_where_they_can_be() -> None:
    assert found(body("return a, b"), outputs=2) == []
    assert found(body("return make(a)"), outputs=2) == []
    assert found(body("return a, *rest"), outputs=3) == []
    assert found(body("return a, b, scale"), outputs=2)


def test_a_decorator_that_may_change_the_parameters_keeps_them_from_being_judged() -> None:
    assert found("@wrapped\n" + body("return a", parameters="b, a")) == []


def test_bundled_references_are_sound() -> None:
    for path in (bundled_dataset() / "definitions").rglob("*.json"):
        assert list(check_reference(decode(path.read_bytes(), Definition))) == []
