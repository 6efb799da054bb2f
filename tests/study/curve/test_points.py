"""Points and trends of a learning curve, with scores written by hand."""

import numpy as np
import pytest

from seodang.study.curve.points import Models, build_points, build_trends
from seodang.study.results import VariantScores


def make_scores(*values):
    return VariantScores(np.array(values, dtype=np.float64), tuple(map(str, range(len(values)))), 10.0)


def make_models(method, records, *by_seed):
    return Models(method, records, records, [make_scores(*values) for values in by_seed])


def test_a_point_is_the_mean_over_items_and_seeds_compared_with_base_and_single_task(make_curve):
    base = make_scores(*[0] * 20, *[1] * 20)
    models = {
        ("single", 100): make_models("single", 100, [1] * 20 + [0] * 20, [1] * 30 + [0] * 10),
        ("mix", 100): make_models("mix", 100, [1] * 40, [1] * 40),
    }
    single, mix = build_points("held_in", models, base, make_curve())
    assert single.score.value == pytest.approx(0.625)
    assert single.seed_scores == (0.5, 0.75)
    assert single.seed_deviation == pytest.approx(0.1768, abs=1e-4)
    assert single.to_base.value == pytest.approx(0.125)
    assert single.to_single is None
    assert mix.to_single is not None
    assert mix.to_single.value == pytest.approx(0.375)
    assert mix.to_single.low > 0
    assert mix.score.high == 1.0


def test_a_single_seed_has_no_deviation(make_curve):
    models = {("single", 4): make_models("single", 4, [1, 0, 1, 0])}
    assert build_points("held_in", models, make_scores(0, 0, 1, 1), make_curve())[0].seed_deviation is None


@pytest.mark.parametrize(
    ("right_before", "right_after", "is_rising"), [(100, 160, True), (160, 100, False), (100, 102, None)]
)
def test_a_curve_rises_or_falls_only_if_the_interval_of_its_last_step_excludes_zero(
    right_before, right_after, is_rising, make_curve
):
    models = {
        ("single", records): make_models("single", records, [1] * right + [0] * (200 - right))
        for records, right in ((50, 20), (250, right_before), (1000, right_after))
    }
    (trend,) = build_trends("held_in", models, make_curve())
    assert (trend.first, trend.last) == (250, 1000)
    assert trend.per_doubling.value == pytest.approx((right_after - right_before) / 200 / 2)  # 1,000 is two doublings
    assert trend.is_rising is is_rising


def test_a_single_point_has_no_trend(make_curve):
    assert build_trends("held_in", {("single", 4): make_models("single", 4, [1, 0, 1, 0])}, make_curve()) == []
