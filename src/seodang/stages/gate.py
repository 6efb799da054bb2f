"""Stage `gate`: per-item scores to a verdict. A verdict is data: this stage never stops a run."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

from seodang.config import GateParams
from seodang.evaluation.aggregate import CHAMPION_VARIANT, TUNED_VARIANT
from seodang.gate.decision import Decision, decide
from seodang.gate.scores import pair_scores, select_scores
from seodang.io.atomic import sha256_of
from seodang.io.jsonl import read_json, read_rows, write_json
from seodang.paths import Paths
from seodang.stages import Report

logger = logging.getLogger(__name__)


def run(*, gate: GateParams, paths: Paths) -> Report:
    """Decide whether the tuned model is better than the base's best prompts, and not worse than the champion."""
    evaluation = read_json(paths.evaluate_report)
    rows = list(read_rows(paths.scores))
    tuned = select_scores(rows, TUNED_VARIANT)
    champion = evaluation["champion"]
    pairs_by_reference = {
        "base": [
            (arm, pair_scores(tuned, select_scores(rows, arm), arm))
            for arm in evaluation["formats"]
            if arm not in (TUNED_VARIANT, CHAMPION_VARIANT)
        ],
        "champion": [
            (
                f"{CHAMPION_VARIANT} {champion['version']}",
                pair_scores(tuned, select_scores(rows, CHAMPION_VARIANT), CHAMPION_VARIANT),
            )
        ]
        if champion
        else [],
    }
    decision = decide(pairs_by_reference, gate)
    report = {
        **asdict(decision),
        "confidence": gate.confidence,
        "champion": champion,
        "items_fingerprint": evaluation["items_fingerprint"],
        "adapter_sha256": evaluation["adapter_sha256"],
        "scores_sha256": sha256_of(paths.scores),
    }
    write_json(paths.verdict, report)
    write_json(paths.gate_metrics, build_gate_metrics(decision))
    logger.info("verdict: %s", report["verdict"])
    return report


def build_gate_metrics(decision: Decision) -> dict[str, Any]:
    """Return the numbers that `dvc metrics diff` compares; references go by kind, as the best number of exemplars changes from run to run."""
    passed = [reason.passed for reason in decision.reasons]
    differences = {
        "_".join(
            filter(None, (f"rule{test.rule + 1}", test.metric, test.against.partition("/")[0], test.group))
        ): round(test.difference, 4)
        for test in decision.results
    }
    return {
        "verdict": decision.verdict,
        "rules": {"met": passed.count(True), "not_met": passed.count(False), "undecided": passed.count(None)},
        "differences": differences,
    }
