"""Splits: nobody moves when rows are added, and one text never stands on two sides."""

import pytest

from seodang.data.splitting import leaked, split_of, split_records
from seodang.errors import SplitError
from seodang.params import PrepareParams
from seodang.records import Record, make_record


def params(**changes: object) -> PrepareParams:
    values = {"seed": 1, "validation_share": 0.1, "test_share": 0.2, "held_out_clusters": ["ordering"], "test_only_tasks": ["own_words"]}
    return PrepareParams.model_validate({**values, **changes})


def record(input: str, instruction: str = "감정을 분석하세요.", **changes: str) -> Record:
    return make_record(instruction=instruction, input=input, output="긍정", source="s", **{"task": "sentiment", "cluster": "sentiment", **changes})


def many(count: int) -> list[Record]:
    return [record(f"영화 {number} 정말 좋았어") for number in range(count)]


def test_a_record_stays_on_its_side_when_rows_are_added():
    before = split_records(many(300), params())
    after = split_records(many(600), params())
    for name, rows in before.items():
        assert set(rows) <= set(after[name])


def test_shares_are_about_what_was_asked_for():
    splits = split_records(many(2000), params())
    assert len(splits["test"]) / 2000 == pytest.approx(0.2, abs=0.03)
    assert len(splits["validation"]) / 2000 == pytest.approx(0.1, abs=0.02)


def test_the_same_text_under_another_instruction_stays_on_one_side():
    for number in range(50):
        text = f"영화 {number} 정말 좋았어"
        assert split_of(record(text), params()) == split_of(record(text, "이 감상은 긍정인가요?"), params())


def test_a_held_out_cluster_is_never_trained_on():
    rows = [record(f"{number}, 2", cluster="ordering", task="sort") for number in range(50)]
    splits = split_records([*many(100), *rows], params())
    assert len(splits["unseen"]) == 50
    assert all(row.cluster != "ordering" for row in splits["train"])


def test_test_only_tasks_and_sources_are_scored_and_never_trained_on():
    own = [record(f"내가 쓴 감상 {number}", task="own_words") for number in range(20)]
    assert {split_of(row, params()) for row in own} == {"test"}


def test_nothing_of_the_training_split_asks_what_evaluation_asks():
    assert leaked(split_records(many(500), params())) == 0


def test_an_empty_split_is_an_error_that_gives_the_counts():
    with pytest.raises(SplitError, match=r"test would be empty .*train"):
        split_records(many(50), params(test_share=0.0, test_only_tasks=[]))
