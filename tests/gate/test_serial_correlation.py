"""Items without groups whose names follow one another and whose differences are alike get a note."""

import numpy as np
import pytest
from tests.fixtures import gate as gate_fixtures

from seodang.gate.decision import decide
from seodang.gate.pairing import pair_scores
from seodang.gate.scores import Pairs, Score, ScoreKey
from seodang.gate.serial_correlation import find_serial_correlation


def build_scores(values, group=""):
    return {
        ScoreKey("reading", f"passage-{index // 5}-question-{index % 5}", "accuracy"): Score(
            "ko", float(value), group=f"{index // 5}" if group else ""
        )
        for index, value in enumerate(values)
    }


def draw_passages(seed=1, passages=60, size=5, shared=0.9):
    """Return right and wrong answers that are mostly alike within a passage."""
    rng = np.random.default_rng(seed)
    own = rng.integers(0, 2, (passages, size))
    common = rng.integers(0, 2, (passages, 1))
    return np.where(rng.random((passages, size)) < shared, common, own).ravel()


def list_notes(decision):
    return [reason.en for reason in decision.reasons if "autocorrelation" in reason.en]


def build_gate():
    return gate_fixtures.build_gate({"against": "champion"})


def test_passages_without_groups_are_noted_in_the_verdict():
    reference = build_scores(np.random.default_rng(2).integers(0, 2, 300))
    pairs = pair_scores(build_scores(draw_passages()), reference, "champion")
    decision = decide({"champion": [("champion", pairs)]}, build_gate())
    assert len(list_notes(decision)) == 1
    assert "`group`" in list_notes(decision)[0]


def test_items_with_groups_get_no_note():
    reference = build_scores(np.random.default_rng(2).integers(0, 2, 300), group="passage")
    pairs = pair_scores(build_scores(draw_passages(), group="passage"), reference, "champion")
    decision = decide({"champion": [("champion", pairs)]}, build_gate())
    assert list_notes(decision) == []


def make_pairs(candidate, names=None):
    count = len(candidate)
    names = names or tuple(str(index) for index in range(count))
    return Pairs(("t",) * count, ("ko",) * count, names, np.asarray(candidate, float), np.zeros(count))


def test_independent_items_are_rarely_noted():
    rng = np.random.default_rng(3)
    noted = sum(find_serial_correlation(make_pairs(rng.integers(0, 2, 200))) is not None for _ in range(1000))
    assert noted <= 15  # 0.5 % by design


@pytest.mark.parametrize(("passages", "size"), [(60, 5), (15, 20)])
def test_most_sets_of_passages_are_noted(passages, size):
    noted = [
        find_serial_correlation(make_pairs(draw_passages(seed, passages, size, shared=0.7))) is not None
        for seed in range(100)
    ]
    assert sum(noted) >= 90


def test_item_2_stands_before_item_10():
    blocks = [float(index // 10 % 2) for index in range(100)]
    names = tuple(str(index) for index in range(100))
    order = sorted(range(100), key=lambda index: names[index])
    pairs = make_pairs([blocks[index] for index in order], tuple(names[index] for index in order))
    assert find_serial_correlation(pairs) == pytest.approx(0.81, abs=0.05)


def test_items_that_are_sorted_by_their_result_are_no_passages():
    assert find_serial_correlation(make_pairs([1.0] * 40 + [0.0] * 60)) is None


def test_few_items_and_equal_scores_are_not_noted():
    assert find_serial_correlation(make_pairs([0.0] * 10 + [1.0] * 9)) is None
    assert find_serial_correlation(make_pairs([1.0] * 50)) is None


def test_tasks_of_different_difficulty_are_no_dependence():
    rng = np.random.default_rng(5)
    scores = np.concatenate([rng.random(100) < 0.1, rng.random(100) < 0.9]).astype(float)
    pairs = Pairs(("a",) * 100 + ("b",) * 100, ("ko",) * 200, tuple(map(str, range(200))), scores, np.zeros(200))
    assert find_serial_correlation(pairs) is None
