"""Signatures, bands and the estimated similarity."""

import numpy as np
import pytest

from seodang.preparation.minhash import (
    compute_band_keys,
    compute_bands,
    compute_signatures,
    compute_sketch,
    estimate_similarities,
)


def sign(*sets: list[int], permutations: int = 128) -> np.ndarray:
    hashes = np.random.default_rng(7).integers(0, 2**63, 2000, dtype=np.uint64)
    starts = np.cumsum([0, *map(len, sets)])
    return compute_signatures(hashes[[number for members in sets for number in members]], starts, permutations, 1)


def test_the_signature_of_a_union_is_the_minimum():
    first, second, union = sign(list(range(30)), list(range(20, 90)), list(range(90)))
    assert np.minimum(first, second).tolist() == union.tolist()


def test_an_empty_set_changes_no_minimum():
    empty, full = sign([], [1, 2, 3])
    assert np.minimum(empty, full).tolist() == full.tolist()


@pytest.mark.parametrize(("shared", "similarity"), [(400, 1.0), (320, 2 / 3), (200, 1 / 3), (0, 0.0)])
def test_the_estimate_is_near_the_jaccard_similarity(shared, similarity):
    # two sets of 400 that share `shared`: shared / (800 - shared)
    first, second = compute_sketch(sign(list(range(400)), list(range(400 - shared, 800 - shared)), permutations=512))
    assert estimate_similarities(first, second) == pytest.approx(similarity, abs=0.07)


def test_bands_find_95_percent_of_the_pairs_at_the_threshold():
    # 128 = 18 * 7 + 2: 1 - (1 - 0.8**7)**18 = 0.985; with 8 slots, 16 bands: 0.947
    assert compute_bands(0.8, 128) == (18, 7)
    assert compute_bands(0.5, 128) == (42, 3)


def test_equal_signatures_meet_in_every_band_and_others_in_none():
    keys = compute_band_keys(sign(list(range(50)), list(range(50)), list(range(50, 100))), 18, 7)
    assert (keys[0] == keys[1]).all()
    assert not (keys[0] == keys[2]).any()
