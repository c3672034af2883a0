"""Plain values about a workload's cost that travel between processes. Nothing here knows torch."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field


class Work(Struct, kw_only=True, frozen=True):
    """The least that any correct implementation must do for a workload.

    Args:
        read_bytes: Different bytes of the inputs that must be read, each counted once.
        written_bytes: Bytes that must be written.
        flops: Operations, a multiplication and an addition each being one, by the rate that they
            can run at. Of matrix products ``bf16``, ``fp16``, ``tf32``, ``fp8`` or ``fp4``, the
            lowest precision among their operands'; ``vector`` where no matrix unit helps.
        basis: ``formula`` where the operator is known, ``shapes`` where only its tensors are.
    """

    read_bytes: int
    written_bytes: int
    flops: dict[str, int] = field(default_factory=dict)
    basis: Literal["formula", "shapes"]
