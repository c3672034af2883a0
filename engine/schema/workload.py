"""Workload: one concrete set of axis lengths and inputs of a definition."""

from __future__ import annotations

from msgspec import Struct

from engine.schema.errors import RuleError


class RandomInput(Struct, tag="random", tag_field="type"):
    """A tensor that the engine fills from the run's seed."""


class ScalarInput(Struct, tag="scalar", tag_field="type", kw_only=True):
    """A number that is passed as it is."""

    value: bool | int | float


class SafetensorsInput(Struct, tag="safetensors", tag_field="type", kw_only=True):
    """A tensor stored in the dataset.

    Args:
        path: File, relative to the dataset root.
        tensor_key: Name of the tensor in that file.
    """

    path: str
    tensor_key: str

    def __post_init__(self) -> None:
        for key in ("path", "tensor_key"):
            if not getattr(self, key):
                raise RuleError(key, "must not be empty")


WorkloadInput = RandomInput | ScalarInput | SafetensorsInput


class Workload(Struct, kw_only=True):
    """Axis lengths and inputs that one evaluation runs on."""

    axes: dict[str, int]
    inputs: dict[str, WorkloadInput]
    uuid: str

    def __post_init__(self) -> None:
        if not self.uuid:
            raise RuleError("uuid", "must not be empty")
        for name, length in self.axes.items():
            if length < 0:
                raise RuleError(f"axes.{name}", f"an axis is at least 0 long, not {length}")
