"""Stage `gate`: a verdict from per-item scores. The verdict is data; the stage never stops a run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from seodang.config import GateParams
from seodang.evaluation.aggregate import (
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
from seodang.i18n import _
from seodang.io.atomic import compute_sha256
from seodang.io.jsonl import read_json, read_rows, write_json
from seodang.paths import Paths
from seodang.registry.ledger.recording import decide_and_record
from seodang.stages import Report

logger = logging.getLogger(__name__)


def run(*, gate: GateParams, paths: Paths) -> Report:
    """Compare the tuned model with the base's prompts and the champion, and write the verdict."""
    evaluation, preflight = read_json(paths.evaluate_report), read_json(paths.preflight_report)
    comparisons, same = _build_comparisons(evaluation, list(read_rows(paths.scores)), list(read_rows(paths.baselines)))
    tasks = [TrainedTask(**task) for task in preflight["tasks"]]
    gate = add_default_rules(gate, tasks)
    exams = [ExamItem(**row) for row in read_rows(paths.exams)]
    licences = preflight.get("licences") or {}
    reasons = [*same, *build_licence_reasons(licences)]
    recorded = decide_and_record(paths.ledger, comparisons, gate, tasks, exams, reasons)
    decision = recorded.decision
    if recorded.path:
        file = recorded.path.relative_to(paths.root)
        logger.info(_("judgement recorded in {file}; commit it: git add registry", file=file))
    report = {
        **asdict(decision),
        "trained_tasks": [_describe_coverage(task, gate) for task in tasks],
        "licences": licences,
        "confidence": gate.confidence,
        "champion": evaluation["champion"],
        "items_fingerprint": evaluation["items_fingerprint"],
        "adapter_sha256": evaluation["adapter_sha256"],
        "scores_sha256": compute_sha256(paths.scores),
        "judgement": recorded.candidate,
    }
    write_json(paths.verdict, report)
    write_json(paths.gate_metrics, {**build_gate_metrics(decision), "items": evaluation["items_fingerprint"]})
    logger.info(_("verdict: {verdict}", verdict=_(VERDICT_LABELS[decision.verdict])))
    return report


def _describe_coverage(task: TrainedTask, gate: GateParams) -> dict[str, Any]:
    """Return a trained task with its counts, and whether a rule or a threshold looks at its answers."""
    return {
        "name": task.name,
        "training_records": task.training_records,
        "test_records": task.test_records,
        "is_judged": not list_unjudged_tasks(gate, [task]),
    }


def _build_comparisons(
    evaluation: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], baselines: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, list[Comparison]], list[Reason]]:
    """Return the tuned model's pairs with each variant of the base, the baseline, and each other champion."""
    tuned = select_scores(rows, TUNED_VARIANT)
    base_variants = [name for name in evaluation["formats"] if is_base_variant(name)]
    comparisons: dict[str, list[Comparison]] = {
        "base": [
            (name, pair_scores(tuned, select_scores(rows, name), name, has_known_scale=True)) for name in base_variants
        ],
        BASELINE: _compare_with_baseline(tuned, baselines),
        "champion": [],
    }
    same: list[Reason] = []
    champions = [(CHAMPION_VARIANT, evaluation["champion"])] if evaluation["champion"] else []
    champions += [(name_former_champion(former["version"]), former) for former in evaluation.get("best_champions", [])]
    for variant, champion in champions:
        pairs = pair_scores(tuned, select_scores(rows, variant), variant, has_known_scale=True)
        if is_same_model(evaluation, champion, variant, pairs):
            same.append(build_same_model_reason(champion["version"]))
        else:
            comparisons["champion"].append((name_champion(champion["version"]), pairs))
    return comparisons, same


def _compare_with_baseline(tuned: Scores, rows: Sequence[Mapping[str, Any]]) -> list[Comparison]:
    """Return the pairs with answers that do not depend on the question: the best kind that each item has."""
    baseline = {
        key: score for variant in (GUESS, MAJORITY, SHUFFLED) for key, score in select_scores(rows, variant).items()
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
