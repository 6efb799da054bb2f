"""Metrics of complete sets of items, against values computed by hand."""

import math

import pytest
from tests.constants import ITEM_SCORE

from seodang.evaluation.aggregate import ItemScore
from seodang.evaluation.task_metrics import compute_task_metrics

LOG2 = math.log(2)


def make_score(item, variant="tuned", task="films", kind="choice", primary_metric="accuracy", **changes):
    fields = {"variant": variant, "item": str(item), "task": task, "kind": kind, "primary_metric": primary_metric}
    return ItemScore(**{**ITEM_SCORE, **fields, "split": "task", **changes})


def compute_values(scores, variant="tuned"):
    return {row["metric"]: row["variants"][variant] for row in compute_task_metrics(scores)}


def test_f1_is_of_labels_and_correlation_of_grades():
    pairs = [(0, 0), (0, 0), (0, 1), (1, 1)]  # F1 of label 0: 4/5, of label 1: 2/3
    scores = [
        make_score(number, accuracy=float(gold == label), labels=(gold, label), grades=(number, [1, 2, 4, 3][number]))
        for number, (gold, label) in enumerate(pairs)
    ]
    assert compute_values(scores) == {
        "accuracy": 0.75,
        "macro_f1": pytest.approx((4 / 5 + 2 / 3) / 2, abs=1e-4),
        "spearman": pytest.approx(0.8),
    }


def test_a_label_that_is_never_chosen_pulls_f1_down_where_accuracy_hides_it():
    found = compute_values(
        [make_score(number, accuracy=float(number > 0), labels=(int(number == 0), 0)) for number in range(10)]
    )
    assert found["accuracy"] == 0.9
    assert found["macro_f1"] == pytest.approx(18 / 19 / 2, abs=1e-4)


def test_bits_weigh_by_bytes_and_perplexity_by_tokens():
    texts = [
        make_score(
            number,
            kind="text",
            primary_metric="bits_per_byte",
            loss=bits * LOG2,
            extra_metrics={"bits_per_byte": bits},
            weights={"loss": size, "bits_per_byte": size},
        )
        for number, (bits, size) in enumerate([(1.0, 30), (4.0, 10)])
    ]
    assert compute_values(texts) == {
        "bits_per_byte": 1.75,
        "loss": pytest.approx(1.75 * LOG2, abs=1e-4),
        "perplexity": pytest.approx(2**1.75, abs=1e-3),
    }


def test_instructions_count_and_not_prompts():
    metric = "ifeval_instruction_strict"
    scores = [
        make_score(
            number,
            kind="open",
            primary_metric=metric,
            extra_metrics={metric: ratio},
            weights={metric: count},
            answer="a",
        )
        for number, (ratio, count) in enumerate([(1.0, 3), (0.0, 1)])
    ]
    assert compute_values(scores)[metric] == 0.75


def test_a_variant_without_a_value_has_none_and_records_of_the_splits_have_no_rows():
    scores = [
        make_score(1, accuracy=1.0, extra_metrics={"accuracy_norm": 0.0}),
        make_score(1, variant="base", accuracy=0.0),
        make_score(1, task="primer", split="test", accuracy=1.0),
    ]
    assert [(row["task"], row["metric"], row["items"], row["variants"]) for row in compute_task_metrics(scores)] == [
        ("films", "accuracy", 1, {"tuned": 1.0, "base": 0.0}),
        ("films", "accuracy_norm", 1, {"tuned": 0.0, "base": None}),
    ]
