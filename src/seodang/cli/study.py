"""`seodang study FILE`: prompting against tuning on one task and on many, or a learning curve."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seodang.cli.terminal import fits_table, print_lines, print_table
from seodang.config import Params
from seodang.errors import ArtifactError
from seodang.i18n import _, get_language
from seodang.paths import Paths

if TYPE_CHECKING:
    from seodang.licences.permissions import Permissions

_DISPENSABLE = (5, 6, 7, 3)  # columns of a learning curve's table that a narrow terminal leaves to the page, in order


def study(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_("A study file, such as studies/primer.yaml."))],
) -> int:
    """Run the study and print its table; an interrupted study resumes.

    Raises:
        SeodangError: If the file cannot be used, or base and splits do not exist; exit code 2.
    """
    from seodang.config.load import check_names, load_params
    from seodang.config.migration import STUDY_RENAMES
    from seodang.config.yaml_file import read_yaml

    paths = Paths(Path.cwd())
    raw = read_yaml(file)
    check_names(raw, STUDY_RENAMES, file)
    params = load_params(paths.params)
    needed = (paths.base_report, paths.get_split_path("train"), paths.get_split_path("test"))
    if missing := [str(path.relative_to(paths.root)) for path in needed if not path.exists()]:
        raise ArtifactError(_("{files} do not exist yet; run first: dvc repro prepare", files=", ".join(missing)))
    run = _run_curve if "records" in raw else _run_comparison
    folder = run(raw, file, params, paths, _check_licences(params, paths))
    print_lines([_("report: {page}", page=(folder / "index.html").relative_to(paths.root))])
    return 0


def _check_licences(params: Params, paths: Paths) -> Permissions:
    """Return what base, data and teachers allow.

    Raises:
        LicenceRefused: If they forbid the declared use, or the name of the model, as in `seodang plan`.
    """
    from seodang.io.model_parts import read_model_parts
    from seodang.licences.permissions import build_permissions
    from seodang.licences.refusal import require_permission

    parts = read_model_parts(paths)
    require_permission(params.package.intended_use, params.package.name, parts, _("the study does not start"))
    return build_permissions(parts, params.package.intended_use)


def _run_comparison(raw: Mapping[str, Any], file: Path, params: Params, paths: Paths, permissions: Permissions) -> Path:
    """Run a study of methods, print its table and return the folder of its report."""
    from seodang.config.load import parse_section
    from seodang.config.study import StudyParams
    from seodang.study.runner import run_study

    folder = run_study(parse_section(StudyParams, raw, str(file)), file.stem, params, paths, permissions)
    table = "study.ko.md" if get_language() == "ko" else "study.md"
    print_lines([(folder / table).read_text("utf-8")])
    return folder


def _run_curve(raw: Mapping[str, Any], file: Path, params: Params, paths: Paths, permissions: Permissions) -> Path:
    """Run a learning curve, print its tables and return the folder of its report."""
    from seodang.config.curve import CurveParams
    from seodang.config.load import parse_section
    from seodang.io.jsonl import read_json
    from seodang.study.curve.runner import run_curve

    folder = run_curve(parse_section(CurveParams, raw, str(file)), file.stem, params, paths, permissions)
    print_curve(read_json(folder / "curve.json"))
    return folder


def print_curve(report: Mapping[str, Any]) -> None:
    """Print a table for each group of tasks, with its trends, and what the points lack."""
    from seodang.study.curve.report.texts import GROUPS, HEADINGS, METHODS, build_rows, describe_trends, list_headings

    language = get_language()
    for group, tasks in report["groups"].items():
        columns = list_headings(report, group)
        cells = [(_(METHODS[row.method]), *row.values) for row in build_rows(report, group)]
        headings = [_(heading) for heading in HEADINGS]
        for index in _DISPENSABLE:
            if fits_table(*_select(columns, headings, cells)):
                break
            columns = [column for column in columns if column != index]
        print_table(*_select(columns, headings, cells), title=f"{_(GROUPS[group])}: {', '.join(tasks)}")
        print_lines([str(trend) for trend in describe_trends(report, group)] + [""])
    print_lines([note[language] for note in (*report["shortages"], *report["baseline_gaps"], *report["licences"])])


def _select(columns: list[int], headings: list[str], rows: list[tuple[str, ...]]) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of some columns."""
    return [headings[index] for index in columns], [[row[index] for index in columns] for row in rows]
