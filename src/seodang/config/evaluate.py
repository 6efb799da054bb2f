"""Section `evaluate` of params.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from seodang.config.prompt import PromptFormat
from seodang.config.section import Section


class EvaluateParams(Section):
    """What is asked of every model."""

    seed: int
    items_per_task: PositiveInt
    """Test items of each task and language at the most, chosen by hash."""
    shots: Annotated[list[NonNegativeInt], Field(min_length=1)]
    """Numbers of exemplars with which the base is asked, from the training split; it is judged by its best."""
    base_formats: Annotated[list[PromptFormat], Field(min_length=1)]
    """Prompt formats tried with the base; it is judged by its best."""
    tokens_per_batch: PositiveInt
    """Padded tokens of one forward pass."""
    max_new_tokens: PositiveInt
    tasks: list[str]
    """Task files in tasks/ that are asked besides the test split, by name."""
    data_folder: str | None
    """Where their data files lie; from the project's folder, or absolute. What isn't there is looked for in tasks/data."""
    generations_per_task: PositiveInt
    """Items of each task and language that are also answered freely, by greedy generation."""
