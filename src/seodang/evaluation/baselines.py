"""Baselines that need no language model: the most frequent label, and a classifier of character n-grams.

Both learn from the training records of the tuned model, so they show how hard a task is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from seodang.evaluation.aggregate import BASELINE_LABELS, LETTERS, MAJORITY, TUNED_VARIANT, ItemScore, compute_mean
from seodang.evaluation.samples import TaskSamples, create_blank_score
from seodang.records import Record

BASELINES: Final = tuple(BASELINE_LABELS)

SEEN_WORDS_SUFFIX: Final = "_seen_words"
"""Of the tasks whose items have words of the training records, beside the task of the same name with other words."""

_NGRAMS: Final = (1, 5)  # characters, within words
_INVERSE_REGULARIZATION: Final = 30.0
_MAX_ITERATIONS: Final = 2000


def score_baselines(tasks: Sequence[TaskSamples], training: Sequence[Record]) -> Iterator[ItemScore]:
    """Yield the scores of both baselines on the choice tasks whose label set occurs in the training records.

    Args:
        tasks: Items; a task with other options for each item has no label set and is left out.
        training: Records of the tuned model.
    """
    for task in tasks:
        examples = select_training_examples(task, training)
        if not examples:
            continue
        for name, predict in (
            (MAJORITY, _predict_most_frequent(examples)),
            (LETTERS, _train_letter_classifier(examples)),
        ):
            predictions = predict([_get_text(record) for record in task.records])
            for record, prediction in zip(task.records, predictions, strict=True):
                yield _build_score(name, task, record, prediction)


def select_training_examples(task: TaskSamples, training: Sequence[Record]) -> list[Record]:
    """Return the training records with the labels and language of a task; those of the task itself if there are any."""
    if (labels := get_label_set(task)) is None:
        return []
    examples = [record for record in training if set(record.choices) == labels and record.language == task.language]
    return [record for record in examples if record.task == task.task] or examples


def get_label_set(task: TaskSamples) -> frozenset[str] | None:
    """Return the labels that all items of a task have, in any order; None where answers are free or options differ."""
    label_sets = {frozenset(record.choices) for record in task.records}
    return label_sets.pop() if task.kind == "choice" and len(label_sets) == 1 else None


Predict = Callable[[Sequence[str]], list[str]]


def _predict_most_frequent(examples: Sequence[Record]) -> Predict:
    counts = Counter(record.output for record in examples)
    label = min(counts, key=lambda name: (-counts[name], name))
    return lambda texts: [label] * len(texts)


def _train_letter_classifier(examples: Sequence[Record]) -> Predict:
    """Return a logistic regression on TF-IDF of character n-grams; with a single label, that label."""
    if len({record.output for record in examples}) == 1:
        return _predict_most_frequent(examples)
    # scikit-learn takes seconds to import, which only an evaluation should pay.
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    classifier = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=_NGRAMS, sublinear_tf=True),
        LogisticRegression(C=_INVERSE_REGULARIZATION, max_iter=_MAX_ITERATIONS),
    )
    classifier.fit([_get_text(record) for record in examples], [record.output for record in examples])
    return lambda texts: [str(label) for label in classifier.predict(texts)]


def _get_text(record: Record) -> str:
    return record.input or record.instruction


def _build_score(name: str, task: TaskSamples, record: Record, prediction: str) -> ItemScore:
    return replace(
        create_blank_score(name, 0, task, record),
        primary_metric="accuracy",
        accuracy=float(prediction == record.output),
        prediction=prediction,
    )


def build_baseline_rows(
    scores: Sequence[ItemScore], baseline_scores: Sequence[ItemScore], base_variants: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """Return the accuracy of baselines, prompted base and tuned model on the same items, one row per set of tasks.

    The first rows are sums: over the tasks that occur with new and with seen words where there are such tasks, else
    over all tasks. A row for each task follows.

    Args:
        scores: Of the base's variants and the tuned model.
        baseline_scores: Of `score_baselines`.
        base_variants: Name of a column -> variants of the base, of which the best one on the items of the row counts.
    """
    tasks = sorted({score.task for score in baseline_scores})
    new_words = [task for task in tasks if task + SEEN_WORDS_SUFFIX in tasks]
    sums = {"unseen_words": new_words, "seen_words": [task + SEEN_WORDS_SUFFIX for task in new_words]}
    groups = {**(sums if new_words else {"all": tasks}), **{task: [task] for task in tasks}}
    accuracies: dict[str, dict[tuple[str, str, str], float]] = {}
    for score in (*baseline_scores, *scores):
        if score.accuracy is not None:
            accuracies.setdefault(score.variant, {})[score.task, score.language, score.item] = score.accuracy
    items = list(accuracies.get(LETTERS, {}))
    return [
        {
            "name": name,
            "tasks": members,
            **_compare(accuracies, [key for key in items if key[0] in members], base_variants),
        }
        for name, members in groups.items()
    ]


def _compare(
    accuracies: Mapping[str, Mapping[tuple[str, str, str], float]],
    items: Sequence[tuple[str, str, str]],
    base_variants: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    def compute_accuracy(variant: str) -> float | None:
        return compute_mean(accuracies.get(variant, {}).get(item) for item in items)

    def select_best(variants: Iterable[str]) -> float | None:
        return max((value for name in variants if (value := compute_accuracy(name)) is not None), default=None)

    letters, tuned = accuracies.get(LETTERS, {}), accuracies.get(TUNED_VARIANT, {})
    return {
        "items": len(items),
        **{name: compute_accuracy(name) for name in BASELINES},
        **{column: select_best(variants) for column, variants in base_variants.items()},
        "tuned": compute_accuracy(TUNED_VARIANT),
        "tuned_only": sum(bool(tuned.get(item)) and not letters[item] for item in items),
        "letters_only": sum(bool(letters[item]) and not tuned.get(item) for item in items),
    }
