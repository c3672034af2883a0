"""Checks of solutions, without running one."""

from __future__ import annotations

from typing import Any

import pytest

from engine.validate import Finding, Group
from tests.engine.validate.samples import PARAMETERS, SOLUTION, Json, Sample, solution


def found(sample: Sample) -> dict[str, Finding]:
    return sample.found(Group.SOLUTION)


def with_source(sample: Sample, content: str, path: str = "main.py", **spec: Any) -> None:
    document = solution()
    document["sources"] = [{"path": path, "content": content}]
    document["spec"] |= {"entry_point": f"{path}::run", **spec}
    sample.write(SOLUTION, document)


def test_it_solves_a_definition_that_is_there(sample: Sample) -> None:
    sample.change(SOLUTION, lambda document: document.update(definition="other"))
    assert found(sample)["solution-definition"].field == "definition"


def test_its_name_is_its_own(sample: Sample) -> None:
    other = SOLUTION.replace("torch_", "zzz_")
    sample.write(other, solution(author="ada"))
    finding = found(sample)["solution-duplicate"]
    assert finding.file == other and SOLUTION in finding.message


def test_a_file_that_cannot_be_read_hides_no_other(sample: Sample) -> None:
    document = solution("bad")
    document["spec"]["entry_point"] = "main.py"
    sample.write("solutions/bad.json", document)
    finding = found(sample)["solution-unreadable"]
    assert (finding.file, finding.field) == ("solutions/bad.json", "spec.entry_point")
    assert finding.line and sample.report().checked["solutions"] == 1


SOUND = [
    f"def run({PARAMETERS}):\n    return q\n",
    f"async def helper():\n    pass\n\n\ndef run({PARAMETERS}, tune=1):\n    return q\n",
    "def run(*tensors):\n    return tensors[0]\n",
    f"import os\n\nif os.environ:\n    def run({PARAMETERS}):\n        return q\n",
    "from kernels import run\n",
    "import kernels as run\n",
    "from kernels import *\n",
    "def _run(*tensors):\n    return 1\n\nrun = _run\n",
    f"import torch\n\n@torch.compile(dynamic=True)\ndef run({PARAMETERS}):\n    return q\n",
    "import fast\n\n@fast.autotune\ndef run(x):\n    return x\n",
    "class run:\n    pass\n",
    "def run(a, b, c, d, e, f):\n    return a\n",
]


@pytest.mark.parametrize("content", SOUND)
def test_a_sound_source_is_left_alone(content: str, sample: Sample) -> None:
    with_source(sample, content)
    assert not found(sample)


@pytest.mark.parametrize(
    ("content", "check", "message"),
    [
        ("def run(q:\n", "source-syntax", "main.py: line 1"),
        ("  \n\t\n", "source-empty", "main.py"),
        ("def walk(q):\n    return q\n", "entry-missing", "does not define run"),
        ("def walk():\n    def run():\n        pass\n", "entry-missing", "does not define run"),
        ("def run(q, kv_cache):\n    return q\n", "entry-parameters", "takes 2 (q, kv_cache)"),
        (
            f"def run({PARAMETERS}, output):\n    pass\n",
            "entry-parameters",
            "destination_passing_style=true",
        ),
        (
            "def run(kv_cache, q, a, b, c, d):\n    return q\n",
            "entry-order",
            "takes kv_cache at position 0, where it is given q",
        ),
    ],
)
def test_a_fault_of_a_source_is_named(
    content: str, check: str, message: str, sample: Sample
) -> None:
    with_source(sample, content)
    assert message in found(sample)[check].message


def test_outputs_that_are_passed_in_count_as_parameters(sample: Sample) -> None:
    outputs = f"def run({PARAMETERS}, output):\n    pass\n"
    with_source(sample, outputs, destination_passing_style=True)
    assert not found(sample)
    with_source(sample, f"def run({PARAMETERS}):\n    pass\n", destination_passing_style=True)
    finding = found(sample)["entry-parameters"]
    assert "destination_passing_style=false" in finding.message
    assert finding.field == "spec.entry_point"


@pytest.mark.parametrize("language", ["cuda", "cpp"])
def test_a_compiled_entry_is_looked_for_as_a_word(language: str, sample: Sample) -> None:
    code = "void run(TensorView q) {}\nTVM_FFI_DLL_EXPORT_TYPED_FUNC(run, run);\n"
    with_source(sample, code, path="kernel.cu", language=language)
    assert not found(sample)
    with_source(sample, "void runner() {}", path="kernel.cu", language=language)
    assert "no source speaks of run" in found(sample)["entry-missing"].message


def test_an_entry_of_python_lies_in_a_python_file(sample: Sample) -> None:
    with_source(sample, "def run(): pass", path="kernel.cu", language="triton")
    assert "not a Python file" in found(sample)["entry-missing"].message


def test_dependencies_can_be_read_and_are_here(sample: Sample) -> None:
    def infos(*dependencies: str) -> dict[str, Finding]:
        def change(document: Json) -> None:
            document["spec"]["dependencies"] = list(dependencies)

        sample.change(SOLUTION, change)
        return sample.infos()

    assert "dependency-missing" not in infos("torch", "numpy>=1")
    assert "no-such-package" in infos("torch", "no-such-package")["dependency-missing"].message
    infos("torch", "a b c")
    assert found(sample)["dependency-unreadable"].field == "spec.dependencies[1]"


def test_nothing_of_a_solution_is_run(sample: Sample) -> None:
    marker = sample.root.parent / "ran"
    with_source(sample, f"open({str(marker)!r}, 'w')\n\ndef run(*a):\n    return a\n")
    assert not found(sample) and not marker.exists()
