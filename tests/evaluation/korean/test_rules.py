"""Rules of the Korean scores, case by case."""

import pytest

from seodang.evaluation.korean.clauses import find_repetitions
from seodang.evaluation.korean.languages import compute_hangul_share, find_foreign_runs
from seodang.evaluation.korean.particles import find_particle_errors
from seodang.evaluation.korean.passages import blank_code, iter_sentences
from seodang.evaluation.korean.readings import find_final_sound
from seodang.evaluation.korean.speech_levels import find_speech_levels
from seodang.hangul.sounds import get_final, is_syllable


@pytest.mark.parametrize(
    ("word", "sound"),
    [
        ("사과", ""), ("책", "other"), ("서울", "ㄹ"), ("10", "other"), ("2024", ""), ("7", "ㄹ"), ("50%", ""),
        ("URL", "ㄹ"), ("LLM", "other"), ("AI", ""), ("PDF", ""), ("USB", None), ("R", None), ("Python", "other"),
        ("Google", "ㄹ"), ("server", ""), ("Java", ""), ("internet", None), ("MP3", None), ("GPT-4", ""),
        ("Windows 11", None), ("$100", None), ("OO", None), ("5kg", None), ("10km", ""), ("?", None), ("", None),
        ("1/2", None), ("9:00", None),
    ],
)  # fmt: skip
def test_the_final_sound_is_known_only_where_the_reading_is_certain(word, sound):
    assert find_final_sound(word) == sound


def test_a_syllable_holds_its_final_consonant():
    assert [get_final(syllable) for syllable in "가각힣a"] == [0, 1, 27, 0]
    assert (is_syllable("힣"), is_syllable("ㄱ"), is_syllable("")) == (True, False, False)


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        ("사과을 먹었다.", "사과을", "를"),
        ("서울으로 갔다.", "서울으로", "로"),
        ("인공지능(AI)는 빠르다.", "인공지능(AI)는", "은"),
        ("'사과'은 과일이다.", "'사과'은", "는"),
        ("**비용**는 다르다.", "**비용**는", "은"),
        ("LLM는 크다.", "LLM는", "은"),
        ("색상와 크기가 사진과 같아요.", "색상와", "과"),
        ("커피과 빵을 주문했다.", "커피과", "와"),
    ],
)
def test_a_wrong_particle_is_found_with_the_form_that_fits(text, word, expected):
    [error] = find_particle_errors(text)
    assert (error.word, error.expected, text[error.start]) == (word, expected, word.rstrip("로")[-1])


@pytest.mark.parametrize(
    "text",
    [
        "`print(사과을)` 코드", "이름은(는) 필수", "은/는, 이/가", "나이 차이 많이 나는 사람", "종로 2가 앞", "제5과 단어",
        "먹는 사람과 좋은 책", "진로와 경로", "f(x)는 함수이다",
        "피자 1/2은 식었고 1/3만 남았다.", "회의는 9:00는 이르고 9:30를 넘기면 늦다.", "라마단에 할와 요리를 먹는다.",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_wrong_particle_is_not_marked(text):
    assert find_particle_errors(text) == []


def test_quotations_code_headings_tables_and_dialogues_have_no_speech_level():
    text = '# 요약이다.\n> 인용이다.\n| 표이다. |\n`코드이다.`\n"말이다."\n철수: 뭐 해?\n영희: 공부해.\n철수: 그래.\n끝입니다.'
    assert [(one.sentence.text, one.level) for one in find_speech_levels(text)] == [("끝입니다.", "hapsyo")]


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("숙제는 다 했니? 알겠니?", ["haera", "haera"]),
        ("바쁘니 나중에 봐.", ["hae"]),
        ("추천합니당! 잘 맞아용~", ["hapsyo", "haeyo"]),
        ("그렇긴 하죠 뭐. 그렇지 뭐.", ["haeyo", "hae"]),
        ("그래서 뭐", []),
        ("할 수 있을까?,그럼요.", ["haeyo"]),
    ],
)
def test_the_ending_counts_as_people_write_it(text, levels):
    assert [one.level for one in find_speech_levels(text)] == levels


@pytest.mark.parametrize(
    "text",
    [
        "평일: 오전 9시 ~ 오후 6시\n토요일: 오전 9시 ~ 오후 6시",
        "1층: 남녀 공용 화장실 있음\n2층: 남녀 공용 화장실 있음",
        "Q. 주차가 되나요?\nA. 네, 가능합니다.\nQ. 포장이 되나요?\nA. 네, 가능합니다.",
    ],
)
def test_a_value_of_a_list_and_a_short_answer_may_recur(text):
    assert find_repetitions(text) == []


@pytest.mark.parametrize(
    ("text", "repeated"),
    [
        ("장점: 값이 싸고 품질이 좋아요.\n특징: 값이 싸고 품질이 좋아요.", "값이 싸고 품질이 좋아요."),
        ("특징 1: 빠르고 정확한 배송 제공\n특징 2: 빠르고 정확한 배송 제공", "특징 2: 빠르고 정확한 배송 제공"),
        ("이게 되나요? 네, 가능합니다. 이게 되나요? 네, 가능합니다.", "네, 가능합니다."),
        ("안녕? 요즘 어떻게 지내? 안녕? 요즘 어떻게 지내?", "요즘 어떻게 지내?"),
    ],
)
def test_a_repetition_is_found_behind_another_label_or_question(text, repeated):
    assert " ".join(text[one.start : one.end] for one in find_repetitions(text)) == repeated


def test_sentences_keep_their_places():
    text = "1. 물을 끓입니다. 면을 넣어요!\n\n- 끝(정말로)이다"
    assert [text[one.start : one.end] for one in iter_sentences(text)] == [
        "물을 끓입니다.",
        "면을 넣어요!",
        "끝(정말로)이다",
    ]
    assert len(blank_code("가 `나` https://a.b 다")) == len("가 `나` https://a.b 다")


def test_a_loop_is_found_without_its_first_round():
    text = "비가 온다. 비가 온다. 비가 온다. 비가 온다."
    [found] = find_repetitions(text)
    assert text[found.start : found.end].count("비가") == 3
    assert find_repetitions("네, 네. 알겠습니다.") == []


def test_names_in_latin_letters_cost_little_and_other_languages_much():
    assert compute_hangul_share("Python의 list는 자료형입니다.") > 0.5
    assert compute_hangul_share("서울은 韩国的首都，也是最大的城市。") < 0.35
    assert compute_hangul_share("```\nprint(1)\n```\n끝") == 1.0
    assert compute_hangul_share("42") is None
    text = "안녕하세요. I am here to help. 끝"
    assert [text[start:end] for start, end in find_foreign_runs(text)] == ["I am here to help"]
