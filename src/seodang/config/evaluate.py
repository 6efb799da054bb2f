"""Section `evaluate` of params.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from seodang.config.prompt import PromptFormat
from seodang.config.section import Section


class EvaluateParams(Section):
    """What every model is evaluated on."""

    seed: NonNegativeInt
    items_per_task: PositiveInt
    """Maximum number of test items of each task and language, selected by hash."""
    skipped_items: dict[str, PositiveInt]
    """Task -> items of each language that come first in that selection and are left out, because an earlier verdict has
    read them."""
    shots: Annotated[list[NonNegativeInt], Field(min_length=1)]
    """Numbers of few-shot examples in the prompt of the base, from the training split; its best prompt counts."""
    base_formats: Annotated[list[PromptFormat], Field(min_length=1)]
    """Prompt formats tried with the base; its best prompt counts."""
    calibrate_base: bool
    """Whether the base is also tried with contextual calibration: without the label preferences that each of its
    prompts shows for inputs without content (Zhao et al. 2021, arXiv 2102.09690)."""
    tokens_per_batch: PositiveInt
    """Tokens of one forward pass, padding included."""
    max_new_tokens: PositiveInt
    frequency_penalty: Annotated[float, Field(ge=0, le=2)]
    """Of free answers, by OpenAI's formula; the packaged model answers with it too. It is subtracted from the logit of
    a token as often as the answer has the token, so that fewer answers fall into a loop. 0: off."""
    tasks: list[str]
    """Names of the task files in tasks/ that are evaluated besides the test split."""
    data_folder: str | None
    """Folder of their data files, relative to the project or absolute; a missing file is searched in tasks/data."""
    generations_per_task: PositiveInt
    """Items of each task and language with labels, and of each task file, that the model also answers freely, by greedy
    generation."""
    generations_per_free_text_task: PositiveInt
    """Items of each task and language of the test split without labels that the model answers freely; the gate judges
    these tasks by their answers."""
