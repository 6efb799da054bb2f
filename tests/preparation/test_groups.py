"""Groups: evaluation items that are not independent of each other share one."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from seodang.preparation.groups import find_groups, name_components
from seodang.records import Record, Turn

PASSAGE = "가을이 되면 설악산의 단풍이 산꼭대기에서부터 천천히 아래로 물들어 내려오기 시작합니다"


def build_words(seed: int, count: int = 12) -> str:
    """Return random words; texts of two seeds have nothing in common."""
    letters = np.random.default_rng(seed).integers(ord("a"), ord("z") + 1, (count, 6))
    return " ".join("".join(map(chr, word)) for word in letters)


@pytest.fixture
def group_items(tmp_path, build_prepare_params, find_all_duplicates) -> Callable[[Sequence[Record]], list[list[int]]]:
    """Returns the items of each group with two or more items, as sorted lists of indices."""

    def group_items(items: Sequence[Record]) -> list[list[int]]:
        prepare = build_prepare_params()
        features, leaders, _ = find_all_duplicates(list(items), prepare, tmp_path / "sketches")
        groups = find_groups(
            enumerate(items), features.rows, np.array(leaders, dtype=np.int32), prepare.deduplication.template_after
        )
        members: dict[bytes, list[int]] = {}
        for number, group in enumerate(groups.tolist()):
            members.setdefault(group, []).append(number)
        assert all(group.decode() == min(items[number].id for number in same) for group, same in members.items())
        return sorted(same for same in members.values() if len(same) > 1)

    return group_items


def test_questions_about_one_passage_share_a_group_whatever_blanks_and_punctuation(group_items, build_record):
    items = [
        build_record("언제 시작하나요?", PASSAGE, "가을"),
        build_record("어느 산인가요?", PASSAGE.replace(" ", "  ") + ".", "설악산"),
        build_record("어느 산인가요?", "겨울이 되면 한라산의 눈이 산꼭대기에 쌓입니다", "한라산"),
    ]
    assert group_items(items) == [[0, 1]]


def test_a_text_that_is_too_short_to_compare_is_known_by_its_place_in_the_file(group_items, build_record):
    items = [
        build_record("문장: 굿 감정:", "", "긍정", file="data/reviews.tsv", source_row=7),
        build_record("다음 문장은 긍정일까요?", "굿", "긍정", file="data/reviews.tsv", source_row=7),
        build_record("다음 문장은 긍정일까요?", "음", "긍정", file="data/reviews.tsv", source_row=8),
    ]
    assert group_items(items) == [[0, 1]]


def test_one_short_text_under_two_prompts_is_a_group(group_items, build_record):
    items = [
        build_record("감정을 분류하세요", "정말 재미있다", "긍정"),
        build_record("긍정일까요, 부정일까요?", "정말 재미있다", "긍정"),
        build_record("감정을 분류하세요", "정말 지루하다", "부정"),
    ]
    assert group_items(items) == [[0, 1]]


def test_a_text_as_input_and_the_same_text_inside_an_instruction_are_a_group(group_items, build_record):
    reviews = ("정말 재미있게 본 영화", "끝까지 지루했던 영화", "The plot was thin.")
    items = [
        *(build_record("긍정일까요, 부정일까요?", review, "긍정") for review in reviews),
        *(build_record(f"문장: {review} 감정:", "", "긍정") for review in reviews),
    ]
    assert group_items(items) == [[0, 3], [1, 4], [2, 5]]


def test_a_trivial_input_and_a_shared_instruction_link_nothing(group_items, build_record):
    items = [
        build_record("Sort them.", "1, 2, 3", "1, 2, 3"),
        build_record("Add them.", "1, 2, 3", "6"),
        build_record("The opposite?", "big", "small"),
        build_record("Translate it.", "big", "큰"),
        *(build_record("감정을 분류하세요", f"{number}번 영화 감상입니다", "긍정") for number in range(30)),
    ]
    assert group_items(items) == []


def test_an_input_of_most_items_of_a_task_is_part_of_the_prompt(group_items, build_record):
    options = "Choose one of: world, sports, business, technology"
    assert group_items([build_record(f"Topic of headline {number}?", options, "sports") for number in range(30)]) == []
    few = [build_record(f"Topic of headline {number}?", options, "sports") for number in range(3)]
    assert group_items(few) == [[0, 1, 2]]


def test_a_passage_with_many_questions_is_one_group_if_there_are_others(group_items, build_record):
    passages = [build_words(number, 20) for number in range(3)]
    items = [
        build_record(f"{build_words(number + 10)}?", passages[number // 30], f"답 {number}") for number in range(90)
    ]
    assert group_items(items) == [[*range(30)], [*range(30, 60)], [*range(60, 90)]]


def test_the_turns_of_one_conversation_share_a_group(group_items, build_record):
    first = build_record("서울에서 하루 동안 볼 만한 곳을 추천해 주세요", "", "경복궁과 남산")
    before = (Turn(role="user", content=first.instruction), Turn(role="assistant", content=first.output))
    second = build_record("더 알려 주세요", "", "한강", turns=before)
    more = (*before, Turn(role="user", content=second.instruction), Turn(role="assistant", content=second.output))
    third = build_record("고마워요", "", "천만에요", turns=more)
    branch = build_record("비가 오면요?", "", "박물관", turns=before)
    other = build_record("더 알려 주세요", "", "한강", turns=(Turn(role="user", content="부산에서 볼 만한 곳은?"),))
    assert group_items([first, second, third, branch, other]) == [[0, 1, 2, 3]]


def test_a_greeting_and_a_preamble_of_many_conversations_link_nothing(group_items, build_record):
    greeting = (Turn(role="user", content="Hello!"), Turn(role="assistant", content="Hi, what?"))
    preamble = (Turn(role="user", content="You answer every question of a customer in one polite sentence."),)
    items = [
        *(build_record(f"What is fact {number} about rivers?", "", "x", turns=greeting[:1]) for number in range(3)),
        *(build_record(build_words(number), "", build_words(number + 50), turns=preamble) for number in range(30)),
    ]
    assert group_items(items) == []


def test_near_duplicates_and_equal_questions_share_a_group(group_items, build_record):
    items = [
        build_record(f"{PASSAGE}. 왜 그럴까요?", "", "기온이 낮아서"),
        build_record(f"{PASSAGE.replace('천천히', '천천')}. 왜 그럴까요?", "", "기온이 낮아서"),
        build_record("왜?", "", "그래서"),
        build_record("왜", "", "모른다"),
    ]
    assert group_items(items) == [[0, 1], [2, 3]]


def test_links_are_transitive_and_the_smallest_id_names_a_component():
    ids = np.array([b"d", b"b", b"c", b"a", b"e"])
    names = name_components(ids, [(0, "x"), (1, "x"), (1, "y"), (2, "y"), (3, "z")])
    assert names.tolist() == [b"b", b"b", b"b", b"a", b"e"]


def test_groups_do_not_depend_on_the_order(group_items, build_record):
    items = [build_record(f"물음 {number}", build_words(number % 3), f"답 {number}") for number in range(9)]
    assert group_items(items) == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
    assert group_items(items[::-1]) == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
