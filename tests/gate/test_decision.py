"""The gate: a pure decision from paired scores, with its reasons."""

import numpy as np
import pytest

from seodang.config import GateParams
from seodang.errors import EvaluationError
from seodang.gate.decision import decide
from seodang.gate.scores import Score, ScoreKey, pair_scores, select_scores

RULE = {
    "against": "base",
    "test": "superiority",
    "metric": "accuracy",
    "higher_is_better": True,
    "margin": 0.0,
    "tasks": [],
    "group_by": "all",
}


def gate(*rules, **changes):
    values = {"seed": 1, "resamples": 2000, "confidence": 0.95, "power": 0.8, "minimum_items": 50, "thresholds": []}
    return GateParams.model_validate({**values, "rules": [{**RULE, **rule} for rule in rules or ({},)], **changes})


def scores(values, *, metric="accuracy", task="sentiment", language="ko"):
    return {
        ScoreKey(task, f"{number:04}", metric): Score(language, float(value)) for number, value in enumerate(values)
    }


def decision(candidate, base, rules, champion=None):
    compared = {"base": [("few_shot", pair_scores(candidate, base, "few_shot"))]}
    if champion is not None:
        compared["champion"] = [("champion", pair_scores(candidate, champion, "champion"))]
    return decide(compared, rules)


GOOD, POOR = [1] * 190 + [0] * 10, [1] * 80 + [0] * 120


def test_a_clearly_better_model_is_promoted():
    found = decision(scores(GOOD), scores(POOR), gate())
    assert found.verdict == "promote"
    [test] = found.results
    assert (test.items, test.candidate, test.reference, test.difference) == (200, 0.95, 0.4, pytest.approx(0.55))
    assert test.p_mcnemar is not None
    assert test.p == max(test.p, test.p_mcnemar)


def test_better_than_one_prompt_of_the_base_is_not_enough():
    candidate = scores(GOOD)
    compared = {
        "base": [
            ("zero_shot", pair_scores(candidate, scores(POOR), "zero_shot")),
            ("few_shot", pair_scores(candidate, scores([1] * 199 + [0]), "few_shot")),
        ]
    }
    assert decide(compared, gate()).verdict == "reject"


def test_each_rule_meets_the_base_s_best_prompt_on_its_own_items():
    variants = {"zero_shot/plain": (0.5, 9.0), "zero_shot/koalpaca": (0.4, 0.5), "few_shot/plain/3": (0.6, 8.0)}
    candidate = scores(GOOD) | scores([0.6] * 200, metric="loss", task="retention")
    compared = {"base": []}
    for name, (share, loss) in variants.items():
        base = scores([1] * int(200 * share) + [0] * int(200 * (1 - share))) | scores(
            [loss] * 200, metric="loss", task="retention"
        )
        compared["base"].append((name, pair_scores(candidate, base, name)))
    retention = {
        "test": "non_inferiority",
        "metric": "loss",
        "higher_is_better": False,
        "margin": 0.2,
        "tasks": ["retention"],
    }
    found = decide(compared, gate({}, retention))
    assert [(test.metric, test.against) for test in found.results] == [
        ("accuracy", "zero_shot/plain"),
        ("accuracy", "few_shot/plain/3"),
        ("loss", "zero_shot/koalpaca"),
        ("loss", "few_shot/plain/3"),
    ]
    assert found.verdict == "promote"


def test_where_languages_are_tested_apart_each_has_its_own_best_prompt():
    candidate = scores(GOOD) | scores(GOOD, task="mood", language="en")
    best_in = {"zero_shot/plain": (0.4, 0.9), "zero_shot/koalpaca": (0.9, 0.3)}
    compared = {"base": []}
    for name, (korean, english) in best_in.items():
        base = scores([1] * int(200 * korean) + [0] * (200 - int(200 * korean)))
        base |= scores([1] * int(200 * english) + [0] * (200 - int(200 * english)), task="mood", language="en")
        compared["base"].append((name, pair_scores(candidate, base, name)))
    found = decide(compared, gate({"group_by": "language"}))
    assert [(test.group, test.against, test.reference) for test in found.results] == [
        ("en", "zero_shot/plain", 0.9),
        ("ko", "zero_shot/koalpaca", 0.9),
    ]


def test_a_task_file_counts_only_where_it_is_named():
    def make_both(values, file_values):
        return scores(values) | {
            key: Score(score.language, score.score, is_task_file=True)
            for key, score in scores(file_values, task="primer_sentiment").items()
        }

    candidate, base = make_both(GOOD, [0] * 200), make_both(POOR, [1] * 200)
    assert [(test.items, test.passed) for test in decision(candidate, base, gate()).results] == [(200, True)]
    assert [
        (test.items, test.passed)
        for test in decision(candidate, base, gate({"tasks": ["primer_sentiment"], "group_by": "language"})).results
    ] == [(200, False)]
    assert (
        decision(candidate, base, gate(thresholds=[{"metric": "accuracy", "minimum": 0.9, "tasks": []}])).verdict
        == "promote"
    )


def test_variants_with_equal_scores_are_compared_once():
    candidate, base = scores(GOOD), scores(POOR)
    compared = {
        "base": [(name, pair_scores(candidate, base, name)) for name in ("zero_shot/plain", "few_shot/plain/3")]
    }
    assert [test.against for test in decide(compared, gate()).results] == ["zero_shot/plain"]


def test_a_task_that_the_rule_does_not_name_does_not_decide():
    candidate = scores(GOOD) | scores([0] * 100, task="other")
    base = scores(POOR) | scores([1] * 100, task="other")
    assert decision(candidate, base, gate({"tasks": ["sentiment"]})).verdict == "promote"
    assert (
        decision(
            candidate,
            base,
            gate({"tasks": ["sentiment"]}, {"test": "non_inferiority", "margin": 0.05, "group_by": "task"}),
        ).verdict
        == "reject"
    )


def test_worse_than_the_champion_by_more_than_the_margin_is_rejected_and_by_less_is_not():
    rules = gate({}, {"against": "champion", "test": "non_inferiority", "margin": 0.1})
    assert decision(scores(GOOD), scores(POOR), rules, champion=scores([1] * 192 + [0] * 8)).verdict == "promote"
    assert decision(scores(GOOD), scores(POOR), rules, champion=scores([1] * 200)).verdict == "promote"
    assert decision(scores([1] * 150 + [0] * 50), scores(POOR), rules, champion=scores([1] * 200)).verdict == "reject"


def test_without_a_champion_its_rules_are_void_and_the_reason_says_so():
    found = decision(
        scores(GOOD), scores(POOR), gate({}, {"against": "champion", "test": "non_inferiority", "margin": 0.1})
    )
    assert found.verdict == "promote"
    assert "there is no champion" in found.reasons[-1].en
    assert "챔피언 없음" in found.reasons[-1].ko


def test_when_nothing_is_left_that_must_be_better_the_gate_refuses():
    with pytest.raises(EvaluationError, match="an equal model would be promoted"):
        decision(scores(GOOD), scores(POOR), gate({"against": "champion"}, {"test": "non_inferiority", "margin": 0.1}))


def test_a_loss_counts_the_other_way_round():
    candidate, base = (scores(np.linspace(low, low + 1, 100), metric="loss") for low in (2.0, 3.0))
    rules = gate({"metric": "loss", "higher_is_better": False})
    assert decision(candidate, base, rules).verdict == "promote"
    assert decision(base, candidate, rules).verdict == "reject"


def test_many_rules_need_smaller_p_values():
    candidate, base = scores([1] * 60 + [0] * 40), scores([1] * 52 + [0] * 48)
    alone = decision(candidate, base, gate({}))
    together = decision(candidate, base, gate(*[{}] * 10))
    assert alone.verdict == "promote"
    assert together.verdict == "inconclusive"
    assert together.results[0].p_holm == pytest.approx(min(1.0, 10 * alone.results[0].p))


def test_a_model_that_does_not_stop_is_rejected_and_the_reason_says_so_in_both_languages():
    candidate = scores(GOOD) | scores([1] * 10 + [0] * 10, metric="eos_rate")
    base = scores(POOR) | scores([0] * 20, metric="eos_rate")
    found = decision(candidate, base, gate(thresholds=[{"metric": "eos_rate", "minimum": 0.95, "tasks": []}]))
    assert found.verdict == "reject"
    [failed] = [reason for reason in found.reasons if reason.passed is False]
    assert "후보 0.5000(하한 0.95" in failed.ko
    assert "candidate 0.5000 (minimum 0.95" in failed.en


def test_one_class_in_a_task_decides_nothing_by_accident():
    assert decision(scores([1] * 100), scores([1] * 100), gate()).verdict == "reject"
    assert decision(scores([0] * 100), scores([0] * 100), gate()).verdict == "reject"


@pytest.mark.parametrize(
    ("base", "message"), [(POOR[:100], "few_shot lacks 100 scores"), ([*POOR, 1], "candidate lacks 1 scores")]
)
def test_different_item_sets_are_refused(base, message):
    with pytest.raises(EvaluationError, match=message):
        decision(scores(GOOD), scores(base), gate())


def test_held_out_clusters_and_other_variants_are_skipped_and_missing_metrics_are_left_out():
    row = {
        "variant": "tuned",
        "split": "test",
        "task": "a",
        "item": "1",
        "language": "ko",
        "accuracy": 1.0,
        "exact_match": None,
        "chrf": None,
        "loss": 0.5,
        "eos_rate": True,
        "extra_metrics": {"rouge_l": 0.25},
    }
    bare = {**row, "item": "4", "split": "task", "accuracy": None, "eos_rate": None, "extra_metrics": {}}
    rows = [row, {**row, "split": "unseen", "item": "2"}, {**row, "variant": "zero_shot", "item": "3"}, bare]
    assert select_scores(rows, "tuned") == {
        ScoreKey("a", "1", "accuracy"): Score("ko", 1.0),
        ScoreKey("a", "1", "loss"): Score("ko", 0.5),
        ScoreKey("a", "1", "eos_rate"): Score("ko", 1.0),
        ScoreKey("a", "1", "rouge_l"): Score("ko", 0.25),
        ScoreKey("a", "4", "loss"): Score("ko", 0.5, is_task_file=True),
    }
