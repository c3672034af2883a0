"""Why an evaluation failed, out of logs of many forms."""

from __future__ import annotations

import time
from collections import defaultdict

import pytest

from engine.insight.causes import cause_of
from engine.insight.folding import fold, log_lines
from engine.insight.magnitude import Size, size_of
from engine.schema import Correctness
from tests.engine.insight.failure_logs import MODULE, NVCC_OURS, NVCC_WRAPPED, TRITON
from tests.engine.insight.failure_samples import SAMPLES, Sample


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.name for sample in SAMPLES])
def test_the_cause_of_a_log(sample: Sample) -> None:
    cause = cause_of(sample.status, sample.log)
    found = (cause.kind.value, cause.line, cause.hint, (cause.file, cause.number))
    assert found == (sample.kind, sample.line, sample.hint, sample.place)


def test_the_same_cause_has_one_key_and_no_other_cause_has_it() -> None:
    names = defaultdict(set)
    for sample in SAMPLES:
        names[cause_of(sample.status, sample.log).key].add(sample.same_as or sample.name)
    assert [sorted(found) for found in names.values() if len(found) > 1] == []
    assert len(names) == len({sample.same_as or sample.name for sample in SAMPLES})


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.name for sample in SAMPLES])
def test_a_key_survives_terminals_and_ranks(sample: Sample) -> None:
    key = cause_of(sample.status, sample.log).key
    coloured = sample.log.replace("error", "\x1b[01;31merror\x1b[0m")
    assert cause_of(sample.status, coloured).key == key
    assert cause_of(sample.status, sample.log.replace("\n", "\r\n")).key == key


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (NVCC_OURS, 'kernel.cu:88: error: identifier "tma_load" is undefined'),
        (NVCC_WRAPPED, '/main.cu(31): error: identifier "tma_load" is undefined'),
        (TRITON, "    out = v * tl.math.rsqrtt(var)"),
        (MODULE, "ModuleNotFoundError: No module named 'flash_attn'"),
    ],
)
def test_the_line_of_the_log_that_says_so(log: str, said: str) -> None:
    cause = cause_of("RUNTIME_ERROR", log)
    assert log_lines(log)[cause.at].endswith(said)


@pytest.mark.parametrize("before", [0, 50_000])
@pytest.mark.parametrize("after", [0, 5_000])
def test_of_a_long_log_both_ends_are_looked_at(before: int, after: int) -> None:
    log = "a line of progress\n" * before + MODULE + "another line\n" * after
    cause = cause_of("RUNTIME_ERROR", log)
    assert cause.line == "ModuleNotFoundError: No module named 'flash_attn'"
    assert log_lines(log)[cause.at] == cause.line


def test_a_key_is_a_word_of_a_filter() -> None:
    key = cause_of("COMPILE_ERROR", NVCC_OURS).key
    assert len(key) == 10 and key.isalnum()


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("CUDA error on cuda:3 at 0x7ffe12ab", "CUDA error on cuda:# at #"),
        ("took 12.5 ms, 3e-4 off, -7 left", "took # ms, # off, # left"),
        ("sm_90a float16 int64 x86_64 stay", "sm_90a float16 int64 x86_64 stay"),
        ("shape [16, 4096] and (1, 2, 3), Size([8])", "shape [#] and (#), Size([#])"),
        ("/home/ada/run 12/k.py is gone", "PATH #/k.py is gone"),
        ("no /usr/include/cuda_fp8.h here", "no cuda_fp8.h here"),
        ("id 3f9a12c04d77 of tmp_a8k2j9x1", "id # of #"),
        (f"'{'v' * 60}' and 'short'", "'…' and 'short'"),
        ("can't, as it isn't so, and won't", "can't, as it isn't so, and won't"),
        ("bad array([1., 2.,\n 3.])", "bad array(…)"),
        ("20.00 GiB of 139.81GiB at 98%", "# GiB of #GiB at #%"),
    ],
)  # fmt: skip
def test_what_differs_is_folded_and_names_are_not(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_lines_are_those_of_a_viewer() -> None:
    assert log_lines("10%\r100%\nend\r\n\x1b[31mred\x1b[0m\n[rank0]: x\n\n") == [
        "100%",
        "end",
        "red",
        "x",
        "",
    ]


@pytest.mark.parametrize(
    ("absolute", "relative", "extra", "size"),
    [
        ("NaN", 0.0, None, Size.NOT_FINITE),
        (0.5, "Infinity", None, Size.NOT_FINITE),
        (0.5, 0.5, {"fitui": {"checks": [{"non_finite": 3}]}}, Size.NOT_FINITE),
        (0.5, 0.5, {"fitui": {"checks": "?"}}, Size.TENTH),
        (3.0, 1.0, None, Size.ONE),
        (8.0, 0.02, None, Size.HUNDREDTH),
        (0.02, 5e4, None, Size.HUNDREDTH),
        (0.004, 0.9, None, Size.EDGE),
        (0.3, 0.0, None, Size.TENTH),
    ],
)
def test_the_size_of_an_error(
    absolute: float | str, relative: float | str, extra: dict[str, object] | None, size: Size
) -> None:
    found = Correctness(max_absolute_error=absolute, max_relative_error=relative, extra=extra)
    assert size_of(found) is size
    cause = cause_of("INCORRECT_NUMERICAL", "anything", found)
    assert cause.kind == "numerical" and cause.line == f"wrong by {size.value}"


@pytest.mark.parametrize(
    "log",
    [
        "a/" * 400_000,
        "error " * 200_000,
        "RuntimeError: " + "/a'" * 300_000,
        "x = 1 error here\n" * 60_000,
        "[" * 500_000,
    ],
    ids=["path", "word", "message", "lines", "brackets"],
)
def test_no_log_takes_long(log: str) -> None:
    begun = time.process_time()
    cause = cause_of("RUNTIME_ERROR", log)
    assert time.process_time() - begun < 2
    assert len(cause.line) <= 300
