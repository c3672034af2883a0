"""Every check that there is: its group, how grave a finding is, and what to do about it.

One table, so that a check is named, weighed and explained in one place. ``docs/validate.md`` says
at length what each of them looks at.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Group(StrEnum):
    """Which part of a dataset a check is about; the seven groups of flashinfer-bench."""

    LAYOUT = "layout"
    DEFINITION = "definition"
    WORKLOAD = "workload"
    SOLUTION = "solution"
    TRACE = "trace"
    BASELINE = "baseline"
    BENCHMARK = "benchmark"


class Severity(StrEnum):
    """How grave a finding is."""

    ERROR = "error"
    """The file cannot be used, or what it says contradicts the definition."""
    WARNING = "warning"
    """It can be used, but somebody should look."""
    INFO = "info"
    """Good to know."""


class Check(Struct, frozen=True):
    """One check.

    Args:
        group: What it is about.
        severity: How grave its findings are.
        fix: What to do about one, in one clause.
    """

    group: Group
    severity: Severity
    fix: str


def _group(group: Group, **checks: tuple[Severity, str]) -> dict[str, Check]:
    return {
        name.replace("_", "-"): Check(group, severity, fix)
        for name, (severity, fix) in checks.items()
    }


_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO

CHECKS: dict[str, Check] = {
    **_group(
        Group.LAYOUT,
        folder_unreadable=(_E, "give yourself the right to list the folder"),
        no_definitions=(_W, "put definitions under definitions/<op_type>/<name>.json"),
        ignored_file=(_W, "rename it or move it to where loaders look, or delete it"),
        stray_file=(_I, "move it out of the dataset if it is no part of it"),
        wrong_folder=(_W, "move the file"),
        wrong_name=(_W, "rename the file, or what it holds"),
        empty_file=(_W, "fill it or delete it"),
        blob_missing=(_E, "fetch or write the file, or take the workload out"),
        blob_unused=(_I, "delete it if nothing else needs it"),
        overlay_apart=(_I, "give it with --overlay to have it checked too"),
    ),
    **_group(
        Group.DEFINITION,
        definition_unreadable=(_E, "write it as docs/schema.md says"),
        definition_duplicate=(_E, "keep one of the files, or rename one definition"),
        name_characters=(_W, "use letters, digits and _ . + @ = - only"),
        no_tensors=(_W, "a definition needs inputs and outputs to be evaluated"),
        axis_unused=(_I, "remove the axis, or give it a place in a shape or constraint"),
        axis_unbound=(_W, "put the axis into the shape of an input"),
        axis_empty=(_W, "give the axis a length of at least 1"),
        no_description=(_I, "say in description what the operator computes"),
        tag_conflict=(_W, "keep the one that is true"),
        tag_spelling=(_W, "name the function as the other definitions do"),
        last_page_shape=(_W, "give it an axis of one element per sequence"),
        reference_syntax=(_E, "mend the reference; nothing can be checked without it"),
        parameter_order=(_E, "put inputs and parameters of run into the same order"),
        parameter_count=(_E, "let run take every input, and nothing else without a default"),
        parameter_name=(_W, "name parameter and input alike"),
        output_count=(_E, "let run return one value per output"),
        input_mutated=(_W, "work on a copy: later calls would see changed inputs"),
        constraint_name=(_E, "use names of axes and inputs only"),
        constraint_form=(_W, "write it with what docs/validate.md lists; it is not checked now"),
        constraint_false=(_E, "correct the constant axes or the constraint"),
    ),
    **_group(
        Group.WORKLOAD,
        workload_unreadable=(_E, "write the line as docs/schema.md says, or delete it"),
        workload_outdated=(_W, "write it anew; flashinfer-bench cannot load it"),
        workload_definition=(_E, "add the definition, or correct the name"),
        no_workloads=(_W, "add workloads/<op_type>/<definition>.jsonl"),
        uuid_duplicate=(_E, "give each workload a uuid of its own"),
        uuid_shared=(_W, "give each workload a uuid of its own"),
        axis_missing=(_E, "give the axis a length"),
        axis_unknown=(_W, "remove it, or add the axis to the definition"),
        axis_fixed=(_E, "remove it, or give it the length that the definition fixes"),
        axis_zero=(_W, "take the workload out if nothing can be computed on it"),
        input_missing=(_E, "give the input"),
        input_unknown=(_W, "remove it, or add the input to the definition"),
        input_kind=(_E, "give a tensor as random or safetensors, a scalar as a fitting value"),
        blob_broken=(_E, "write the safetensors file again"),
        tensor_missing=(_E, "correct tensor_key, or add the tensor to the file"),
        tensor_dtype=(_E, "store the tensor with the dtype of the definition"),
        tensor_shape=(_E, "store the tensor with the shape that the axes give"),
        constraint_violated=(_E, "correct the values or the constraint"),
        index_values=(_E, "correct the stored values or the axes"),
        random_indices=(_W, "store the indices; random ones point anywhere"),
        nan_values=(_W, "store finite values; nothing can be compared after a NaN"),
    ),
    **_group(
        Group.SOLUTION,
        solution_unreadable=(_E, "write it as docs/schema.md says; `fitui pack` does"),
        solution_duplicate=(_E, "keep one of the files, or rename one solution"),
        solution_definition=(_E, "add the definition, or correct the name"),
        source_empty=(_W, "remove the file from the sources, or fill it"),
        source_syntax=(_E, "mend the source; it cannot be imported"),
        entry_missing=(_E, "define the function, or correct spec.entry_point"),
        entry_parameters=(_E, "let it take what it is called with, or correct the calling style"),
        entry_order=(_W, "put the parameters into the definition's order; the call is by position"),
        dependency_unreadable=(_W, "write it as pip does (numpy>=1.26), or name a C++ library"),
        dependency_missing=(_I, "install it to build this solution here"),
    ),
    **_group(
        Group.TRACE,
        trace_unreadable=(_E, "mend or delete the line"),
        trace_outdated=(_W, "leave it or evaluate again; flashinfer-bench cannot load the line"),
        trace_definition=(_W, "add the definition, or remove its traces"),
        trace_solution=(_W, "add the solution, or remove its traces"),
        trace_workload=(_W, "add the workload, or remove its traces"),
        trace_differs=(_W, "evaluate again; the workload has changed under the same uuid"),
    ),
    **_group(
        Group.BASELINE,
        baseline_missing=(_W, "add a solution of author baseline to compare with"),
        baseline_several=(_W, "keep one; reports of flashinfer-bench take exactly one"),
        baseline_failing=(_W, "evaluate it with `fitui bench`, and mend it"),
    ),
    **_group(
        Group.BENCHMARK,
        benchmark_skipped=(_I, "give --run to evaluate one small workload of each definition"),
        benchmark_passed=(_I, ""),
        benchmark_unmeasured=(_W, "see the message; another --device may do"),
        benchmark_failed=(_E, "see the message, and run it with `fitui bench`"),
    ),
}
"""Every check by its name."""
