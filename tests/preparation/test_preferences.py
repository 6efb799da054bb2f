"""Preference records: similar questions stay on one side, and none leaks an evaluation item."""

from __future__ import annotations

from pathlib import Path

import pytest

from seodang.errors import SplitError
from seodang.io.jsonl import Writer, read_records, read_rows, write_records
from seodang.preparation.preferences import PreferenceTally, split_preferences, write_preferences
from seodang.records import Record

PASSAGE = "가을이 되면 설악산의 단풍이 산꼭대기에서부터 천천히 아래로 물들어 내려오기 시작합니다"
SIMILAR = [
    f"서울에서 부산까지 기차로 가려면 표를 어디에서 사야 하는지 자세히 알려 주세요{end}"
    for end in (".", "!", ", 네?", "요.")
]


class Outcome:
    """The files that the preparation writes."""

    def __init__(self, folder: Path, tally: PreferenceTally) -> None:
        self.train = list(read_records(folder / "train"))
        self.test = list(read_records(folder / "test"))
        self.left_out = list(read_rows(folder / "left_out"))
        self.report = tally.build_report()


@pytest.fixture
def run(tmp_path, build_prepare_params):
    def run(preferences: list[Record], items: list[Record] = (), **changes) -> Outcome:
        write_records(tmp_path / "preferences", preferences)
        write_records(tmp_path / "items", items)
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        split = split_preferences(
            tmp_path / "preferences", [tmp_path / "items"], build_prepare_params(**changes), scratch
        )
        tally = PreferenceTally()
        with (
            Writer(tmp_path / "train") as train,
            Writer(tmp_path / "test") as test,
            Writer(tmp_path / "left_out") as out,
        ):
            write_preferences(tmp_path / "preferences", split, {"train": train, "test": test, "left_out": out}, tally)
        return Outcome(tmp_path, tally)

    return run


@pytest.fixture
def pairs(build_record):
    words = "감나무 은행나무 소나무 단풍나무 벚나무 참나무 버드나무 대나무 전나무 밤나무".split()
    return [
        build_record(f"{month}월에 {word} 숲은 어떤 모습인가요?", output="아름답습니다.", rejected=f"{word}, 몰라.")
        for word in words
        for month in range(1, 5)
    ]


def test_every_record_is_in_one_place_and_the_share_held_out_is_the_parameter(run, pairs):
    outcome = run(pairs)
    assert len(outcome.train) + len(outcome.test) + len(outcome.left_out) == len(pairs) == outcome.report["records"]
    assert {record.id for record in outcome.train}.isdisjoint(record.id for record in outcome.test)
    assert 0.1 < len(outcome.test) / len(pairs) < 0.5
    assert outcome.report["kinds"] == {"train": {"pair": len(outcome.train)}, "test": {"pair": len(outcome.test)}}


def test_the_same_records_give_the_same_split(run, pairs):
    first, second = run(pairs), run(pairs)
    assert (first.train, first.test) == (second.train, second.test)


def test_equal_and_similar_questions_stay_on_one_side(run, pairs, build_record):
    for seed in range(5):
        similar = [
            build_record(text, output=f"역입니다 {text[-2:]}", rejected=f"{n} 몰라요") for n, text in enumerate(SIMILAR)
        ]
        equal = [build_record(SIMILAR[0], output=f"창구 {n}번", rejected=f"{n}: 글쎄요, 그건 저도") for n in range(3)]
        outcome = run([*pairs, *similar, *equal], seed=seed)
        sides = {
            side
            for side, records in (("train", outcome.train), ("test", outcome.test))
            for record in records
            if record.instruction in SIMILAR
        }
        assert len(sides) == 1
    groups = {record.group for record in outcome.test if record.instruction in SIMILAR}
    assert len(groups) <= 1


def test_a_record_that_asks_or_answers_an_evaluation_item_is_left_out(run, pairs, build_record):
    items = [
        build_record("설악산의 단풍은 어떻게 물드나요?", output=PASSAGE),
        build_record("한라산의 높이는 몇 미터인가요?", output="1,947미터입니다."),
    ]
    asks = build_record("한라산의 높이는 몇 미터인가요?", output="천구백사십칠 미터입니다.", rejected="높아요.")
    answers = build_record("가을 산을 설명해 주세요.", output="글쎄요.", rejected=f"{PASSAGE}. 그렇답니다.")
    outcome = run([*pairs, asks, answers], items)
    assert [(line["id"], line["reason"], line["of"]) for line in outcome.left_out] == [
        (asks.id, "leak", items[1].id),
        (answers.id, "leak", items[0].id),
    ]


def test_a_good_and_a_bad_answer_are_no_duplicates_but_two_equal_marks_are(run, pairs, build_record):
    answer = "표는 역의 일 층 창구에서 사실 수 있고, 전화나 인터넷으로도 예매하실 수 있으며, 아이는 반값입니다"
    good, bad, again = (
        build_record("표는 어디에서 사나요?", output=text, desirable=desirable)
        for text, desirable in ((f"{answer}.", True), (f"{answer}!!", False), (f"{answer}. 네.", True))
    )
    outcome = run([*pairs, good, bad, again])
    assert [(line["reason"], line["of"]) for line in outcome.left_out] in (
        [("near_duplicate", good.id)],
        [("near_duplicate", again.id)],
    )
    counts = [outcome.report["kinds"][place].get(kind, 0) for kind in ("good", "bad") for place in ("train", "test")]
    assert sum(counts) == 2


def test_a_split_without_a_side_is_an_error(run, build_record):
    with pytest.raises(SplitError, match=r"prepare\.preferences_test_ratio"):
        run([build_record("하나뿐인가요?", output="네, 그렇습니다.", rejected="몰라.")])
