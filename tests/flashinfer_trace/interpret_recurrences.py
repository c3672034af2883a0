"""Run the Triton solutions of recurrences on small inputs; a program, since the interpreter must be
chosen before triton is imported. Prints the name of each solution that is right."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from engine.evaluate.evaluators import BY_NAME
from tests.flashinfer_trace import test_family_gdn, test_family_mamba_ssu
from tests.flashinfer_trace.bundled import load, solutions
from tests.flashinfer_trace.shrunk import outputs_of, plan, reference, shrunk


def check(name: str, folder: Path) -> None:
    """Outputs pass as they would in an evaluation, and no input is written."""
    definition, record = shrunk(name), solutions()[f"triton_{name}"]
    run = load(record, folder)
    small = test_family_gdn.small if "gdn" in name else test_family_mamba_ssu.small
    for seed in "12":
        values = small(name, seed)
        before = {key: torch.as_tensor(value).clone() for key, value in values.items()}
        found = outputs_of(definition, record, run, values)
        assert all(torch.equal(torch.as_tensor(values[key]), before[key]) for key in values)
        expected = list(reference(name)(*values.values()))
        chosen = plan(definition)
        judge = BY_NAME[chosen.evaluator].compare
        for found_to_be in judge(definition, values, expected, [found], chosen.rule):
            assert found_to_be.ok, found_to_be
        torch.testing.assert_close(found[0], expected[0], rtol=2**-7, atol=1e-4)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in (*test_family_gdn.NAMES, *test_family_mamba_ssu.NAMES):
            if f"triton_{name}" in solutions():
                check(name, Path(folder))
                print(f"triton_{name}")


if __name__ == "__main__":
    main()
