"""Stage `gate`: per-item scores to a verdict. A verdict is data: this stage never stops a run."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

from seodang.config import GateParams
from seodang.evaluation.aggregate import CHAMPION, TUNED
from seodang.gate.decision import Decision, decide
from seodang.gate.scores import pair, scores_of
from seodang.io.atomic import sha256_of
from seodang.io.jsonl import read_json, read_rows, write_json
from seodang.paths import Paths
from seodang.stages import Report

logger = logging.getLogger(__name__)


def run(*, gate: GateParams, paths: Paths) -> Report:
    """Decide whether the tuned model is better than the base's best prompts, and not worse than the champion."""
    evaluated = read_json(paths.evaluate_report)
    rows = list(read_rows(paths.scores))
    tuned = scores_of(rows, TUNED)
    champion = evaluated["champion"]
    compared = {
        "base": [
            (arm, pair(tuned, scores_of(rows, arm), arm))
            for arm in evaluated["formats"]
            if arm not in (TUNED, CHAMPION)
        ],
        "champion": [(f"{CHAMPION} {champion['version']}", pair(tuned, scores_of(rows, CHAMPION), CHAMPION))]
        if champion
        else [],
    }
    decision = decide(compared, gate)
    report = {
        **asdict(decision),
        "confidence": gate.confidence,
        "champion": champion,
        "items_fingerprint": evaluated["items_fingerprint"],
        "adapter_sha256": evaluated["adapter_sha256"],
        "scores_sha256": sha256_of(paths.scores),
    }
    write_json(paths.verdict, report)
    write_json(paths.gate_metrics, headline(decision))
    logger.info("verdict: %s", report["verdict"])
    return report


def headline(decision: Decision) -> dict[str, Any]:
    """Return the numbers that `dvc metrics diff` compares; references go by kind, as the best number of exemplars changes from run to run."""
    passed = [reason.passed for reason in decision.reasons]
    differences = {
        "_".join(filter(None, (f"rule{test.rule + 1}", test.metric, test.against.partition("/")[0], test.of))): round(
            test.difference, 4
        )
        for test in decision.tests
    }
    return {
        "verdict": decision.verdict,
        "rules": {"met": passed.count(True), "not_met": passed.count(False), "not_told": passed.count(None)},
        "differences": differences,
    }
