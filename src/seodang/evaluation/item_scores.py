"""Scores of an item from its raw results: log-likelihoods of the options and a generated answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from seodang.evaluation.aggregate import ItemScore
from seodang.evaluation.calibration import Preferences, get_question
from seodang.evaluation.metrics import compute_chrf, select_best_choice
from seodang.evaluation.requests import Requests, Variant
from seodang.evaluation.results import Results, build_answer_key, build_options_key
from seodang.evaluation.samples import TaskSamples, create_blank_score
from seodang.evaluation.tasks.matching import truncate_raw_answer
from seodang.evaluation.tasks.prompts import truncate_at_stop
from seodang.evaluation.tasks.scoring import (
    ChoiceResult,
    compute_answer_metrics,
    compute_choice_metrics,
    compute_log_odds,
    compute_text_metrics,
    is_correct_answer,
    measure_korean_quality,
)
from seodang.evaluation.tasks.spec import GRADE_COLUMN
from seodang.inference.generation import Generation
from seodang.inference.prompt_encoder import PromptEncoder
from seodang.metric_registry import REGISTRY
from seodang.models.tokenization import drop_replacements


def build_item_score(
    encoder: PromptEncoder,
    variant: Variant,
    requests: Requests,
    index: int,
    results: Results,
    preferences: Preferences,
    *,
    is_generated: bool,
) -> ItemScore:
    """Return the score of one item.

    Args:
        encoder: Of the variant's format; its tokenizer decodes the answer.
        variant: Named in the score.
        requests: Of the item's task.
        index: Of the item in its task.
        results: Hold what the model returned for the item.
        preferences: Label preferences of the prompts; {} unless the variant is calibrated.
        is_generated: Whether an answer was generated for the item.
    """
    record, task = requests.task.records[index], requests.task
    generated = _get_generation(variant, requests, index, results) if is_generated else None
    answer = None if generated is None else _decode_answer(encoder, variant, task, generated)
    compared_answer = answer if record.output else None  # None where there is no reference
    log_likelihoods = _get_log_likelihoods(variant, requests, index, results)
    options = [text for text, _ in requests.options[index]]
    calibrated = log_likelihoods and log_likelihoods.subtract(preferences.get(get_question(record)))
    choice = _choose_option(task, options, record.output, calibrated)
    reference_index = options.index(record.output) if record.output in options else 0
    extra_metrics, weights = _compute_extra_metrics(requests, index, log_likelihoods, answer, generated)
    return replace(
        create_blank_score(variant.name, requests.shots[index], task, record),
        accuracy=None if choice is None else choice.scores["accuracy"],
        prediction=None if choice is None else options[choice.index],
        is_tied=choice is not None and choice.is_tied,
        is_truncated=index in requests.truncated_prompts | requests.truncated_options,
        loss=None if log_likelihoods is None else log_likelihoods.compute_loss(reference_index),
        answer=answer,
        exact_match=None
        if compared_answer is None
        else float(is_correct_answer(task.spec, compared_answer, record.output)),
        chrf=None if compared_answer is None else compute_chrf(compared_answer, record.output),
        eos_rate=None if generated is None else generated.has_eos,
        prompt_tokens=len(requests.prompts[index]),
        extra_metrics=extra_metrics | _select_extra_scores(choice),
        weights=weights,
        labels=_get_labels(task, reference_index, calibrated),
        grades=_get_grades(task, index, log_likelihoods),
        findings=() if answer is None else _list_findings(task, index, answer),
    )


@dataclass(frozen=True, slots=True)
class _LogLikelihoods:
    """Log-likelihoods of an item's options."""

    nats: tuple[float, ...]
    tokens: tuple[int, ...]

    def compute_loss(self, index: int) -> float:
        """Return an option's loss in nats per token."""
        return -self.nats[index] / self.tokens[index]

    def subtract(self, preferences: tuple[float, ...] | None) -> _LogLikelihoods:
        """Return the log-likelihoods without the label preferences of the prompt."""
        if preferences is None:
            return self
        return _LogLikelihoods(
            tuple(nats - preference for nats, preference in zip(self.nats, preferences, strict=True)), self.tokens
        )


def _get_generation(variant: Variant, requests: Requests, index: int, results: Results) -> Generation | None:
    if requests.task.kind == "text":
        return None
    result: dict[str, Any] | None = results[build_answer_key(variant, requests, index)]
    return None if result is None else Generation(**result)


def _get_log_likelihoods(variant: Variant, requests: Requests, index: int, results: Results) -> _LogLikelihoods | None:
    if not requests.options[index]:
        return None
    return _LogLikelihoods(*zip(*results[build_options_key(variant, requests, index)], strict=True))


def _get_labels(
    task: TaskSamples, reference_index: int, log_likelihoods: _LogLikelihoods | None
) -> tuple[int, int] | None:
    """Return the indices that macro F1 compares; never normalized by length, as in lm-evaluation-harness' f1."""
    if log_likelihoods is None or "macro_f1" not in task.metrics:
        return None
    return reference_index, select_best_choice(log_likelihoods.nats, reference_index)


def _get_grades(task: TaskSamples, index: int, log_likelihoods: _LogLikelihoods | None) -> tuple[float, float] | None:
    if log_likelihoods is None or "spearman" not in task.metrics:
        return None
    return float(task.samples[index].extra[GRADE_COLUMN]), compute_log_odds(log_likelihoods.nats)


def _choose_option(
    task: TaskSamples, options: Sequence[str], reference: str, log_likelihoods: _LogLikelihoods | None
) -> ChoiceResult | None:
    """Return the model's choice; None where an item has fewer than two options."""
    if log_likelihoods is None or len(options) < 2:
        return None
    return compute_choice_metrics(task.spec, options, reference, log_likelihoods.nats, log_likelihoods.tokens)


def _select_extra_scores(choice: ChoiceResult | None) -> dict[str, float]:
    return {} if choice is None else {name: score for name, score in choice.scores.items() if name != "accuracy"}


def _compute_extra_metrics(
    requests: Requests,
    index: int,
    log_likelihoods: _LogLikelihoods | None,
    answer: str | None,
    generated: Generation | None,
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the metrics that the task names, and the weights of those whose mean weighs items by size."""
    task = requests.task
    if task.kind == "text" and log_likelihoods is not None:
        return _compute_perplexity_metrics(requests, index, log_likelihoods)
    if answer is None or generated is None:
        return {}, {}
    sample = task.samples[index]
    scores = compute_answer_metrics(task.spec, sample, answer, has_eos=generated.has_eos)
    weighted = [name for name in scores if REGISTRY[name].aggregation == "weighted_mean"]
    return scores, {name: len(sample.extra["instruction_id_list"]) for name in weighted}


def _list_findings(task: TaskSamples, index: int, answer: str) -> tuple[dict[str, Any], ...]:
    return tuple(measure_korean_quality(task.spec, task.samples[index], answer).list_findings())


def _compute_perplexity_metrics(
    requests: Requests, index: int, log_likelihoods: _LogLikelihoods
) -> tuple[dict[str, float], dict[str, float]]:
    """Return bits per byte, for a text that fits into the context, and the weights of loss and bits per byte."""
    text, tokens = requests.task.records[index].output, log_likelihoods.tokens[0]
    if index in requests.truncated_options:
        return {}, {"loss": tokens}
    metrics = compute_text_metrics(log_likelihoods.nats[0], tokens, text)
    return {"bits_per_byte": metrics["bits_per_byte"]}, {"loss": tokens, "bits_per_byte": len(text.encode())}


def _decode_answer(encoder: PromptEncoder, variant: Variant, task: TaskSamples, generated: Generation) -> str:
    """Return the text of an answer, as the service sends it.

    Bytes that are no character are left out, such as one that the limit cuts. A base model's answer is truncated,
    because it never learned to end it. A task file with `matching` decides itself what of a base model's answer counts.
    """
    decoded = str(
        encoder.tokenizer.decode(generated.tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    )
    if variant.model == "base" and task.spec.matching is not None:
        return truncate_raw_answer(decoded, task.spec.until)
    answer = drop_replacements(decoded).strip()
    if variant.model != "base" or not task.stop_texts:
        return answer
    return truncate_at_stop(answer, task.stop_texts)
