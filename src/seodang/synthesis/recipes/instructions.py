"""The instructions that a recipe starts from, for a comparison with what it made."""

from __future__ import annotations

from pathlib import Path

from seodang.config.recipe_kinds import (
    AnswerParams,
    PreferenceParams,
    RecipeParams,
    SelfInstructParams,
    TranslateParams,
)
from seodang.synthesis.inputs import Skipped, read_tasks
from seodang.synthesis.recipes.rewrite import read_rewritable
from seodang.synthesis.recipes.self_instruct import read_seeds
from seodang.synthesis.recipes.translate import read_untranslated


def read_instructions(recipe: RecipeParams, folder: Path) -> list[str]:
    """Return the instructions of the inputs that the recipe uses: without those that it leaves out, up to its limit.

    Raises:
        SourceError: If the file cannot be used.
        ArtifactError: If it is a quarantine file that cannot be read.
    """
    skipped = Skipped()
    match recipe:
        case SelfInstructParams():
            tasks = read_seeds(recipe, folder, skipped)
        case TranslateParams():
            tasks = read_untranslated(recipe, folder, skipped)
        case AnswerParams() | PreferenceParams():
            tasks = read_tasks(recipe.prompts, folder, skipped, recipe.limit)
        case _:
            tasks = [row.task for row in read_rewritable(recipe, folder, skipped)]
    return [task.instruction for task in tasks]
