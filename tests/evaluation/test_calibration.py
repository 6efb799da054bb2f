"""Contextual calibration: the label preference of a prompt is measured without content and subtracted."""

import math

import pytest

from seodang.evaluation.calibration import (
    CONTENT_FREE_INPUTS,
    build_content_free_task,
    compute_preferences,
    get_question,
)
from seodang.evaluation.item_scores import _LogLikelihoods
from seodang.evaluation.runner import iter_base_variants
from seodang.evaluation.samples import select_split_samples


@pytest.fixture
def task(make_film, make_evaluate_params):
    (samples,) = select_split_samples(
        [make_film("좋다", "긍정"), make_film("별로", "부정")], "test", [], make_evaluate_params()
    )
    return samples


def test_each_question_is_asked_once_for_each_input_without_content(task):
    records = build_content_free_task(task).records
    assert [record.input for record in records] == list(CONTENT_FREE_INPUTS)
    assert {get_question(record) for record in records} == {get_question(record) for record in task.records}


def test_a_label_that_is_preferred_without_content_loses_its_preference(task):
    records = build_content_free_task(task).records
    preferences = compute_preferences(records, [[math.log(0.9), math.log(0.1)]] * len(records))
    biased = _LogLikelihoods((math.log(0.8), math.log(0.2)), (1, 1))
    calibrated = biased.subtract(preferences[get_question(task.records[0])])
    assert calibrated.nats[1] > calibrated.nats[0]
    assert math.isclose(calibrated.nats[0], math.log(0.8 / 0.9), rel_tol=1e-6)
    assert biased.subtract(None) is biased


def test_the_base_is_tried_with_and_without_calibration(make_evaluate_params):
    names = [variant.name for variant in iter_base_variants(make_evaluate_params(calibrate_base=True, shots=[0]), 1)]
    assert [name for name in names if name.endswith("/cal")] == [f"{name}/cal" for name in names[: len(names) // 2]]
