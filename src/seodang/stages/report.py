"""Stage `report`: the HTML pages of a run. It only renders what the other stages measured, so it is cheap to repeat."""

from __future__ import annotations

import logging

from seodang.config import GateParams, PrepareParams, PromptParams, TrainParams
from seodang.paths import Paths
from seodang.reports.pages import write_pages
from seodang.stages import Report

logger = logging.getLogger(__name__)


def run(*, prompt: PromptParams, prepare: PrepareParams, train: TrainParams, gate: GateParams, paths: Paths) -> Report:
    """Render the data card, the training page and the evaluation page.

    Raises:
        ArtefactError: If a report of an earlier stage is missing or damaged; the message names the stage to run.
    """
    pages = write_pages(paths, prompt, prepare, train, gate)
    for page in pages:
        logger.info("page: %s", page.relative_to(paths.root))
    return {"pages": [str(page.relative_to(paths.root)) for page in pages]}
