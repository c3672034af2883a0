"""The words in which an operator family states its definitions, workloads and solutions.

Plain values only: how they become files is `emit`'s business, what they say is the families'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

IntArray: TypeAlias = NDArray[np.integer[Any]]
Array: TypeAlias = NDArray[Any]
Constants: TypeAlias = Mapping[str, bool | int | float | str]
Blobs: TypeAlias = Mapping[str, Mapping[str, Array]]


@dataclass(frozen=True)
class Axis:
    """One dimension name: fixed when `value` is given, else bound by each workload."""

    name: str
    description: str
    value: int | None = None


@dataclass(frozen=True)
class Tensor:
    """One input or output; `shape` names axes, and None makes it a Python scalar."""

    name: str
    shape: tuple[str, ...] | None
    dtype: str
    description: str


@dataclass(frozen=True)
class Definition:
    """An operator: its signature and what it means. The order of inputs is `run`'s order.

    `reference` names the module in `references/` ("" for the definition's own name); `constants`
    are the values that its upper-case constants have for this definition.
    """

    name: str
    op_type: str
    description: str
    tags: tuple[str, ...]
    axes: tuple[Axis, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    constraints: tuple[str, ...] = ()
    reference: str = ""
    constants: Constants = field(default_factory=dict)


@dataclass(frozen=True)
class Scalar:
    """A workload input that is a plain number."""

    value: float


@dataclass(frozen=True)
class Stored:
    """A workload input kept in a blob file: the file's name and the tensor's key in it."""

    file: str
    key: str


@dataclass(frozen=True)
class Workload:
    """Axis values, and the inputs that are not random; `label` tells equal axes apart."""

    axes: Mapping[str, int]
    inputs: Mapping[str, Scalar | Stored] = field(default_factory=dict)
    label: str = ""


@dataclass(frozen=True)
class Solution:
    """What the packed JSON says of one folder of sources.

    With `dps` (destination-passing style) `run` takes the outputs as trailing parameters and
    returns nothing; without, it returns them. `folder` names the sources below
    `solutions/<author>/` ("" for `<definition>/<name>`), and `shared`, unless it is "", a folder
    there whose files are packed beside them; `constants` are the values that upper-case constants
    of its main file (`main.py`, `main.cu` or `main.cpp`) have in this solution. `binding` is what
    makes a compiled solution callable from Python, and "" for the others.
    """

    name: str
    author: str
    language: Literal["python", "triton", "cuda", "cpp"]
    dps: bool
    description: str
    folder: str = ""
    constants: Constants = field(default_factory=dict)
    shared: str = ""
    binding: Literal["", "tvm-ffi", "torch"] = ""


@dataclass(frozen=True)
class Problem:
    """A definition with everything bundled for it; `blobs` maps file name to key to array."""

    definition: Definition
    workloads: tuple[Workload, ...]
    solutions: tuple[Solution, ...]
    blobs: Blobs = field(default_factory=dict)
