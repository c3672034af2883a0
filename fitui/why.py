"""Why an evaluation failed, in the words of the screens. Knows no widgets."""

from __future__ import annotations

from engine.insight.causes import cause_of
from engine.schema import Evaluation, Status
from fitui import format as form


def why(evaluation: Evaluation) -> tuple[str, str]:
    """Why an evaluation failed.

    Returns:
        One line, "" where its log does not tell, and what to try, or "".
    """
    if evaluation.status is Status.INCORRECT_NUMERICAL or not evaluation.log.strip():
        return form.reason(evaluation.log), ""
    cause = cause_of(evaluation.status.value, evaluation.log)
    return form.clean(cause.line), cause.hint
