"""Baselines without a language model: they learn from the training records alone."""

from dataclasses import replace

import pytest

from seodang.evaluation.baseline_gaps import describe_baseline_gaps
from seodang.evaluation.baselines import build_baseline_rows, score_baselines
from seodang.evaluation.samples import select_split_samples
from seodang.records import make_record

LABELS = ("부정", "긍정")


def film(text, label, task="films", choices=LABELS):
    return make_record(
        instruction="감정은?",
        input=text,
        output=label,
        language="ko",
        source="s",
        task=task,
        cluster="c",
        choices=choices,
    )


TRAINING = [
    *(film(f"{word} 좋았어 {number}", "긍정") for number, word in enumerate(["정말", "아주", "참"])),
    *(film(f"{word} 지루했어 {number}", "부정") for number, word in enumerate(["정말", "아주"])),
]


@pytest.fixture
def select_items(make_evaluate_params):
    return lambda records: select_split_samples(records, "test", TRAINING, make_evaluate_params())


def score(tasks):
    return {(item.variant, item.item): item for item in score_baselines(tasks, TRAINING)}


def test_the_letter_classifier_knows_words_of_training_and_the_majority_label_does_not_read(select_items):
    good, bad = film("배우가 좋았어", "긍정"), film("결말이 지루했어", "부정")
    scores = score(select_items([good, bad]))
    assert [scores["letters", record.id].prediction for record in (good, bad)] == ["긍정", "부정"]
    assert [scores["majority", record.id].accuracy for record in (good, bad)] == [1.0, 0.0]


def test_a_task_with_another_name_and_the_same_labels_uses_the_same_training_records(select_items):
    record = film("배우가 좋았어", "긍정", task="films_seen_words")
    assert score(select_items([record]))["letters", record.id].accuracy == 1.0


def test_a_task_whose_labels_no_training_record_has_gets_no_baseline(select_items):
    assert score(select_items([film("둘", "나", choices=("가", "나"))])) == {}


def test_the_order_of_the_labels_does_not_matter(select_items):
    records = [film("배우가 좋았어", "긍정", choices=("긍정", "부정")), film("결말이 지루했어", "부정")]
    scores = score(select_items(records))
    assert [scores["letters", record.id].accuracy for record in records] == [1.0, 1.0]
    assert describe_baseline_gaps(select_items(records), TRAINING) == []


def test_each_kind_of_gap_is_described_once_with_its_tasks(select_items):
    tasks = select_items(
        [
            film("서울?", "한강", task="open", choices=()),
            film("하나", "가", task="quiz", choices=("가", "나")),
            film("둘", "다", task="quiz", choices=("다", "라")),
            film("셋", "높음", task="levels", choices=("높음", "낮음")),
            film("배우가 좋았어", "긍정", task="good"),
            film("결말이 지루했어", "부정", task="good"),
        ]
    )
    training = [record for record in TRAINING if record.output == "긍정"]
    assert [str(gap) for gap in describe_baseline_gaps(tasks, training)] == [
        "no baseline for tasks without a common set of labels: open [ko]; quiz [ko]",
        "no baseline for tasks whose labels no training record of their language has: levels [ko]: 낮음, 높음",
        "both baselines always give the only label that the training records have: good [ko]: 긍정",
        "no baseline can give labels of test items that no training record has as its answer: good [ko]: 부정",
    ]


def test_open_tasks_get_no_baseline(select_items):
    assert score(select_items([film("서울?", "한강", choices=())])) == {}


def test_rows_compare_baselines_and_model_on_the_same_items_with_new_and_seen_words_apart(select_items):
    new, seen = film("배우가 좋았어", "긍정"), film("결말이 좋았어", "긍정", task="films_seen_words")
    baselines = list(score_baselines(select_items([new, seen]), TRAINING))
    tuned = [replace(item, variant="tuned", accuracy=0.0) for item in baselines if item.variant == "majority"]
    prompted = [replace(item, variant="zero_shot", accuracy=1.0) for item in tuned]
    rows = build_baseline_rows([*tuned, *prompted], baselines, {"prompted": ["zero_shot"], "calibrated": []})
    assert [row["name"] for row in rows] == ["unseen_words", "seen_words", "films", "films_seen_words"]
    assert rows[0] | {"tasks": []} == {
        "name": "unseen_words", "tasks": [], "items": 1, "majority": 1.0, "letters": 1.0, "prompted": 1.0,
        "calibrated": None, "tuned": 0.0, "tuned_only": 0, "letters_only": 1,
    }  # fmt: skip
