"""Write all pages of a pipeline run from the reports of the stages."""

from __future__ import annotations

from pathlib import Path

from seodang.config import AlignParams, GateParams, PrepareParams, PromptParams, TrainParams
from seodang.io.jsonl import read_json
from seodang.paths import Paths
from seodang.reports.data_card import write_data_card
from seodang.reports.evaluation import write_evaluation_report
from seodang.reports.training import build_report_data, write_alignment_page, write_training_report
from seodang.training.curves import read_curves


def write_pages(
    paths: Paths,
    prompt: PromptParams,
    prepare: PrepareParams,
    train: TrainParams,
    align: AlignParams,
    gate: GateParams,
) -> list[Path]:
    """Write the pages in artifacts/report and return their paths: three, and that of preference tuning if it ran.

    Raises:
        ArtifactError: If a report of a stage is missing or damaged; the message names the stage to run.
    """
    write_data_card(paths, prepare.card, prepare.seed)
    settings = {"train": train.model_dump(), "prompt": prompt.model_dump()}
    write_training_report(paths, build_report_data(read_json(paths.train_report), settings, read_curves(paths.dvclive)))
    is_aligned = write_alignment_page(paths, align.bounds)
    write_evaluation_report(paths, read_json(paths.verdict), gate)
    return [
        paths.data_card / "index.html",
        paths.training_page / "index.html",
        *([paths.alignment_page] if is_aligned else []),
        paths.evaluation_page / "index.html",
    ]
