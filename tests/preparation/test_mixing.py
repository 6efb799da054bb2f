"""The number of copies of each record in train."""

import numpy as np
import pytest
from tests.fixtures.sources import source

from seodang.config import SourceParams
from seodang.preparation.features import compute_unit_hash
from seodang.preparation.mixing import Mix, mix

POSITIONS = np.array([0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95])


def run_mix(
    *sources: SourceParams,
    source_numbers: list[int] | None = None,
    replay_ratio: float | None = None,
    in_train: list[bool] | None = None,
) -> Mix:
    numbers = np.array(source_numbers or [0] * 10, dtype=np.int32)
    is_in_train = np.array(in_train or [True] * 10)
    return mix(is_in_train, numbers, [params.name for params in sources], POSITIONS, sources, replay_ratio)


@pytest.mark.parametrize(
    ("weight", "copies"),
    [(1.0, [1] * 10), (0.5, [1] * 5 + [0] * 5), (2.0, [2] * 10), (1.5, [2] * 5 + [1] * 5), (0.2, [1, 1] + [0] * 8)],
)
def test_a_weight_gives_each_record_its_copies_by_its_own_hash(weight, copies):
    mixture = run_mix(source("a", weight=weight))
    assert mixture.copies.tolist() == copies
    assert mixture.left_out["weight"].sum() == copies.count(0)


def test_a_cap_keeps_the_records_of_the_smallest_hashes_and_counts_copies():
    assert run_mix(source("a", cap=3)).copies.tolist() == [1, 1, 1] + [0] * 7
    mixture = run_mix(source("a", cap=3, weight=2.0))
    assert mixture.copies.tolist() == [2, 1] + [0] * 8
    assert mixture.left_out["cap"].sum() == 8


def test_a_cap_of_one_source_leaves_the_others():
    mixture = run_mix(source("a", cap=1), source("b"), source_numbers=[0, 1] * 5)
    assert mixture.copies.tolist() == [1, 1, 0, 1, 0, 1, 0, 1, 0, 1]


def test_replay_sources_make_up_their_share_of_train():
    # 6 other lines; a quarter of train is 2 of 8
    mixture = run_mix(
        source("tasks"), source("general", replay=True), source_numbers=[0] * 6 + [1] * 4, replay_ratio=0.25
    )
    assert mixture.copies.tolist() == [1] * 6 + [1, 1, 0, 0]
    assert mixture.left_out["replay"].sum() == 2
    assert mixture.replay_missing == 0


def test_too_few_replay_records_are_all_kept_and_the_missing_lines_are_counted():
    # 6 other lines; half of train would be 6, and there are 4
    mixture = run_mix(
        source("tasks"), source("general", replay=True), source_numbers=[0] * 6 + [1] * 4, replay_ratio=0.5
    )
    assert mixture.copies.tolist() == [1] * 10
    assert mixture.replay_missing == 2


def test_a_replay_share_of_zero_leaves_replay_sources_out():
    mixture = run_mix(
        source("tasks"), source("general", replay=True), source_numbers=[0] * 6 + [1] * 4, replay_ratio=0.0
    )
    assert mixture.copies.tolist() == [1] * 6 + [0] * 4
    assert mixture.left_out["replay"].sum() == 4


def test_without_a_replay_share_they_are_mixed_like_all_others():
    assert (
        run_mix(source("tasks"), source("general", replay=True), source_numbers=[0] * 6 + [1] * 4).copies.tolist()
        == [1] * 10
    )


def test_only_records_of_train_are_mixed():
    mixture = run_mix(source("a", weight=2.0, cap=4), in_train=[False] * 5 + [True] * 5)
    assert mixture.copies.tolist() == [0] * 5 + [2, 2, 0, 0, 0]


def test_a_source_that_params_do_not_know_counts_once():
    mixture = mix(np.array([True]), np.array([0], dtype=np.int32), ["unknown"], POSITIONS[:1], [], 0.5)
    assert mixture.copies.tolist() == [1]


def test_the_hash_of_a_record_is_uniform_stable_and_another_for_another_seed():
    ids = np.array([f"{number:016x}" for number in range(4000)], dtype="S16")
    positions = compute_unit_hash(1, "mix", ids)
    assert (compute_unit_hash(1, "mix", ids[100:200]) == positions[100:200]).all()
    assert np.histogram(positions, bins=4, range=(0, 1))[0] == pytest.approx([1000] * 4, abs=110)
    assert abs(np.corrcoef(positions, compute_unit_hash(2, "mix", ids))[0, 1]) < 0.06
