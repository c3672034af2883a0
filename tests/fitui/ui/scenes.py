"""What is pictured: every kind of view and tab, every dialog, and what typing shows."""

from __future__ import annotations

from msgspec import Struct

from tests.fitui.ui.fixed_files import DECODE, FORMER, GEMM, NORM, UNTOUCHED
from tests.fitui.ui.fixed_runs import LIVE


class Scene(Struct, frozen=True):
    """One picture, in every size and with and without colour.

    Args:
        name: Of the file.
        view: Text of the view to start on.
        shows: Words that are on the screen only once everything has been read and worked out.
        keys: To press then.
        then: Words that are on the screen once the keys have had their effect.
        dataset: Folder.
    """

    name: str
    view: str
    shows: str
    keys: tuple[str, ...] = ()
    then: str = ""
    dataset: str = "flashinfer_trace"


TRACES = "traces sort:time"
SCENES = (
    Scene("triage", "triage", "identifier"),
    Scene("triage-second", "triage", "identifier", ("j",), "destination_passing_style"),
    Scene("triage-muted", "triage", "identifier", ("j", "m"), "1 cause muted"),
    Scene("definitions", "definitions", UNTOUCHED, ("j",)),
    Scene("definition", f"definition {NORM}", "batch_size > 0"),
    Scene("definition-workloads", f"definition {DECODE} tab:workloads", "blob"),
    Scene("definition-solutions", f"definition {NORM} tab:solutions", "rmsnorm_untested"),
    Scene("definition-traces", f"definition {NORM} tab:traces", "cuda_rmsnorm_vec4"),
    Scene("matrix", f"matrix {NORM}", "rmsnorm_untested"),
    Scene("matrix-speedup", f"matrix {NORM}", "rmsnorm_untested", ("t", "j", "l", "l"), "x"),
    Scene("matrix-many-axes", f"matrix {DECODE}", "triton_gqa"),
    Scene("matrix-empty", f"matrix {UNTOUCHED}", "No solutions"),
    Scene("traces", "traces", "cuda_gemm_tma", ("j", "j", "j")),
    Scene(
        "traces-marks", f"traces def:{NORM}", "rmsnorm_persistent", ("space", "j", "j", "V"), "3 "
    ),
    Scene("traces-columns", "traces sort:-speedup cols:solution,speedup,latency", "5.96x"),
    Scene("traces-chooser", "traces", "cuda_gemm_tma", ("C",), "IN cols:"),
    Scene("traces-frequency", "traces group:solution", "triton_rmsnorm", (), "%"),
    Scene("traces-follow", "traces follow:newest", "cuda_gemm_tma"),
    Scene("traces-nothing", "traces status:failed lat<1us", "Nothing matches"),
    Scene("trace-compile", "trace 38", "sum_of_block"),
    Scene("trace-compile-log", "trace 38 tab:log", "2 errors detected"),
    Scene("trace-wrong", "trace 36", "expected"),
    Scene("trace-passed", "trace 49", "% roofline"),
    Scene("trace-alarm", "trace 45", "faster than the limit"),
    Scene("trace-flags", "trace 31", "low clock"),
    Scene("trace-exception", "trace 13", "illegal memory access"),
    Scene("trace-samples", "trace 29", "5.62"),
    Scene("trace-source", "trace 38 tab:source", "sum_of_block"),
    Scene("trace-diff", "trace 13 tab:diff", "taken out"),
    Scene("trace-workload", "trace 66 tab:workload", "kv_indptr"),
    Scene("trace-history", "trace 23 tab:history", "version"),
    Scene("trace-json", "trace 36 tab:json", '"definition"'),
    Scene("solution-cuda", "solution cuda_rmsnorm_vec4", "kThreads"),
    Scene("solution-line", "solution cuda_rmsnorm_vec4 at:kernel.cu:31", "sum_of_block"),
    Scene("solution-triton", "solution triton_rmsnorm", "a program a row"),
    Scene("solution-versions", "solution triton_rmsnorm tab:versions", "kept"),
    Scene(
        "solution-diff",
        f"solution triton_rmsnorm tab:diff against:triton_rmsnorm@{FORMER[0]}",
        "taken out",
    ),
    Scene("solution-traces", "solution triton_rmsnorm tab:traces", "5.62"),
    Scene("history", "history triton_rmsnorm", "version"),
    Scene("compare-traces", "compare torch_gemm triton_gemm", "geomean"),
    Scene("compare-measured", "compare torch_rmsnorm triton_rmsnorm", "geomean"),
    Scene("compare-totals", "compare torch_rmsnorm triton_rmsnorm tab:totals", "geomean"),
    Scene("runs", "runs", "finished"),
    Scene("run-live", f"run {LIVE}", "timing"),
    Scene("evaluation-live", f"evaluation {LIVE}/e2", "timing"),
    Scene("devices", "devices", "cuda:1", ("j",), "throttled"),
    Scene("problems", "problems", "draft.json"),
    Scene("nowhere", "trace 99999", "Esc goes back"),
    Scene("filter", "traces", "cuda_gemm_tma", ("slash", *"status:failed norm"), "left"),
    Scene("filter-error", "traces", "cuda_gemm_tma", ("slash", *"lat<1parsec"), "parsec"),
    Scene("search", "trace 38 tab:log", "2 errors", ("slash", *"scaled"), "line "),
    Scene("help", f"matrix {NORM}", "rmsnorm_untested", ("question_mark",), "keys valid here"),
    Scene("palette", "definitions", UNTOUCHED, ("colon", *"norm"), "rmsnorm"),
    Scene("run-dialog", f"matrix {GEMM}", "cuda_gemm_tma", ("R",), "run how"),
    Scene("copy", "trace 38", "sum_of_block", ("y",), "copy"),
    Scene("bookmark", "traces status:failed", "cuda_gemm_tma", ("B", *"mine"), "mine"),
    Scene("empty-triage", "triage", "Nothing has been run", dataset="empty"),
    Scene("empty-runs", "runs", "wider loads", dataset="empty"),
    Scene("question", f"run {LIVE}", "timing", ("x",), "y / n"),
)
