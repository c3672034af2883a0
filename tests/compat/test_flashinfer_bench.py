"""Everything that we write, flashinfer-bench loads; everything that it loads, we read alike."""

from __future__ import annotations

import copy
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.schema import (
    AxisConst,
    AxisVar,
    BuildSpec,
    Correctness,
    Definition,
    DType,
    Environment,
    Evaluation,
    Language,
    Performance,
    RandomInput,
    SafetensorsInput,
    ScalarInput,
    SchemaError,
    Solution,
    SourceFile,
    Status,
    TensorSpec,
    Trace,
    Workload,
    decode,
    encode,
    encode_pretty,
)

ROOT = Path(__file__).parents[2]
BUNDLED = ROOT / "flashinfer_trace"
SAMPLE = ROOT.parent / "shared" / "real_dataset"

Ask = Callable[..., dict[str, Any]]
Document = dict[str, Any]

DEFINITION = Definition(
    name="scale_n4",
    op_type="scale",
    axes={"M": AxisVar(description="rows"), "N": AxisConst(value=4)},
    inputs={
        "x": TensorSpec(shape=["M", "N"], dtype=DType.FLOAT16),
        "factor": TensorSpec(shape=None, dtype=DType.FLOAT32, description="a scalar"),
    },
    outputs={"y": TensorSpec(shape=["M", "N"], dtype=DType.FLOAT16)},
    reference="def run(x, factor):\n    return x * factor\n",
    tags=["status:draft"],
    constraints=["M > 0"],
)

SOLUTION = Solution(
    name="scale_fast",
    definition="scale_n4",
    author="ada",
    spec=BuildSpec(
        language=Language.TRITON,
        target_hardware=["cuda"],
        entry_point="main.py::run",
        destination_passing_style=False,
    ),
    sources=[SourceFile(path="main.py", content="def run(x, factor): ...\n")],
)

WORKLOAD = Workload(
    axes={"M": 3},
    inputs={
        "x": RandomInput(),
        "factor": ScalarInput(value=1.5),
        "ids": SafetensorsInput(path="blob/a.safetensors", tensor_key="ids"),
    },
    uuid="6d1c1f0e",
)

IDENTITY = {
    "fitui.run": "20260102-030405-beef",
    "fitui.evaluation": "e1",
    "fitui.solution": "929cec410a62f417",
    "fitui.definition": "0123456789abcdef",
    "fitui.settings": "fedcba9876543210",
    "fitui.timer": "cupti",
    "fitui.sandbox": "namespaces+landlock",
    "fitui.note": "a note, żółw",
    "torch": "2.13.0",
}

FIGURES = {"fitui": {"n": 50, "ci": [1.0, math.inf], "worst": math.nan, "checks": [], "seed": "ff"}}
COMPARED = (Status.PASSED, Status.INCORRECT_NUMERICAL)


def made_trace(status: Status, error: float = 0.25) -> Trace:
    """A trace as the runner writes it."""
    return Trace(
        definition="scale_n4",
        workload=WORKLOAD,
        solution="scale_fast",
        evaluation=Evaluation(
            status=status,
            environment=Environment(hardware="NVIDIA H200", libs=dict(IDENTITY)),
            timestamp="2026-01-02T03:04:05.678901+00:00",
            log="line\nline \u2028 \x1b[31mred\x1b[0m",
            correctness=Correctness(
                max_relative_error=error, max_absolute_error=error, extra=copy.deepcopy(FIGURES)
            )
            if status in COMPARED
            else None,
            performance=Performance(
                latency_ms=0.0019, reference_latency_ms=0.022, speedup_factor=11.5
            )
            if status is Status.PASSED
            else None,
        ),
    )


def dumped(reply: Document) -> Any:
    assert "error" not in reply, reply["error"]
    return json.loads(reply["dump"])


@pytest.mark.parametrize("error", [0.0, 0.25, math.nan, math.inf], ids=str)
@pytest.mark.parametrize("status", list(Status))
def test_a_trace_of_every_status_is_loaded_and_dumped_unchanged(
    ask: Ask, status: Status, error: float
) -> None:
    text = encode(made_trace(status, error)).decode()
    assert dumped(ask(model="Trace", text=text)) == json.loads(text)


def test_identity_and_figures_survive_a_rewrite_by_upstream(ask: Ask) -> None:
    text = encode(made_trace(Status.PASSED, math.nan)).decode()
    reply = ask(model="Trace", text=text, exclude_unset=False)
    evaluation = decode(reply["dump"], Trace).evaluation
    assert evaluation and evaluation.correctness and evaluation.correctness.extra
    assert evaluation.environment.libs == IDENTITY
    assert math.isnan(float(evaluation.correctness.max_relative_error))
    assert evaluation.correctness.extra["fitui"]["worst"] == "NaN"
    assert evaluation.correctness.extra["fitui"]["n"] == 50


@pytest.mark.parametrize("document", [DEFINITION, SOLUTION], ids=["Definition", "Solution"])
def test_a_document_that_we_write_is_loaded_and_dumped_unchanged(
    ask: Ask, document: Definition | Solution
) -> None:
    for text in (encode(document).decode(), encode_pretty(document).decode()):
        assert dumped(ask(model=type(document).__name__, text=text)) == json.loads(text)


def test_a_workload_line_is_loaded_and_dumped_unchanged(ask: Ask) -> None:
    text = encode(Trace(definition="scale_n4", workload=WORKLOAD)).decode()
    assert dumped(ask(model="Trace", text=text)) == json.loads(text)


def test_a_dataset_that_we_write_is_loaded_whole(ask: Ask, tmp_path: Path) -> None:
    files = {
        "definitions/scale/scale_n4.json": encode_pretty(DEFINITION),
        "solutions/ada/scale/scale_n4/scale_fast.json": encode_pretty(SOLUTION),
        "workloads/scale/scale_n4.jsonl": encode(Trace(definition="scale_n4", workload=WORKLOAD))
        + b"\n",
        "traces/ada/scale/scale_n4.jsonl": b"".join(
            encode(made_trace(status)) + b"\n" for status in Status
        ),
    }
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(data)
    assert ask(dataset=str(tmp_path)) == {
        "definitions": ["scale_n4"],
        "solutions": ["scale_fast"],
        "workloads": 1,
        "traces": len(Status),
    }


def test_the_bundled_dataset_is_loaded_whole(ask: Ask, tmp_path: Path) -> None:
    for folder in ("definitions", "solutions", "workloads", "traces"):
        if (BUNDLED / folder).is_dir():
            shutil.copytree(BUNDLED / folder, tmp_path / folder)
    reply = ask(dataset=str(tmp_path))
    assert "error" not in reply, reply
    definitions = sorted((BUNDLED / "definitions").rglob("*.json"))
    assert reply["definitions"] == sorted(file.stem for file in definitions) != []
    assert len(reply["solutions"]) == len(list((BUNDLED / "solutions").rglob("*.json"))) > 0
    assert reply["workloads"] > 0


def texts(root: Path, model: str) -> list[tuple[str, str]]:
    """(place, text) of every document of a dataset that one model reads."""
    if model in ("Definition", "Solution"):
        folder = root / f"{model.lower()}s"
        return [(str(file), file.read_text("utf-8")) for file in sorted(folder.rglob("*.json"))]
    return [
        (f"{file}:{number}", line)
        for folder in ("workloads", "traces")
        for file in sorted((root / folder).rglob("*.jsonl"))
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if line.strip()
    ]


KINDS: dict[str, Any] = {"Definition": Definition, "Solution": Solution, "Trace": Trace}


@pytest.mark.parametrize("model", list(KINDS))
@pytest.mark.parametrize("root", [BUNDLED, SAMPLE], ids=["bundled", "sample"])
def test_a_document_that_we_rewrite_is_the_same_to_upstream(
    ask: Ask, root: Path, model: str
) -> None:
    if root is SAMPLE and not root.is_dir():
        pytest.skip("the sample of the real dataset is not beside this repository")
    found = texts(root, model)
    if root is BUNDLED:
        assert found, f"the bundled dataset has no {model}"
    for place, text in found:
        ours = decode(text, KINDS[model], file=place)
        theirs = dumped(ask(model=model, text=text))
        for rewritten in (encode(ours), encode(ours, original=text)):
            again = ask(model=model, text=rewritten.decode(), exclude_unset=False)
            assert dumped(again) == dumped(ask(model=model, text=text, exclude_unset=False)), place
        assert theirs == dumped(ask(model=model, text=encode(ours, original=text).decode())), place


ODD_VALUES: list[tuple[str, str, list[Any]]] = [
    ("Definition", "axes.N.value", [4.0, "4", "4.0", " 4 ", "+4", "1e3", True, "true", 4.5, None]),
    ("Definition", "axes.N.value", ["x", -1, "-1", "1_0", [], {}]),
    ("Definition", "axes.N", [{}, {"value": 3}, {"type": "var", "value": 3}, {"type": "x"}, None]),
    ("Definition", "axes.N", [{"type": "const"}, {"type": "const", "value": 3, "more": 1}]),
    ("Definition", "inputs.x.dtype", ["Float16", "float64", "bool", None]),
    ("Definition", "inputs.x.shape", [None, [], ["M"], ["K"], "M", [""], [1]]),
    ("Definition", "description", [None, "", "null", 1, True]),
    ("Definition", "tags", [None, [], [""], ["a", "a"], [1], "a"]),
    ("Definition", "constraints", [None, ["M == '\\d'"], [" M > 1"], [""], ["a = b"]]),
    (
        "Definition",
        "reference",
        ["", "x = 1", "def run(:", "async def run(): pass", "def run(): 0"],
    ),
    ("Solution", "spec.destination_passing_style", [1, 0, "true", "yes", "on", "t", "f", "no"]),
    ("Solution", "spec.destination_passing_style", [2, None, 1.0, "maybe", "1", "OFF"]),
    ("Solution", "spec.binding", [None, "tvm-ffi", "torch", "x", ""]),
    ("Solution", "spec.entry_point", ["main.py", "a::b::c", "x.py::run", "main.py::", ""]),
    ("Solution", "spec.dependencies", [None, [], [""], ["a"], "a"]),
    ("Solution", "spec.target_hardware", [[], None, [""], ["cuda"]]),
    ("Solution", "sources", [[], None, [{"path": "/main.py", "content": "x"}]]),
    ("Solution", "sources", [[{"path": "main.py", "content": ""}], [{"path": "main.py"}]]),
    ("Solution", "name", ["", None, 1, "4"]),
    ("Trace", "workload.axes.M", [4.0, "4", " 4 ", True, "x", None, -1, 0]),
    ("Trace", "workload.inputs.factor.value", [4.0, "4", "4.5", " 4 ", True, "true", "x", None]),
    ("Trace", "workload.inputs.x", [{}, {"value": 3}, {"path": "p", "tensor_key": "k"}, "random"]),
    ("Trace", "workload.inputs.x", [{"type": None}, {"type": "x"}, {"type": "scalar"}, None]),
    ("Trace", "workload.inputs.x", [{"type": "random", "value": 3}]),
    ("Trace", "workload.uuid", ["", None, 1]),
    ("Trace", "solution", [None, "", 1]),
    ("Trace", "evaluation", [None, {}]),
    ("Trace", "evaluation.status", ["passed", None, "TIMEOUT", "INCORRECT_NUMERICAL"]),
    ("Trace", "evaluation.log", [None, "", 1]),
    ("Trace", "evaluation.timestamp", [None, "", 1, "yesterday"]),
    ("Trace", "evaluation.environment.libs", [None, {}, {"a": None}, {"a": 1}]),
    *[
        (
            "Trace",
            path,
            [1, "0.5", "NaN", "nan", "Infinity", "inf", "INF", "+Infinity", "-Infinity"],
        )
        for path in (
            "evaluation.correctness.max_relative_error",
            "evaluation.performance.latency_ms",
        )
    ],
    *[
        ("Trace", path, ["-inf", True, None, "", math.nan, math.inf, -math.inf, -1, " 1 ", "1_0"])
        for path in (
            "evaluation.correctness.max_absolute_error",
            "evaluation.performance.latency_ms",
        )
    ],
]


@pytest.mark.parametrize(("model", "path", "values"), ODD_VALUES)
def test_an_odd_value_means_to_us_what_it_means_to_upstream(
    ask: Ask, model: str, path: str, values: list[Any]
) -> None:
    base = {"Definition": DEFINITION, "Solution": SOLUTION, "Trace": made_trace(Status.PASSED)}
    for value in values:
        document = json.loads(encode(base[model]))
        *parents, last = path.split(".")
        inner = document
        for part in parents:
            inner = inner[part]
        inner[last] = value
        text = json.dumps(document)
        theirs = ask(model=model, text=text, exclude_unset=False)
        try:
            ours = encode(decode(text, KINDS[model])).decode()
        except SchemaError as error:
            assert "error" in theirs, f"{value!r}: only we refuse it: {error}"
        else:
            assert "error" not in theirs, f"{value!r}: only upstream refuses it: {theirs}"
            again = ask(model=model, text=ours, exclude_unset=False)
            assert again == theirs, f"{value!r} changes its meaning"


def test_an_untyped_object_that_misses_its_key_is_an_error_to_us_alone(ask: Ask) -> None:
    """Upstream takes such an input for a random one; we would rather say what is missing."""
    document = json.loads(encode(made_trace(Status.TIMEOUT)))
    document["workload"]["inputs"]["x"] = {"path": "blob/x.safetensors"}
    text = json.dumps(document)
    assert dumped(ask(model="Trace", text=text, exclude_unset=False))["workload"]["inputs"][
        "x"
    ] == {"type": "random"}
    with pytest.raises(SchemaError, match=r"workload\.inputs\.x\.tensor_key: is missing"):
        decode(text, Trace)
