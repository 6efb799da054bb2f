"""A rule for each instruction id of IFEval, in English and Korean: answers that follow it, and answers that do not."""

import pytest

from seodang.errors import EvaluationError
from seodang.evaluation.ifeval.arguments import Arguments
from seodang.evaluation.ifeval.rules import RULES

AT_LEAST, LESS = "at least", "less than"
LETTERS = {"letter": "o", "let_relation": AT_LEAST, "let_frequency": 2}
FIRST = {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "weekend"}

# id, arguments, an answer, whether it follows.
CASES = [
    (
        "change_case:capital_word_frequency",
        {"capital_relation": AT_LEAST, "capital_frequency": 2},
        "STOP right NOW.",
        True,
    ),
    (
        "change_case:capital_word_frequency",
        {"capital_relation": AT_LEAST, "capital_frequency": 2},
        "Stop right NOW.",
        False,
    ),
    (
        "change_case:capital_word_frequency",
        {"capital_relation": LESS, "capital_frequency": 2},
        "A WELL-KNOWN fact",
        False,
    ),
    ("change_case:capital_word_frequency", {"capital_relation": LESS, "capital_frequency": 2}, "WELL-KNOWN", True),
    (
        "change_case:capital_word_frequency",
        {"capital_relation": LESS, "capital_frequency": 1},
        "한글에는 대문자가 없다",
        True,
    ),
    ("change_case:english_capital", {}, "THE CAT IS ON THE MAT, AND IT IS 9 YEARS OLD.", True),
    ("change_case:english_capital", {}, "THE CAT is ON THE MAT.", False),
    ("change_case:english_capital", {}, "DER HUND IST NICHT IM HAUS UND DIE KATZE AUCH NICHT", False),
    ("change_case:english_capital", {}, "고양이가 OK 매트 위에 있다", False),
    ("change_case:english_capital", {}, "HELLO", True),
    ("change_case:english_lowercase", {}, "the cat is on the mat.", True),
    ("change_case:english_lowercase", {}, "The cat is on the mat.", False),
    ("change_case:english_lowercase", {}, "고양이가 매트 위에 있다", False),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Write a poem."}, "\nwrite a poem.\nRoses are red.", True),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Write a poem."}, "Sure! Write a poem.", False),
    ("combination:repeat_prompt", {"prompt_to_repeat": "시를 쓰세요."}, "시를 쓰세요. 봄이 왔다.", True),
    ("combination:two_responses", {}, "Yes.\n******\nNo.", True),
    ("combination:two_responses", {}, "******\nYes.\n******\nNo.\n******", True),
    ("combination:two_responses", {}, "Yes.\n******\nYes.", False),
    ("combination:two_responses", {}, "Yes.\n******\n\n******\nNo.", False),
    ("combination:two_responses", {}, "가.******나.******다.", False),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "Dear [name], from [이름].", True),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "Dear [name], from me.", False),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Bye.\nP.S. Write soon.", True),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "안녕.\np. s. 또 쓸게", True),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "Bye.\nP.P.S Write soon.", True),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "Bye.\nP.S. Write soon.", False),
    ("detectable_format:constrained_response", {}, "  My answer is maybe.", True),
    ("detectable_format:constrained_response", {}, "My answer is: yes", False),
    ("detectable_format:json_format", {}, '{"이름": "서당", "n": [1]}', True),
    ("detectable_format:json_format", {}, '```json\n{"a": 1}\n```', True),
    ("detectable_format:json_format", {}, '```JSON\n{"a": 1}\n', True),
    ("detectable_format:json_format", {}, '"JSON 객체를 만드세요."', True),
    ("detectable_format:json_format", {"json_types": ["object"]}, '"JSON 객체를 만드세요."', False),
    ("detectable_format:json_format", {"json_types": ["object"]}, '{"제목": "소나기"}', True),
    ("detectable_format:json_format", {"json_types": ["array"]}, '{"제목": "소나기"}', False),
    ("detectable_format:json_format", {"json_types": ["object", "array"]}, "[1]", True),
    ("detectable_format:json_format", {}, 'Here it is: {"a": 1}', False),
    ("detectable_format:json_format", {}, "{'a': 1}", False),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "SECTION", "num_sections": 2},
        "SECTION 1\nA.\nSECTION 2\nB.",
        True,
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "SECTION", "num_sections": 2},
        "SECTION 1\nA.\nSECTION X\nB.",
        False,
    ),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "Why:\n* one\n- 둘", True),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* one\n* two\n* three", False),
    ("detectable_format:number_bullet_lists", {"num_bullets": 1}, "**bold** is no bullet", False),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*first part* and **둘째 부분**", True),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*first part* and ** **", False),
    ("detectable_format:title", {}, "<<봄날>>\n꽃이 핀다.", True),
    ("detectable_format:title", {}, "<< >>\nA poem.", False),
    ("detectable_format:title", {}, "<봄날>", False),
    ("detectable_format:constrained_response", {"responses": ["예.", "아니요."]}, "아니요.", True),
    ("detectable_format:constrained_response", {"responses": ["예.", "아니요."]}, "My answer is yes.", False),
    ("korean:no_latin_letters", {}, "전자우편을 3통 보냈다.", True),
    ("korean:no_latin_letters", {}, "이메일(email)을 보냈다.", False),
    ("korean:no_latin_letters", {}, "ＰＣ를 켰다.", False),
    ("korean:number_characters", {"relation": LESS, "num_characters": 8}, "봄이 왔다. 꽃", True),
    ("korean:number_characters", {"relation": AT_LEAST, "num_characters": 8}, "봄이 왔다. 꽃", False),
    ("korean:number_characters", {"relation": AT_LEAST, "num_characters": 3}, "\u1112\u1161\u11ab글", False),
    ("korean:number_eojeols", {"relation": LESS, "num_eojeols": 4}, "- 값은 3.5만 원이다.", True),
    ("korean:number_eojeols", {"relation": AT_LEAST, "num_eojeols": 4}, "서울(특별시)에서 만나자 !", False),
    ("korean:sentence_endings", {"endings": ["요"]}, '좋아요! 그가 "가자."라고 했어요. 끝났어요 ㅎㅎ ^^', True),
    ("korean:sentence_endings", {"endings": ["요"]}, "좋아요. 끝났다.", False),
    ("korean:sentence_endings", {"endings": ["다", "요"]}, "좋아요. 끝났다", True),
    ("korean:sentence_endings", {"endings": ["요"]}, "^^", False),
    ("length_constraints:nth_paragraph_first_word", {**FIRST, "first_word": "날씨"}, "겨울.\n\n날씨가 춥다.", True),
    ("length_constraints:nth_paragraph_first_word", {**FIRST, "first_word": "날씨"}, "겨울.\n\n오늘 날씨", False),
    ("keywords:existence", {"keywords": ["mom", "Mother"]}, "My MOMmy is a mother.", True),
    ("keywords:existence", {"keywords": ["mom", "mother"]}, "My mom.", False),
    ("keywords:existence", {"keywords": ["서울"]}, "서울에서 만나자", True),
    ("keywords:existence", {"keywords": ["c++ (11)"]}, "I like C++ (11).", True),
    ("keywords:frequency", {"keyword": "story", "relation": AT_LEAST, "frequency": 2}, "A story of a Story.", True),
    ("keywords:frequency", {"keyword": "story", "relation": LESS, "frequency": 2}, "A story of a story.", False),
    ("keywords:frequency", {"keyword": "봄", "relation": AT_LEAST, "frequency": 2}, "봄이 왔다. 봄은 짧다.", True),
    ("keywords:forbidden_words", {"forbidden_words": ["rock"]}, "He plays rocket music.", True),
    ("keywords:forbidden_words", {"forbidden_words": ["rock"]}, "He plays Rock.", False),
    ("keywords:forbidden_words", {"forbidden_words": ["바위"]}, "그 바위가 크다.", False),
    ("keywords:forbidden_words", {"forbidden_words": ["록"]}, "기록을 남겼다.", True),
    ("keywords:letter_frequency", LETTERS, "Go on.", True),
    ("keywords:letter_frequency", LETTERS, "Go in.", False),
    ("keywords:letter_frequency", {**LETTERS, "letter": "가"}, "가지 않은 가을", True),
    ("language:response_language", {"language": "ko"}, "오늘은 OpenAI의 날씨가 참 좋습니다.", True),
    ("language:response_language", {"language": "ko"}, "The weather is nice today.", False),
    ("language:response_language", {"language": "de"}, "Der Hund ist nicht im Haus, und ich bin es auch nicht.", True),
    ("length_constraints:nth_paragraph_first_word", FIRST, 'First one.\n\n"Weekend" is near.', True),
    ("length_constraints:nth_paragraph_first_word", FIRST, "First one.\n\n\n\nWeekend, at last.", True),
    ("length_constraints:nth_paragraph_first_word", FIRST, "First one.\n\nWeekends are near.", False),
    ("length_constraints:nth_paragraph_first_word", FIRST, "First one.\n\nWeekend.\n\nThird.", False),
    ("length_constraints:nth_paragraph_first_word", {**FIRST, "first_word": "봄이"}, "겨울.\n\n봄이 왔다.", True),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "하나.\n***\n둘.", True),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "***\nOne.\n***\nTwo.\n***", True),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "One.\n\nTwo.", False),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "One.\n***\n \n***\nTwo.", False),
    (
        "length_constraints:number_sentences",
        {"relation": AT_LEAST, "num_sentences": 2},
        "비가 온다. 우산이 없다.",
        True,
    ),
    ("length_constraints:number_sentences", {"relation": LESS, "num_sentences": 2}, "Dr. Kim paid 3.5 dollars.", True),
    (
        "length_constraints:number_sentences",
        {"relation": AT_LEAST, "num_sentences": 3},
        "비가 온다. 우산이 없다.",
        False,
    ),
    ("length_constraints:number_words", {"relation": AT_LEAST, "num_words": 4}, "나는 오늘 학교에 갔다.", True),
    ("length_constraints:number_words", {"relation": LESS, "num_words": 4}, "나는 오늘 학교에 갔다.", False),
    ("length_constraints:number_words", {"relation": AT_LEAST, "num_words": 3}, "Hello , world !", False),
    ("punctuation:no_comma", {}, "비가 오고 바람이 분다.", True),
    ("punctuation:no_comma", {}, "비가 오고, 바람이 분다.", False),
    ("punctuation:no_comma", {}, "雨が降り、風が吹く。", False),
    (
        "startend:end_checker",
        {"end_phrase": "Is there anything else I can help with?"},
        'Done. "is there anything else I can help with?"\n',
        True,
    ),
    (
        "startend:end_checker",
        {"end_phrase": "Is there anything else I can help with?"},
        "Is there anything else I can help with? Bye.",
        False,
    ),
    ("startend:end_checker", {"end_phrase": "감사합니다."}, "안녕히 계세요. 감사합니다.", True),
    ("startend:quotation", {}, ' "봄이 왔다." ', True),
    ("startend:quotation", {}, '"', False),
    ("startend:quotation", {}, "“Spring”", False),
]


@pytest.mark.parametrize(("id", "arguments", "answer", "follows"), CASES)
def test_the_rule_tells_who_follows_it(id, arguments, answer, follows):
    assert RULES[id](answer, Arguments(id, arguments)) is follows


def test_each_rule_has_an_answer_that_follows_it_and_one_that_does_not():
    assert {(id, follows) for id, _, _, follows in CASES} == {
        (id, follows) for id in RULES for follows in (True, False)
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"relation": AT_LEAST}, "num_words must be an integer .got None"),
        ({"relation": AT_LEAST, "num_words": "many"}, "num_words must be an integer .got 'many'"),
        ({"relation": AT_LEAST, "num_words": 2.5}, "num_words must be an integer"),
        ({"relation": "at most", "num_words": 2}, 'relation must be "at least" or "less than"'),
        ({"relation": None, "num_words": 2}, "relation must be a text"),
    ],
)
def test_an_argument_of_another_type_is_an_error(arguments, message):
    with pytest.raises(EvaluationError, match=f"instruction length_constraints:number_words: .*{message}"):
        RULES["length_constraints:number_words"]("a", Arguments("length_constraints:number_words", arguments))


def test_an_integer_may_be_written_as_a_fraction():
    assert RULES["length_constraints:number_words"]("a b", Arguments("x", {"relation": AT_LEAST, "num_words": 2.0}))


def test_keywords_must_be_a_list_of_texts():
    for keywords in ("mom", [], [""], None):
        with pytest.raises(EvaluationError, match="keywords must be a list of texts"):
            RULES["keywords:existence"]("mom", Arguments("keywords:existence", {"keywords": keywords}))


def test_an_unknown_language_is_an_error_and_not_a_verdict():
    with pytest.raises(EvaluationError, match="'tlh' cannot be identified; known languages: ar, "):
        RULES["language:response_language"]("nuqneH", Arguments("language:response_language", {"language": "tlh"}))
