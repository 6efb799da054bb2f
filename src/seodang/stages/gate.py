"""Stage `gate`: a verdict from per-item scores. The verdict is data; the stage never stops a run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from seodang.config import AlignParams, GateParams
from seodang.evaluation.aggregate import (
    ALIGNED_SHUFFLED,
    ALIGNED_VARIANT,
    CHAMPION_VARIANT,
    GUESS,
    MAJORITY,
    SHUFFLED,
    TUNED_VARIANT,
    is_base_variant,
    name_champion,
    name_former_champion,
)
from seodang.evaluation.exam import ExamItem
from seodang.gate.alignment import build_alignment_reasons, build_choice_note, choose_candidate
from seodang.gate.comparisons import Comparison
from seodang.gate.coverage import BASELINE, TrainedTask, add_default_rules, list_unjudged_tasks
from seodang.gate.decision import Decision
from seodang.gate.differences import read_score_difference
from seodang.gate.licences import build_licence_reasons
from seodang.gate.messages import Reason
from seodang.gate.pairing import pair_scores
from seodang.gate.same_model import build_same_model_reason, is_same_model
from seodang.gate.scores import Scores, select_scores
from seodang.gate.verdict import VERDICT_LABELS
from seodang.i18n import _, get_language
from seodang.io.atomic import compute_sha256
from seodang.io.jsonl import read_json, read_rows, write_json
from seodang.paths import Paths
from seodang.registry.ledger.recording import RecordedDecision, decide_and_record
from seodang.stages import Report

logger = logging.getLogger(__name__)


def run(*, gate: GateParams, align: AlignParams, paths: Paths) -> Report:
    """Compare the tuned model with the base's prompts and the champion, and write the verdict.

    After preference tuning the aligned model is a second candidate, which is compared with the tuned one too.
    """
    evaluation, preflight = read_json(paths.evaluate_report), read_json(paths.preflight_report)
    tasks = [TrainedTask(**task) for task in preflight["tasks"]]
    gate = add_default_rules(gate, tasks)
    licences = preflight.get("licences") or {}
    scores = _read_scores(paths)
    judge = partial(_judge, evaluation, scores, gate, tasks, build_licence_reasons(licences), paths)
    recorded = {TUNED_VARIANT: judge(TUNED_VARIANT, [])}
    choice: dict[str, Any] = {}
    candidate = TUNED_VARIANT
    if ALIGNED_VARIANT in evaluation["formats"]:
        alignment = read_json(paths.align_report)
        further = build_alignment_reasons(alignment, align.bounds)
        recorded[ALIGNED_VARIANT] = judge(ALIGNED_VARIANT, further)
        decisions = {name: each.decision for name, each in recorded.items()}
        candidate = choose_candidate(decisions)
        choice = _describe_choice(decisions, candidate, alignment["method"])
    decision = recorded[candidate].decision
    report = {
        **asdict(decision),
        "trained_tasks": [_describe_coverage(task, gate) for task in tasks],
        "licences": licences,
        "confidence": gate.confidence,
        "champion": evaluation["champion"],
        "items_fingerprint": evaluation["items_fingerprint"],
        "adapter_sha256": _get_adapter_sha256(evaluation, candidate),
        "scores_sha256": compute_sha256(paths.scores),
        "judgement": recorded[candidate].candidate,
        **choice,
    }
    write_json(paths.verdict, report)
    write_json(paths.gate_metrics, {**build_gate_metrics(decision), "items": evaluation["items_fingerprint"]})
    logger.info(_("verdict: {verdict}", verdict=_(VERDICT_LABELS[decision.verdict])))
    return report


@dataclass(frozen=True, slots=True)
class _ScoreFiles:
    """The score files of stage `evaluate`, for all candidates."""

    rows: list[dict[str, Any]]
    baselines: list[dict[str, Any]]
    exams: list[ExamItem]


def _read_scores(paths: Paths) -> _ScoreFiles:
    exams = [ExamItem(**row) for row in read_rows(paths.exams)]
    return _ScoreFiles(list(read_rows(paths.scores)), list(read_rows(paths.baselines)), exams)


def _judge(
    evaluation: Mapping[str, Any],
    scores: _ScoreFiles,
    gate: GateParams,
    tasks: Sequence[TrainedTask],
    licences: Sequence[Reason],
    paths: Paths,
    candidate: str,
    further: Sequence[Reason],
) -> RecordedDecision:
    """Return the recorded decision about one candidate."""
    comparisons, same = _build_comparisons(candidate, evaluation, scores.rows, scores.baselines)
    reasons = [*same, *licences, *further]
    recorded = decide_and_record(paths.ledger, comparisons, gate, tasks, scores.exams, reasons)
    if recorded.path:
        file = recorded.path.relative_to(paths.root)
        logger.info(_("judgement recorded in {file}; commit it: git add registry", file=file))
    return recorded


def _describe_choice(decisions: Mapping[str, Decision], candidate: str, method: str) -> dict[str, Any]:
    """Return what a verdict with two candidates has besides: a note on the choice, and both verdicts with reasons."""
    note = build_choice_note(decisions, method)
    logger.info(getattr(note, get_language()))
    return {
        "candidate": candidate,
        "reasons": [asdict(reason) for reason in (*decisions[candidate].reasons, note)],
        "candidates": {
            name: {"verdict": decision.verdict, "reasons": [asdict(reason) for reason in decision.reasons]}
            for name, decision in decisions.items()
        },
    }


def _get_adapter_sha256(evaluation: Mapping[str, Any], candidate: str) -> str:
    return str(evaluation["aligned_sha256" if candidate == ALIGNED_VARIANT else "adapter_sha256"])


def _describe_coverage(task: TrainedTask, gate: GateParams) -> dict[str, Any]:
    """Return a trained task with its counts, and whether a rule or a threshold looks at its answers."""
    return {
        "name": task.name,
        "training_records": task.training_records,
        "test_records": task.test_records,
        "is_judged": not list_unjudged_tasks(gate, [task]),
    }


def _build_comparisons(
    candidate: str,
    evaluation: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    baselines: Sequence[Mapping[str, Any]],
) -> tuple[dict[str, list[Comparison]], list[Reason]]:
    """Return the candidate's pairs with each variant of the base, the baseline, and each other champion.

    For the aligned model the tuned one stands among the champions: it would be promoted in its place.
    """
    tuned = select_scores(rows, candidate)
    base_variants = [name for name in evaluation["formats"] if is_base_variant(name)]
    comparisons: dict[str, list[Comparison]] = {
        "base": [
            (name, pair_scores(tuned, select_scores(rows, name), name, has_known_scale=True)) for name in base_variants
        ],
        BASELINE: _compare_with_baseline(
            tuned, baselines, SHUFFLED if candidate == TUNED_VARIANT else ALIGNED_SHUFFLED
        ),
        "champion": [],
    }
    if candidate == ALIGNED_VARIANT:
        pairs = pair_scores(tuned, select_scores(rows, TUNED_VARIANT), TUNED_VARIANT, has_known_scale=True)
        comparisons["champion"].append((TUNED_VARIANT, pairs))
    own = {**evaluation, "adapter_sha256": _get_adapter_sha256(evaluation, candidate)}
    same: list[Reason] = []
    champions = [(CHAMPION_VARIANT, evaluation["champion"])] if evaluation["champion"] else []
    champions += [(name_former_champion(former["version"]), former) for former in evaluation.get("best_champions", [])]
    for variant, champion in champions:
        pairs = pair_scores(tuned, select_scores(rows, variant), variant, has_known_scale=True)
        if is_same_model(own, champion, variant, pairs):
            same.append(build_same_model_reason(champion["version"]))
        else:
            comparisons["champion"].append((name_champion(champion["version"]), pairs))
    return comparisons, same


def _compare_with_baseline(tuned: Scores, rows: Sequence[Mapping[str, Any]], shuffled: str) -> list[Comparison]:
    """Return the pairs with answers that do not depend on the question: the best kind that each item has."""
    baseline = {
        key: score for variant in (GUESS, MAJORITY, shuffled) for key, score in select_scores(rows, variant).items()
    }
    shared = tuned.keys() & baseline.keys()
    if not shared:
        return []
    own, reference = ({key: scores[key] for key in shared} for scores in (tuned, baseline))
    return [(BASELINE, pair_scores(own, reference, BASELINE, has_known_scale=True))]


def build_gate_metrics(decision: Decision) -> dict[str, Any]:
    """Return the numbers that `dvc metrics diff` compares.

    A key names the kind of a reference, because the best number of few-shot examples changes from run to run.
    """
    passed = [reason.passed for reason in decision.reasons if not reason.is_information]
    differences = {}
    for result in decision.results:
        parts = (f"rule{result.rule + 1}", result.metric, result.against.partition("/")[0], result.group)
        differences["_".join(filter(None, parts))] = round(read_score_difference(asdict(result)).value, 4)
    return {
        "verdict": decision.verdict,
        "rules": {"met": passed.count(True), "not_met": passed.count(False), "undecided": passed.count(None)},
        "differences": differences,
        "scores": _build_scores(decision),
    }


def _build_scores(decision: Decision) -> dict[str, dict[str, float]]:
    """Return the candidate's score by metric and by what a rule is about: a task, a language, or all items."""
    scores: dict[str, dict[str, float]] = {}
    for result in decision.results:
        task = result.tasks[0] if len(result.tasks) == 1 and result.tasks[0] != result.group else ""
        subject = " ".join(filter(None, (task, result.group))) or "all"
        scores.setdefault(result.metric, {})[subject] = round(result.candidate, 4)
    return scores
