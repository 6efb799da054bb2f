"""Columns with unknown names are guessed by header words in Korean and English, and by what the cells hold."""

from __future__ import annotations

import pytest

from seodang.ingest.formats.column_guess import build_label_template, format_check_command, guess_columns

QUESTIONS = [f"{number}번 상품은 언제 배송되나요?" for number in range(8)]
ANSWERS = [f"{number}번 상품은 내일 도착합니다. 감사합니다." for number in range(8)]
REVIEWS = [f"{number}번째 구매인데 배송이 빨라서 좋아요" for number in range(8)]
LABELS = ["긍정", "부정"] * 4
RATINGS = ["5", "1", "3", "4"] * 2
DATES = ["2024-03-01 10:00"] * 8
NUMBERS = [str(number) for number in range(8)]
NAMES = ["이불", "가습기", "러닝화", "책상"] * 2
STAFF = ["김상담", "이상담"] * 4


def guess(**columns):
    names = list(columns)
    return guess_columns(names, [dict(zip(names, cells, strict=True)) for cells in zip(*columns.values(), strict=True)])


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            {"번호": NUMBERS, "접수일시": DATES, "문의유형": LABELS, "문의내용": QUESTIONS, "답변내용": ANSWERS},
            {"instruction": "문의내용", "output": "답변내용"},
        ),
        (
            {"답변일시": DATES, "답변자": STAFF, "고객 문의": QUESTIONS, "답변": ANSWERS},
            {"instruction": "고객 문의", "output": "답변"},
        ),
        ({"제목": QUESTIONS, "본문": REVIEWS, "답변": ANSWERS}, {"instruction": "본문", "output": "답변"}),
        ({"Ticket Body": QUESTIONS, "Agent Reply": ANSWERS}, {"instruction": "Ticket Body", "output": "Agent Reply"}),
        ({"리뷰": REVIEWS, "평점": RATINGS}, {"text": "리뷰", "label": "평점"}),
        ({"id": NUMBERS, "후기 내용": REVIEWS, "감정": LABELS}, {"text": "후기 내용", "label": "감정"}),
        ({"review_text": REVIEWS, "stars": RATINGS}, {"text": "review_text", "label": "stars"}),
        ({"c1": NUMBERS, "c2": ANSWERS, "c3": QUESTIONS}, {"instruction": "c3", "output": "c2"}),
        ({"상품": NAMES, "후기": REVIEWS, "x": LABELS}, {"text": "후기", "label": "x"}),
        ({"c1": REVIEWS, "c2": LABELS}, {"text": "c1", "label": "c2"}),
        ({"c1": NUMBERS, "c2": DATES}, {}),
        ({"번호": NUMBERS, "문의일시": DATES, "답변일시": DATES}, {}),
    ],
)
def test_the_columns_of_a_table_are_guessed(columns, expected):
    assert guess(**columns) == expected


def test_the_command_quotes_what_a_shell_would_split():
    assert format_check_command("data/faq.csv", {"instruction": "문의내용", "output": "고객 답변"}) == (
        "seodang check data/faq.csv --column instruction=문의내용 --column 'output=고객 답변'"
    )


def test_the_template_asks_in_the_language_of_the_texts():
    assert build_label_template("리뷰", "감정", ["긍정", "부정"], "좋아요").instructions == [
        "다음 글을 긍정, 부정 가운데 하나로 분류하세요."
    ]
    assert build_label_template("text", "label", ["a", "b"], "It is good").instructions == [
        "Classify the text as one of: a, b."
    ]
