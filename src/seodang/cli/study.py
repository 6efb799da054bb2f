"""`seodang study FILE`: measure prompting against tuning on one task and on many."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seodang.cli.terminal import print_lines
from seodang.errors import ArtifactError
from seodang.i18n import _, get_language
from seodang.paths import Paths


def study(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_("A study file, such as studies/primer.yaml."))],
) -> int:
    """Run the study and print its table; an interrupted study resumes.

    Raises:
        SeodangError: If the file cannot be used, or base and splits do not exist; exit code 2.
    """
    from seodang.config.load import check_names, load_params, parse_section
    from seodang.config.migration import STUDY_RENAMES
    from seodang.config.study import StudyParams
    from seodang.config.yaml_file import read_yaml
    from seodang.study.runner import run_study

    paths = Paths(Path.cwd())
    raw = read_yaml(file)
    check_names(raw, STUDY_RENAMES, file)
    params = load_params(paths.params)
    needed = (paths.base_report, paths.get_split_path("train"), paths.get_split_path("test"))
    if missing := [str(path.relative_to(paths.root)) for path in needed if not path.exists()]:
        raise ArtifactError(_("{files} do not exist yet; run first: dvc repro prepare", files=", ".join(missing)))
    folder = run_study(parse_section(StudyParams, raw, str(file)), file.stem, params, paths)
    page = (folder / "index.html").relative_to(paths.root)
    table = "study.ko.md" if get_language() == "ko" else "study.md"
    print_lines([(folder / table).read_text("utf-8"), _("report: {page}", page=page)])
    return 0
