"""Joining of an item's texts, as lm-evaluation-harness joins them."""

from __future__ import annotations

from collections.abc import Sequence

from seodang.evaluation.tasks.samples import EvalSample
from seodang.evaluation.tasks.spec import TaskSpec


def render_few_shot_prompt(
    spec: TaskSpec, sample: EvalSample, few_shot_examples: Sequence[EvalSample], template_name: str
) -> str:
    """Return the prompt in a prompt template, after few-shot examples that each end with the separator.

    Source: lm-evaluation-harness, fewshot_delimiter and target_delimiter of a task.
    """
    examples_text = "".join(
        f"{example.prompts[template_name]}{spec.delimiter}{example.reference}{spec.separator}"
        for example in few_shot_examples
    )
    return examples_text + sample.prompts[template_name]


def split_context_and_continuation(context: str, option: str, delimiter: str) -> tuple[str, str]:
    """Return the given text and the scored text; joined they are context, delimiter and option.

    Blanks at the end of the context move to the scored text. Tokenizers join a blank to the next word, so a blank that
    stays in the context makes every word unlikely. Source: lm-evaluation-harness, TemplateLM._encode_pair.
    """
    given = context.rstrip()
    return given, context[len(given) :] + delimiter + option


def truncate_at_stop(answer: str, until: Sequence[str]) -> str:
    """Return an answer without outer blanks, up to the first stop text in it."""
    answer = answer.strip()
    ends = [position for text in until if (position := answer.find(text)) >= 0]
    return answer[: min(ends, default=len(answer))].strip()
