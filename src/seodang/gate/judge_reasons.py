"""Reasons of a verdict about the LLM judge that gave its scores. Pure."""

from __future__ import annotations

from seodang.errors import EvaluationError
from seodang.evaluation.judge.judge_report import BoundCalibration, JudgeReport, describe_calibration
from seodang.evaluation.judge.length_control import describe_win_rate
from seodang.gate.messages import Reason, build_reason
from seodang.i18n import Message, _

JUDGE_METRIC = "judge"


def build_judge_reasons(report: JudgeReport | None, minimum_kappa: float | None) -> list[Reason]:
    """Return what is known about the judge, and whether a demanded agreement with people is shown.

    A judge that does not agree with people says nothing about the candidate. So the reason is undecided and not failed.

    Args:
        report: Of the judge; None where nothing is known about it.
        minimum_kappa: Which the interval of kappa must reach; None for no demand.
    """
    calibration = report.calibration if report else BoundCalibration(status="missing")
    message = (
        describe_calibration(report.model, calibration)
        if report
        else Message(
            "the judge of these scores is not known, and neither is its agreement with people: beside the candidate's scores "
            "there is no judge.json of theirs"
        )
    )
    if minimum_kappa is None:
        reasons = [build_reason(True, message, is_information=True)]
    else:
        is_met = calibration.status == "valid" and calibration.low is not None and calibration.low >= minimum_kappa
        requirement = Message(
            "{reason} (minimum_judge_kappa {minimum:g})", {"reason": message, "minimum": minimum_kappa}
        )
        reasons = [build_reason(True if is_met else None, requirement)]
    if report and report.win_rate:
        reasons.append(build_reason(True, describe_win_rate(report.win_rate), is_information=True))
    return reasons + (_build_missing_reasons(report) if report else [])


def _build_missing_reasons(report: JudgeReport) -> list[Reason]:
    """Return a reason for items without a verdict: undecided if they could turn a win, else a note."""
    missing = len(report.without_verdict)
    if not missing:
        return []
    total = report.items + missing
    message = Message(
        "the judge gave no verdict on some items, which the scores leave out: {missing} of {total}",
        {"missing": missing, "total": total},
    )
    lost = report.mean * report.items / total
    if report.mean > 0.5 >= lost:
        message = Message(
            "{reason}; counted as lost, the candidate's mean {mean:.3f} would be {lost:.3f} and no longer better",
            {"reason": message, "mean": report.mean, "lost": lost},
        )
        return [build_reason(None, message)]
    return [build_reason(True, message, is_information=True)]


def require_judge_scores(metrics: list[str]) -> None:
    """Raise an error if minimum_judge_kappa is demanded of scores that no judge gave.

    Raises:
        EvaluationError: If `judge` is none of the metrics.
    """
    if JUDGE_METRIC not in metrics:
        raise EvaluationError(
            _("minimum_judge_kappa is about scores of the metric judge, and the score files have none")
        )
