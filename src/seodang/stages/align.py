"""Stage `align`: preference tuning of the trained model; off while align.method is none."""

from __future__ import annotations

import os

from seodang.config import AlignParams, PromptParams, TrainParams
from seodang.io.atomic import replace_folder
from seodang.io.jsonl import write_json
from seodang.paths import Paths
from seodang.stages import Report


def run(*, prompt: PromptParams, train: TrainParams, align: AlignParams, paths: Paths) -> Report:
    """Align the tuned model with preferences and write the report; with method none, a report that says so.

    An interrupted run resumes from its last checkpoint.
    """
    if align.method == "none":
        return _switch_off(paths)
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # ORPO's place in TRL is no concern of the user
    from seodang.alignment.run import run_alignment  # imports torch

    return run_alignment(prompt, train, align, paths)


def _switch_off(paths: Paths) -> Report:
    """Write the outputs that DVC expects: a report, no metrics, and empty folders for the adapter and the curves."""
    report = {"method": "none"}
    for folder in (paths.aligned_adapter, paths.align_live):
        with replace_folder(folder):
            pass
    (paths.align_live / "plots" / "metrics").mkdir(parents=True)
    (paths.align_live / "metrics.json").write_text("{}\n", "utf-8")
    write_json(paths.align_report, report)
    return report
