"""The ledger recognizes an item by what it asks, under any task, id, file and prompt."""

import pytest

from seodang.evaluation.aggregate import TASK_FILE_SPLIT
from seodang.evaluation.samples import create_blank_score, select_split_samples, select_task_samples
from seodang.records import make_record

REVIEWS = [
    "배송이 빠르고 포장이 꼼꼼해요",
    "사흘 만에 끈이 끊어졌습니다",
    "색이 사진보다 훨씬 곱네요",
    "다시는 사지 않겠어요",
    "최고예요",
    "별로",
    "선물했더니 어머니가 좋아하셨어요",
    "문장 부호까지 흐릿하게 인쇄됐어요",
    "값이 싼데도 튼튼합니다",
    "교환을 부탁했지만 답이 없네요",
    "세 번째 재구매입니다",
    "냄새가 심해서 버렸습니다",
]
ANSWERS = ["긍정", "부정"] * 6
OPTIONS = {"1": "긍정", "0": "부정"}


@pytest.fixture
def list_contents(tmp_path, build_spec, build_task, make_evaluate_params):
    """Returns the contents of the items of rows or records, in the order of their texts."""

    def list_contents(rows, **changes):
        spec = build_spec(data={"id": "{{id}}", "columns": {}}, options=OPTIONS, **changes)
        task = build_task(spec, rows, folder=tmp_path)
        [samples] = select_task_samples(task, TASK_FILE_SPLIT, make_evaluate_params(items_per_task=100))
        return [samples.contents[str(row["id"])] for row in rows]

    return list_contents


def build_rows(texts=REVIEWS, first=0, **more):
    """Return rows of which the first, third and further odd ones are positive."""
    return [
        {"id": str(first + number), "text": text, "label": str(1 - number % 2), **more}
        for number, text in enumerate(texts)
    ]


def list_record_contents(make_evaluate_params, build_texts, task="sentineg"):
    records = [
        make_record(
            **build_texts(number, text), output=answer, choices=("긍정", "부정"), source="s", task=task, cluster="c"
        )
        for number, (text, answer) in enumerate(zip(REVIEWS, ANSWERS, strict=True))
    ]
    [samples] = select_split_samples(records, "test", [], make_evaluate_params(items_per_task=100, shots=[0]))
    return [create_blank_score("tuned", 0, samples, record).content for record in records]


def test_a_record_is_the_same_item_as_the_row_of_a_task_file_under_any_prompt(list_contents, make_evaluate_params):
    rows = list_contents(build_rows(), prompts={"harness": "문장: {{text}} 긍부정:"})
    assert len(set(rows)) == len(REVIEWS)
    templates = ("다음 문장은 긍정일까요 부정일까요?", "리뷰의 감정을 고르세요.")
    for build_texts in (
        lambda _number, text: {"instruction": f"문장: {text} 긍부정:", "input": ""},
        lambda _number, text: {"instruction": f"{text}\n이 리뷰의 감정은?", "input": ""},
        lambda _number, text: {"instruction": templates[0], "input": text},
        lambda number, text: {"instruction": templates[number % 2], "input": text},
    ):
        assert list_record_contents(make_evaluate_params, build_texts) == rows


def test_ids_the_order_of_rows_and_other_items_change_no_content(list_contents):
    contents = list_contents(build_rows())
    assert list_contents(build_rows(first=100)) == contents
    assert list_contents(build_rows()[::-1]) == contents[::-1]
    more = [*REVIEWS, *(f"{number}월의 날씨는 흐리고 바람이 붑니다" for number in range(1, 9))]
    assert list_contents(build_rows(more))[: len(REVIEWS)] == contents


def test_columns_in_another_order_are_the_same_item(list_contents):
    rows = build_rows(question="이 물건을 다시 살까요?")
    first = list_contents(rows, prompts={"plain": "{{text}}\n질문: {{question}}\n답:"})
    assert list_contents(rows, prompts={"plain": "물음 {{question}} 글 {{text}}"}) == first


def test_another_question_on_the_same_passage_is_another_item(list_contents):
    texts = [f"가방 가게에 손님 열둘이 왔다. 질문: {number}번째 손님은 무엇을 샀나요?" for number in range(12)]
    assert len(set(list_contents(build_rows(texts)))) == 12


def test_a_word_alone_is_another_item_with_another_answer(list_contents):
    words = ["봄", "여름", "가을", "겨울", "산", "강", "바다", "들", "해", "달", "별", "비"]
    sentiment = list_contents(build_rows(words))
    turned = [{**row, "label": "10"[int(row["label"])]} for row in build_rows(words)]
    assert not set(list_contents(turned)) & set(sentiment)


def test_few_items_keep_all_their_words(list_contents):
    """Two reviews share most words; they are no template."""
    assert len(set(list_contents(build_rows(REVIEWS[:2])))) == 2
