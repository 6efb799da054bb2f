"""Requests to a model: prompts and options as token ids, few-shot examples included.

Records are rendered in the variant's prompt format. So are task files, unless the format is "plain". Then prompt,
delimiter, option and separator are joined as the file says, and a task of lm-evaluation-harness is joined as the
harness joins it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from seodang.config import EvaluateParams, PromptFormat
from seodang.evaluation.context import ContextLimits, Options, create_limits, fit_item
from seodang.evaluation.samples import TaskSamples
from seodang.evaluation.tasks.prompts import render_few_shot_prompt, split_context_and_continuation
from seodang.evaluation.tasks.samples import EvalSample
from seodang.evaluation.tasks.spec import TaskSpec
from seodang.inference.prompt_encoder import PromptEncoder
from seodang.records import Record


@dataclass(frozen=True, slots=True)
class Variant:
    """A model with a prompt: its format, its number of few-shot examples and its prompt template."""

    name: str
    format: PromptFormat
    shots: int
    model: Literal["base", "tuned", "aligned", "champion"]
    template_index: int = 0  # for task files that have several prompt templates
    is_calibrated: bool = False  # whether the label preferences of the prompt are subtracted (calibration.py)


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests of one variant for one task; all lists are in the order of the items."""

    task: TaskSamples
    prompts: list[list[int]]
    options: list[Options]
    """Texts whose log-likelihood is computed: the options, else the reference, else none."""
    shots: list[int]
    """Few-shot examples before each item: as many of the variant's as fit into the context."""
    truncated_prompts: frozenset[int]
    """Indices of the items that exceed the context without few-shot examples; their prompt lost its beginning."""
    truncated_options: frozenset[int]
    """Indices of the items with a text or an option that exceeds the context; only its beginning is scored."""
    limits: ContextLimits

    def get_answer_prompt(self, index: int) -> list[int]:
        """Return the prompt of a free answer, which leaves room for the answer."""
        limit = self.limits.max_prompt_tokens
        return self.prompts[index] if limit is None else self.prompts[index][-limit:]


def build_requests(
    context_length: int | None, encoder: PromptEncoder, variant: Variant, task: TaskSamples, evaluate: EvaluateParams
) -> Requests:
    """Return the requests of a task; each item has as many of the variant's few-shot examples as fit into the context.

    Args:
        context_length: Tokens that the model reads at most; None for no limit.
        encoder: Of the variant's format.
        variant: Its prompt template and number of few-shot examples are used.
        task: Items and few-shot examples.
        evaluate: Limit of a free answer in tokens, and number of items with a free answer.

    Raises:
        EvaluationError: If no model could distinguish two options of an item, or an option has no token.
    """
    encode, shots = _select_encoding(encoder, variant, task)
    max_new_tokens = 0 if task.kind == "text" else task.spec.max_new_tokens or evaluate.max_new_tokens
    limits = create_limits(context_length, max_new_tokens)
    items = []
    for index, record in enumerate(task.records):
        is_generated = task.kind != "text" and index < get_generation_count(task, evaluate)
        items.append(
            fit_item(f"{task.key}/{record.id}", partial(encode, index), shots, limits, is_generated=is_generated)
        )
    return Requests(
        task,
        [item.prompt for item in items],
        [item.options for item in items],
        [item.shots for item in items],
        frozenset(index for index, item in enumerate(items) if item.is_prompt_truncated),
        frozenset(index for index, item in enumerate(items) if item.is_option_truncated),
        limits,
    )


EncodeTask = Callable[[int, int], tuple[list[int], Options]]
"""Returns prompt and options of the item with an index, after a number of few-shot examples."""


def _select_encoding(encoder: PromptEncoder, variant: Variant, task: TaskSamples) -> tuple[EncodeTask, int]:
    """Return the function that encodes the items of a task, and the number of few-shot examples that it may add."""
    is_plain = variant.format == "plain" and task.joins_texts_itself
    if task.kind == "text":
        return (_create_plain_text_encoding if is_plain else _create_text_encoding)(encoder, variant, task), 0
    if is_plain:
        return _create_plain_encoding(encoder, variant, task), len(task.few_shot_samples[: variant.shots])
    template = task.get_template(variant.template_index)
    examples = [encoder.encode_few_shot_example(example) for example in template.few_shot_examples[: variant.shots]]

    def encode(index: int, shots: int) -> tuple[list[int], Options]:
        record = template.records[index]
        options = tuple((text, encoder.encode_answer(text)) for text in list_options(record))
        return encoder.encode_prompt(record, examples[:shots]), options

    return encode, len(examples)


def _create_plain_encoding(encoder: PromptEncoder, variant: Variant, task: TaskSamples) -> EncodeTask:
    """Return an encoding that joins texts by the task file's own delimiter and separator."""
    template_name = _select_template_name(variant, task.spec)

    def encode(index: int, shots: int) -> tuple[list[int], Options]:
        return _encode_pair(encoder, task.spec, task.samples[index], task.few_shot_samples[:shots], template_name)

    return encode


def _create_plain_text_encoding(encoder: PromptEncoder, variant: Variant, task: TaskSamples) -> EncodeTask:
    """Return an encoding of texts after their prompt, or alone where it is blank."""
    template_name = _select_template_name(variant, task.spec)

    def encode(index: int, _shots: int) -> tuple[list[int], Options]:
        sample = task.samples[index]
        return (
            _encode_pair(encoder, task.spec, sample, [], template_name)
            if sample.prompts[template_name].strip()
            else _encode_without_prompt(encoder, sample.reference)
        )

    return encode


def _create_text_encoding(encoder: PromptEncoder, variant: Variant, task: TaskSamples) -> EncodeTask:
    """Return an encoding of texts in the variant's prompt format, or alone where they have no instruction."""
    records = task.get_template(variant.template_index).records

    def encode(index: int, _shots: int) -> tuple[list[int], Options]:
        record = records[index]
        return (
            (encoder.encode_prompt(record), ((record.output, encoder.encode_answer(record.output)),))
            if record.instruction
            else _encode_without_prompt(encoder, record.output)
        )

    return encode


def _encode_without_prompt(encoder: PromptEncoder, text: str) -> tuple[list[int], Options]:
    return encoder.start_ids, ((text, encoder.encode_text(text)),)


def get_generation_count(task: TaskSamples, evaluate: EvaluateParams) -> int:
    """Return the number of leading items that are answered freely."""
    if task.spec.generations is not None:
        return task.spec.generations
    is_free_text_task = task.kind == "open" and task.split == "test"
    return evaluate.generations_per_free_text_task if is_free_text_task else evaluate.generations_per_task


def list_options(record: Record) -> list[str]:
    """Return the texts of an item whose log-likelihoods are computed."""
    if record.output in record.choices:
        return list(record.choices)
    return [record.output] if record.output else []


def _select_template_name(variant: Variant, spec: TaskSpec) -> str:
    """Return the name of the variant's prompt template; of the first one where the file has fewer templates."""
    return list(spec.prompts)[variant.template_index if variant.template_index < len(spec.prompts) else 0]


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
