"""The metric registry: each metric has a label in both languages, a kind of task, and a function that computes it."""

from dataclasses import fields

import pytest
from tests.constants import ITEM_SCORE

from seodang.evaluation.aggregate import ItemScore
from seodang.evaluation.korean.quality import KOREAN_METRICS
from seodang.evaluation.task_metrics import compute_task_metrics
from seodang.evaluation.tasks.samples import EvalSample
from seodang.evaluation.tasks.scoring import compute_answer_metrics, compute_choice_metrics, compute_text_metrics
from seodang.i18n import translate
from seodang.metric_registry import (
    BINARY_METRICS,
    CORPUS_METRICS,
    ITEM_METRICS,
    LOWER_IS_BETTER,
    RATIO_METRICS,
    REGISTRY,
    SUMMARY_METRICS,
    format_metric,
    get_label,
    list_kind_metrics,
)

SAME_IN_BOTH_LANGUAGES = {"chrf", "rouge_l"}
IFEVAL_COLUMNS = ["instruction_id_list", "kwargs"]


@pytest.fixture(scope="module")
def list_choice_metrics(build_spec):
    def list_choice_metrics():
        spec = build_spec(normalise="bytes", metrics=["accuracy", "accuracy_norm"])
        return set(compute_choice_metrics(spec, ("예", "아니오"), "예", [-1.0, -2.0], [1, 1]).scores)

    return list_choice_metrics


@pytest.fixture(scope="module")
def list_answer_metrics(build_free_spec):
    def list_answer_metrics():
        spec = build_free_spec(metrics=list(list_kind_metrics("generate")), extra=IFEVAL_COLUMNS)
        extra = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
        sample = EvalSample(id="1", prompts={"bare": "?"}, choices=(), reference="예", language="ko", extra=extra)
        return set(compute_answer_metrics(spec, sample, "예", has_eos=True))

    return list_answer_metrics


def make_score(item, **changes):
    return ItemScore(**{**ITEM_SCORE, "item": str(item), "split": "task", **changes})


def list_corpus_metrics():
    choice = {"task": "films", "kind": "choice", "primary_metric": "accuracy", "accuracy": 1.0}
    text = {"task": "reading", "kind": "text", "primary_metric": "loss", "loss": 1.0}
    scores = [make_score(number, **choice, labels=(number, 0), grades=(number, number)) for number in (0, 1)]
    return {row["metric"] for row in compute_task_metrics([*scores, make_score(0, **text)])}


@pytest.fixture(scope="module")
def computed(list_answer_metrics, list_choice_metrics):
    """Return the metrics that some function computes."""
    return (
        list_choice_metrics() | list_answer_metrics() | list_corpus_metrics() | set(compute_text_metrics(-1.0, 1, "a"))
    )


@pytest.mark.parametrize("name", REGISTRY)
def test_a_metric_is_complete(name, computed):
    metric, missing = REGISTRY[name], []
    if name not in SAME_IN_BOTH_LANGUAGES and translate("ko", metric.label) == metric.label:
        missing.append("a Korean label in locale/ko/evaluation.po")
    if name not in computed:
        missing.append("a function that computes it: tasks/scoring.py or task_metrics.py")
    if not metric.kinds and metric.aggregation != "corpus":
        missing.append("a kind of task files")
    if metric.is_item_field and name not in {field.name for field in fields(ItemScore)}:
        missing.append("a field of ItemScore")
    assert missing == []


def test_every_computed_metric_is_registered(computed):
    assert computed - set(REGISTRY) == set()


def test_tables_keep_their_columns_and_directions():
    assert SUMMARY_METRICS == ("accuracy", "exact_match", "chrf", "loss")
    assert (*SUMMARY_METRICS, "eos_rate") == ITEM_METRICS
    assert {"loss", "bits_per_byte", "perplexity", "repetition"} == LOWER_IS_BETTER
    assert {"macro_f1", "spearman", "perplexity"} == CORPUS_METRICS
    shares = {"rouge_l", "ifeval_instruction_strict", "ifeval_instruction_loose", *KOREAN_METRICS}
    assert shares == RATIO_METRICS - BINARY_METRICS
    assert BINARY_METRICS <= RATIO_METRICS


def test_values_have_the_decimals_of_their_metric_and_unknown_metrics_have_three():
    assert (format_metric("chrf", 51.26), format_metric("loss", 0.5), format_metric("bleu", 0.5)) == (
        "51.3",
        "0.500",
        "0.500",
    )
    assert (get_label("macro_f1"), get_label("bleu")) == ("macro F1", "bleu")
