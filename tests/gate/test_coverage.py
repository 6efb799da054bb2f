"""Every trained task is judged: by a rule, by a threshold, or by the default rules."""

import pytest
from tests.fixtures import gate as gate_fixtures

from seodang.config import GateParams, ThresholdParams
from seodang.config.load import resolve_params
from seodang.gate.coverage import TrainedTask, add_default_rules, list_unjudged_tasks
from seodang.gate.decision import decide
from seodang.gate.pairing import pair_scores
from seodang.gate.scores import Score, ScoreKey

RULE = {**gate_fixtures.RULE, "metric": "accuracy", "tasks": ["sentiment"]}
FAQ = TrainedTask(
    name="faq",
    kind="generate",
    source="support",
    training_records=700,
    test_records=126,
    items={"chrf": 100, "exact_match": 100, "eos_rate": 100, "loss": 126},
)
REVIEWS = TrainedTask(
    name="reviews",
    kind="choice",
    source="reviews",
    training_records=900,
    test_records=150,
    items={"accuracy": 100, "loss": 100, "chrf": 10, "eos_rate": 10},
)
SENTIMENT = TrainedTask(
    name="sentiment",
    kind="choice",
    source="primer",
    training_records=900,
    test_records=200,
    items={"accuracy": 200, "loss": 200},
)


def gate(**changes):
    defaults = resolve_params({})["gate"]
    return GateParams.model_validate({**defaults, "resamples": 2000, "rules": [RULE], **changes})


def without_defaults(**changes):
    return gate(default_rules=[], default_thresholds=[], **changes)


def smaller(task, items, **changes):
    values = {name: getattr(task, name) for name in TrainedTask.__dataclass_fields__} | changes
    return TrainedTask(**{**values, "items": {metric: min(count, items) for metric, count in task.items.items()}})


def scores(task, metric, values):
    return {ScoreKey(task, f"{number:04}", metric): Score("ko", value) for number, value in enumerate(values)}


def test_a_task_that_only_other_tasks_rules_pass_by_is_unjudged():
    assert list_unjudged_tasks(without_defaults(), [SENTIMENT, FAQ]) == [FAQ]


def test_the_rate_of_end_tokens_alone_judges_no_answer():
    threshold = ThresholdParams(metric="eos_rate", minimum=0.95, maximum=None, tasks=[])
    assert list_unjudged_tasks(without_defaults(thresholds=[threshold]), [FAQ]) == [FAQ]


def test_a_threshold_of_quality_judges_a_task():
    threshold = ThresholdParams(metric="exact_match", minimum=0.5, maximum=None, tasks=["faq"])
    assert list_unjudged_tasks(without_defaults(thresholds=[threshold]), [FAQ]) == []


def test_a_rule_about_all_tasks_judges_those_that_have_its_metric():
    rules = [{**RULE, "tasks": []}]
    assert list_unjudged_tasks(without_defaults(rules=rules), [SENTIMENT, REVIEWS, FAQ]) == [FAQ]


def test_a_rule_against_the_champion_judges_nothing_before_there_is_one():
    rules = [RULE, {**RULE, "against": "champion", "metric": "chrf", "tasks": ["faq"]}]
    assert list_unjudged_tasks(without_defaults(rules=rules), [FAQ]) == [FAQ]
    assert list_unjudged_tasks(without_defaults(rules=rules), [FAQ], ("base", "champion")) == []


def test_a_first_task_is_judged_without_an_edit():
    found = add_default_rules(gate(rules=[]), [FAQ, REVIEWS])
    tests = {(rule.test, rule.against, rule.metric, *rule.tasks) for rule in found.rules}
    assert {
        ("superiority", "base", "chrf", "faq"),
        ("superiority", "base", "accuracy", "reviews"),
        ("non_inferiority", "base", "loss", "faq"),
        ("non_inferiority", "base", "loss", "reviews"),
    } <= tests
    assert ("superiority", "base", "chrf", "reviews") not in tests
    assert [(threshold.metric, threshold.tasks) for threshold in found.thresholds] == [("eos_rate", ["faq"])]
    assert list_unjudged_tasks(found, [FAQ, REVIEWS]) == []


def test_a_task_with_a_rule_of_its_own_gets_only_the_default_rule_against_the_baseline():
    [*own, baseline] = add_default_rules(gate(), [SENTIMENT]).rules
    assert (own, baseline.against, baseline.tasks) == (gate().rules, "baseline", ["sentiment"])


def test_a_permitted_task_gets_no_default_rule():
    found = add_default_rules(gate(unjudged_tasks=["faq"]), [SENTIMENT, FAQ])
    assert found == add_default_rules(gate(unjudged_tasks=["faq"]), [SENTIMENT])


def test_small_tasks_of_a_source_are_judged_together_and_never_with_another_source():
    greetings = smaller(FAQ, 40, name="greetings")
    refunds = smaller(FAQ, 40, name="refunds")
    notes = smaller(FAQ, 40, name="notes", source="notes")
    found = add_default_rules(gate(), [SENTIMENT, greetings, refunds, notes])
    assert [rule.tasks for rule in found.rules if (rule.metric, rule.against) == ("chrf", "base")] == [
        ["greetings", "refunds"],
        ["notes"],
    ]


@pytest.mark.parametrize(("permitted", "verdict"), [([], "inconclusive"), (["faq"], "promote")])
def test_an_unjudged_task_is_named_with_its_counts_and_keeps_a_model_from_promotion(permitted, verdict):
    candidate, base = scores("sentiment", "accuracy", [1.0] * 200), scores("sentiment", "accuracy", [0.0, 1.0] * 100)
    rules = without_defaults(unjudged_tasks=permitted)
    found = decide({"base": [("zero_shot", pair_scores(candidate, base, "zero_shot"))]}, rules, (), [SENTIMENT, FAQ])
    assert found.verdict == verdict
    [reason] = [reason for reason in found.reasons if "task faq" in reason.en]
    assert "700 training records" in reason.en
    assert "126 test records" in reason.en
    assert reason.passed is (True if permitted else None)


def test_a_model_that_is_worse_at_the_new_task_is_not_promoted_by_the_old_ones():
    candidate = scores("sentiment", "accuracy", [1.0] * 200) | scores("faq", "chrf", [5.0, 6.0] * 50)
    base = scores("sentiment", "accuracy", [0.0, 1.0] * 100) | scores("faq", "chrf", [20.0, 30.0] * 50)
    tasks = [SENTIMENT, smaller(FAQ, 100)]
    rules = add_default_rules(gate(), [SENTIMENT, TrainedTask(**{**as_dict(FAQ), "items": {"chrf": 100}})])
    found = decide({"base": [("zero_shot", pair_scores(candidate, base, "zero_shot"))]}, rules, (), tasks)
    assert found.verdict == "reject"


def as_dict(task):
    return {name: getattr(task, name) for name in TrainedTask.__dataclass_fields__}


# --- answers that do not depend on the question ---


def list_baseline_rules(gate_params):
    return [(rule.metric, rule.tasks) for rule in gate_params.rules if rule.against == "baseline"]


def test_each_trained_task_is_compared_with_the_baseline_whatever_other_rules_it_has():
    assert list_baseline_rules(add_default_rules(gate(), [SENTIMENT, FAQ])) == [
        ("accuracy", ["sentiment"]),
        ("chrf", ["faq"]),
    ]


def test_a_rule_of_ones_own_against_the_baseline_replaces_the_default_one():
    own = {**RULE, "against": "baseline", "metric": "exact_match", "tasks": ["faq"]}
    rules = add_default_rules(gate(rules=[RULE, own]), [SENTIMENT, FAQ])
    assert list_baseline_rules(rules) == [("exact_match", ["faq"]), ("accuracy", ["sentiment"])]


def test_a_task_that_may_go_unjudged_needs_no_baseline():
    assert list_baseline_rules(add_default_rules(gate(unjudged_tasks=["faq"]), [SENTIMENT, FAQ])) == [
        ("accuracy", ["sentiment"])
    ]


def test_a_rule_against_the_baseline_alone_judges_no_task():
    rules = [RULE, {**RULE, "against": "baseline", "metric": "chrf", "tasks": ["faq"]}]
    assert list_unjudged_tasks(without_defaults(rules=rules), [FAQ]) == [FAQ]


def test_the_baseline_has_no_loss_and_no_superiority_over_the_base():
    rule = {**RULE, "against": "baseline", "metric": "loss"}
    with pytest.raises(ValueError, match="loss has no baseline; a rule against the baseline is about one of: accuracy"):
        gate(rules=[RULE, rule])
    with pytest.raises(ValueError, match="an equal model would be promoted"):
        without_defaults(rules=[{**RULE, "against": "baseline"}])


def test_answers_that_fit_other_questions_as_well_are_not_promoted():
    """A model that was trained on shuffled answers beats the base by its words and lengths."""
    count = 120
    own = [30.0 + number % 7 for number in range(count)]
    candidate, base = (scores("faq", "chrf", values) for values in (own, [3.0 + number % 3 for number in range(count)]))
    shuffled = scores("faq", "chrf", [30.0 + (number + 3) % 7 for number in range(count)])
    rules = [{**RULE, "metric": "chrf", "tasks": ["faq"]}]
    comparisons = {"base": [("zero_shot", pair_scores(candidate, base, "zero_shot"))]}
    plain = without_defaults(rules=rules)
    assert decide(comparisons, plain).verdict == "promote"
    comparisons["baseline"] = [("baseline", pair_scores(candidate, shuffled, "baseline"))]
    judged = add_default_rules(gate(rules=rules, default_thresholds=[]), [FAQ])
    decision = decide(comparisons, judged, tasks=[FAQ])
    assert decision.verdict == "inconclusive"
    assert [(result.against, result.passed) for result in decision.results] == [("zero_shot", True), ("baseline", None)]


def test_a_model_that_always_gives_the_most_frequent_label_is_not_promoted():
    labels = [1.0] * 84 + [0.0] * 36  # 70 % of the items have the label that it always gives
    candidate, base = scores("sentiment", "accuracy", labels), scores("sentiment", "accuracy", [1.0, 0.0, 0.0] * 40)
    comparisons = {
        "base": [("zero_shot", pair_scores(candidate, base, "zero_shot"))],
        "baseline": [("baseline", pair_scores(candidate, candidate, "baseline"))],
    }
    assert decide({"base": comparisons["base"]}, without_defaults()).verdict == "promote"
    assert decide(comparisons, add_default_rules(gate(), [SENTIMENT]), tasks=[SENTIMENT]).verdict == "inconclusive"


def test_a_rule_about_items_without_a_baseline_is_undecided():
    candidate, base = scores("faq", "chrf", [9.0] * 120), scores("faq", "chrf", [3.0] * 120)
    rules = [
        {**RULE, "metric": "chrf", "tasks": ["faq"]},
        {**RULE, "against": "baseline", "metric": "chrf", "tasks": []},
    ]
    comparisons = {
        "base": [("zero_shot", pair_scores(candidate, base, "zero_shot"))],
        "baseline": [("baseline", {})],
    }
    decision = decide(comparisons, without_defaults(rules=rules))
    assert decision.verdict == "inconclusive"
    assert "no item has a baseline" in decision.reasons[0].en
