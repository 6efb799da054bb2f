"""The texts that a model is asked with, as lm-evaluation-harness joins them."""

from __future__ import annotations

from collections.abc import Sequence

from seodang.evaluation.tasks.samples import EvalSample
from seodang.evaluation.tasks.spec import TaskSpec


def render_few_shot_prompt(
    spec: TaskSpec, sample: EvalSample, few_shot_examples: Sequence[EvalSample], template_name: str
) -> str:
    """Return the prompt in a wording with solved exemplars before it; each is ended by the separator.

    Source: lm-evaluation-harness, fewshot_delimiter and target_delimiter of a task.
    """
    examples_text = "".join(
        f"{shown.prompts[template_name]}{spec.delimiter}{shown.reference}{spec.separator}"
        for shown in few_shot_examples
    )
    return examples_text + sample.prompts[template_name]


def split_context_and_continuation(context: str, option: str, delimiter: str) -> tuple[str, str]:
    """Return what a model is given and what it is scored on; together they are context, delimiter and option.

    Blanks at the end of the context move to the option's side, because tokenizers join a blank to the word behind it: left on
    the context's side it makes any word unlikely. Source: lm-evaluation-harness, TemplateLM._encode_pair.
    """
    given = context.rstrip()
    return given, context[len(given) :] + delimiter + option


def truncate_at_stop(answer: str, until: Sequence[str]) -> str:
    """Return an answer up to the first of the texts that end one, blanks around it left out; they may stand before it."""
    answer = answer.strip()
    ends = [position for text in until if (position := answer.find(text)) >= 0]
    return answer[: min(ends, default=len(answer))].strip()
