"""`seodang gate --candidate FILE --champion FILE`: a verdict from score files alone, for models from anywhere."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seodang.cli.verdict_table import print_verdict
from seodang.errors import EvaluationError, ParamsError
from seodang.i18n import _
from seodang.io.names import find_path
from seodang.metric_registry import get_direction

if TYPE_CHECKING:
    from seodang.config import GateParams, ScoreRulesParams
    from seodang.gate.decision import Decision
    from seodang.gate.messages import Reason
    from seodang.gate.rules import RuleResult
    from seodang.gate.scores import Pairs, Score, ScoreKey

EXIT_CODES = {"promote": 0, "reject": 3, "inconclusive": 4}


def gate(
    candidate: Annotated[Path, typer.Option(metavar="FILE", help=_("Scores of the model that may be promoted."))],
    champion: Annotated[Path, typer.Option(metavar="FILE", help=_("Scores of the model that is live now."))],
    rules: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=_("YAML with rules and thresholds; by default every metric must be better.")),
    ] = None,
    best_champion: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help=_("Scores of an earlier, better champion to compare with too; repeatable.")),
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help=_("Record judgements here, so that many candidates tried on the same items promote none by luck."),
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=_("Print the verdict as one JSON object."))] = False,
) -> int:
    """Compare the candidate with the champion and print the verdict; 0 promote, 3 reject, 4 inconclusive.

    Raises:
        SeodangError: If a file cannot be used, or the two have scores of different items; exit code 2.
    """
    from seodang.gate.decision import decide
    from seodang.gate.judge_reasons import require_judge_scores
    from seodang.gate.pairing import pair_scores
    from seodang.gate.score_scales import list_bound_errors
    from seodang.registry.ledger.recording import decide_and_record

    candidate_scores, champion_scores, *best_scores = _read_all_scores([candidate, champion, *(best_champion or [])])
    pairs = pair_scores(candidate_scores, champion_scores, "champion")
    champions = [("champion", pairs)]
    for number, scores in enumerate(best_scores, start=1):
        name = f"best champion {number}"
        champions.append((name, pair_scores(candidate_scores, scores, name)))
    params = _load_rules(rules, list(pairs))
    if errors := list_bound_errors(params, pairs):
        raise EvaluationError("\n".join(errors))
    if params.minimum_judge_kappa is not None:
        require_judge_scores(list(pairs))
    comparisons = {"champion": champions}
    reasons = _list_judge_reasons(candidate, candidate_scores, params)
    decision = (
        decide_and_record(ledger, comparisons, params, further_reasons=reasons).decision
        if ledger
        else decide(comparisons, params, further_reasons=reasons)
    )
    content = _build_content(decision, pairs, params)
    if as_json:
        print(json.dumps(content, ensure_ascii=False))
    else:
        print_verdict(content)
    return EXIT_CODES[decision.verdict]


def _read_all_scores(paths: Sequence[Path]) -> list[dict[ScoreKey, Score]]:
    """Return the scores of each file; the errors of all files in one message."""
    from seodang.gate.score_files import read_scores

    scores, errors = [], []
    for path in paths:
        try:
            scores.append(read_scores(find_path(path)))
        except EvaluationError as error:
            errors.append(str(error))
    if errors:
        raise EvaluationError("\n".join(dict.fromkeys(errors)))
    return scores


def _list_judge_reasons(path: Path, scores: Mapping[ScoreKey, Score], params: ScoreRulesParams) -> list[Reason]:
    """Return what judge.json beside the scores says about their judge; empty without scores of a judge."""
    from seodang.evaluation.judge.judge_report import read_judge_report
    from seodang.gate.judge_reasons import JUDGE_METRIC, build_judge_reasons

    fingerprints = {score.fingerprint for key, score in scores.items() if key.metric == JUDGE_METRIC}
    if not fingerprints:
        return []
    report = read_judge_report(find_path(path).parent, fingerprints.pop()) if len(fingerprints) == 1 else None
    return build_judge_reasons(report, params.minimum_judge_kappa)


def _load_rules(path: Path | None, metrics: list[str]) -> ScoreRulesParams:
    """Return the rules of a file; a value that it does not set is that of score_rules.yaml.

    Raises:
        ParamsError: With every error of the file.
    """
    import yaml

    from seodang.config import ScoreRulesParams
    from seodang.config.load import ITEM_DEFAULTS, check_names, parse_section, read_item_defaults
    from seodang.config.migration import RULES_RENAMES
    from seodang.config.yaml_file import read_yaml

    defaults = yaml.safe_load((files("seodang.gate") / "score_rules.yaml").read_text("utf-8"))
    overrides = read_yaml(path) if path else {}
    if path:
        check_names(overrides, RULES_RENAMES, path)
    overrides.setdefault("rules", [{"metric": metric} for metric in metrics])
    item_defaults = {name: read_item_defaults(section, name) for section, name in ITEM_DEFAULTS if section == "gate"}
    item_defaults["rules"] |= {"against": "champion", "test": "superiority"}
    for name, values in item_defaults.items():
        if isinstance(items := overrides.get(name), list):
            overrides[name] = [{**values, **item} if isinstance(item, dict) else item for item in items]
    params = parse_section(ScoreRulesParams, {**defaults, **overrides}, str(path or "score_rules.yaml"))
    if any(rule.against != "champion" for rule in params.rules):
        raise ParamsError(
            _(
                "{path}: score files hold a candidate and a champion, so rules are `against: champion` "
                "(or leave `against` out)",
                path=path,
            )
        )
    return params


def _build_content(decision: Decision, pairs: Mapping[str, Pairs], rules: GateParams) -> dict[str, Any]:
    """Return the verdict object: the comparison of each metric over all items, and every rule in full."""
    return {
        "verdict": decision.verdict,
        "reasons": [asdict(reason) for reason in decision.reasons],
        "metrics": {
            metric: _compare_metric(metric_pairs, decision.results, rules, metric)
            for metric, metric_pairs in pairs.items()
        },
        "results": [asdict(test) for test in decision.results],
        "unjudged": [asdict(test) for test in decision.unjudged],
        "items_needed": max((test.required_items or 0 for test in decision.results), default=0) or None,
    }


def _compare_metric(pairs: Pairs, tests: Sequence[RuleResult], rules: GateParams, metric: str) -> dict[str, Any]:
    """Return candidate and champion over all items of a metric; p is that of the rule, else of no difference."""
    from seodang.gate.statistics import compute_paired_bootstrap

    sign = next(
        (rule.sign for rule in rules.rules if rule.metric == metric),
        1.0 if get_direction(metric) is not False else -1.0,
    )
    bootstrap = compute_paired_bootstrap(
        (pairs.candidate - pairs.reference) * sign,
        margin=0.0,
        seed=rules.seed,
        resamples=rules.resamples,
        confidence=rules.confidence,
        groups=pairs.group_names,
    )
    test = next((test for test in tests if test.metric == metric and test.items == len(pairs)), None)
    return {
        "difference": bootstrap.difference,
        "interval": [bootstrap.low, bootstrap.high] if math.isfinite(bootstrap.high - bootstrap.low) else None,
        "p": bootstrap.p if test is None else test.p,
        "n": len(pairs),
        "candidate": float(pairs.candidate.mean()),
        "champion": float(pairs.reference.mean()),
        "passed": None if test is None else test.passed,
        "items_needed": None if test is None else test.required_items,
    }
