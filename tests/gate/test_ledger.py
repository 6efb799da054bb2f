"""A gate with a memory: the level of repeated judgements on the same items."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from tests.fixtures import gate as gate_fixtures

from seodang.config import GateParams
from seodang.gate.decision import Decision, decide
from seodang.gate.inheritance import compute_inherited_p
from seodang.gate.judgement import Judgement, Spending, build_judgement, name_test
from seodang.gate.ledger import count_fresh_items, find_reuse
from seodang.gate.levels import compute_tail, compute_wear, is_worn_out
from seodang.gate.scores import Pairs

N = 400


def build_gate(*rules, **changes) -> GateParams:
    """Return a gate whose rules compare with the champion."""
    return gate_fixtures.build_gate(*({"against": "champion", **rule} for rule in rules or ({},)), **changes)


def build_pairs(candidate, reference, *, first: int = 0) -> Pairs:
    count = len(candidate)
    items = tuple(str(first + number) for number in range(count))
    values = (np.array(candidate, float), np.array(reference, float))
    return Pairs(("t",) * count, ("ko",) * count, items, *values)


REFERENCE = np.array([1.0, 0.0] * (N // 2))


def improve(count: int, *, start: int = 0, lost: int = 0):
    """Return the reference's scores with `count` wrong answers from `start` on made right, and `lost` made wrong."""
    scores = REFERENCE.copy()
    wrong, right = np.flatnonzero(scores == 0), np.flatnonzero(scores == 1)
    scores[wrong[start : start + count]] = 1.0
    scores[right[start : start + lost]] = 0.0
    return scores


def record(ledger: list[Judgement], pairs, gate: GateParams, decision: Decision) -> None:
    values = {"met": decision.met, "tests": decision.tests, "verdict": decision.verdict}
    ledger.append(build_judgement(pairs, gate, created_at=f"{len(ledger)}", **values))


def judge(candidate, ledger: list[Judgement], gate: GateParams | None = None, reference=REFERENCE) -> Decision:
    gate = gate or build_gate()
    pairs = {"accuracy": build_pairs(candidate, reference)}
    decision = decide({"champion": [("champion", pairs)]}, gate, ledger)
    record(ledger, pairs, gate, decision)
    return decision


def fill(count: int) -> list[Judgement]:
    """Return a ledger of candidates that differ from each other, and are no better than the reference."""
    ledger: list[Judgement] = []
    for number in range(count):
        pairs = {"accuracy": build_pairs(improve(3, start=number, lost=3), REFERENCE)}
        ledger.append(build_judgement(pairs, build_gate(), met=[], verdict="inconclusive", created_at=str(number)))
    return ledger


def test_the_levels_of_all_judgements_add_up_to_the_error_that_is_allowed():
    gate = build_gate()
    assert compute_tail(1, gate) == pytest.approx(0.025)
    assert sum(compute_tail(number, gate) for number in range(1, 51)) == pytest.approx(0.05)
    assert compute_tail(2, gate) > compute_tail(3, gate) > compute_tail(50, gate) > 0


def test_the_first_judgement_tests_at_the_confidence_of_the_parameters():
    [result] = judge(improve(40), []).results
    assert (result.judgement, result.confidence, result.p_inherited) == (1, 0.95, None)


def test_a_clear_improvement_is_promoted_after_many_others():
    ledger = fill(20)
    decision = judge(improve(60), ledger)
    assert decision.verdict == "promote"
    assert decision.results[0].judgement == 21
    assert decision.results[0].confidence == pytest.approx(1 - 2 * compute_tail(21, build_gate()))


def test_what_a_first_judgement_promotes_needs_more_evidence_later():
    better = improve(16, lost=4)
    assert judge(better, []).verdict == "promote"
    later = judge(better, fill(20))
    assert later.verdict == "inconclusive"
    required = later.results[0].required_items
    assert required is not None
    assert required > N


def test_a_candidate_that_is_judged_again_keeps_its_number_and_its_verdict():
    ledger = fill(3)
    first = judge(improve(60), ledger)
    for number in range(10):
        judge(improve(5, start=100 + number), ledger)
    again = judge(improve(60), ledger)
    assert again.results == first.results
    assert again.verdict == first.verdict


def test_candidates_with_equal_scores_count_once():
    ledger = fill(1) * 5
    assert judge(improve(60), ledger).results[0].judgement == 2


def test_items_with_other_names_are_the_same_items():
    """Twenty equal candidates, each on the same items under new names, were all first judgements."""
    reference = (np.random.default_rng(5).random(N) < 0.6).astype(float)
    first, renamed = build_pairs(1 - reference, reference), build_pairs(reference, reference, first=1000)
    gate, ledger = build_gate(), []
    record(ledger, {"accuracy": first}, gate, decide({"champion": [("champion", {"accuracy": first})]}, gate, ledger))
    decision = decide({"champion": [("champion", {"accuracy": renamed})]}, gate, ledger)
    assert decision.results[0].judgement == 2


def test_judgements_on_other_items_do_not_count():
    ledger = fill(10)
    gate = build_gate()
    for old, number in ((40, 1), (41, 11)):  # of 400 items
        pairs = build_pairs(improve(60), REFERENCE, first=N - old)
        assert find_reuse(pairs, "accuracy", ledger, gate).number == number
    assert count_fresh_items([pairs.keys]) == 360


def test_judgements_with_another_metric_on_the_same_items_count():
    ledger = fill(4)
    pairs = build_pairs(improve(60), REFERENCE)
    assert find_reuse(pairs, "loss", ledger, build_gate()).number == 5


def test_every_test_counts_the_judgements_on_its_own_items():
    gate = build_gate({"tasks": ["old"]}, {"tasks": ["new"]})
    scores = np.concatenate([improve(60), improve(60)])
    tasks = ("old",) * N + ("new",) * N
    items = tuple(str(number % N) for number in range(2 * N))
    pairs = {"accuracy": Pairs(tasks, ("ko",) * (2 * N), items, scores, np.concatenate([REFERENCE, REFERENCE]))}
    ledger = [
        Judgement(
            candidate=judgement.candidate,
            items=frozenset(("old", item) for _task, item in judgement.items),
            scores={"accuracy": {("old", item): score for (_t, item), score in judgement.scores["accuracy"].items()}},
            met=frozenset(),
        )
        for judgement in fill(6)
    ]
    decision = decide({"champion": [("champion", pairs)]}, gate, ledger)
    assert [result.judgement for result in decision.results] == [7, 1]


def judge_tasks(groups, sets: dict[str, int], ledger: list[Judgement], seed: int) -> Decision:
    """Judge a candidate of its own by a rule for each list of tasks, on the set of items of each task."""
    tasks = [task for task in sets for _item in range(N)]
    items = tuple(f"{number}/{item}" for number in sets.values() for item in range(N))
    references = [np.random.default_rng(number).integers(0, 2, N).astype(float) for number in sets.values()]
    reference = np.concatenate(references)
    candidate = np.where(np.random.default_rng(1000 + seed).random(reference.size) < 0.5, 1.0, reference)
    pairs = {"accuracy": Pairs(tuple(tasks), ("ko",) * len(tasks), items, candidate, reference)}
    gate = build_gate(*({"tasks": list(group), "group_by": "task"} for group in groups))
    decision = decide({"champion": [("champion", pairs)]}, gate, ledger)
    record(ledger, pairs, gate, decision)
    return decision


def test_a_rule_with_fewer_tasks_spent_on_its_items_what_it_spent_and_not_what_tests_on_fresh_items_did():
    ledger: list[Judgement] = []
    judge_tasks([["old", "new"]], {"old": 1, "new": 2}, ledger, 1)
    judge_tasks(
        [["old", "new"]], {"old": 1, "new": 3}, ledger, 2
    )  # the fresh set of `new` has the level of a first one
    gate = build_gate()
    levels = {name.split()[-1]: round(use.level, 6) for name, use in ledger[-1].tests.items()}
    assert levels == {"old": round(compute_tail(2, gate), 6), "new": 0.025}
    decision = judge_tasks([["old"], ["new"]], {"old": 1, "new": 4}, ledger, 3)
    old, new = decision.results
    assert (old.judgement, new.judgement) == (3, 1)
    assert old.obstacle is None
    assert old.confidence == pytest.approx(1 - 2 * compute_tail(3, gate))


def test_after_the_last_share_nothing_is_met_and_fresh_items_are_asked_for():
    gate = build_gate(judgements=5)
    decision = judge(improve(150), fill(5), gate)
    [result] = decision.results
    assert decision.verdict == "inconclusive"
    assert result.obstacle == "used_up"
    assert result.required_items == 360
    assert "360 fresh items" in decision.reasons[-1].en
    assert "360" in decision.reasons[-1].ko


def test_a_worse_candidate_is_rejected_however_worn_the_items_are():
    for ledger in ([], fill(20), fill(60)):
        decision = judge(improve(0, lost=60), ledger)
        assert decision.verdict == "reject"
        assert decision.results[0].confidence == 0.95


def test_thresholds_use_the_level_that_is_left():
    gate = build_gate(thresholds=[{"metric": "accuracy", "minimum": 0.6, "maximum": None, "tasks": []}])
    candidate = improve(60)  # 0.65, interval of a first judgement about 0.603 to 0.697
    assert [reason.passed for reason in judge(candidate, [], gate).reasons] == [True, True]
    later = judge(candidate, fill(10), gate)
    assert [reason.passed for reason in later.reasons] == [True, None, True]
    assert "99.8" in later.reasons[1].en


def test_the_verdict_says_when_the_items_are_worn_out():
    gate = build_gate()
    tails = [compute_tail(number, gate) for number in (1, 2, 5, 10, 50)]
    assert compute_wear(tails[0], gate) == 1.0
    assert [is_worn_out(tail, gate) for tail in tails] == [False, False, False, True, True]
    early, late = judge(improve(60), fill(2)), judge(improve(60), fill(12))
    assert "judgement 3 on these items" in early.reasons[-1].en
    assert "worn out" not in early.reasons[-1].en
    assert "worn out" in late.reasons[-1].en
    assert "360 fresh items" in late.reasons[-1].en


def judge_loss(differences, ledger):
    """Judge a candidate whose loss is lower than the reference's by `differences`."""
    gate = build_gate({"metric": "loss"})
    pairs = {"loss": build_pairs(2.0 - differences, np.full(N, 2.0))}
    decision = decide({"champion": [("champion", pairs)]}, gate, ledger)
    ledger.append(build_judgement(pairs, gate, met=decision.met, verdict=decision.verdict, created_at=str(len(ledger))))
    return decision


def test_a_candidate_that_repeats_the_luck_of_an_earlier_one_is_not_promoted():
    first, second = np.random.default_rng(5).normal(size=(2, N))
    noise = [(values - values.mean()) / values.std(ddof=1) for values in (first, second)]
    lucky = noise[0] + 1.9 / np.sqrt(N)
    ledger: list[Judgement] = []
    assert judge_loss(lucky, ledger).verdict == "inconclusive"
    derived = 0.6 * lucky + 0.8 * noise[1] + 0.085  # 2.8 standard errors, of which 1.7 are its own
    decision = judge_loss(derived, ledger)
    assert decision.results[0].p <= 2 * compute_tail(2, build_gate())
    assert decision.results[0].obstacle == "inherited"
    assert decision.verdict == "inconclusive"
    assert judge_loss(derived + 0.1, ledger).verdict == "promote"


def test_what_an_earlier_candidate_has_proven_may_be_inherited():
    gate = build_gate({}, {"metric": "loss"})
    ledger: list[Judgement] = []

    def judge_both(candidate, loss):
        pairs = {"accuracy": build_pairs(candidate, REFERENCE), "loss": build_pairs(loss, np.full(N, 2.0))}
        decision = decide({"champion": [("champion", pairs)]}, gate, ledger)
        ledger.append(build_judgement(pairs, gate, met=decision.met, verdict=decision.verdict, created_at="0"))
        return decision

    rng = np.random.default_rng(1)
    worse, better = 2.5 + 0.1 * rng.normal(size=N), 1.5 + 0.1 * rng.normal(size=N)
    first = judge_both(improve(60), worse)
    assert [result.passed for result in first.results] == [True, False]
    second = judge_both(improve(61), better)
    assert second.verdict == "promote"
    assert second.results[0].p_inherited is None


def test_inherited_luck_is_explained_and_an_own_improvement_is_not():
    rng = np.random.default_rng(7)
    lucky = rng.normal(0.15, 1, size=N)
    derived = 0.9 * lucky + 0.4 * rng.normal(size=N)
    assert compute_inherited_p(derived, [lucky], bound=0.0) > 0.05
    assert compute_inherited_p(derived + 0.2, [lucky], bound=0.0) < 1e-6


def test_the_part_of_own_merit_has_a_uniform_p_value_for_derived_candidates():
    rng = np.random.default_rng(11)
    p_values = []
    for _trial in range(400):
        tried = [rng.normal(size=100) for _number in range(8)]
        best = max(tried, key=np.mean)
        p_values.append(compute_inherited_p(0.9 * best + 0.4 * rng.normal(size=100), [best, *tried[:3]], bound=0.0))
    assert np.mean(np.array(p_values) <= 0.05) < 0.08
    assert 0.4 < np.mean(p_values) < 0.6


def test_predecessors_without_luck_explain_nothing():
    rng = np.random.default_rng(3)
    assert compute_inherited_p(rng.normal(1, 1, N), [rng.normal(-1, 1, N)], bound=0.0) == 0.0
    assert compute_inherited_p(rng.normal(1, 1, N), [], bound=0.0) == 0.0


def test_more_predecessors_than_items_prove_nothing():
    rng = np.random.default_rng(3)
    earlier = [rng.normal(0.5, 1, 12) for _number in range(30)]
    own = sum(earlier[:20]) / 20
    assert compute_inherited_p(own, earlier, bound=0.0) > 0.01


@pytest.mark.slow
def test_hill_climbing_on_the_items_promotes_no_equal_model():
    """A short form of benchmarks/gate_ledger.py; its tables are in docs/gate.md."""
    wrong = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        difficulty = rng.normal(size=200)
        reference = (difficulty + rng.normal(size=200) < 0.3).astype(float)
        ledger: list[Judgement] = []
        best, best_mean = rng.normal(size=200), -1.0
        for _step in range(25):
            own = np.sqrt(0.7) * best + np.sqrt(0.3) * rng.normal(size=200)
            candidate = (difficulty + own < 0.3).astype(float)
            if judge(candidate, ledger, reference=reference).verdict == "promote":
                wrong += 1
                break
            if candidate.mean() > best_mean:
                best, best_mean = own, candidate.mean()
    assert wrong <= 7  # 5 % expected at most; 7 or fewer of 60 in 99 %


def test_a_candidate_that_met_the_test_when_it_was_judged_again_has_proven_it():
    ledger = fill(1)
    again = replace(ledger[0], met=frozenset({"superiority accuracy 0 champion"}))
    pairs = build_pairs(improve(60), REFERENCE)
    [predecessor] = find_reuse(pairs, "accuracy", [*ledger, again], build_gate()).predecessors
    assert predecessor.met == again.met


def test_the_order_of_tasks_does_not_make_another_test():
    rules = [build_gate({"tasks": tasks}).rules[0] for tasks in (["a", "b"], ["b", "a"])]
    assert len({name_test(rule, "champion", "") for rule in rules}) == 1


def test_a_used_up_set_says_so_even_where_nothing_is_clear():
    [result] = judge(improve(6, lost=3), fill(5), build_gate(judgements=5)).results
    assert result.obstacle == "used_up"


def test_the_levels_that_are_spent_stay_in_the_budget_when_the_number_of_judgements_changes():
    few, many = build_gate(judgements=5), build_gate(judgements=50)
    pairs = build_pairs(improve(60), REFERENCE)
    ledger: list[Judgement] = []
    for number, judgement in enumerate(fill(60)):
        reuse = find_reuse(pairs, "accuracy", ledger, few if number < 4 else many, name="test")
        assert reuse.is_used_up == (number >= 50)
        level = 0.0 if reuse.is_used_up else reuse.tail
        ledger.append(replace(judgement, tests={"test": Spending(level, "")}))
    assert sum(judgement.tests["test"].level for judgement in ledger) == pytest.approx(0.05)
    assert find_reuse(pairs, "accuracy", ledger[:4], build_gate(confidence=0.99), name="test").is_used_up


def test_other_rules_or_another_champion_are_a_new_chance_and_more_rules_are_none():
    strict = build_gate({}, {"test": "non_inferiority", "margin": 0.05})
    other = np.roll(REFERENCE, 1)
    for first, second, reference, number in (
        (strict, build_gate(), REFERENCE, 2),  # a rule was dropped
        (build_gate(), strict, REFERENCE, 1),  # all that had to be met must be met again
        (build_gate(), build_gate(), REFERENCE, 1),
        (build_gate(), build_gate(), other, 2),
        (build_gate(), build_gate({"margin": 0.01}), REFERENCE, 2),
    ):
        ledger: list[Judgement] = []
        judge(improve(20), ledger, first)
        results = judge(improve(20), ledger, second, reference).results
        assert results[0].judgement == number
        assert results[0].p_inherited is None  # a candidate is not its own predecessor


def test_the_same_candidate_under_more_rules_is_one_chance_for_the_next_candidate():
    ledger: list[Judgement] = []
    judge(improve(20), ledger, build_gate())
    judge(improve(20), ledger, build_gate({}, {"test": "non_inferiority", "margin": 0.05}))
    assert judge(improve(25), ledger).results[0].judgement == 2


def test_with_a_ledger_the_items_that_would_decide_are_those_of_the_next_judgement():
    candidate = improve(12, lost=6)
    pairs = {"accuracy": build_pairs(candidate, REFERENCE)}
    alone = decide({"champion": [("champion", pairs)]}, build_gate()).results[0].required_items
    kept = judge(candidate, []).results[0].required_items
    assert alone is not None
    assert kept is not None
    wear = compute_wear(compute_tail(2, build_gate()), build_gate())
    assert kept / alone == pytest.approx(wear, rel=0.02)


def test_a_set_that_grows_tenfold_is_fresh():
    candidate = improve(7, lost=6)
    pairs = {"accuracy": build_pairs(candidate, REFERENCE)}
    alone = decide({"champion": [("champion", pairs)]}, build_gate()).results[0].required_items
    assert alone is not None
    assert alone > 10 * N
    assert judge(candidate, []).results[0].required_items == alone


def test_fresh_items_renew_the_union_of_all_tests():
    first = [("a", str(number)) for number in range(300)]
    second = [("b", str(number)) for number in range(500)]
    assert count_fresh_items([first, second]) == 270 + 450
    assert count_fresh_items([first + second, second]) == 270 + 450  # old items of one test are not all of the other
    assert count_fresh_items([first, first]) == 270
    gate = build_gate({"tasks": ["a"]}, {"tasks": ["b"]})
    keys = first + second
    reference = np.array([1.0, 0.0] * 400)
    pairs = {"accuracy": Pairs(*zip(*[(task, "ko", item) for task, item in keys], strict=True), reference, reference)}
    ledger: list[Judgement] = []
    for number in range(12):
        changed = {
            "accuracy": replace(pairs["accuracy"], candidate=np.roll(reference, 1 + 2 * number) * (number + 1) / 13)
        }
        decision = decide({"champion": [("champion", changed)]}, gate, ledger)
        record(ledger, changed, gate, decision)
    assert "720 fresh items" in decision.reasons[-1].en


def test_what_only_informs_is_no_rule_that_is_met():
    decision = judge(improve(60), fill(2))
    assert [reason.is_information for reason in decision.reasons] == [False, True]


def test_the_luck_of_candidates_that_are_truly_worse_is_inherited_too():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(20, N))
    luck = np.linspace(-2, 2, 20) / np.sqrt(N)
    parts = noise - noise.mean(axis=1, keepdims=True) + luck[:, None] - 0.15  # truly worse by 0.15
    soup = (parts[-6:] + 0.15).mean(axis=0)  # as good as the reference: it has the luck of the best, not their weakness
    assert soup.mean() > 2.8 * soup.std() / np.sqrt(N)
    assert compute_inherited_p(soup, list(parts), bound=0.0) > 0.01


def test_a_later_judgement_of_a_thousand_graded_items_is_quick():
    rng = np.random.default_rng(1)
    pairs = {"loss": build_pairs(rng.normal(size=1000), rng.normal(size=1000))}
    gate = build_gate({"metric": "loss"}, resamples=10_000)
    ledger = [replace(judgement, candidate=str(number)) for number, judgement in enumerate(fill(49))]
    start = time.process_time()
    [result] = decide({"champion": [("champion", pairs)]}, gate, ledger).results
    assert result.judgement == 50
    assert time.process_time() - start < 3  # a second on an idle machine
