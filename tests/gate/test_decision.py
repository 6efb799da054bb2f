"""The gate: a pure decision from paired scores, with its reasons."""

from functools import partial

import numpy as np
import pytest
from pydantic import ValidationError
from tests.fixtures.gate import build_gate

from seodang.errors import EvaluationError
from seodang.gate.decision import decide
from seodang.gate.pairing import pair_scores
from seodang.gate.scores import Score, ScoreKey, select_scores

gate = partial(build_gate, minimum_items=50)


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
    assert test.p_exact is not None
    assert test.p == max(test.p, test.p_exact)


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
        for test in decision(
            candidate, base, gate({"tasks": ["primer_sentiment"], "group_by": "language", "groups": ["ko"]})
        ).results
    ] == [(200, False)]
    assert (
        decision(
            candidate, base, gate(thresholds=[{"metric": "accuracy", "minimum": 0.85, "maximum": None, "tasks": []}])
        ).verdict
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


def test_rules_that_must_all_be_met_are_not_corrected_but_a_rejection_by_one_of_them_is():
    candidate, base = scores([1] * 60 + [0] * 40), scores([1] * 52 + [0] * 48)
    alone, together = decision(candidate, base, gate({})), decision(candidate, base, gate(*[{}] * 20))
    assert alone.verdict == together.verdict == "promote"
    assert together.results[0].p_holm == pytest.approx(min(1.0, 20 * alone.results[0].p))
    assert decision(base, candidate, gate({})).verdict == "reject"
    assert decision(base, candidate, gate(*[{}] * 20)).verdict == "inconclusive"


def test_one_lost_item_of_a_thousand_is_no_reason_to_reject():
    found = decision(scores([0] + [1] * 999), scores([1] * 1000), gate())
    assert found.verdict == "inconclusive"
    assert found.results[0].p > 0.5


def test_equal_scores_are_undecided_and_the_reason_says_that_no_item_differs():
    found = decision(scores(GOOD), scores(GOOD), gate())
    assert found.verdict == "inconclusive"
    assert "No item differs" in found.reasons[0].en
    assert "다른 문항이 없어서" in found.reasons[0].ko


def test_a_misspelt_task_is_refused_with_the_names_that_there_are():
    rules = gate({}, {"test": "non_inferiority", "margin": 0.02, "tasks": ["sentiment", "coppa"]})
    with pytest.raises(EvaluationError, match=r"rule 2.*the tasks coppa .*available tasks: sentiment"):
        decision(scores(GOOD), scores(POOR), rules)


def test_every_unknown_name_of_rules_and_thresholds_is_in_one_message():
    bounds = [{"metric": "accuracy", "minimum": 0.1, "maximum": None, "tasks": ["mood"]}]
    with pytest.raises(EvaluationError) as raised:
        decision(scores(GOOD), scores(POOR), gate({"tasks": ["topik"]}, {"metric": "chrf"}, thresholds=bounds))
    assert [name in str(raised.value) for name in ("topik", "chrf", "mood")] == [True, True, True]


@pytest.mark.parametrize(
    ("groups", "verdict"), [([], "inconclusive"), (["ko"], "promote"), (["ko", "ja"], "inconclusive")]
)
def test_a_language_that_the_rule_expects_and_that_has_no_item_leaves_it_undecided(groups, verdict):
    by_language = {"test": "non_inferiority", "margin": 0.02, "group_by": "language", "groups": groups}
    found = decision(scores(GOOD), scores(POOR), gate({}, by_language))
    assert found.verdict == verdict
    missing = [reason.en for reason in found.reasons if reason.passed is None]
    assert all("no item of this language" in text for text in missing)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metric": "loss", "higher_is_better": True}, "contradicts the metric loss"),
        ({"metric": "marks"}, "whether more marks is better is not known"),
        ({"groups": ["ko"]}, "groups needs group_by"),
    ],
)
def test_a_rule_that_contradicts_its_metric_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        gate(changes)


@pytest.mark.parametrize(
    ("bound", "message"),
    [
        ({"metric": "loss", "minimum": 1.0, "maximum": None}, "write maximum in place of minimum"),
        ({"metric": "accuracy", "minimum": None, "maximum": 1.0}, "write minimum in place of maximum"),
        ({"metric": "accuracy", "minimum": None, "maximum": None}, "either minimum or maximum"),
        ({"metric": "accuracy", "minimum": 0.1, "maximum": 0.2}, "either minimum or maximum"),
    ],
)
def test_a_threshold_on_the_wrong_side_of_its_metric_is_refused(bound, message):
    with pytest.raises(ValidationError, match=message):
        gate(thresholds=[{"tasks": [], **bound}])


@pytest.mark.parametrize(
    ("maximum", "passed"), [(9.5, True), (9.01, None), (8.0, False)], ids=["within", "at", "beyond"]
)
def test_a_maximum_bounds_a_loss_from_above_by_its_interval(maximum, passed):
    candidate = scores(GOOD) | scores(np.linspace(8.5, 9.5, 100), metric="loss")
    base = scores(POOR) | scores(np.linspace(8.5, 9.5, 100), metric="loss")
    bounds = [{"metric": "loss", "minimum": None, "maximum": maximum, "tasks": []}]
    found = decision(candidate, base, gate(thresholds=bounds))
    assert found.reasons[-1].passed is passed


def test_passages_that_are_won_as_a_whole_are_single_observations():
    rng = np.random.default_rng(4)
    groups = [f"passage {number // 20}" for number in range(400)]

    def make_grouped(values):
        return {
            key: Score("ko", score.score, group=group)
            for (key, score), group in zip(scores(values).items(), groups, strict=True)
        }

    candidate, base = (np.repeat(rng.random(20) < share, 20) for share in (0.7, 0.5))
    independent = decision(scores(candidate), scores(base), gate())
    grouped = decision(make_grouped(candidate), make_grouped(base), gate())
    assert independent.verdict == "promote"
    assert grouped.verdict == "inconclusive"
    assert grouped.results[0].independent_groups == 20
    assert "400 items in 20 independent groups" in grouped.reasons[0].en


@pytest.mark.parametrize(
    ("metric", "score", "groups"),
    [("accuracy", 1.0, 10), ("judge", 7.0, 20), ("judge", 7.0, 40)],
    ids=["10 passages of 2 questions", "20 equal marks", "40 equal marks"],
)
def test_equal_scores_of_few_items_do_not_prove_a_margin(metric, score, groups):
    """Candidates that lose 2 % of the passages, or have 1 in place of 7 in 2 %, were promoted in 80 %."""
    items = 20 if groups == 10 else groups

    def make(values, name):
        return {
            key: Score("ko", entry.score, group=f"p{number % groups}" if items > groups else "")
            for number, (key, entry) in enumerate(scores(values, metric=name).items())
        }

    equal = make([score] * items, metric)
    candidate, base = (equal | scores([value] * 200, metric="bleu") for value in (60, 50))
    rules = gate({"metric": metric, "test": "non_inferiority", "margin": 0.05}, {"metric": "bleu"}, minimum_items=items)
    found = decision(candidate, base, rules)
    assert found.results[0].passed is None
    assert found.verdict == "inconclusive"


def test_two_rules_that_contradict_each_other_about_a_direction_are_refused():
    with pytest.raises(ValidationError, match="contradict each other about higher_is_better of the metric marks"):
        gate({"metric": "marks", "higher_is_better": True}, {"metric": "marks", "higher_is_better": False})


@pytest.mark.parametrize("bound", [{"minimum": 95.0}, {"minimum": -1.0}])
def test_a_threshold_that_every_score_meets_or_none_is_refused(bound):
    with pytest.raises(ValidationError, match="outside the range of accuracy, which is from 0 to 1"):
        gate(thresholds=[{"tasks": [], "metric": "accuracy", "minimum": None, "maximum": None, **bound}])


@pytest.mark.parametrize("changes", [{"seed": -1}, {"resamples": 10**11}, {"judgements": 10**9}])
def test_a_number_that_no_computation_can_use_is_refused(changes):
    with pytest.raises(ValidationError):
        gate(**changes)


def test_few_items_with_a_tail_of_bad_ones_are_undecided():
    differences = np.array([0.2 + number / 100 for number in range(59)] + [-4.0])
    found = decision(
        scores(50 + differences, metric="chrf"), scores(np.full(60, 50.0), metric="chrf"), gate({"metric": "chrf"})
    )
    assert found.results[0].obstacle == "shape"
    assert found.results[0].required_items > 60
    assert found.verdict == "inconclusive"


def test_the_best_of_many_equal_prompts_does_not_reject_an_equal_model():
    rng = np.random.default_rng(12)
    verdicts = []
    for _trial in range(40):
        candidate = scores((rng.random(300) < 0.6).astype(float))
        variants = [
            (f"few_shot/{number}", pair_scores(candidate, scores((rng.random(300) < 0.6).astype(float)), "few_shot"))
            for number in range(30)
        ]
        verdicts.append(decide({"base": variants}, gate()).verdict)
    assert verdicts.count("reject") <= 4


def test_the_items_that_are_told_would_meet_all_rules_together():
    rng = np.random.default_rng(13)
    candidate, base = {}, {}
    for metric in ("judge_1", "judge_2", "judge_3"):
        candidate |= scores(rng.normal(0.25, 1.0, 100), metric=metric)
        base |= scores(np.zeros(100), metric=metric)
    rules = [{"metric": metric} for metric in ("judge_1", "judge_2", "judge_3")]
    together = decision(candidate, base, gate(*rules, minimum_items=500))
    alone = decision(candidate, base, gate(rules[0], minimum_items=500))
    assert all(result.required_items >= 500 for result in together.results)
    assert alone.results[0].required_items >= 500


def test_a_model_that_does_not_stop_is_rejected_and_the_reason_says_so_in_both_languages():
    candidate = scores(GOOD) | scores([1] * 30 + [0] * 30, metric="eos_rate")
    base = scores(POOR) | scores([0] * 60, metric="eos_rate")
    found = decision(
        candidate, base, gate(thresholds=[{"metric": "eos_rate", "minimum": 0.95, "maximum": None, "tasks": []}])
    )
    assert found.verdict == "reject"
    [failed] = [reason for reason in found.reasons if reason.passed is False]
    assert "후보 0.5000, 95% 신뢰구간" in failed.ko
    assert "(minimum 0.95, 60 items)" in failed.en


def test_one_class_in_a_task_decides_nothing_by_accident():
    assert decision(scores([1] * 100), scores([1] * 100), gate()).verdict == "inconclusive"
    assert decision(scores([0] * 100), scores([0] * 100), gate()).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("base", "message"), [(POOR[:100], "few_shot lacks 100 scores"), ([*POOR, 1], "candidate lacks 1 score ")]
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
        "group": "passage 1",
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
        ScoreKey("a", "1", "accuracy"): Score("ko", 1.0, group="passage 1"),
        ScoreKey("a", "1", "loss"): Score("ko", 0.5, group="passage 1"),
        ScoreKey("a", "1", "eos_rate"): Score("ko", 1.0, group="passage 1"),
        ScoreKey("a", "1", "rouge_l"): Score("ko", 0.25, group="passage 1"),
        ScoreKey("a", "4", "loss"): Score("ko", 0.5, is_task_file=True, group="passage 1"),
    }
