"""What a workload asks of a device at least: bytes to read and write, operations to do.

Told in the trusted process, where a set's inputs are, and handed on as plain ``Work``. Every figure
is a lower bound: a correct implementation that does less would be taken for a cheat.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.measure.facts import Work
from engine.measure.families import formula_for
from engine.measure.families.call import Call, Unfit, Value
from engine.schema.definition import Definition
from engine.schema.names import DType

_CHOOSING = (DType.INT64, DType.INT32, DType.INT16, DType.BOOL)
"""What places, lengths and masks come as; integers of 8 bits are numbers to compute with."""


def work_of(
    definition: Definition, workload_axes: Mapping[str, int], values: Mapping[str, Value]
) -> Work:
    """The least that any correct implementation must do for one set of inputs.

    Args:
        definition: Of the operator.
        workload_axes: Lengths of the axes that the workload chooses.
        values: Inputs by name; tensors on whatever device. Only tables and what a routing depends
            on are looked at, with few synchronisations.

    Returns:
        By the formula of the operator's family, or by the sizes of its tensors where no formula
        is known or the inputs are not what it expects.

    Raises:
        KeyError: An axis has no length.
    """
    call = Call(definition, workload_axes, values)
    formula = formula_for(definition)
    if formula is not None:
        try:
            return formula(call)
        except Unfit:
            pass
    return _by_shapes(call)


def _by_shapes(call: Call) -> Work:
    """Every input read once, every output written once, and nothing said of operations.

    Where the operator takes places, lengths or masks, nobody but its reference knows what of the
    other inputs they leave out, nor how much of an output that has the form of an input is that
    input, unchanged. Then only the other outputs are sure.
    """
    inputs = call.definition.inputs
    if any(spec.dtype in _CHOOSING for spec in inputs.values()):
        return Work(read_bytes=0, written_bytes=call.written(besides=inputs), basis="shapes")
    read = sum(map(call.nbytes, inputs))
    return Work(read_bytes=read, written_bytes=call.written(), basis="shapes")
