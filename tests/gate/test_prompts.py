"""Rules against the base, which has several prompts: the best of them is known from the compared items alone."""

from collections import Counter

import numpy as np
import pytest
from tests.fixtures.gate import build_gate

from seodang.gate.comparisons import list_variants, select_forward
from seodang.gate.decision import decide
from seodang.gate.judgement import build_judgement
from seodang.gate.scores import Pairs

ITEMS = 200


def build_pairs(candidate, reference, *, groups=()):
    count = len(candidate)
    names = tuple(map(str, range(count)))
    values = (np.asarray(scores, dtype=float) for scores in (candidate, reference))
    return Pairs(("t",) * count, ("ko",) * count, names, *values, groups=groups)


def compare(candidate, prompts, metric="accuracy"):
    return {
        "base": [
            (f"few_shot/{number}", {metric: build_pairs(candidate, scores)}) for number, scores in enumerate(prompts)
        ]
    }


def draw_right(rng, *accuracies):
    return [rng.permutation(ITEMS) < accuracy * ITEMS for accuracy in accuracies]


def count_verdicts(accuracies, trials):
    rules, verdicts = build_gate(resamples=1000), Counter()
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        right = [rng.random(ITEMS) < accuracy for accuracy in (0.6, *accuracies)]
        verdicts[decide(compare(right[0], right[1:]), rules).verdict] += 1
    return verdicts


def test_a_model_that_ties_with_the_best_of_different_prompts_is_seldom_promoted():
    verdicts = count_verdicts([0.6, 0.58, 0.56, 0.54, 0.52], trials=100)
    assert verdicts["promote"] <= 3
    assert verdicts["reject"] <= 6


def test_a_model_that_ties_with_many_equal_prompts_is_seldom_rejected():
    verdicts = count_verdicts([0.6] * 8, trials=100)
    assert verdicts["promote"] <= 3
    assert verdicts["reject"] <= 6


def test_a_tie_with_one_prompt_keeps_a_model_from_being_promoted():
    candidate, *prompts = draw_right(np.random.default_rng(1), 0.8, 0.3, 0.8, 0.4)
    found = decide(compare(candidate, prompts), build_gate())
    [result] = found.results
    assert (found.verdict, result.against, result.passed) == ("inconclusive", "few_shot/1", None)
    assert decide(compare(candidate, [prompts[0], prompts[2]]), build_gate()).verdict == "promote"


def test_a_prompt_of_a_lower_mean_counts_where_its_mean_is_uncertain():
    rng = np.random.default_rng(2)
    candidate = rng.normal(0.5, 0.1, ITEMS)
    noise = rng.normal(size=ITEMS)
    noise -= noise.mean()
    sure, uncertain = candidate - 0.1 + 0.01 * noise, candidate - 0.3 + 4 * noise
    assert uncertain.mean() < sure.mean()
    rules = build_gate({"metric": "judge", "higher_is_better": True})
    [result] = decide(compare(candidate, [sure, uncertain], "judge"), rules).results
    assert (result.against, result.passed) == ("few_shot/1", None)


@pytest.mark.parametrize("accuracy", [0.9, 0.6, 0.3])
def test_the_numbers_are_those_of_the_prompt_that_is_named(accuracy):
    rng = np.random.default_rng(3)
    right = [rng.random(ITEMS) < share for share in (accuracy, *[0.6] * 8)]
    comparisons = compare(right[0], right[1:])
    found = decide(comparisons, build_gate())
    [result] = found.results
    pairs = dict(comparisons["base"])[result.against]["accuracy"]
    assert result.reference == pairs.reference.mean()
    assert result.difference == pytest.approx(pairs.candidate.mean() - pairs.reference.mean())
    assert result.low <= result.difference <= result.high
    assert f"{result.against} {pairs.reference.mean():.4f}" in found.reasons[0].en
    assert found.verdict == {0.9: "promote", 0.6: "inconclusive", 0.3: "reject"}[accuracy]


def test_a_rejection_has_the_interval_of_the_prompt_that_the_model_is_furthest_below():
    candidate, *prompts = draw_right(np.random.default_rng(4), 0.5, 0.7, 0.9, 0.4)
    found = decide(compare(candidate, prompts), build_gate())
    [result] = found.results
    assert (found.verdict, result.against) == ("reject", "few_shot/1")
    assert result.high < 0


def test_scores_that_no_rule_judges_are_compared_with_a_prompt_that_has_the_reported_mean():
    rng = np.random.default_rng(5)
    candidate, *prompts = draw_right(rng, 0.9, 0.4, 0.5)
    comparisons = compare(candidate, prompts)
    judged = build_pairs(*draw_right(rng, 0.3, 0.5))
    others = [judged.reference, *draw_right(rng, 0.7, 0.6)]
    for (_name, pairs), reference in zip(comparisons["base"], others, strict=False):
        pairs["exact_match"] = judged.replace_reference(np.asarray(reference, dtype=float))
    [change] = decide(comparisons, build_gate()).unjudged
    pairs = dict(comparisons["base"])[change.against]["exact_match"]
    assert (change.metric, change.against) == ("exact_match", "few_shot/1")
    assert change.reference == pairs.reference.mean()


def test_the_selection_of_a_prompt_depends_on_earlier_items_alone():
    rng = np.random.default_rng(6)
    scores = rng.normal(size=(4, ITEMS))
    candidate = np.zeros(ITEMS)
    selected = select_forward([build_pairs(candidate, row) for row in scores], sign=1.0).reference
    used = (scores == selected).argmax(axis=0)
    assert len({*used}) > 1
    for item in range(0, ITEMS, 10):
        changed = scores.copy()
        changed[:, item] = [9, -9, 9, -9]
        again = select_forward([build_pairs(candidate, row) for row in changed], sign=1.0).reference
        assert again[item] == changed[used[item], item]


def test_the_items_of_a_group_are_compared_with_one_prompt():
    rng = np.random.default_rng(7)
    scores = rng.normal(size=(4, ITEMS))
    groups = tuple(f"passage {number // 5}" for number in range(ITEMS))
    variants = [build_pairs(np.zeros(ITEMS), row, groups=groups) for row in scores]
    used = (scores == select_forward(variants, sign=-1.0).reference).argmax(axis=0).reshape(-1, 5)
    assert (used == used[:, :1]).all()


def test_equal_prompts_are_compared_once():
    pairs = build_pairs([1, 0], [0, 1])
    variants = list_variants(
        [("zero_shot/a", pairs), ("few_shot/a/1", pairs), ("few_shot/b/1", build_pairs([1, 0], [1, 1]))]
    )
    assert [[name for name, _pairs in kind] for kind in variants] == [["zero_shot/a"], ["few_shot/b/1"]]


def test_another_prompt_of_the_base_is_another_test_for_the_ledger():
    candidate, *prompts = draw_right(np.random.default_rng(8), 0.6, 0.5, 0.4)

    def judge(count, ledger):
        return decide(compare(candidate, prompts[:count]), build_gate(), ledger)

    first = judge(1, [])
    pairs = {"accuracy": build_pairs(candidate, prompts[0])}
    ledger = [build_judgement(pairs, build_gate(), met=first.met, verdict="", created_at="", tests=first.tests)]
    assert [judge(count, ledger).results[0].judgement for count in (1, 2)] == [1, 2]
