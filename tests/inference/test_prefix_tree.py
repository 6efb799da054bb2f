"""Trees of tokens, compared with trees built by hand."""

import numpy as np

from seodang.inference.prefix_tree import build_tree, compute_prefix_length, compute_shared_length


def test_a_common_prefix_is_stored_once():
    tree, paths = build_tree([[1, 2, 3], [1, 2, 4], [5]])
    assert tree.tokens == [1, 2, 3, 4, 5]
    assert tree.depths == [0, 1, 2, 2, 0]
    assert paths == [[0, 1, 2], [0, 1, 3], [4]]


def test_a_token_sees_itself_and_its_ancestors():
    tree, _ = build_tree([[1, 2, 3], [1, 2, 4], [5]])
    assert [np.flatnonzero(row).tolist() for row in tree.build_attention_mask()] == [
        [0],
        [0, 1],
        [0, 1, 2],
        [0, 1, 3],
        [4],
    ]


def test_a_window_counts_the_token_itself():
    tree, _ = build_tree([[1, 2, 3], [1, 2, 4], [5]])
    assert [np.flatnonzero(row).tolist() for row in tree.build_attention_mask(window=2)] == [
        [0],
        [0, 1],
        [1, 2],
        [1, 3],
        [4],
    ]


def test_the_common_prefix_of_rows_may_be_a_complete_row_or_empty():
    assert compute_prefix_length([[1, 2, 3], [1, 2], [1, 2, 4]]) == 2
    assert compute_prefix_length([[1, 2, 3], [1, 2, 3]]) == 3
    assert compute_prefix_length([[1, 2], [2, 2]]) == 0
    assert compute_shared_length([1, 2], [1, 3]) == 1
