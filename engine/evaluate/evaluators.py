"""The evaluators' torch side, by name: inputs, expected outputs and comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import torch

from engine.evaluate import indexer, inputs, sampling, shaping
from engine.evaluate.compare import compare_tensors
from engine.evaluate.draw import HOST, Maker
from engine.evaluate.facts import Check, Rule
from engine.evaluate.inputs import Value
from engine.schema.definition import Definition
from engine.schema.workload import Workload


class Evaluator(Protocol):
    """What the trusted process asks of an evaluator."""

    def make_inputs(
        self,
        definition: Definition,
        workload: Workload,
        seed: str,
        blobs: Mapping[str, str],
        maker: Maker = HOST,
    ) -> dict[str, Value]:
        """One set of inputs, in host memory or where ``maker`` leaves them."""

    def expect(self, run: Callable[[], Any]) -> list[torch.Tensor]:
        """What the reference says of a set; empty where outputs are judged without."""

    def compare(
        self,
        definition: Definition,
        values: Mapping[str, Value],
        expected: list[torch.Tensor],
        calls: list[list[torch.Tensor]],
        rule: Rule,
    ) -> list[Check]:
        """Judge the outputs of one or several calls, whose form has been checked."""


MakeInputs: TypeAlias = Callable[
    [Definition, Workload, str, Mapping[str, str], Maker], dict[str, Value]
]


class DefaultEvaluator:
    """Every output close to the reference's, element by element.

    Args:
        make: Makes one set of inputs.
    """

    def __init__(self, make: MakeInputs = inputs.make_inputs) -> None:
        self._make = make

    def make_inputs(
        self,
        definition: Definition,
        workload: Workload,
        seed: str,
        blobs: Mapping[str, str],
        maker: Maker = HOST,
    ) -> dict[str, Value]:
        """See ``Evaluator``."""
        return self._make(definition, workload, seed, blobs, maker)

    def expect(self, run: Callable[[], Any]) -> list[torch.Tensor]:
        """See ``Evaluator``."""
        result = run()
        return list(result) if isinstance(result, (tuple, list)) else [result]

    def compare(
        self,
        definition: Definition,
        values: Mapping[str, Value],
        expected: list[torch.Tensor],
        calls: list[list[torch.Tensor]],
        rule: Rule,
    ) -> list[Check]:
        """See ``Evaluator``."""
        return [
            compare_tensors(name, wanted, got, rule)
            for outputs in calls
            for name, wanted, got in zip(definition.outputs, expected, outputs, strict=True)
        ]


class SamplingEvaluator:
    """Samples lie in the allowed support and follow the allowed distribution."""

    def make_inputs(
        self,
        definition: Definition,
        workload: Workload,
        seed: str,
        blobs: Mapping[str, str],
        maker: Maker = HOST,
    ) -> dict[str, Value]:
        """As by default, but ``probs`` are probabilities."""
        return sampling.make_inputs(definition, workload, seed, blobs, maker)

    def expect(self, run: Callable[[], Any]) -> list[torch.Tensor]:
        """A reference draws samples too; there is nothing to compare them with."""
        run()
        return []

    def compare(
        self,
        definition: Definition,
        values: Mapping[str, Value],
        expected: list[torch.Tensor],
        calls: list[list[torch.Tensor]],
        rule: Rule,
    ) -> list[Check]:
        """See ``Evaluator``."""
        return [sampling.judge(next(iter(definition.outputs)), values, calls)]


class IndexerEvaluator(DefaultEvaluator):
    """The tokens chosen for each row are as good as the best, in whatever order."""

    def __init__(self) -> None:
        super().__init__(shaping.topk_indexer)

    def compare(
        self,
        definition: Definition,
        values: Mapping[str, Value],
        expected: list[torch.Tensor],
        calls: list[list[torch.Tensor]],
        rule: Rule,
    ) -> list[Check]:
        """See ``Evaluator``; what the reference chose does not matter."""
        (name,) = definition.outputs
        return [indexer.judge(name, values, got, rule) for (got,) in calls]


BY_NAME: dict[str, Evaluator] = {
    "default": DefaultEvaluator(),
    "sampling": SamplingEvaluator(),
    "experts": DefaultEvaluator(shaping.experts),
    "recurrence": DefaultEvaluator(shaping.recurrence),
    "sparse_attention": DefaultEvaluator(shaping.sparse_attention),
    "topk_indexer": IndexerEvaluator(),
}
