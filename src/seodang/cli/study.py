"""`seodang study FILE`: was tuning worth it? Prompting against tuning on one task and on many, measured."""

from __future__ import annotations

import argparse
from pathlib import Path

from seodang.errors import ArtefactError
from seodang.paths import Paths


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="what is compared, such as studies/primer.yaml / 연구 파일"
    )


def run(options: argparse.Namespace, paths: Paths) -> int:
    """Make the study and print its table; a study that was killed goes on where it was.

    Raises:
        SeodangError: If the file cannot be used, or base and splits are not there; exit code 2.
    """
    from seodang.config.load import load_params, parse_section, read_yaml
    from seodang.config.study import StudyParams
    from seodang.study.runner import run_study

    study = parse_section(StudyParams, read_yaml(options.file), str(options.file))
    params = load_params(paths.params)
    missing = [
        str(place.relative_to(paths.root))
        for place in (paths.base_report, paths.get_split_path("train"), paths.get_split_path("test"))
        if not place.exists()
    ]
    if missing:
        raise ArtefactError(
            f"{', '.join(missing)} must be there first; run: dvc repro prepare / 먼저 dvc repro prepare를 실행하세요"
        )
    folder = run_study(study, options.file.stem, params, paths)
    print((folder / "study.md").read_text("utf-8"))
    print(f"보고서 / report: {(folder / 'index.html').relative_to(paths.root)}")
    return 0
