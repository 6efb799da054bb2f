"""The recipes of `seodang generate`. `build_recipe` makes one from a recipe file."""

from __future__ import annotations

from pathlib import Path

from seodang.config.recipe import GenerateParams
from seodang.config.recipe_kinds import AnswerParams, PreferenceParams, RewriteParams, SelfInstructParams
from seodang.synthesis.calls import Recipe
from seodang.synthesis.recipe_calls import Asker
from seodang.synthesis.recipes.answer import build_answer
from seodang.synthesis.recipes.preference import build_preference
from seodang.synthesis.recipes.rewrite import build_rewrite
from seodang.synthesis.recipes.self_instruct import build_self_instruct
from seodang.synthesis.recipes.translate import build_translate

__all__ = ["build_recipe"]


def build_recipe(params: GenerateParams, folder: Path) -> Recipe:
    """Return the recipe of a recipe file with its inputs.

    Args:
        params: The recipe file.
        folder: Folder of the project; the paths of the recipe file are relative to it.

    Raises:
        SourceError: If an input cannot be used.
        ArtifactError: If a quarantine file cannot be read.
        ParamsError: If the rules of a rewrite cannot be read.
    """
    asker, recipe = Asker(params), params.recipe
    match recipe:
        case SelfInstructParams():
            return build_self_instruct(asker, recipe, folder)
        case AnswerParams():
            return build_answer(asker, recipe, folder)
        case RewriteParams():
            return build_rewrite(asker, recipe, folder)
        case PreferenceParams():
            return build_preference(asker, recipe, folder)
        case _:
            return build_translate(asker, recipe, folder)
