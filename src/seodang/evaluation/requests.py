"""Requests to a model: prompts and options as token ids, few-shot examples included.

Records are rendered in the variant's prompt format. So are task files, unless the format is "plain". Then prompt,
delimiter, option and separator are joined as the file says, and a task of lm-evaluation-harness is joined as the
harness joins it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from seodang.config import EvaluateParams, PromptFormat
from seodang.evaluation.samples import TaskSamples
from seodang.evaluation.tasks.prompts import render_few_shot_prompt, split_context_and_continuation
from seodang.evaluation.tasks.samples import EvalSample
from seodang.evaluation.tasks.spec import TaskSpec
from seodang.inference.prompt_encoder import PromptEncoder
from seodang.records import Record

Options = tuple[tuple[str, list[int]], ...]
"""Texts and token ids of an item's options, or of its reference."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A model with a prompt: its format, its number of few-shot examples and its prompt template."""

    name: str
    format: PromptFormat
    shots: int
    model: Literal["base", "tuned", "champion"]
    template_index: int = 0  # for task files that have several prompt templates


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests of one variant for one task; prompts and options are in the order of the items."""

    task: TaskSamples
    shots: int
    """Few-shot examples before each item."""
    prompts: list[list[int]]
    options: Sequence[Options]
    """Texts whose log-likelihood is computed: the options, else the reference, else none."""
    truncated_indices: frozenset[int] = frozenset()
    """Items whose text exceeds the context; only its beginning is scored."""


def build_requests(
    context_length: int | None, encoder: PromptEncoder, variant: Variant, task: TaskSamples, evaluate: EvaluateParams
) -> Requests:
    """Return the requests of a task, with as many of the variant's few-shot examples as fit into the context.

    Args:
        context_length: Tokens that the model reads at most; None for no limit.
        encoder: Of the variant's format.
        variant: Its prompt template and number of few-shot examples are used.
        task: Items and few-shot examples.
        evaluate: Limit of a free answer in tokens.
    """
    if task.kind == "text":
        return _truncate_to_context(_build_perplexity_requests(encoder, variant, task), context_length)
    max_prompt_tokens = None if context_length is None else context_length - get_max_new_tokens(task, evaluate)
    if _is_plain(variant, task):
        return _build_plain_requests(max_prompt_tokens, encoder, variant, task)
    template = task.get_template(variant.template_index)
    few_shot_examples = encoder.select_few_shot_examples(
        template.records, template.few_shot_examples[: variant.shots], max_prompt_tokens
    )
    options = [
        tuple((text, encoder.encode_answer(text)) for text in list_options(record)) for record in template.records
    ]
    prompts = [encoder.encode_prompt(record, few_shot_examples) for record in template.records]
    return Requests(task, len(few_shot_examples), prompts, options)


def _is_plain(variant: Variant, task: TaskSamples) -> bool:
    """Return whether the task's own delimiter and separator join the texts, and not the prompt format."""
    return variant.format == "plain" and task.joins_texts_itself


def _build_perplexity_requests(encoder: PromptEncoder, variant: Variant, task: TaskSamples) -> Requests:
    """Return texts to score: after their prompt, or alone where it is blank."""
    if _is_plain(variant, task):
        template_name = _select_template_name(variant, task.spec)
        encoded_pairs = [
            _encode_pair(encoder, task.spec, sample, [], template_name)
            if sample.prompts[template_name].strip()
            else _encode_without_prompt(encoder, sample.reference)
            for sample in task.samples
        ]
    else:
        encoded_pairs = [
            (encoder.encode_prompt(record), ((record.output, encoder.encode_answer(record.output)),))
            if record.instruction
            else _encode_without_prompt(encoder, record.output)
            for record in task.get_template(variant.template_index).records
        ]
    return Requests(task, 0, [prompt for prompt, _ in encoded_pairs], [options for _, options in encoded_pairs])


def _encode_without_prompt(encoder: PromptEncoder, text: str) -> tuple[list[int], Options]:
    return encoder.start_ids, ((text, encoder.encode_text(text)),)


def _truncate_to_context(requests: Requests, context_length: int | None) -> Requests:
    """Return requests that fit into the context: a long text loses its end, a long prompt its beginning."""
    if context_length is None:
        return requests
    prompts = [prompt[-(context_length - 1) :] for prompt in requests.prompts]
    truncated_options = [
        tuple((text, ids[: context_length - len(prompt)]) for text, ids in options)
        for prompt, options in zip(prompts, requests.options, strict=True)
    ]
    truncated_indices = frozenset(
        index
        for index, options in enumerate(requests.options)
        if any(len(ids) > len(kept[1]) for (_, ids), kept in zip(options, truncated_options[index], strict=True))
    )
    return Requests(requests.task, 0, prompts, truncated_options, truncated_indices)


def get_max_new_tokens(task: TaskSamples, evaluate: EvaluateParams) -> int:
    """Return the limit of a free answer in tokens."""
    return task.spec.max_new_tokens or evaluate.max_new_tokens


def list_options(record: Record) -> list[str]:
    """Return the texts of an item whose log-likelihoods are computed."""
    if record.output in record.choices:
        return list(record.choices)
    return [record.output] if record.output else []


def _build_plain_requests(
    max_prompt_tokens: int | None, encoder: PromptEncoder, variant: Variant, task: TaskSamples
) -> Requests:
    """Return requests joined by the task file's own delimiter and separator."""
    template_name = _select_template_name(variant, task.spec)
    few_shot_examples = _fit_few_shot_examples(
        max_prompt_tokens, encoder, task, template_name, task.few_shot_samples[: variant.shots]
    )
    prompts, options = zip(
        *(_encode_pair(encoder, task.spec, sample, few_shot_examples, template_name) for sample in task.samples),
        strict=True,
    )
    return Requests(task, len(few_shot_examples), list(prompts), list(options))


def _select_template_name(variant: Variant, spec: TaskSpec) -> str:
    """Return the name of the variant's prompt template; of the first one where the file has fewer templates."""
    return list(spec.prompts)[variant.template_index if variant.template_index < len(spec.prompts) else 0]


def _fit_few_shot_examples(
    max_prompt_tokens: int | None,
    encoder: PromptEncoder,
    task: TaskSamples,
    template_name: str,
    few_shot_examples: Sequence[EvalSample],
) -> Sequence[EvalSample]:
    """Return as many leading few-shot examples as leave room for the longest item."""
    if max_prompt_tokens is None:
        return few_shot_examples
    longest = max(task.samples, key=lambda sample: _count_tokens(encoder, task.spec, sample, [], template_name))
    while (
        few_shot_examples
        and _count_tokens(encoder, task.spec, longest, few_shot_examples, template_name) > max_prompt_tokens
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
) -> tuple[list[int], Options]:
    """Return an item's prompt and options as token ids.

    An option has the tokens of the complete text after those of the prompt. Blanks at the prompt's end belong to the
    option; for a free answer the prompt stays unchanged. Source: lm-evaluation-harness, TemplateLM._encode_pair and
    generate_until.
    """
    context = render_few_shot_prompt(spec, sample, few_shot_examples, template_name)
    texts = sample.choices or tuple(filter(None, [sample.reference]))
    is_free = spec.kind == "generate"
    pairs = [
        (context, spec.delimiter + text) if is_free else split_context_and_continuation(context, text, spec.delimiter)
        for text in texts
    ]
    context_ids = encoder.encode_text(pairs[0][0] if pairs else context)
    options = tuple(
        (text, encoder.encode_text(before + after)[len(context_ids) :])
        for text, (before, after) in zip(texts, pairs, strict=True)
    )
    return [*encoder.begin_ids, *context_ids] or encoder.start_ids, options
