"""Kappa and alpha against published examples and scikit-learn, and what their intervals cover."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score

from seodang.evaluation.judge.agreement import build_cells, build_coincidences, make_alpha, make_kappa
from seodang.evaluation.judge.resampling import MINIMUM_GROUPS, estimate, estimate_share

# Cohen 1968, Psychological Bulletin 70:213-220: 200 diagnoses of two raters; kappa .492. Also in the R package psych.
COHEN = [88, 14, 18, 10, 40, 10, 2, 6, 12]
# Krippendorff 2011: three observers, fifteen units, missing values; nominal .691, interval .811. Also the example of
# Wikipedia, and a test of the Python package krippendorff (0.691358 and 0.810845).
UNITS = [
    (1,),
    (),
    (2, 2),
    (1, 1),
    (3, 3),
    (3, 3, 4),
    (4, 4, 4),
    (1, 3),
    (2, 2),
    (1, 1),
    (1, 1),
    (3, 3),
    (3, 3),
    (),
    (3, 4),
]


def expand(counts):
    """Return the categories of both raters, one pair per case."""
    cases = [(index // 3, index % 3) for index, count in enumerate(counts) for _ in range(count)]
    return zip(*cases, strict=True)


def test_kappa_is_that_of_cohen_and_of_scikit_learn():
    counts = np.array(COHEN, dtype=float)
    one, other = (list(side) for side in expand(COHEN))
    assert make_kappa("none", 3)(counts) == pytest.approx(0.492, abs=0.0005)
    assert make_kappa("none", 3)(counts) == pytest.approx(cohen_kappa_score(one, other))
    assert make_kappa("quadratic", 3)(counts) == pytest.approx(cohen_kappa_score(one, other, weights="quadratic"))


@pytest.mark.parametrize(("metric", "expected"), [("nominal", 0.691358), ("interval", 0.810845)])
def test_alpha_is_that_of_krippendorff(metric, expected):
    values = [1, 2, 3, 4]
    assert make_alpha(values, metric)(build_coincidences(UNITS, values).sum(axis=0)) == pytest.approx(
        expected, abs=1e-6
    )


def test_a_missing_verdict_disagrees_and_a_constant_judge_has_no_agreement():
    people = [1.0, 0.0, 0.5, 1.0]
    compute = make_kappa("none", 4)
    assert compute(build_cells(people, people).sum(axis=0)) == 1
    assert compute(build_cells(people, [None] * 4).sum(axis=0)) == 0
    assert compute(build_cells(people, [0.5] * 4).sum(axis=0)) == 0
    assert compute(build_cells(people, [1.0, 0.0, 0.5, None]).sum(axis=0)) < 1
    assert np.isnan(compute(build_cells([1.0] * 4, [1.0] * 4).sum(axis=0)))


def test_pairs_of_one_question_make_the_interval_wider():
    generator = np.random.default_rng(1)
    people = list(generator.choice([1.0, 0.0], 60))
    judge = [score if number % 3 else 1 - score for number, score in enumerate(people)]
    cells = np.repeat(build_cells(people, judge), 4, axis=0)  # each pair four times
    compute = make_kappa("none", 4)
    independent = estimate(cells, [str(number) for number in range(240)], compute)
    grouped = estimate(cells, [str(number // 4) for number in range(240)], compute)
    assert independent.value == grouped.value
    assert grouped.high - grouped.low == pytest.approx(2 * (independent.high - independent.low), rel=0.1)


def test_few_groups_have_no_interval():
    cells = build_cells([1.0, 0.0] * 20, [1.0, 0.0] * 19 + [0.0, 0.0])
    few = estimate(cells, [str(number % (MINIMUM_GROUPS - 1)) for number in range(40)], make_kappa("none", 4))
    assert few.value is not None
    assert few.low is None


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_interval_of_an_extreme_share_is_not_empty(share):
    result = estimate_share(np.full(30, share), [str(number) for number in range(30)])
    assert result.value == share
    assert result.high - result.low == pytest.approx(0.1135, abs=0.001)  # Wilson 1927, 30 of 30


@pytest.mark.parametrize(("count", "total"), [(6, 12), (1, 12), (9, 118)])
def test_the_interval_of_a_share_of_independent_pairs_is_wilsons(count, total):
    flags = np.array([1.0] * count + [0.0] * (total - count))
    result = estimate_share(flags, [str(number) for number in range(total)])
    expected = binomtest(count, total).proportion_ci(0.95, "wilson")
    assert (result.low, result.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.slow
@pytest.mark.parametrize(("questions", "per_question"), [(30, 1), (60, 1), (30, 3)])
def test_the_interval_of_kappa_covers_the_truth(questions, per_question):
    """Of 95 % intervals, 91 to 99 % of 300 hold the kappa of the population."""
    generator = np.random.default_rng(7)
    compute = make_kappa("none", 4)
    truth = compute(_simulate(generator, 20_000, per_question)[0].sum(axis=0))
    intervals = [estimate(*_simulate(generator, questions, per_question), compute) for _ in range(300)]
    assert 0.91 <= np.mean([found.low <= truth <= found.high for found in intervals]) <= 0.99


def _simulate(generator, questions, per_question):
    """Return cells and groups of verdicts whose agreement differs between questions."""
    rates = generator.beta(4, 1.5, size=(questions, 1))
    people = generator.choice([1.0, 0.5, 0.0], p=[0.4, 0.2, 0.4], size=(questions, per_question))
    random = generator.choice([1.0, 0.5, 0.0], p=[0.4, 0.2, 0.4], size=people.shape)
    judge = np.where(generator.random(people.shape) < rates, people, random)
    groups = [str(number) for number in range(questions) for _ in range(per_question)]
    return build_cells(people.ravel().tolist(), judge.ravel().tolist()), groups
