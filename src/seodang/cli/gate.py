"""`seodang gate --candidate FILE --champion FILE`: a verdict from score files alone, for models from anywhere."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seodang.errors import EvaluationError, ParamsError
from seodang.gate.messages import MARKS, VERDICTS

if TYPE_CHECKING:
    from seodang.config import GateParams
    from seodang.gate.decision import Decision
    from seodang.gate.rules import RuleResult
    from seodang.gate.scores import Pairs

EXIT_CODES = {"promote": 0, "reject": 3, "inconclusive": 4}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--candidate",
        type=Path,
        required=True,
        metavar="FILE",
        help="scores of the model that may be promoted / 후보의 점수",
    )
    parser.add_argument(
        "--champion",
        type=Path,
        required=True,
        metavar="FILE",
        help="scores of the model that is live now / 현재 모델의 점수",
    )
    parser.add_argument(
        "--rules",
        type=Path,
        metavar="FILE",
        help="YAML with rules, floors and bounds; without it every metric must be better / 판정 규칙",
    )
    parser.add_argument("--json", action="store_true", help="print the verdict as one JSON object / 판정을 JSON으로")


def run(options: argparse.Namespace) -> int:
    """Judge the candidate and print the verdict; 0 promote, 3 reject, 4 inconclusive.

    Raises:
        SeodangError: If a file cannot be used, or the two were not asked the same items; exit code 2.

    """
    from seodang.gate.decision import decide
    from seodang.gate.scores import pair_scores

    candidate, champion = _read_both_scores(options.candidate, options.champion)
    pairs = pair_scores(candidate, champion, "champion")
    rules = _load_rules(options.rules, list(pairs))
    decision = decide({"champion": [("champion", pairs)]}, rules)
    print(
        json.dumps(_build_content(decision, pairs, rules), ensure_ascii=False)
        if options.json
        else "\n".join(_format_verdict(decision))
    )
    return EXIT_CODES[decision.verdict]


def _read_both_scores(candidate: Path, champion: Path) -> tuple[Any, Any]:
    """Return the scores of both files; the faults of both in one message."""
    from seodang.gate.score_files import read_scores

    scores, errors = [], []
    for path in (candidate, champion):
        try:
            scores.append(read_scores(path))
        except EvaluationError as error:
            errors.append(str(error))
    if errors:
        raise EvaluationError("\n".join(dict.fromkeys(errors)))
    return scores[0], scores[1]


def _load_rules(path: Path | None, metrics: list[str]) -> GateParams:
    """Return the rules of a file; what it doesn't say is as in score_rules.yaml.

    Raises:
        ParamsError: Listing every fault of the file.
    """
    import yaml

    from seodang.config import GateParams
    from seodang.config.load import parse_section, read_yaml

    defaults = yaml.safe_load((files("seodang.gate") / "score_rules.yaml").read_text("utf-8"))
    overrides = read_yaml(path) if path else {}
    rule_defaults = {
        "against": "champion",
        "test": "superiority",
        "higher_is_better": True,
        "margin": 0.0,
        "tasks": [],
        "group_by": "all",
    }
    rules = overrides.get("rules", [{"metric": metric} for metric in metrics])
    if isinstance(rules, list):
        overrides = {
            **overrides,
            "rules": [{**rule_defaults, **one} if isinstance(one, dict) else one for one in rules],
        }
    gate_params = parse_section(GateParams, {**defaults, **overrides}, str(path or "the shipped rules"))
    if any(one.against != "champion" for one in gate_params.rules):
        raise ParamsError(
            f"{path}: score files hold a candidate and a champion, so rules are `against: champion` (or leave it out) / 점수 파일에는 champion만 있습니다"
        )
    return gate_params


def _build_content(decision: Decision, pairs: Mapping[str, Pairs], rules: GateParams) -> dict[str, Any]:
    """Return the verdict object: for each metric its comparison over all items, besides every test in full."""
    return {
        "verdict": decision.verdict,
        "reasons": [asdict(reason) for reason in decision.reasons],
        "metrics": {metric: _compare_metric(found, decision.results, rules, metric) for metric, found in pairs.items()},
        "results": [asdict(test) for test in decision.results],
        "items_needed": max((test.required_items or 0 for test in decision.results), default=0) or None,
    }


def _compare_metric(pairs: Pairs, tests: Sequence[RuleResult], rules: GateParams, metric: str) -> dict[str, Any]:
    """Return candidate and champion over all items of a metric, more being better; p is that of the rule, or of no difference."""
    from seodang.gate.statistics import compute_paired_bootstrap

    sign = -1.0 if any(rule.metric == metric and not rule.higher_is_better for rule in rules.rules) else 1.0
    bootstrap = compute_paired_bootstrap(
        (pairs.candidate - pairs.reference) * sign,
        margin=0.0,
        seed=rules.seed,
        resamples=rules.resamples,
        confidence=rules.confidence,
    )
    test = next((test for test in tests if test.metric == metric and test.items == len(pairs)), None)
    return {
        "difference": bootstrap.difference,
        "interval": [bootstrap.low, bootstrap.high] if len(pairs) > 1 else None,
        "p": bootstrap.p if test is None else test.p_holm,
        "n": len(pairs),
        "candidate": float(pairs.candidate.mean()),
        "champion": float(pairs.reference.mean()),
        "passed": None if test is None else test.passed,
        "items_needed": None if test is None else test.required_items,
    }


def _format_verdict(decision: Decision) -> list[str]:
    """Return the verdict for a terminal."""
    lines = [f"판정 / verdict: {VERDICTS[decision.verdict]}"]
    for reason in decision.reasons:
        lines += [f"  {MARKS[reason.passed]} {reason.ko}", f"      {reason.en}"]
    return lines
