"""`seodang generate RECIPE`: instruction data from a teacher, within a budget, with a journal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from seodang.cli.api_key import check_key
from seodang.cli.terminal import print_lines
from seodang.errors import ParamsError, TeacherError
from seodang.i18n import _

if TYPE_CHECKING:
    from seodang.config.recipe import GenerateParams
    from seodang.synthesis.calls import Recipe

_BUDGET_USED_UP: Final = 5
_SIGNAL_BASE: Final = 128  # exit code of a command that a signal ended, as of a shell


def generate(
    file: Annotated[Path, typer.Argument(metavar="RECIPE", help=_("A recipe file, such as recipes/answer.yaml."))],
    plan: Annotated[bool, typer.Option("--plan", help=_("Print calls, tokens, cost and time; ask nothing."))] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help=_("Ask the calls again that got no answer in an earlier run."))
    ] = False,
) -> int:
    """Ask the teacher what the journal does not have yet, and write records, rejections and a manifest.

    Raises:
        SeodangError: If the recipe file or an input cannot be used, or the teacher refuses (exit code 2) or does not
            answer (75).
    """
    from seodang.config.recipe import load_recipe
    from seodang.synthesis.recipes import build_recipe

    params = load_recipe(file)
    project = Path.cwd()
    folder = project / params.output
    key = "" if plan else read_teacher_key(params.teacher.key_env)
    print_plan(build_recipe(params, project), params, folder, retry_failed=retry_failed)
    if plan:
        return 0
    code = run_and_report(build_recipe(params, project), params, folder, file, key=key, retry_failed=retry_failed)
    if code in (0, _BUDGET_USED_UP):
        from seodang.reports.generation import PAGE_NAME, write_generation_page

        write_generation_page(params, folder, project)
        print_lines([_("open in a browser: {file}", file=f"{params.output}/{PAGE_NAME}")])
    return code


def read_teacher_key(variable: str | None) -> str:
    """Return the key of the teacher's API from the environment; "" where it needs none.

    Raises:
        ParamsError: If the variable is not set, or no header can hold its value.
    """
    if variable is None:
        return ""
    key = os.environ.get(variable, "").strip()  # a key from a file ends with a line break
    if not key:
        raise ParamsError(
            _("the environment variable {name} is not set; it must hold the key: export {name}=...", name=variable)
        )
    check_key(key, variable)
    return key


def print_plan(recipe: Recipe, params: GenerateParams, folder: Path, *, retry_failed: bool) -> None:
    """Print what a run will ask, cost and take, and whether the budget may end before.

    Raises:
        ArtifactError: If the journal in the folder is damaged.
    """
    from seodang.cli.generate_format import format_plan
    from seodang.synthesis.journal import JOURNAL_NAME, read_journal
    from seodang.synthesis.plan import plan_run

    state, _size = read_journal(folder / JOURNAL_NAME)
    if retry_failed:
        state.forget_failures()
    print_lines(format_plan(plan_run(recipe, params, state), params))


def run_and_report(
    recipe: Recipe, params: GenerateParams, folder: Path, recipe_file: Path, *, key: str, retry_failed: bool
) -> int:
    """Run a recipe, write its output, print what came of it, and return the exit code."""
    from seodang.cli.generate_format import format_end, format_stop
    from seodang.cli.generate_progress import show_progress
    from seodang.synthesis.output import write_output
    from seodang.synthesis.run import run_recipe

    with show_progress(params) as observe:
        state = run_recipe(recipe, params, folder, key, observe, retry_failed=retry_failed)
    if state.end == "stopped":
        print_lines(format_stop(state, params))
        return _SIGNAL_BASE + (state.signal or 0)
    generated = recipe.finish()
    counts = write_output(generated, state, params, folder, recipe_file)
    print_lines(format_end(counts, generated, state, params))
    if not generated.rows and state.end is None:
        raise TeacherError(
            _("nothing of the teacher's replies could be kept; {folder}/rejected.jsonl has the reasons", folder=folder)
        )
    return _BUDGET_USED_UP if state.end == "budget" else 0
