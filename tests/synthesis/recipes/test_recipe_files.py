"""The recipe files that the repository ships."""

from __future__ import annotations

from pathlib import Path

import pytest

from seodang.config.recipe import load_recipe
from seodang.synthesis.journal import read_journal
from seodang.synthesis.plan import plan_run
from seodang.synthesis.recipes import build_recipe

REPOSITORY = Path(__file__).parents[3]
FILES = sorted((REPOSITORY / "recipes").glob("*.yaml"))


def test_there_is_a_file_for_each_recipe():
    kinds = [load_recipe(file).recipe.kind for file in FILES]
    assert sorted(kinds) == ["answer", "preference", "rewrite", "self-instruct", "translate"]
    assert [file.stem for file in FILES] == [kind.replace("-", "_") for kind in kinds]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_recipe_file_runs_as_it_is_and_fits_its_budget(file, tmp_path):
    params = load_recipe(file)
    assert params.output == f"generated/{file.stem}"
    if params.recipe.kind == "rewrite":  # needs a quarantine of the user's
        return
    state, _size = read_journal(tmp_path / "journal.jsonl")
    assert plan_run(build_recipe(params, tmp_path), params, state).fits_budget
    recipe = build_recipe(params, tmp_path)
    calls = recipe.name_calls()
    assert calls
    assert recipe.estimate().calls >= len(calls)
    assert len({call.key for call in calls}) == len(calls)
