"""Stage `report`: render the HTML pages of a run from the reports of the other stages."""

from __future__ import annotations

import logging

from seodang.config import AlignParams, GateParams, PrepareParams, PromptParams, TrainParams
from seodang.i18n import _
from seodang.paths import Paths
from seodang.reports.pages import write_pages
from seodang.stages import Report

logger = logging.getLogger(__name__)


def run(
    *,
    prompt: PromptParams,
    prepare: PrepareParams,
    train: TrainParams,
    align: AlignParams,
    gate: GateParams,
    paths: Paths,
) -> Report:
    """Render the data card, the training page, that of preference tuning if it ran, and the evaluation page.

    Raises:
        ArtifactError: If a report of an earlier stage is missing or damaged; the message names the stage to run.
    """
    pages = write_pages(paths, prompt, prepare, train, align, gate)
    for page in pages:
        logger.info(_("page: {file}", file=page.relative_to(paths.root)))
    return {"pages": [str(page.relative_to(paths.root)) for page in pages]}
