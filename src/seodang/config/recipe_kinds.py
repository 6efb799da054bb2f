"""Section `recipe` of a recipe file: what is asked of the teacher, one class per kind of recipe."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from seodang.config.section import Section
from seodang.i18n import _
from seodang.records import Language


class _RecipeSection(Section):
    """What all recipes have."""

    temperature: Annotated[NonNegativeFloat, Field(le=2)]
    max_tokens: PositiveInt
    """Of one reply; a reply that ends there loses its last task."""


class SelfInstructParams(_RecipeSection):
    """New tasks like the seed tasks, as Alpaca made them (Wang et al. 2023, arXiv 2212.10560; Taori et al. 2023)."""

    kind: Literal["self-instruct"]
    language: Language
    seeds: str
    """File of seed tasks in any format that ingest reads, relative to the folder of the project; primer: the bundled
    ones."""
    tasks: PositiveInt
    """Kept tasks that end the run."""
    max_calls: PositiveInt
    """Calls that end the run, however few tasks were kept."""
    calls_per_round: PositiveInt
    """Calls that are sent together; novelty is checked against what earlier rounds kept."""
    tasks_per_call: Annotated[int, Field(ge=2, le=50)]
    """Tasks in the list that a call shows and continues; Alpaca: 20."""
    examples_per_call: PositiveInt
    """Seed tasks at the beginning of that list, drawn anew for each call; Alpaca: 3."""
    max_rouge_l: Annotated[float, Field(gt=0, le=1)]
    """A task whose instruction has this ROUGE-L or a higher one with a seed or a kept task is not new; Alpaca: 0.7."""
    min_words: PositiveInt
    """Of an instruction; Alpaca: 4. A Korean word holds more than an English one, so 3 or 2 fits Korean."""
    max_words: PositiveInt
    """Of an instruction; Alpaca: 150."""

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        """Refuse settings with which each call is paid for and nothing can be kept."""
        if self.examples_per_call >= self.tasks_per_call:
            raise ValueError(
                _(
                    "examples_per_call {examples} must be less than tasks_per_call {tasks}, which counts them too",
                    examples=self.examples_per_call,
                    tasks=self.tasks_per_call,
                )
            )
        if self.min_words > self.max_words:
            raise ValueError(
                _(
                    "min_words {least} must not be greater than max_words {most}",
                    least=self.min_words,
                    most=self.max_words,
                )
            )
        return self


class TranslateParams(_RecipeSection):
    """Instruction and input translated, the output written anew in the target language, as KoAlpaca was made."""

    kind: Literal["translate"]
    language: Language
    """The target language."""
    tasks: str
    """File of tasks in any format that ingest reads, relative to the folder of the project; primer: the bundled seed
    tasks."""
    limit: PositiveInt | None
    """Maximum number of tasks, from the beginning of the file; null: all."""
    tasks_per_call: Annotated[int, Field(ge=1, le=50)]
    """Tasks that one call translates, and that one call answers."""


class AnswerParams(_RecipeSection):
    """Answers to given prompts."""

    kind: Literal["answer"]
    prompts: str
    """File of prompts in any format that ingest reads, relative to the folder of the project; its answers are not
    used."""
    limit: PositiveInt | None
    """Maximum number of prompts, from the beginning of the file; null: all."""
    tasks_per_call: Annotated[int, Field(ge=1, le=50)]
    """Prompts that one call answers; 1: the reply is the answer, as it is."""


class RewriteParams(_RecipeSection):
    """Quarantined rows written anew by the reason that they were rejected for."""

    kind: Literal["rewrite"]
    quarantine: str
    """Quarantine file of stage validate or of seodang check, relative to the folder of the project."""
    limit: PositiveInt | None
    """Maximum number of rows, from the beginning of the file; null: all."""
    params: str | None
    """File with the rules that a rewritten row must pass, params.yaml, relative to the folder of the project; null: the
    defaults."""


class PreferenceParams(_RecipeSection):
    """Two answers to each prompt, and which one the teacher prefers in both orders."""

    kind: Literal["preference"]
    prompts: str
    """As in AnswerParams."""
    limit: PositiveInt | None
    """As in AnswerParams."""
    judge_max_tokens: PositiveInt
    """Of one verdict with its reasons."""


RecipeParams = Annotated[
    SelfInstructParams | TranslateParams | AnswerParams | RewriteParams | PreferenceParams, Field(discriminator="kind")
]
