"""Pairs of training records hold what the model was tuned for."""

from dataclasses import replace

from seodang.alignment.replay import build_replay_pairs
from seodang.records import Turn, make_record


def record(number, output, task="topic", language="ko"):
    return make_record(
        instruction=f"{task} 문제 {number}",
        input="",
        output=output,
        source="s",
        task=task,
        cluster="c",
        language=language,
    )


def test_the_rejected_answer_is_that_of_another_record_of_the_task_and_language():
    records = [
        *(record(number, ("기술", "경제")[number % 2]) for number in range(20)),
        *(record(number, ("tech", "economy")[number % 2], language="en") for number in range(20)),
        *(record(number, f"답 {number}", task="open") for number in range(20)),
    ]
    pairs = build_replay_pairs(records, 30, seed=1)
    originals = {each.id: each for each in records}
    answers = {}
    for each in records:
        answers.setdefault((each.task, each.language), set()).add(each.output)
    assert len(pairs) == 30
    for pair in pairs:
        assert replace(pair, rejected=originals[pair.id].rejected) == originals[pair.id]
        assert pair.rejected in answers[pair.task, pair.language] - {pair.output}
    assert build_replay_pairs(reversed(records), 30, seed=1) == pairs
    assert build_replay_pairs(records, 30, seed=2) != pairs


def test_records_without_another_answer_make_no_pair():
    assert build_replay_pairs([record(number, "네") for number in range(9)], 5, seed=1) == []
    several = replace(record(1, "아니요"), turns=(Turn(role="user", content="안녕"),))
    assert build_replay_pairs([record(0, "네"), several, record(2, "")], 5, seed=1) == []
