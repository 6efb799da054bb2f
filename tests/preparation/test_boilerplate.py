"""Boilerplate: greetings, closings and other phrases that many texts share are no leak, and hide none."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from seodang.config.load import load_params
from seodang.io.jsonl import write_records
from seodang.preparation.boilerplate import split_phrases
from seodang.preparation.pipeline import STATUSES, prepare_records

ROOT = Path(__file__).resolve().parents[2]

OPENING = "안녕하세요, 고객님. 한빛몰 고객센터 상담원 김서연입니다. 문의해 주셔서 감사합니다."
CLOSING = "추가로 궁금하신 점이 있으시면 언제든지 고객센터로 문의해 주세요. 오늘도 좋은 하루 보내세요. 한빛몰 드림"
ENGLISH_OPENING = (
    "Dear customer, thank you for contacting Northwind support. My name is Sarah and I am happy to help you."
)
ENGLISH_CLOSING = "Please do not hesitate to contact us again. Kind regards, the Northwind customer care team"

KOREAN = [
    ("배송은 언제 오나요?", "결제가 끝난 다음 날 택배사에 넘기며 보통 사흘 안에 도착합니다."),
    ("사이즈를 바꿀 수 있나요?", "받으신 지 이레 안에 마이페이지에서 교환을 신청하시면 기사님이 방문합니다."),
    ("적립금은 어디서 보나요?", "앱 오른쪽 위 그림을 누르면 남은 포인트와 소멸 예정일이 표에 나옵니다."),
    ("영수증을 다시 받고 싶어요.", "주문 상세 화면 맨 아래의 증빙 단추에서 문서로 내려받으시면 됩니다."),
    ("비밀번호를 잊었어요.", "로그인 창의 찾기를 눌러 휴대폰 인증을 하시면 새 암호를 정하실 수 있습니다."),
    ("선물 포장이 되나요?", "장바구니에서 리본 상자를 고르시면 이천 원에 손편지까지 함께 담아 드립니다."),
    ("해외에서도 살 수 있나요?", "일본과 대만으로는 항공편이 있으며 관세는 받는 분께서 내셔야 합니다."),
    ("쿠폰이 적용되지 않아요.", "행사 상품과 오만 원이 안 되는 주문에는 할인권을 쓰실 수 없습니다."),
    ("매장은 몇 시에 닫나요?", "평일은 저녁 여덟 시, 토요일은 오후 다섯 시까지 열고 공휴일은 쉽니다."),
    ("색이 사진과 달라요.", "모니터에 따라 차이가 날 수 있으니 실물 견본을 우편으로 보내 드리겠습니다."),
    ("회원을 탈퇴하고 싶습니다.", "설정의 계정 항목에서 본인 확인을 거치면 서른 날 뒤에 기록이 지워집니다."),
    ("세탁기에 돌려도 되나요?", "찬물에 울 전용 세제로 손빨래하신 뒤 그늘에 뉘어 말려 주셔야 합니다."),
]
ENGLISH = [
    ("Where is my parcel?", "The courier scanned the box in Leipzig last night and will deliver before Friday noon."),
    (
        "How do I reset my router?",
        "Press the small pin hole on the back for ten seconds until all lights blink orange.",
    ),
    ("Can I change my seat?", "Open your booking, tap the plane icon, and pick any free place shown in green."),
    ("Do you ship to Norway?", "We send goods to Oslo and Bergen by sea freight twice a month at a flat fee."),
    (
        "Is the jacket waterproof?",
        "Its membrane withstands heavy rain for about four hours, though zips are only taped.",
    ),
    ("May I pay by invoice?", "Registered firms receive a bill with thirty days to settle it by bank transfer."),
    (
        "Why was my card declined?",
        "Your issuer asks for a code by text message, and the wrong digits were typed thrice.",
    ),
    ("How long is the warranty?", "Motors are covered for five summers, batteries and blades merely for one."),
    (
        "Can kids use this drone?",
        "Pilots younger than twelve need a guardian nearby, and indoor mode limits its speed.",
    ),
    ("Do you buy old phones?", "Upload photographs of screen and frame, then our robot quotes a price within minutes."),
    ("Is breakfast included?", "Guests in the garden wing find bread, eggs and fruit on a buffet from seven onwards."),
    ("Can I bring my dog?", "Small animals stay free of charge, whereas larger ones sleep in heated kennels outside."),
]
SETS = {
    "ko": (KOREAN, "안녕하세요, 문의드립니다. {}", "{} 빠른 답변 부탁드립니다. 감사합니다.", (OPENING, CLOSING)),
    "en": (ENGLISH, "Hello, I have a question. {}", "{} Thanks in advance!", (ENGLISH_OPENING, ENGLISH_CLOSING)),
}


@pytest.fixture
def find_statuses(tmp_path, build_prepare_params, build_record):
    """Returns a function that prepares test and training records, and returns the status of each training record."""
    params = load_params(ROOT / "params.yaml")
    ingest = params.ingest.model_copy(update={"sources": (params.ingest.sources[0].model_copy(update={"name": "s"}),)})
    prepare = build_prepare_params(validation_ratio=0.02, test_ratio=0.0, held_out_clusters=[], test_only_tasks=[])
    fillers = [build_record(f"{first}{second}", "", first) for first in "abcdefghijkl" for second in "abcdefghijkl"]

    def find_statuses(test, training):
        records = [*test, *training, *fillers]
        write_records(tmp_path / "accepted.jsonl", records)
        result = prepare_records(tmp_path / "accepted.jsonl", ingest, prepare, tmp_path)
        return [STATUSES[status] for status in result.status[len(test) : len(test) + len(training)]]

    return find_statuses


@pytest.fixture
def build_support(build_record):
    """Returns a function that builds a record of customer support, with a greeting and a closing."""

    def build_support(language, question, answer, role="train"):
        _pairs, first, second, (opening, closing) = SETS[language]
        frame = first if len(question) % 2 else second
        return build_record(
            frame.format(question), "", f"{opening} {answer} {closing}", language=language, role=role, task=language
        )

    return build_support


@pytest.mark.parametrize("language", SETS)
def test_support_records_that_share_greetings_and_closings_are_no_leaks(find_statuses, build_support, language):
    records = [
        build_support(language, *pair, "test" if number < 3 else "train")
        for number, pair in enumerate(SETS[language][0])
    ]
    assert find_statuses(records[:3], records[3:]) == ["kept"] * 9


UNMARKED = {
    "ko": (
        "안녕하세요 고객님 한빛몰 고객센터 상담원입니다",
        "추가로 궁금하신 점이 있으시면 언제든지 고객센터로 문의해 주시기 바라며 오늘도 좋은 하루 보내세요",
    ),
    "en": (
        "Thank you for contacting the Northwind customer care team",
        "please do not hesitate to contact our customer care team again at any time of the day",
    ),
}


SHORT = {"ko": ("교환", "환불", "취소", "배송", "포장"), "en": ("refund", "repair", "return", "delay", "order")}


@pytest.fixture
def build_unmarked(build_record):
    """Returns a function that builds 60 records: short answers between greeting and closing, without punctuation."""

    def build_unmarked(language):
        opening, closing = UNMARKED[language]
        words = list(dict.fromkeys(word.strip(".,") for _, answer in SETS[language][0] for word in answer.split()))
        questions = [f"{first} {second}?" for first, second in zip(words[:60], words[-60:][::-1], strict=True)]
        return [
            build_record(question, "", f"{opening} {' '.join(answer)} {closing}", language=language, role="train")
            for question, answer in zip(questions, itertools.permutations(SHORT[language], 3), strict=True)
        ]

    return build_unmarked


@pytest.mark.parametrize("language", SETS)
def test_greetings_and_closings_without_punctuation_are_no_leaks(find_statuses, build_unmarked, language):
    records = build_unmarked(language)
    test = [replace(record, role="test") for record in records[:15]]
    assert "leak" not in find_statuses(test, records[15:])


@pytest.mark.parametrize("language", SETS)
def test_an_answer_between_them_is_a_leak(find_statuses, build_unmarked, build_record, language):
    opening, closing = UNMARKED[language]
    answer = SETS[language][0][0][1].rstrip(".")
    test, copy = (
        build_record(question, "", f"{opening} {answer} {closing}", language=language, role=role)
        for question, role in (("Where?", "test"), ("Something else entirely", "train"))
    )
    assert find_statuses([test], [copy, *build_unmarked(language)])[0] == "leak"


@pytest.mark.parametrize("language", SETS)
def test_copies_are_found_among_support_records(find_statuses, build_support, build_record, language):
    pairs, first, second, (opening, closing) = SETS[language]
    others = [build_support(language, *pair) for pair in pairs[3:]]
    (question, answer), (other_question, other_answer) = pairs[0], pairs[1]
    words = other_answer.split()
    changed = " ".join("xyzzy" if number % 7 == 3 else word for number, word in enumerate(words))
    copies = [
        build_record("Tell me something.", "", f"{opening} {answer} {closing}", role="train"),
        build_record("Tell me more.", "", f"{answer} Good luck.", role="train"),
        build_support(language, other_question, changed),
        build_record("Write an exam.", "", f'1. "{question}" 2. Anything else', role="train"),
        build_record(
            second.format(question) if len(question) % 2 else first.format(question), "", "Other.", role="train"
        ),
    ]
    test = [build_support(language, *pair, "test") for pair in pairs[:3]]
    assert find_statuses(test, [*copies, *others]) == ["leak"] * len(copies) + ["kept"] * len(others)


DISHES = {
    "pancakes": "flour",
    "omelette": "eggs",
    "risotto": "rice",
    "lasagna": "pasta",
    "chili": "beans",
    "ramen": "noodles",
    "curry": "chicken",
    "stew": "beef",
    "paella": "shrimp",
    "tacos": "corn",
}
STEPS = (
    "First, gather what you need. Then heat a large pan over medium heat and add {food}. Cook the {dish} for a while, stirring"
    " from time to time. Season with salt and pepper. Serve the {dish} while it is hot."
)


def test_recipes_with_the_same_steps_are_no_copies(find_statuses, build_record):
    records = [
        build_record(
            f"How do I make {dish}?", "", STEPS.format(dish=dish, food=food), role="test" if dish < "d" else "train"
        )
        for dish, food in sorted(DISHES.items())
    ]
    assert find_statuses(records[:2], records[2:]) == ["kept"] * 8


def test_questions_with_other_numbers_are_no_copies(find_statuses, build_record):
    records = [
        build_record(
            f"A train travels {17 * number} miles in {number + 2} hours. What is its average speed in miles per hour?",
            "",
            f"The average speed of the train is {17 * number} / {number + 2} = {17 * number / (number + 2):.2f} miles per hour.",
            role="test" if number < 3 else "train",
        )
        for number in range(12)
    ]
    assert find_statuses(records[:3], records[3:]) == ["kept"] * 9


def test_a_name_as_input_may_stand_in_an_answer_and_a_question_as_input_may_not(find_statuses, build_record):
    choices = {"choices": ("question", "statement"), "role": "test"}
    test = [
        build_record("Classify the sentence.", "Did you book a seat?", "question", **choices),
        build_record(
            "Persuade someone to read a book.",
            "Harry Potter and the Sorcerer's Stone",
            "You will love it.",
            role="test",
        ),
        build_record("Answer the question.", "Who discovered penicillin?", "Fleming", role="test"),
    ]
    training = [
        build_record("Name a film.", "", "It is Harry Potter and the Sorcerer's Stone, of course.", role="train"),
        build_record("Be polite.", "", "Did you book a seat?", role="train"),
        build_record("Write a quiz.", "", "1. Who discovered penicillin?", role="train"),
    ]
    assert find_statuses(test, training) == ["kept", "kept", "leak"]


def test_a_phrase_is_common_from_its_fourth_different_text_on(count_phrases, build_record):
    records = [
        build_record(f"Question {'x' * number}", "", f"{'y' * number} said so. Kind regards") for number in range(4)
    ]
    assert not count_phrases([*records[:3], records[0]]).is_common("Kind regards!")
    assert count_phrases(records).is_common("Kind regards!")


def test_phrases_end_at_punctuation_before_a_blank_and_at_line_breaks():
    text = "안녕하세요, 고객님. 1.5 km?\n\nok"
    assert split_phrases(text) == ("안녕하세요, ", "고객님. ", "1.5 km?\n\n", "ok")
    assert "".join(split_phrases(text)) == text
