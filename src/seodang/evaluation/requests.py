"""What a model is asked: prompts and options as tokens, exemplars before them.

Records are asked in the arm's prompt format. Task files are too, unless the format is "plain": then prompt, delimiter, option and
separator are joined as the file says, which for tasks of lm-evaluation-harness is as the harness joins them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from seodang.config import EvaluateParams, PromptFormat
from seodang.evaluation.samples import TaskSamples
from seodang.evaluation.tasks.prompts import render_few_shot_prompt, split_context_and_continuation
from seodang.evaluation.tasks.samples import EvalSample
from seodang.evaluation.tasks.spec import TaskSpec
from seodang.inference.prompt_encoder import PromptEncoder
from seodang.records import Record


@dataclass(frozen=True, slots=True)
class Variant:
    """A model and a way of asking it."""

    name: str
    format: PromptFormat
    shots: int
    model: Literal["base", "tuned", "champion"]
    template_index: int = 0  # of task files that have several


@dataclass(frozen=True, slots=True)
class Requests:
    """The items of one task as one arm gets them; prompts and options are in the items' order."""

    task: TaskSamples
    shots: int  # shown before each item
    prompts: list[list[int]]
    options: Sequence[tuple[tuple[str, list[int]], ...]]
    """Texts and token ids of what a log-likelihood is found of: the options, where there are none the reference, () without one."""
    truncated_indices: frozenset[int] = (
        frozenset()
    )  # places of texts that are longer than the model reads, and of which only the beginning is read


def build_requests(
    context_length: int, encoder: PromptEncoder, variant: Variant, task: TaskSamples, evaluate: EvaluateParams
) -> Requests:
    """Return the prompts of a task; so many exemplars are shown as the arm says and the context holds.

    Args:
        context: Tokens that the model reads at the most.
        asker: Of the arm's format.
        arm: Its wording and number of exemplars count.
        task: Items and exemplars.
        evaluate: How long a free answer may be.
    """
    if task.kind == "text":
        return _truncate_to_context(_build_perplexity_requests(encoder, variant, task), context_length)
    max_prompt_tokens = context_length - get_max_new_tokens(task, evaluate)
    if task.spec is not None and variant.format == "plain":
        return _build_plain_requests(max_prompt_tokens, encoder, variant, task, task.spec)
    template = task.get_template(variant.template_index)
    few_shot_examples = encoder.select_few_shot_examples(
        template.records, template.few_shot_examples[: variant.shots], max_prompt_tokens
    )
    options = [
        tuple((text, encoder.encode_answer(text)) for text in list_options(record)) for record in template.records
    ]
    return Requests(
        task,
        len(few_shot_examples),
        [encoder.encode_prompt(record, few_shot_examples) for record in template.records],
        options,
    )


def _build_perplexity_requests(encoder: PromptEncoder, variant: Variant, task: TaskSamples) -> Requests:
    """Return texts that are read: behind their prompt, or alone where it is blank."""
    template = task.get_template(variant.template_index)
    if task.spec is not None and variant.format == "plain":
        template_name = _select_template_name(variant, task.spec)
        encoded_pairs = [
            _encode_pair(encoder, task.spec, item, [], template_name)
            if item.prompts[template_name].strip()
            else _encode_without_prompt(encoder, item.reference)
            for item in task.samples
        ]
    else:
        encoded_pairs = [
            (encoder.encode_prompt(record), ((record.output, encoder.encode_answer(record.output)),))
            if record.instruction
            else _encode_without_prompt(encoder, record.output)
            for record in template.records
        ]
    return Requests(task, 0, [prompt for prompt, _ in encoded_pairs], [options for _, options in encoded_pairs])


def _encode_without_prompt(encoder: PromptEncoder, text: str) -> tuple[list[int], tuple[tuple[str, list[int]], ...]]:
    return encoder.start_ids, ((text, encoder.encode_text(text)),)


def _truncate_to_context(requests: Requests, context_length: int) -> Requests:
    """Return the texts as far as the model reads: what is longer loses its end, and a prompt that fills the context its beginning."""
    prompts = [prompt[-(context_length - 1) :] for prompt in requests.prompts]
    truncated_options = [
        tuple((text, ids[: context_length - len(prompt)]) for text, ids in options)
        for prompt, options in zip(prompts, requests.options, strict=True)
    ]
    truncated_indices = frozenset(
        place
        for place, options in enumerate(requests.options)
        if any(len(ids) > len(kept[1]) for (_, ids), kept in zip(options, truncated_options[place], strict=True))
    )
    return Requests(requests.task, 0, prompts, truncated_options, truncated_indices)


def get_max_new_tokens(task: TaskSamples, evaluate: EvaluateParams) -> int:
    """Return the tokens that a free answer may have."""
    return (
        evaluate.max_new_tokens if task.spec is None or task.spec.max_new_tokens is None else task.spec.max_new_tokens
    )


def list_options(record: Record) -> list[str]:
    """Return what the log-likelihoods of an item are of."""
    if record.output in record.choices:
        return list(record.choices)
    return [record.output] if record.output else []


def _build_plain_requests(
    max_prompt_tokens: int, encoder: PromptEncoder, variant: Variant, task: TaskSamples, spec: TaskSpec
) -> Requests:
    """Return the items joined by the task file's own delimiter and separator."""
    template_name = _select_template_name(variant, spec)
    few_shot_examples = _fit_few_shot_examples(
        max_prompt_tokens, encoder, task, spec, template_name, task.few_shot_samples[: variant.shots]
    )
    prompts, options = zip(
        *(_encode_pair(encoder, spec, item, few_shot_examples, template_name) for item in task.samples), strict=True
    )
    return Requests(task, len(few_shot_examples), list(prompts), list(options))


def _select_template_name(variant: Variant, spec: TaskSpec) -> str:
    """Return the name of the arm's wording; of the usual one where the file has not so many."""
    return list(spec.prompts)[variant.template_index if variant.template_index < len(spec.prompts) else 0]


def _fit_few_shot_examples(
    max_prompt_tokens: int,
    encoder: PromptEncoder,
    task: TaskSamples,
    spec: TaskSpec,
    template_name: str,
    few_shot_examples: Sequence[EvalSample],
) -> Sequence[EvalSample]:
    """Return as many leading exemplars as leave room for the longest item; where not even that fits, none."""
    longest = max(task.samples, key=lambda item: _count_tokens(encoder, spec, item, [], template_name))
    while (
        few_shot_examples
        and _count_tokens(encoder, spec, longest, few_shot_examples, template_name) > max_prompt_tokens
    ):
        few_shot_examples = few_shot_examples[:-1]
    return few_shot_examples


def _count_tokens(
    encoder: PromptEncoder,
    spec: TaskSpec,
    sample: EvalSample,
    few_shot_examples: Sequence[EvalSample],
    template_name: str,
) -> int:
    prompt, options = _encode_pair(encoder, spec, sample, few_shot_examples, template_name)
    return len(prompt) + max((len(ids) for _, ids in options), default=0)


def _encode_pair(
    encoder: PromptEncoder,
    spec: TaskSpec,
    sample: EvalSample,
    few_shot_examples: Sequence[EvalSample],
    template_name: str,
) -> tuple[list[int], tuple[tuple[str, list[int]], ...]]:
    """Return an item's prompt and options as tokens.

    An option's tokens are those that the whole has beyond the prompt's, and blanks at the prompt's end are the option's. Where a
    free answer is asked for, the prompt stays as it is. Source: lm-evaluation-harness, TemplateLM._encode_pair and generate_until.
    """
    context = render_few_shot_prompt(spec, sample, few_shot_examples, template_name)
    texts = sample.choices or tuple(filter(None, [sample.reference]))
    free = spec.kind == "generate"
    pairs = [
        (context, spec.delimiter + text) if free else split_context_and_continuation(context, text, spec.delimiter)
        for text in texts
    ]
    context_ids = encoder.encode_text(pairs[0][0] if pairs else context)
    options = tuple(
        (text, encoder.encode_text(before + after)[len(context_ids) :])
        for text, (before, after) in zip(texts, pairs, strict=True)
    )
    return [*encoder.begin_ids, *context_ids] or encoder.start_ids, options


def get_context_length(model: Any) -> int:
    """Return the tokens that a model reads at the most."""
    return int(model.config.get_text_config().max_position_embeddings)
