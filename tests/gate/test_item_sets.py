"""Items under other names and in another order are the items of an earlier judgement."""

from __future__ import annotations

import numpy as np
import pytest
from tests.fixtures.gate import build_gate

from seodang.gate.decision import decide
from seodang.gate.item_sets import compute_multisets
from seodang.gate.judgement import Judgement, build_judgement
from seodang.gate.scores import Pairs

COUNT = 120
RULE = {"against": "champion"}


def build_pairs(candidate, reference, names, contents=()):
    count = len(candidate)
    return Pairs(("t",) * count, ("ko",) * count, tuple(names), candidate, reference, contents=tuple(contents))


def judge(by_metric, ledger, *rules):
    """Return the number of the judgement, and add it to the ledger."""
    gate = build_gate(*({**RULE, **rule} for rule in rules or ({"metric": next(iter(by_metric))},)))
    decision = decide({"champion": [("champion", by_metric)]}, gate, ledger)
    ledger.append(
        build_judgement(
            by_metric, gate, met=[], verdict=decision.verdict, created_at=str(len(ledger)), tests=decision.tests
        )
    )
    return decision.results[0].judgement


def judge_twice(metric, reference, *, contents=None):
    """Return the number of the second of two candidates; its items have other names and another order."""
    rng = np.random.default_rng(5)
    ledger: list[Judgement] = []
    names = [f"old{number}" for number in range(COUNT)]
    order = rng.permutation(COUNT)
    first, second = (np.abs(reference + rng.normal(0, 0.01, COUNT)) for _candidate in range(2))
    if metric == "accuracy":
        first, second = (np.where(rng.random(COUNT) < 0.05, 1 - reference, reference) for _candidate in range(2))
    texts = contents or [""] * COUNT
    judge({metric: build_pairs(first, reference, names, texts)}, ledger)
    new_names = [f"new{number}" for number in range(COUNT)]
    shuffled = build_pairs(second[order], reference[order], new_names, [texts[index] for index in order])
    return judge({metric: shuffled}, ledger)


LOSS = np.random.default_rng(1).gamma(2.0, 1.0, COUNT)
RIGHT = (np.random.default_rng(2).random(COUNT) < 0.6).astype(float)
GRADES = np.random.default_rng(3).integers(1, 11, COUNT).astype(float)


@pytest.mark.parametrize(("metric", "reference"), [("loss", LOSS), ("judge", GRADES)])
def test_scores_of_the_same_reference_in_any_order_show_the_same_items(metric, reference):
    assert judge_twice(metric, reference) == 2


def test_right_or_wrong_alone_does_not_show_them():
    """The documentation says so: 120 items with 72 right answers are like any others."""
    assert judge_twice("accuracy", RIGHT) == 1


def test_what_identifies_the_items_shows_them_whatever_their_scores():
    assert judge_twice("accuracy", RIGHT, contents=[f"c{number}" for number in range(COUNT)]) == 2


def test_the_scores_of_another_metric_show_the_items_of_a_test():
    rng = np.random.default_rng(5)
    ledger: list[Judgement] = []
    order = rng.permutation(COUNT)
    for numbers, prefix in ((np.arange(COUNT), "a"), (order, "b")):
        names = [f"{prefix}{number}" for number in range(COUNT)]
        right = np.where(rng.random(COUNT) < 0.05, 1 - RIGHT, RIGHT)
        by_metric = {
            "accuracy": build_pairs(right[numbers], RIGHT[numbers], names),
            "loss": build_pairs(LOSS[numbers] + 0.1, LOSS[numbers], names),
        }
        number = judge(by_metric, ledger, {"metric": "accuracy"})
    assert number == 2


def test_a_part_of_the_items_is_recognized_by_content_alone():
    contents = [f"c{number}" for number in range(COUNT)]
    names = [f"a{number}" for number in range(COUNT)]
    ledger: list[Judgement] = []
    judge({"accuracy": build_pairs(1 - RIGHT, RIGHT, names, contents)}, ledger)
    for share, number in ((0.2, 2), (0.05, 1)):
        kept = int(share * COUNT)
        mixed = contents[:kept] + [f"fresh{item}" for item in range(COUNT - kept)]
        names = [f"b{share}{item}" for item in range(COUNT)]
        assert judge({"accuracy": build_pairs(RIGHT, np.roll(RIGHT, 7), names, mixed)}, ledger[:1]) == number


def test_what_an_earlier_candidate_scored_is_found_under_another_name():
    contents = [f"c{number}" for number in range(COUNT)]
    ledger: list[Judgement] = []
    judge({"accuracy": build_pairs(1 - RIGHT, RIGHT, [f"a{n}" for n in range(COUNT)], contents)}, ledger)
    keys = [("t", f"b{number}") for number in range(COUNT)]
    assert ledger[0].list_scores("accuracy", keys, contents).tolist() == (1 - RIGHT).tolist()
    assert np.isnan(ledger[0].list_scores("accuracy", keys)).all()


def test_other_items_are_practically_never_taken_for_the_same():
    rng = np.random.default_rng(4)
    seen = set()
    for _sample in range(3000):
        scores = rng.integers(1, 11, 120).astype(float)
        multisets = compute_multisets(build_pairs(scores, scores, map(str, range(120))), {})
        assert seen.isdisjoint(multisets)
        seen |= {*multisets}
    assert compute_multisets(build_pairs(RIGHT, RIGHT, map(str, range(COUNT))), {}) == ()
    assert compute_multisets(build_pairs(RIGHT * 0, RIGHT * 0, map(str, range(COUNT))), {}) == ()
