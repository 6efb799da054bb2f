import asyncio
import errno
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seodang.synthesis.budget import Tokens
from seodang.synthesis.calls import Failure, Reply
from seodang.synthesis.journal import Journal, read_journal

REPLY = {
    "text": "안녕\u2028하세요 \ud800",
    "finish_reason": "stop",
    "prompt_tokens": 3,
    "completion_tokens": 2,
    "model": "m",
    "received": "2026-11-30T00:00:00+00:00",
}


async def write_calls(path, count):
    journal = Journal(path)
    try:
        for number in range(count):
            await journal.append({"event": "asked", "key": str(number), "prompt_tokens": 9, "completion_tokens": 5})
            await journal.append_outcome(Reply(key=str(number), **REPLY), 0.5)
    finally:
        await journal.close()


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """Bytes of a journal of three calls."""
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    asyncio.run(write_calls(path, 3))
    return path.read_bytes()


def test_what_is_appended_is_read_again_as_it_was(tmp_path, content):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(content)
    state, size = read_journal(path)
    assert state.outcomes == {str(number): Reply(key=str(number), **REPLY) for number in range(3)}
    assert size == len(content)
    assert state.sum_spent(is_idempotent=False) == Tokens(9, 6)


@given(share=st.floats(0, 1))
def test_a_journal_that_is_cut_anywhere_has_all_complete_lines_and_can_go_on(tmp_path_factory, content, share):
    path = tmp_path_factory.mktemp("cut") / "journal.jsonl"
    cut = content[: round(share * len(content))]
    path.write_bytes(cut)
    state, size = read_journal(path)
    assert cut[:size].count(b"\n") == cut.count(b"\n")
    assert len(state.outcomes) == cut.count(b'"reply"') - (b'"reply"' in cut[size:])
    asyncio.run(write_calls(path, 3))
    assert len(read_journal(path)[0].outcomes) == 3


def test_a_call_without_an_end_counts_at_its_upper_bound_once_for_each_attempt_that_may_be_billed(tmp_path):
    path = tmp_path / "journal.jsonl"
    asked = {"event": "asked", "key": "a", "prompt_tokens": 9, "completion_tokens": 5}
    lines = [{"schema": 1, "journal": "seodang generate"}, asked, asked, {"event": "unpaid", "key": "a"}, asked]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    state, _ = read_journal(path)
    assert state.count_open() == 2
    assert state.sum_spent(is_idempotent=False) == Tokens(18, 10)
    assert state.sum_spent(is_idempotent=True) == Tokens(9, 5)


def test_lines_that_come_together_reach_the_disk_together(tmp_path, monkeypatch):
    flushes = []
    monkeypatch.setattr("seodang.synthesis.journal.flush_to_disk", lambda file, path: flushes.append(file.flush()))

    async def write():
        journal = Journal(tmp_path / "journal.jsonl")
        failures = [Failure(key=str(number), reason="no_answer", detail="") for number in range(50)]
        await asyncio.gather(*map(journal.append_outcome, failures))
        await journal.close()

    asyncio.run(write())
    assert len(read_journal(tmp_path / "journal.jsonl")[0].outcomes) == 50
    assert len(flushes) <= 4


def test_a_reply_that_cannot_be_written_is_an_error_and_does_not_count(tmp_path, monkeypatch):
    async def write():
        journal = Journal(tmp_path / "journal.jsonl")
        with monkeypatch.context() as full:
            full.setattr(journal, "_write", fail)
            with pytest.raises(OSError, match="No space"):
                await journal.append({"event": "asked", "key": "a", "prompt_tokens": 1, "completion_tokens": 1})
        assert journal.state.count_open() == 0
        await journal.close()

    def fail(_rows):
        raise OSError(errno.ENOSPC, "No space left on device")

    asyncio.run(write())
