"""Stage `align`: preference tuning of the trained model; off while align.method is none."""

from __future__ import annotations

import logging
import os

from seodang.config import AlignParams, PromptParams, TrainParams
from seodang.i18n import _
from seodang.io.atomic import replace_folder
from seodang.io.jsonl import write_json
from seodang.paths import Paths
from seodang.stages import Report

logger = logging.getLogger(__name__)


def run(*, prompt: PromptParams, train: TrainParams, align: AlignParams, paths: Paths) -> Report:
    """Align the tuned model with preferences and write the report; with method none, a report that says so.

    An interrupted run resumes from its last checkpoint.
    """
    if align.method == "none":
        return _switch_off(paths)
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # ORPO's place in TRL is no concern of the user
    from seodang.training.tracking.unused_trackers import hide_unused_trackers  # imports torch

    with hide_unused_trackers(train.report_to):
        from seodang.alignment.run import run_alignment

    return run_alignment(prompt, train, align, paths)


def _switch_off(paths: Paths) -> Report:
    """Write the outputs that DVC expects: a report, no metrics, and empty folders for the adapter and the curves.

    They are in place together, after everything is written: a full disk changes nothing.
    """
    report = {"method": "none"}
    with replace_folder(paths.aligned_adapter), replace_folder(paths.align_live) as live:
        (live / "plots" / "metrics").mkdir(parents=True)
        (live / "metrics.json").write_text("{}\n", "utf-8")
        write_json(paths.align_report, report)
    logger.info(_("off: align.method is none"))
    return report
