"""The prefix trie beside a plain list of all beginnings."""

from hypothesis import given
from hypothesis import strategies as st

from seodang.inference.engine.prefix_trie import PrefixTrie

tokens = st.lists(st.integers(0, 1), max_size=12)
adapters = st.sampled_from([None, "a", "b"])
operations = st.lists(st.tuples(st.sampled_from(["match", "insert"]), adapters, tokens), max_size=30)


@given(operations, st.integers(1, 3), st.integers(0, 5))
def test_a_block_is_found_only_after_the_tokens_and_the_adapter_that_it_was_saved_for(steps, size, max_blocks):
    trie, owners = PrefixTrie(size, max_blocks), {}
    for kind, adapter, ids in steps:
        if kind == "insert":
            for block, start in trie.insert(adapter, ids):
                assert 0 <= block < max_blocks
                assert start % size == 0
                owners[block] = (adapter, tuple(ids[: start + size]))
        for index, block in enumerate(trie.match(adapter, ids)):
            assert owners[block] == (adapter, tuple(ids[: (index + 1) * size]))
        assert len(trie) <= max_blocks


@given(tokens, st.integers(1, 3))
def test_what_was_inserted_is_found_where_there_is_room(ids, size):
    trie = PrefixTrie(size, 12)
    inserted = trie.insert(None, ids)
    assert [start for _block, start in inserted] == list(range(0, len(ids) // size * size, size))
    assert trie.match(None, ids) == [block for block, _start in inserted]
    assert trie.insert(None, ids) == []
    assert trie.match("adapter", ids) == []


def test_the_least_recently_used_beginning_makes_room():
    trie = PrefixTrie(1, 3)
    trie.insert(None, [1, 2])
    trie.insert(None, [3])
    trie.match(None, [1, 2])
    trie.insert(None, [4])
    assert [len(trie.match(None, ids)) for ids in ([1, 2], [3], [4])] == [2, 0, 1]


def test_a_beginning_longer_than_the_trie_is_cut():
    trie = PrefixTrie(1, 2)
    assert len(trie.insert(None, [1, 2, 3])) == 2
    assert len(trie.match(None, [1, 2, 3])) == 2
