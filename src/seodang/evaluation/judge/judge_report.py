"""judge.json: which judge gave the scores of a folder, what it left out, and how far it was calibrated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal

from seodang.errors import EvaluationError
from seodang.i18n import Message, _
from seodang.io.jsonl import write_json

REPORT_NAME: Final = "judge.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundCalibration:
    """What is known about the agreement of this judge with people."""

    status: Literal["valid", "stale", "missing"]
    """stale: the calibration is that of another model, prompt or option."""
    pairs: int = 0
    kappa: float | None = None
    low: float | None = None
    """Lower end of the 95 % interval of kappa; None where the labels are too few."""
    high: float | None = None
    position_share: float | None = None
    """Share of labelled pairs whose verdict followed the position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeReport:
    """Content of judge.json."""

    model: str
    """Name in the request."""
    models: list[str]
    """Names that the endpoint gave its model."""
    fingerprint: str
    """Of model, prompt and options; the score files have it, too."""
    items: int
    """With a verdict."""
    mean: float
    """Mean score of the candidate over these items."""
    without_verdict: list[str]
    """Items that the score files leave out."""
    position: Mapping[str, Any]
    """As in PositionBias."""
    calibration: BoundCalibration
    win_rate: Mapping[str, Any] | None = None
    """As in WinRate; None in a report of an earlier version."""


def bind_calibration(
    calibration: Mapping[str, Any] | None, fingerprint: str, models: Sequence[str]
) -> BoundCalibration:
    """Return what a calibration says about a judge.

    A calibration of another fingerprint is stale. So is one whose endpoint named another model: a name such as "latest"
    may have moved since.

    Args:
        calibration: Content of calibration.json; None without one.
        fingerprint: Of the judge.
        models: Names that the endpoint gave its model.
    """
    if calibration is None:
        return BoundCalibration(status="missing")
    try:
        known = calibration["judge"]
        is_stale = known["fingerprint"] != fingerprint or bool(
            models and known["models"] and set(models) - set(known["models"])
        )
        kappa = calibration["agreement"]["kappa"]
        return BoundCalibration(
            status="stale" if is_stale else "valid",
            pairs=int(calibration["agreement"]["pairs"]),
            kappa=_parse_number(kappa["value"]),
            low=_parse_number(kappa["low"]),
            high=_parse_number(kappa["high"]),
            position_share=_parse_number(calibration["position"]["share"]["value"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise EvaluationError(
            _("the calibration has an error at {field}; write it again: seodang judge calibrate", field=error)
        ) from error


def _parse_number(value: Any) -> float | None:
    return None if value is None else float(value)


def read_calibration(path: Path) -> dict[str, Any]:
    """Return the content of calibration.json.

    Raises:
        EvaluationError: If the file cannot be read or is no JSON object.
    """
    content = _read_object(path)
    if content is None:
        raise EvaluationError(
            _("{path} is no calibration; write one: seodang judge calibrate --labels FILE ...", path=path)
        )
    return content


def write_judge_report(folder: Path, report: JudgeReport) -> None:
    """Write judge.json."""
    write_json(folder / REPORT_NAME, asdict(report))


def read_judge_report(folder: Path, fingerprint: str) -> JudgeReport | None:
    """Return the report of the judge that gave the scores of a folder; None without one for these scores.

    Args:
        folder: Of the score files.
        fingerprint: In the score files; the report of another judge is not returned.
    """
    content = _read_object(folder / REPORT_NAME)
    if content is None or not fingerprint or content.get("fingerprint") != fingerprint:
        return None
    return _parse_report(content)


def load_judge_report(folder: Path) -> JudgeReport:
    """Return the report of the judge in the folder that `seodang judge` wrote.

    Raises:
        EvaluationError: If the folder has no usable judge.json.
    """
    content = _read_object(folder / REPORT_NAME)
    report = None if content is None else _parse_report(content)
    if report is None:
        raise EvaluationError(
            _(
                "{path} is no report of a judge; write one: seodang judge --out {folder} ...",
                path=folder / REPORT_NAME,
                folder=folder,
            )
        )
    return report


def _parse_report(content: Mapping[str, Any]) -> JudgeReport | None:
    try:
        values = {field.name: content[field.name] for field in fields(JudgeReport) if field.name != "win_rate"}
        calibration = BoundCalibration(**values["calibration"])
        return JudgeReport(**{**values, "calibration": calibration, "win_rate": content.get("win_rate")})
    except (KeyError, TypeError):
        return None


def _read_object(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def describe_calibration(model: str, calibration: BoundCalibration) -> Message:
    """Return how far a judge agrees with people, in all languages."""
    if calibration.status == "missing":
        return Message(
            "the judge {model} is not calibrated, so its agreement with people is not known; measure it: seodang judge "
            "calibrate",
            {"model": model},
        )
    if calibration.status == "stale":
        return Message(
            "the calibration is not of this judge {model}: model, prompt or options differ; calibrate again: seodang judge "
            "calibrate",
            {"model": model},
        )
    if calibration.kappa is None or calibration.low is None or calibration.high is None:
        return Message(
            "the judge {model} is calibrated on too few labels (n={pairs}), so its agreement with people is not known",
            {"model": model, "pairs": calibration.pairs},
        )
    return Message(
        "the judge {model} agrees with people at kappa {kappa:.2f} [{low:.2f}, {high:.2f}] on {pairs} pairs; the verdict "
        "followed the position in {share} of them",
        {
            "model": model,
            "kappa": calibration.kappa,
            "low": calibration.low,
            "high": calibration.high,
            "pairs": calibration.pairs,
            "share": format_share(calibration.position_share),
        },
    )


def format_share(share: float | None) -> str:
    """Return a share in percent; "-" where it is not known."""
    return "-" if share is None else f"{share * 100:.0f} %"
