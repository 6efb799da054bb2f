"""Comparison of two models' answers by an LLM judge, with score files for `seodang gate`."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seodang.errors import EvaluationError
from seodang.evaluation.judge.answers import pair_answers, read_answers
from seodang.evaluation.judge.biases import PositionBias, measure_position_bias
from seodang.evaluation.judge.endpoint import Endpoint
from seodang.evaluation.judge.judge_report import JudgeReport, bind_calibration, write_judge_report
from seodang.evaluation.judge.length_control import compute_win_rate
from seodang.evaluation.judge.prompt import ModelAnswer
from seodang.evaluation.judge.verdicts import (
    LOG_NAME,
    Pair,
    PairVerdict,
    collect_verdicts,
    compute_judge_fingerprint,
    list_models,
)
from seodang.i18n import _
from seodang.io.jsonl import write_rows


@dataclass(frozen=True, slots=True)
class JudgeSummary:
    """Results of the judge over all items."""

    items: int
    wins: int
    ties: int
    losses: int
    items_without_verdict: list[str]
    """Items with a reply that has no verdict; the score files leave them out."""
    failures: Mapping[str, int]
    """Items without a verdict, by the reason of the first reply without one."""
    position: PositionBias
    report: JudgeReport


def judge(
    candidate: Path, champion: Path, folder: Path, endpoint: Endpoint, calibration: Mapping[str, Any] | None = None
) -> JudgeSummary:
    """Judge every item in both orders and write score files for `seodang gate`; an interrupted run resumes.

    Args:
        candidate: JSONL, one item per line: task, item, language, prompt, answer, and reference where there is one.
        champion: The same items.
        folder: Receives judged.jsonl with every reply, candidate.jsonl, champion.jsonl and judge.json.
        endpoint: The judge.
        calibration: Content of calibration.json; None without one.

    Raises:
        EvaluationError: If a file has errors, the items differ, or the endpoint refuses a request.
        JudgeUnreachable: If the endpoint does not answer; exit code 75, try again.
    """
    pairs = pair_answers(read_answers(candidate), read_answers(champion))
    verdicts = collect_verdicts(pairs, endpoint, folder)
    known = [(pair[0], verdict.score) for pair, verdict in zip(pairs, verdicts, strict=True)]
    scores = [(answer, score) for answer, score in known if score is not None]
    if not scores:
        raise EvaluationError(
            _(
                "no reply of the judge ends with a verdict ([[A]], [[B]] or [[C]]); see {path}, and use another --model "
                "or a larger --max-tokens",
                path=folder / LOG_NAME,
            )
        )
    fingerprint = compute_judge_fingerprint(endpoint)
    _write_scores(scores, folder, fingerprint)
    summary = _summarize(pairs, verdicts, endpoint, fingerprint, calibration)
    write_judge_report(folder, summary.report)
    return summary


def _summarize(
    pairs: Sequence[Pair],
    verdicts: Sequence[PairVerdict],
    endpoint: Endpoint,
    fingerprint: str,
    calibration: Mapping[str, Any] | None,
) -> JudgeSummary:
    scores = [verdict.score for verdict in verdicts]
    known = [score for score in scores if score is not None]
    names = [f"{pair[0].task}/{pair[0].item}" for pair in pairs]
    missing = [name for name, score in zip(names, scores, strict=True) if score is None]
    groups = [pair[0].group or name for pair, name in zip(pairs, names, strict=True)]
    position = measure_position_bias(verdicts, groups)
    judged = [
        ((len(one.answer), len(other.answer)), score, group)
        for (one, other), score, group in zip(pairs, scores, groups, strict=True)
        if score is not None
    ]
    lengths, judged_scores, judged_groups = zip(*judged, strict=True)
    models = list_models(verdicts)
    report = JudgeReport(
        model=endpoint.model,
        models=models,
        fingerprint=fingerprint,
        items=len(known),
        mean=sum(known) / len(known),
        without_verdict=missing,
        position=asdict(position),
        calibration=bind_calibration(calibration, fingerprint, models),
        win_rate=compute_win_rate(lengths, judged_scores, judged_groups).to_json(),
    )
    return JudgeSummary(
        items=len(known),
        wins=sum(value > 0.5 for value in known),
        ties=sum(value == 0.5 for value in known),
        losses=sum(value < 0.5 for value in known),
        items_without_verdict=missing,
        failures=Counter(failure for verdict in verdicts for failure in verdict.failures[:1]),
        position=position,
        report=report,
    )


def _write_scores(scores: Sequence[tuple[ModelAnswer, float]], folder: Path, fingerprint: str) -> None:
    for name, is_inverted in (("candidate", False), ("champion", True)):
        write_rows(
            folder / f"{name}.jsonl",
            (
                {
                    "task": answer.task,
                    "item": answer.item,
                    "metric": "judge",
                    "language": answer.language,
                    "score": 1 - value if is_inverted else value,
                    "fingerprint": fingerprint,
                    **({"group": answer.group} if answer.group else {}),
                    **_identify_content(answer.prompt),
                }
                for answer, value in scores
            ),
        )


def _identify_content(prompt: str) -> dict[str, str]:
    """Return the field that identifies the text of an item for the ledger."""
    digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return {"content": digest} if prompt else {}
