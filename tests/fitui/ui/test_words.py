"""Numbers, names and reasons as a person reads them."""

from __future__ import annotations

import pytest

from fitui import format as form
from tests.fitui.ui.tiny_files import LOG


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, ""),
        (0.0019234, "1.92"),
        (0.022, "22.0"),
        (0.1544, "154"),
        (1.5432, "1543"),
        (15.432, "15.4ms"),
        (12_345.0, "12.3s"),
    ],
)
def test_latency_has_three_digits(milliseconds: float | None, text: str) -> None:
    assert form.latency(milliseconds) == text


def test_workloads_are_told_apart_by_the_axes_that_differ() -> None:
    axes = [{"batch_size": 1, "heads": 8}, {"batch_size": 64, "heads": 8}]
    assert form.workload_labels(axes) == [["bs=1"], ["bs=64"]]


def test_workloads_that_no_axis_tells_apart_are_numbered() -> None:
    assert form.workload_labels([{"m": 1}, {"m": 1}]) == [["m=1"], ["m=1", "#2"]]


def test_axes_with_the_same_initials_keep_their_names() -> None:
    axes = [{"num_pages": 1, "num_parts": 2}, {"num_pages": 2, "num_parts": 3}]
    assert form.workload_labels(axes)[0] == ["num_pages=1", "num_parts=2"]


def test_the_reason_of_a_traceback_is_its_error() -> None:
    assert form.reason(LOG) == "RuntimeError: mat1 and mat2 shapes cannot be multiplied"


def test_the_reason_of_a_compiler_is_its_first_error() -> None:
    log = 'building\nk.cu(8): error: identifier "f" is undefined\nk.cu(9): error: expected ;\n'
    assert form.reason(log) == 'k.cu(8): error: identifier "f" is undefined'


def test_foreign_text_cannot_command_the_terminal() -> None:
    assert form.clean("a\x1b[31mred\x1b]0;title\x07\x9bm\rb\u202e") == "ared·m·b·"
    assert form.clean_lines("10%\r50%\r100%\nend\n") == ["100%", "end"]
