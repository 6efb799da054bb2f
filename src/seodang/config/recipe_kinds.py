"""Section `recipe` of a recipe file: what is asked. `kind` decides which fields it has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from seodang.config.section import Section


class AnswerParams(Section):
    """Answers for given prompts."""

    kind: Literal["answer"]
    prompts: Annotated[str, Field(min_length=1)]
    """JSONL file with `instruction` and, where there is one, `input`; relative to the folder of the project."""
    max_tokens: PositiveInt
    """Of an answer."""
    temperature: Annotated[float, Field(ge=0, le=2)]


RecipeParams = AnswerParams
