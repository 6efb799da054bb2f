"""Items that an earlier verdict has read can be left out; the others keep their order."""

from __future__ import annotations

import pytest

from seodang.errors import EvaluationError
from seodang.evaluation.samples import select_split_samples
from seodang.evaluation.task_selection import load_tasks
from seodang.paths import Paths


@pytest.fixture
def select(make_film, make_evaluate_params):
    records = [make_film(f"영화 {number}", "긍정") for number in range(9)]
    records += [make_film(f"책 {number}", "부정", task="books") for number in range(9)]

    def select(**changes):
        tasks = select_split_samples(records, "test", records[:2], make_evaluate_params(**changes))
        return {task.task: [record.id for record in task.records] for task in tasks}

    return select


def test_the_first_items_of_a_task_are_left_out_and_the_next_ones_scored(select):
    everything, fresh = select(), select(items_per_task=3, skipped_items={"films": 4})
    assert fresh["films"] == everything["films"][4:7]
    assert fresh["books"] == everything["books"][:3]


def test_a_task_without_items_left_is_an_error(select):
    with pytest.raises(
        EvaluationError, match="skipped_items of films is 9, but its number of items is 9: none is left"
    ):
        select(skipped_items={"films": 9})


def test_an_unknown_task_is_an_error(make_film, make_evaluate_params, tmp_path):
    splits = {"train": [], "test": [make_film("영화", "긍정")], "unseen": []}
    with pytest.raises(EvaluationError, match="skipped_items names film, but no such task is evaluated"):
        load_tasks(make_evaluate_params(skipped_items={"film": 1}), splits, Paths(tmp_path))
