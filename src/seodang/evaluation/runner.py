"""Evaluation of models: the same requests, generation and scoring for every model and prompt."""

from __future__ import annotations

import itertools
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from seodang.config import EvaluateParams
from seodang.evaluation.aggregate import ItemScore
from seodang.evaluation.calibration import (
    Preferences,
    build_content_free_task,
    can_calibrate,
    compute_preferences,
)
from seodang.evaluation.item_encoder import ItemEncoder
from seodang.evaluation.item_scores import build_item_score
from seodang.evaluation.requests import Requests, Variant, build_requests, get_generation_count
from seodang.evaluation.results import Results, build_answer_key, build_options_key
from seodang.evaluation.samples import TaskSamples
from seodang.i18n import ngettext
from seodang.inference.choice_requests import ChoiceRequest
from seodang.inference.loglikelihood import score_choices
from seodang.inference.prompt_encoder import PromptEncoder
from seodang.inference.shared_generation import iter_generations
from seodang.models.loading import get_context_length
from seodang.models.slot import ModelSlot

logger = logging.getLogger(__name__)


def count_templates(tasks: Sequence[TaskSamples]) -> int:
    """Return the largest number of prompt templates of a task."""
    return max((len(task.templates) for task in tasks), default=1)


def iter_base_variants(evaluate: EvaluateParams, template_count: int) -> Iterator[Variant]:
    """Yield the base's variants: each format, number of few-shot examples and prompt template, and these calibrated.

    The names hold the parts that differ between variants; "cal" marks a calibrated one.

    Args:
        evaluate: Formats and numbers of few-shot examples, and whether the base is also calibrated.
        template_count: Largest number of prompt templates of a task.
    """
    several_formats, several_shots = len(evaluate.base_formats) > 1, sum(count > 0 for count in evaluate.shots) > 1
    calibrations = (False, True) if evaluate.calibrate_base else (False,)
    for is_calibrated, count, format in itertools.product(calibrations, evaluate.shots, evaluate.base_formats):
        for template_index in range(template_count):
            parts = ["few_shot" if count else "zero_shot"]
            parts += [format] if several_formats else []
            parts += [str(count)] if count and several_shots else []
            parts += [f"w{template_index + 1}"] if template_count > 1 else []
            parts += ["cal"] if is_calibrated else []
            yield Variant("/".join(parts), format, count, "base", template_index, is_calibrated)


@dataclass(frozen=True, slots=True)
class VariantModel:
    """A variant with the function that loads its model and tokenizer into the slot."""

    variant: Variant
    load: Callable[[ModelSlot], tuple[Any, PreTrainedTokenizerBase]]
    read_frequency_penalty: Callable[[], float] | None = None
    """Of a packaged model, called after `load`; None: that of the evaluation."""
    list_folders: Callable[[], Sequence[Path]] = tuple
    """Return the folders of the weights, by which results are kept; called after `load`. None are kept without any."""


def evaluate_variants(
    variant_models: Sequence[VariantModel],
    tasks: Sequence[TaskSamples],
    evaluate: EvaluateParams,
    results: Results,
    models: ModelSlot,
) -> list[ItemScore]:
    """Return the scores of all variants; one model is in memory at a time.

    Args:
        variant_models: In order; consecutive variants of one model load it once.
        tasks: Items and few-shot examples.
        evaluate: Batch sizes and the number of generated answers.
        results: Of this and earlier runs.
        models: Loads the models.
    """
    started = time.monotonic()
    items = sum(len(task.records) for task in tasks)
    scores: list[ItemScore] = []
    encoders: dict[str, ItemEncoder] = {}  # of the current tokenizer, by format
    with tqdm(total=len(variant_models) * len(tasks), unit="task", disable=not sys.stderr.isatty()) as bar:
        for variant_model in variant_models:
            variant = variant_model.variant
            model, tokenizer = variant_model.load(models)
            results.select_model(variant_model.list_folders())
            encoders = {format: each for format, each in encoders.items() if each.tokenizer is tokenizer}
            encoder = encoders.get(variant.format) or ItemEncoder(tokenizer, variant.format)
            encoders[variant.format] = encoder
            settings = _adapt_settings(evaluate, variant_model)
            scores += run_requests(model, encoder, variant, tasks, settings, results, bar.update)
            del model  # this reference would keep the model in memory beside the next one
            logger.info(
                ngettext(
                    "evaluated {variant}: {count} item, {seconds:.0f} s so far",
                    "evaluated {variant}: {count} items, {seconds:.0f} s so far",
                    items,
                    variant=variant.name,
                    seconds=time.monotonic() - started,
                )
            )
    return scores


def _adapt_settings(evaluate: EvaluateParams, variant_model: VariantModel) -> EvaluateParams:
    if (read_penalty := variant_model.read_frequency_penalty) is None:
        return evaluate
    return evaluate.model_copy(update={"frequency_penalty": read_penalty()})


def run_requests(
    model: Any,
    encoder: PromptEncoder,
    variant: Variant,
    tasks: Sequence[TaskSamples],
    evaluate: EvaluateParams,
    results: Results,
    progress: Callable[[], object],
) -> Iterator[ItemScore]:
    """Yield the scores of one variant; the model computes only results that are missing.

    Args:
        model: With weights, on its device.
        encoder: Of the variant's format.
        variant: Named in the scores.
        tasks: Items and few-shot examples; each prompt holds as many examples as fit into the context.
        evaluate: Batch sizes and the number of generated answers.
        results: Of this and earlier runs.
        progress: Called after each task.
    """
    task_requests = [
        build_requests(get_context_length(model.config), encoder, variant, task, evaluate) for task in tasks
    ]
    for requests in task_requests:
        results.reuse_results(variant, requests)
    _generate_answers(model, encoder, variant, task_requests, evaluate, results)
    for requests in task_requests:
        _score_options(model, variant, requests, evaluate, results)
        preferences = _measure_preferences(model, encoder, variant, requests.task, evaluate, results)
        for index in range(len(requests.prompts)):
            yield build_item_score(
                encoder,
                variant,
                requests,
                index,
                results,
                preferences,
                is_generated=index < get_generation_count(requests.task, evaluate),
            )
        progress()


def _generate_answers(
    model: Any,
    encoder: PromptEncoder,
    variant: Variant,
    task_requests: Sequence[Requests],
    evaluate: EvaluateParams,
    results: Results,
) -> None:
    """Generate answers to the first items of each task; tasks share batches, because full batches are faster."""
    for max_new_tokens in sorted({requests.limits.max_new_tokens for requests in task_requests} - {0}):
        missing = [
            (key, requests.get_answer_prompt(index))
            for requests in task_requests
            if requests.limits.max_new_tokens == max_new_tokens
            for index in range(min(get_generation_count(requests.task, evaluate), len(requests.prompts)))
            if (key := build_answer_key(variant, requests, index)) not in results
        ]
        keys, prompts = [key for key, _prompt in missing], [prompt for _key, prompt in missing]
        settings = (encoder.end_id, max_new_tokens, evaluate.tokens_per_batch, evaluate.frequency_penalty)
        request = ("answer", settings, prompts)
        if not missing or results.recall(request, keys):
            continue
        batches = iter_generations(
            model,
            prompts,
            end_id=encoder.end_id,
            max_new_tokens=max_new_tokens,
            batch_tokens=evaluate.tokens_per_batch,
            frequency_penalty=evaluate.frequency_penalty,
        )
        for batch in batches:
            results.add((keys[index], {"tokens": answer.tokens, "has_eos": answer.has_eos}) for index, answer in batch)
        results.keep(request, keys)


def _score_options(
    model: Any, variant: Variant, requests: Requests, evaluate: EvaluateParams, results: Results
) -> None:
    """Compute the log-likelihoods of each item's options, or of its reference where it has no options.

    Items with the same number of few-shot examples are scored together: they share the longest prefix, which the model
    reads once. A truncated prompt shares none.
    """
    groups: dict[tuple[bool, int], list[int]] = {}
    for index, options in enumerate(requests.options):
        if options:
            groups.setdefault((index in requests.truncated_prompts, requests.shots[index]), []).append(index)
    for _group, indices in sorted(groups.items()):
        keys = [build_options_key(variant, requests, index) for index in indices]
        choices = [
            ChoiceRequest(
                f"{variant.name}, {requests.task.key}/{requests.task.records[index].id}",
                requests.prompts[index],
                requests.options[index],
            )
            for index in indices
        ]
        known = {position for position, key in enumerate(keys) if key in results}
        ids = [(choice.prompt, [option for _text, option in choice.options]) for choice in choices]
        request = ("options", evaluate.tokens_per_batch, ids)
        if len(known) == len(keys) or results.recall(request, keys):
            continue
        for batch in score_choices(model, choices, evaluate.tokens_per_batch, skip=known):
            results.add(
                (keys[position], [[likelihood.nats, likelihood.tokens] for likelihood in likelihoods])
                for position, likelihoods in batch
            )
        results.keep(request, keys)


def _measure_preferences(
    model: Any,
    encoder: PromptEncoder,
    variant: Variant,
    task: TaskSamples,
    evaluate: EvaluateParams,
    results: Results,
) -> Preferences:
    """Return the label preferences of a calibrated variant's prompts; none where a prompt has no input of its own."""
    joins_texts = variant.format == "plain" and task.joins_texts_itself
    if not variant.is_calibrated or joins_texts or not can_calibrate(task):
        return {}
    content_free = build_content_free_task(task)
    requests = build_requests(get_context_length(model.config), encoder, variant, content_free, evaluate)
    results.reuse_results(variant, requests)
    _score_options(model, variant, requests, evaluate, results)
    log_likelihoods = [
        [nats for nats, _tokens in results[build_options_key(variant, requests, index)]]
        for index in range(len(requests.prompts))
    ]
    return compute_preferences(content_free.get_template(variant.template_index).records, log_likelihoods)
