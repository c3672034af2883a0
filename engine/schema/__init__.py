"""The FlashInfer Trace schema as msgspec Structs, and the records of a run.

Knows no folders, no processes and no torch. Rules and field names are those of flashinfer-bench
0.1.x; see ``docs/schema.md``.
"""

from engine.schema.codec import decode, encode, encode_pretty, to_json_value
from engine.schema.definition import (
    Axis,
    AxisConst,
    AxisVar,
    Definition,
    TensorSpec,
    describe_axes,
)
from engine.schema.endings import STATUS_OF, Ending
from engine.schema.errors import Problem, RuleError, SchemaError
from engine.schema.hashing import digest
from engine.schema.names import Binding, DType, Language, Status
from engine.schema.run import QUICK, Event, Kind, Request, SampleRecord, Settings
from engine.schema.solution import BuildSpec, Solution, SourceFile
from engine.schema.trace import Correctness, Environment, Evaluation, Performance, Trace
from engine.schema.workload import (
    RandomInput,
    SafetensorsInput,
    ScalarInput,
    Workload,
    WorkloadInput,
)

__all__ = [
    "QUICK",
    "STATUS_OF",
    "Axis",
    "AxisConst",
    "AxisVar",
    "Binding",
    "BuildSpec",
    "Correctness",
    "DType",
    "Definition",
    "Ending",
    "Environment",
    "Evaluation",
    "Event",
    "Kind",
    "Language",
    "Performance",
    "Problem",
    "RandomInput",
    "Request",
    "RuleError",
    "SafetensorsInput",
    "SampleRecord",
    "ScalarInput",
    "SchemaError",
    "Settings",
    "Solution",
    "SourceFile",
    "Status",
    "TensorSpec",
    "Trace",
    "Workload",
    "WorkloadInput",
    "decode",
    "describe_axes",
    "digest",
    "encode",
    "encode_pretty",
    "to_json_value",
]
