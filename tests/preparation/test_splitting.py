"""Splits: the own text of a record decides its split, and a text is never in two splits."""

from collections import Counter

import numpy as np
import pytest

from seodang.errors import SplitError
from seodang.preparation.splitting import (
    ONLY_TEST,
    SPLITS,
    TEST,
    TRAIN,
    UNSEEN,
    assign_splits,
    check_not_empty,
    compute_positions,
    count_leaks,
    get_split_constraint,
    hash_group,
)
from seodang.records import Record


@pytest.fixture(scope="module")
def build_review(build_record):
    def build_review(input: str, instruction: str = "감정을 분석하세요.", **changes: str) -> Record:
        return build_record(instruction, input, "긍정", **{"task": "sentiment", "cluster": "sentiment", **changes})

    return build_review


@pytest.fixture(scope="module")
def build_reviews(build_review):
    def build_reviews(count: int) -> list[Record]:
        return [build_review(f"영화 {number} 정말 좋았어") for number in range(count)]

    return build_reviews


def test_the_ratios_are_close_to_the_parameters(assign_split, build_prepare_params, build_reviews):
    counts = Counter(assign_split(row, build_prepare_params()) for row in build_reviews(2000))
    assert counts["test"] / 2000 == pytest.approx(0.2, abs=0.03)
    assert counts["validation"] / 2000 == pytest.approx(0.1, abs=0.02)


def test_the_position_of_a_group_is_its_hash_over_two_to_the_64(build_review):
    # sha256("1\x1f영화7정말좋았어")[:8] as a number over 2**64
    number = hash_group(1, build_review("영화 7 정말 좋았어"))
    assert compute_positions(np.array([number], dtype=np.uint64))[0] == number / 2**64
    assert hash_group(1, build_review("영화 7  정말 좋았어")) == number
    assert hash_group(2, build_review("영화 7 정말 좋았어")) != number


def test_the_same_text_under_another_instruction_stays_on_one_side(assign_split, build_prepare_params, build_review):
    for number in range(50):
        text = f"영화 {number} 정말 좋았어"
        assert assign_split(build_review(text), build_prepare_params()) == assign_split(
            build_review(text, "이 감상은 긍정인가요?"), build_prepare_params()
        )


def test_a_single_word_is_grouped_with_its_question(build_review):
    assert hash_group(1, build_review("big", "The opposite?")) != hash_group(1, build_review("big", "Translate it."))


def test_a_held_out_cluster_is_never_trained_on(assign_split, build_prepare_params, build_review):
    rows = [build_review(f"{number}, 2", cluster="ordering", task="sort") for number in range(50)]
    assert {assign_split(row, build_prepare_params()) for row in rows} == {"unseen"}


def test_test_only_tasks_and_sources_are_scored_and_never_trained_on(assign_split, build_prepare_params, build_review):
    own = [build_review(f"내가 쓴 감상 {number}", task="own_words") for number in range(20)]
    role_test = [build_review(f"내가 쓴 감상 {number}", role="test") for number in range(20)]
    assert {assign_split(row, build_prepare_params()) for row in own + role_test} == {"test"}
    assert (
        get_split_constraint(own[0], build_prepare_params())
        == get_split_constraint(role_test[0], build_prepare_params())
        == ONLY_TEST
    )


def test_a_source_for_training_is_never_scored(assign_split, build_prepare_params, build_review):
    rows = [build_review(f"영화 {number} 좋았어", role="train") for number in range(200)]
    assert {assign_split(row, build_prepare_params()) for row in rows} == {"train", "validation"}


def test_splits_by_position_and_constraint(build_prepare_params):
    # test up to 0.2, validation up to 0.3; for what is never scored validation up to 0.1
    positions = np.array([0.05, 0.25, 0.35, 0.05, 0.15, 0.9, 0.9])
    constraints = np.array([0, 0, 0, 1, 1, 2, 3], dtype=np.uint8)
    names = [SPLITS[number] for number in assign_splits(constraints, positions, build_prepare_params())]
    assert names == ["test", "validation", "train", "validation", "train", "test", "unseen"]


def test_a_question_in_train_and_test_counts_once_for_each_training_record():
    questions = np.array([1, 1, 2, 2, 3, 1], dtype=np.uint64)
    split = np.array([TRAIN, TEST, TRAIN, UNSEEN, TRAIN, TRAIN], dtype=np.uint8)
    kept = np.array([True, True, True, True, True, False])
    assert count_leaks(questions, split, kept) == 2
    assert count_leaks(questions, split, kept & (split != UNSEEN)) == 1


def test_an_empty_split_is_an_error_that_gives_the_counts():
    with pytest.raises(SplitError, match=r"validation, test would be empty .*train 5"):
        check_not_empty({"train": 5, "validation": 0, "test": 0, "unseen": 0})
    check_not_empty({"train": 5, "validation": 1, "test": 1, "unseen": 0})
