"""The items of an evaluation beside the runs that the champions were promoted with."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence

from seodang.evaluation.exam import ExamItem, compare_exam, find_other_protocols
from seodang.evaluation.samples import TaskSamples
from seodang.i18n import _
from seodang.paths import Paths
from seodang.registry.champion import Champion
from seodang.registry.fetching import fetch_promoted_run

logger = logging.getLogger(__name__)


def compare_exams(champions: Iterable[Champion], tasks: Sequence[TaskSamples], paths: Paths) -> Iterator[ExamItem]:
    """Yield the items beside the run of each champion; DVC fetches the runs.

    Args:
        champions: The live version and earlier ones.
        tasks: Of this evaluation.
        paths: Paths of the project.
    """
    records = [record for task in tasks if task.split != "unseen" for record in task.records]
    fingerprints = {task.task: task.fingerprint for task in tasks}
    for champion in champions:
        run = fetch_promoted_run(champion, paths)
        if others := find_other_protocols(run, fingerprints):
            logger.warning(
                _(
                    "champion {version} was promoted with another protocol of {tasks}; its scores of that time are not "
                    "compared",
                    version=champion.version,
                    tasks=", ".join(sorted(others)),
                )
            )
        yield from compare_exam(champion.version, run, records, others)
