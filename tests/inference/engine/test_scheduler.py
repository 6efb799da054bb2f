"""Bounds of the scheduler, for any requests."""

from collections import deque
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from seodang.inference.engine.scheduler import Limits, admit, count_cached_tokens, select_chunks


@dataclass(eq=False)
class Row:
    width: int = 1
    adapter: str | None = None
    prompt: tuple[int, ...] = ()
    position: int = 0


rows = st.lists(st.builds(Row, st.integers(1, 50), st.sampled_from([None, "a"])), max_size=12)


@given(rows, st.integers(1, 6), st.integers(1, 120))
def test_every_request_runs_in_its_turn_within_the_bounds(arrived, max_running, max_tokens):
    limits = Limits(max_running=max_running, max_tokens=max_tokens)
    waiting, running, started = deque(arrived), [], []
    while waiting or running:
        new = admit(waiting, running, limits)
        running += new
        started += new
        assert len(running) <= max_running
        assert len(running) == 1 or count_cached_tokens(running) <= max_tokens
        running.pop(0)
    assert started == arrived


prompts = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=40).map(tuple), min_size=1, max_size=8)


@given(prompts, st.integers(4, 40), st.integers(1, 4), st.sampled_from([None, 1]))
def test_all_prompts_are_read_in_bounded_chunks(prompts, chunk_tokens, block_size, max_rows):
    unread = [Row(prompt=prompt) for prompt in prompts]
    while unread:
        chunks = select_chunks(unread, chunk_tokens=chunk_tokens, block_size=block_size, max_rows=max_rows)
        assert chunks[0][0] is unread[0]
        assert len(chunks) * max(count for _row, count in chunks) <= chunk_tokens
        assert max_rows is None or len(chunks) <= max_rows
        for row, count in chunks:
            assert count > 0
            row.position += count
            assert row.position <= len(row.prompt)
            assert row.position % block_size == 0 or row.position == len(row.prompt)
        unread = [row for row in unread if row.position < len(row.prompt)]


def test_rows_that_share_their_next_block_are_not_read_together():
    shared = (1, 2, 3, 4)
    arrived = [Row(prompt=(*shared, 5)), Row(prompt=(*shared, 6)), Row(prompt=(7, 8, 9, 10, 11))]
    chunks = select_chunks(arrived, chunk_tokens=100, block_size=4)
    assert [row for row, _count in chunks] == [arrived[0], arrived[2]]
