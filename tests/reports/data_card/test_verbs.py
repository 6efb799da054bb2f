"""Root verbs and objects of invented instructions, and the figure of them."""

from __future__ import annotations

import math

import pytest

from seodang.reports.data_card.english_verbs import find_english_root
from seodang.reports.data_card.korean_verbs import iter_korean_roots
from seodang.reports.data_card.layout import build_sunburst
from seodang.reports.data_card.verb_objects import VerbObject
from seodang.reports.data_card.verbs import RootFigure, Verb, build_root_figure, select_top_verbs

KOREAN = {
    "호수에 관한 짧은 시를 써 주세요.": ("쓰다", "시"),
    "낱말 다섯 개를 사용하여 문장을 만드세요.": ("만들다", "문장"),
    "두 도시의 기후를 비교하고 대조하십시오.": ("대조하다", "기후"),
    "빵을 굽는 방법을 알려 줄 수 있나요?": ("알리다", "방법"),
    "우산이 왜 필요한지 설명하세요.": ("설명하다", None),
    "협동의 장점에 대해 설명해 주시겠어요?": ("설명하다", None),
    "나무의 이름 세 가지를 말해 보세요.": ("말하다", "이름"),
    "가장 긴 강의 이름은 무엇인가요?": ("이다", "이름"),
    "여행 계획표 작성": ("작성하다", "계획표"),
    "속담의 뜻 찾기": ("찾다", "뜻"),
    "당신은 요리사입니다. 저녁 차림표를 짜세요.": ("짜다", "차림표"),
    "다음 글을 요약하세요: 어제 비를 맞았다.": ("요약하다", "글"),
    "손님이 버튼을 누르도록 안내문을 고쳐 주세요.": ("고치다", "안내문"),
}
ENGLISH = {
    "Write a short poem about a lake.": ("write", "poem"),
    "Please give me three tips for baking bread.": ("give", "tip"),
    "Given two numbers, find their greatest common divisor.": ("find", "divisor"),
    "Can you explain the water cycle?": ("explain", "cycle"),
    "Explain why leaves are green.": ("explain", None),
    "What is the longest river in Asia?": ("be", "river"),
    "How do I repair a flat tyre?": ("repair", "tyre"),
    "Who invented the zip?": ("invent", "zip"),
    "Which fields have seen the most change?": ("see", "change"),
    "Compare and contrast two kinds of bridges.": ("compare", "kind"),
    "You are a chef. Come up with a new and spicy menu.": ("come up with", "menu"),
    'Translate the sentence "I see a cat" into Korean.': ("translate", "sentence"),
    "Re-write the following letter politely.": ("re-write", "letter"),
    "List some of the well-known parks in Oslo.": ("list", "park"),
}


def test_korean_roots_are_the_last_predicate_and_the_noun_it_governs():
    assert dict(zip(KOREAN, iter_korean_roots(list(KOREAN)), strict=True)) == {
        text: VerbObject(*pair) for text, pair in KOREAN.items()
    }


@pytest.mark.parametrize(("text", "pair"), ENGLISH.items())
def test_english_roots_are_the_imperative_or_the_verb_asked_about(text, pair):
    assert find_english_root(text) == VerbObject(*pair)


@pytest.mark.parametrize(
    "text", ["", " ", "?", "\n\n", "1234", '"', "…", "in", "what", "how to", "can", "you need to", "ㅋㅋㅋ", "\u200b"]
)
def test_a_text_that_is_no_instruction_has_no_object(text):
    assert find_english_root(text).object is None
    assert len(list(iter_korean_roots([text]))) == 1


def test_verbs_are_ranked_by_their_instructions_with_an_object():
    roots = [VerbObject("write", "poem")] * 3 + [
        VerbObject("write", None),
        VerbObject("list", "park"),
        VerbObject("list", "city"),
        VerbObject(None, None),
        VerbObject("sing", None),
    ]
    assert select_top_verbs(roots) == (Verb("write", 3, (("poem", 3),)), Verb("list", 2, (("city", 1), ("park", 1))))


def test_a_language_whose_instructions_have_no_object_has_no_figure():
    assert build_root_figure("en", ["Explain why.", "Sing!"]) is None


def test_the_pieces_of_both_rings_are_to_scale():
    figure = RootFigure(
        "en", 4, 4, 4, 4, (Verb("write", 3, (("poem", 2), ("story", 1))), Verb("list", 1, (("park", 1),)))
    )
    arcs = build_sunburst(figure)
    assert [(arc.ring, arc.count) for arc in arcs] == [(0, 3), (1, 2), (1, 1), (0, 1), (1, 1)]
    # The first verb takes three quarters: its middle lies at 3/8 of the circle, at the lower right.
    assert math.isclose(math.degrees(math.atan2(arcs[0].x - 350, 350 - arcs[0].y)), 135, abs_tol=0.1)
    assert arcs[0].label == "write"
