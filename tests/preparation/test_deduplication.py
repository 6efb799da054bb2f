"""Deduplication: clusters, the record that is kept of each, and their stability when records are appended."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seodang.preparation.comparison import Comparison
from seodang.preparation.features import compute_features, find_templates, find_templates_so_far
from seodang.preparation.minhash import Sketches, compute_bands
from seodang.preparation.splitting import assign_splits, compute_positions
from seodang.records import make_record

KO = "서울의 날씨는 봄에 따뜻하고 여름에 덥고 비가 많이 오며 가을에는 맑고 겨울에는 춥고 눈이 내린다고 배웠습니다"
EN = "Photosynthesis turns carbon dioxide and water into sugar and oxygen with the help of light in green leaves"


@pytest.fixture
def deduplicate(tmp_path, build_prepare_params, find_all_duplicates):
    def run(records, **changes):
        return find_all_duplicates(records, build_prepare_params(**changes), tmp_path)

    return run


def representatives(removed):
    return removed.representative.tolist()


def test_the_same_but_for_case_blanks_and_punctuation_is_an_exact_duplicate(deduplicate, build_record):
    records = [
        build_record("수도는?", "", "서울입니다."),
        build_record("수도는", "", "서울 입니다!"),
        build_record("Capital?", "", "Seoul"),
        build_record("capital", "", "SEOUL."),
    ]
    _, leaders, removed = deduplicate(records)
    assert leaders == [0, 0, 2, 2]
    # of equal records, the one with the smaller id is kept, so the order of the rows does not matter
    assert records[0].id < records[1].id
    assert records[3].id < records[2].id
    assert representatives(removed) == [-1, 0, 3, -1]
    assert removed.exact.tolist() == [False, True, True, False]


def test_the_same_question_with_another_answer_is_no_duplicate(deduplicate, build_record):
    _, leaders, _ = deduplicate(
        [
            build_record(f"{KO} 맞습니까?", "", "예"),
            build_record(f"{KO} 맞습니까?", "", "아니요"),
            build_record(KO, "", EN),
            build_record(KO, "", KO[::-1]),
        ]
    )
    assert leaders == [0, 1, 2, 3]


@pytest.mark.parametrize("text", [KO, EN])
def test_one_changed_word_in_a_long_record_is_a_near_duplicate(deduplicate, text, build_record):
    changed = text.replace("따뜻하고", "포근하고").replace("green leaves", "green plants")
    _, leaders, removed = deduplicate(
        [build_record(f"{text} 1.", "", text + text[::-1]), build_record(f"{changed} 1.", "", text + text[::-1])]
    )
    assert leaders == [0, 0]
    assert sorted(representatives(removed)) in ([-1, 0], [-1, 1])
    assert not removed.exact.any()
    assert 0.8 <= removed.similarity.max() < 1


def test_half_of_the_text_changed_is_no_near_duplicate(deduplicate, build_record):
    _, leaders, _ = deduplicate([build_record(EN, "", "yes"), build_record(EN[:50] + KO, "", "yes")])
    assert leaders == [0, 1]


def test_short_texts_are_compared_exactly_only(deduplicate, build_record):
    _, leaders, _ = deduplicate(
        [
            build_record("영화 감상을 분류하세요", "정말 좋았어요", "긍정"),
            build_record("영화 감상을 분류하세요", "정말 좋았네요", "긍정"),
        ]
    )
    assert leaders == [0, 1]


def test_an_instruction_that_both_have_is_left_out_of_the_comparison(deduplicate, build_record):
    long = f"다음 글을 읽고 물음에 답하세요. {KO} {KO[::-1]}"
    questions = [
        "여름에 어떤 날씨가 이어지는지 쓰세요",
        "겨울 풍경을 한 문장으로 줄여 보세요",
        "배운 것 가운데 무엇이 기억에 남나요",
    ]
    rows = [build_record(long, question, question[::-1]) for question in questions]
    other = [build_record("모르는 말", KO, "가"), build_record("다른 말", KO, "나")]
    _, leaders, _ = deduplicate([*rows, *other], deduplication={"min_characters": 10})
    assert leaders == [0, 1, 2, 3, 4]


def test_two_questions_about_one_passage_are_two_records(deduplicate, build_record):
    _, leaders, _ = deduplicate(
        [
            build_record("이 글의 제목을 붙이세요", KO * 3, "서울의 네 계절을 소개하는 글"),
            build_record("여름은 어떻다고 합니까", KO * 3, "덥고 비가 많이 온다고 합니다"),
        ]
    )
    assert leaders == [0, 1]


def test_inputs_of_a_template_are_compared_without_its_instruction(deduplicate, build_record):
    many = [
        build_record(
            "Classify the topic of the text that follows, please.",
            f"{chr(97 + number) * 30} topic number {number} {EN[number:]}{number}",
            "science",
        )
        for number in range(30)
    ]
    twin = build_record(
        "Classify the topic of the text that follows, please.",
        f"{chr(97 + 29) * 30} topic number 29 {EN[29:]}29 now",
        "science",
    )
    features, leaders, _ = deduplicate([*many, twin])
    assert find_templates(features.rows, 20).all()
    assert not find_templates(features.rows, 31).any()
    assert leaders[30] == 29


def test_a_template_is_counted_in_the_order_of_the_records(deduplicate, build_record):
    rows = [build_record("분류하세요", f"글 {number}") for number in (0, 1, 1, 2, 3)]
    features, _, _ = deduplicate([*rows[:3], build_record("다른 말", "글 9"), *rows[3:]])
    # different inputs so far: 1, 2, 2, (1), 3, 4
    assert find_templates_so_far(features.rows, 2).tolist() == [False, False, False, False, True, True]


def test_the_best_stays_fewest_warnings_then_repairs_then_source_then_longer_answer_then_earlier(
    deduplicate, build_record
):
    def copies(*kinds):
        return [build_record("Say it", "", "a b c", **kind) for kind in kinds]

    for better, worse in (
        ({}, {"warnings": ("w",)}),
        ({"warnings": ("w",)}, {"warnings": ("v", "w")}),
        ({"warnings": ("w",)}, {"warnings": ("w",), "repairs": ("r",)}),
    ):
        _, _, removed = deduplicate(copies(worse, better))
        assert representatives(removed) == [1, -1]
    _, _, removed = deduplicate(
        [build_record("x", "", "other", source="first"), *copies({"source": "second"}, {"source": "first"})]
    )
    assert representatives(removed) == [-1, 2, -1]
    _, _, removed = deduplicate(copies({}, {}, {}))
    assert representatives(removed) == [-1, 0, 0]
    _, _, removed = deduplicate([build_record(EN, "", KO + EN), build_record(EN, "", KO + EN + " more")])
    assert representatives(removed) == [1, -1]


def test_a_record_that_may_be_scored_stays_before_one_that_may_not(deduplicate, build_record):
    _, _, removed = deduplicate(
        [build_record("Say it", "", "a", role="train"), build_record("Say it", "", "a", warnings=("w",))]
    )
    assert representatives(removed) == [1, -1]


def test_evaluation_items_are_compared_among_themselves(deduplicate, build_record):
    rows = [
        build_record("Say it", "", "a"),
        build_record("Say it", "", "a", role="test"),
        build_record("say it", "", "a", role="test"),
        build_record("Say it", "", "a", cluster="ordering"),
    ]
    _, leaders, removed = deduplicate(rows)
    assert leaders == [0, 0, 0, 0]
    assert representatives(removed) == [-1, -1, 1, -1]


@pytest.mark.parametrize(("role", "kept"), [("any", 1), ("test", 2)])
def test_a_frozen_test_file_keeps_its_near_duplicates_and_loses_exact_copies(deduplicate, build_record, role, kept):
    texts = [(EN, KO + EN), (EN + " more", KO + EN), (EN, KO + EN)]
    _, leaders, removed = deduplicate([build_record(text, "", answer, role=role) for text, answer in texts])
    assert leaders == [0, 0, 0]  # the gate counts them as one group
    assert representatives(removed).count(-1) == kept


def test_a_bad_answer_takes_no_part(deduplicate, build_record):
    _, leaders, removed = deduplicate(
        [
            build_record("Say it", "", "a", desirable=False),
            build_record("Say it", "", "a"),
            build_record("Say it", "", "a", desirable=True),
        ]
    )
    assert leaders == [0, 1, 1]
    assert representatives(removed) == [-1, -1, 1]


def test_conversations_with_other_turns_are_different(deduplicate, build_record):
    from seodang.records import Turn

    before = [
        (Turn(role="user", content=text), Turn(role="assistant", content="네"))
        for text in ("사과를 좋아해?", "배를 좋아해?")
    ]
    _, leaders, _ = deduplicate([build_record("왜?", "", "맛있어서", turns=turns) for turns in (*before, before[0])])
    assert leaders == [0, 1, 0]


def test_a_removed_record_is_similar_to_the_kept_one(deduplicate, build_record):
    # a chain: each step changes a ninth of the words, so the ends are far apart
    words = [f"단어{chr(0xAC00 + 97 * number)}{chr(0xAC00 + 31 * number)}" for number in range(80)]
    chain = [
        build_record(
            " ".join(["새로운" + word if index < step * 5 else word for index, word in enumerate(words)]), "", "예"
        )
        for step in range(6)
    ]
    _, leaders, removed = deduplicate(chain)
    assert leaders[1] == 0
    assert leaders[5] != 0
    assert (removed.similarity[removed.representative >= 0] >= 0.8).all()


WORDS = ["나무", "강물", "하늘을", "바람이", "river", "cloud", "stone", "3", "오늘도"]
LABELS = {"source": "s", "task": "t", "cluster": "t"}
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)


@st.composite
def record_lists(draw):
    """Lists of records in which some repeat or nearly repeat others, by one word at the end or another field."""
    records = []
    for _ in range(draw(st.integers(1, 12))):
        if records and draw(st.booleans()):
            similar = draw(st.sampled_from(records))
            field = draw(st.sampled_from(["instruction", "input", "output"]))
            texts = {name: getattr(similar, name) for name in ("instruction", "input", "output")}
            records.append(
                make_record(
                    **{**LABELS, **texts, field: f"{texts[field]} {draw(st.sampled_from(['', '.', *WORDS]))}"},
                    role=draw(st.sampled_from(["any", "train", "test"])),
                )
            )
        else:
            long = draw(st.sampled_from([KO, EN, KO[::-1], ""]))
            records.append(
                make_record(
                    instruction=f"{long} {draw(TEXTS)}",
                    input=draw(st.one_of(st.just(""), TEXTS, st.just(KO))),
                    output=draw(TEXTS) + long,
                    **LABELS,
                )
            )
    return records


@settings(max_examples=60, deadline=None)
@given(records=record_lists(), more=record_lists(), appended_again=st.integers(0, 12))
def test_appended_records_change_no_earlier_cluster(
    tmp_path_factory, records, more, appended_again, build_prepare_params, find_all_duplicates
):
    prepare = build_prepare_params(deduplication={"template_after": 2, "min_characters": 10})
    folder = tmp_path_factory.mktemp("sketches")
    before = find_all_duplicates(records, prepare, folder)[1]
    after = find_all_duplicates([*records, *more, *records[:appended_again]], prepare, folder)[1]
    assert after[: len(records)] == before


@settings(max_examples=60, deadline=None)
@given(records=record_lists(), more=record_lists(), data=st.data())
def test_rows_added_or_removed_anywhere_move_no_record_to_another_split(
    tmp_path_factory, records, more, data, build_prepare_params, find_all_duplicates
):
    prepare = build_prepare_params(deduplication={"template_after": 2, "min_characters": 10})
    folder = tmp_path_factory.mktemp("sketches")

    def compute_splits(rows):
        features = find_all_duplicates(rows, prepare, folder)[0].rows
        splits = assign_splits(features["constraint"], compute_positions(features["group"]), prepare).tolist()
        return {(row.id, row.role, row.task, row.cluster): split for row, split in zip(rows, splits, strict=True)}

    mixed = data.draw(st.permutations([*records, *more]))
    kept = mixed[data.draw(st.integers(0, len(mixed))) :]
    before = compute_splits(mixed)
    for rows in ([*more, *mixed], [*mixed, *more], kept):
        after = compute_splits(rows) if rows else {}
        assert all(before[key] == split for key, split in after.items())


@settings(max_examples=40, deadline=None)
@given(records=record_lists())
def test_no_leader_follows_another_and_every_removed_record_has_one_that_stays(
    tmp_path_factory, records, build_prepare_params, find_all_duplicates
):
    _, leaders, removed = find_all_duplicates(records, build_prepare_params(), tmp_path_factory.mktemp("sketches"))
    assert all(leaders[leader] == leader <= number for number, leader in enumerate(leaders))
    for number in range(len(records)):
        if removed.representative[number] >= 0:
            assert removed.representative[removed.representative[number]] == -1
            assert leaders[removed.representative[number]] == leaders[number]


def test_similarities_to_many_records_equal_those_to_single_records(tmp_path, build_prepare_params, build_record):
    records = [
        build_record(instruction, input, answer)
        for instruction in (EN, KO)
        for input in ("", EN[:60])
        for answer in (EN, KO + EN, "yes")
    ]
    prepare = build_prepare_params(deduplication={"min_characters": 10})
    with Sketches(tmp_path, 128, *compute_bands(0.8, 128)) as sketches:
        rows = compute_features(records, len(records), prepare, sketches).rows
        comparison = Comparison(rows, sketches, prepare.deduplication)
        numbers = np.arange(len(records))
        sketch_rows = np.stack([sketches.read_row(number) for number in numbers])
        for one in numbers:
            similarities = comparison.compute_similarities(numbers, sketch_rows, one, sketch_rows[one])
            assert similarities.tolist() == [comparison.compute_similarity(one, other) for other in numbers]
            assert np.unique(similarities).size > 2
