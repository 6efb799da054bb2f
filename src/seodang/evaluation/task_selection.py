"""All tasks of an evaluation: those of the splits and those of task files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seodang.config import EvaluateParams
from seodang.errors import EvaluationError
from seodang.evaluation.samples import TaskSamples, select_split_samples
from seodang.evaluation.task_files import load_task_samples
from seodang.i18n import _
from seodang.paths import Paths
from seodang.records import Record


def load_tasks(evaluate: EvaluateParams, splits: Mapping[str, Sequence[Record]], paths: Paths) -> list[TaskSamples]:
    """Return the items of all tasks, one entry per task and language.

    Args:
        evaluate: Task files and limits.
        splits: Records of "train", "test" and "unseen".
        paths: Paths of the project.

    Raises:
        EvaluationError: If the test split is empty, or a task file has the name of a task of the splits or cannot be
            used, or evaluate.skipped_items names a task that there is not or leaves none of its items.
    """
    tasks = [
        *select_split_samples(splits["test"], "test", splits["train"], evaluate),
        *select_split_samples(splits["unseen"], "unseen", splits["train"], evaluate),
    ]
    if not tasks:
        raise EvaluationError(_("the test split is empty; raise prepare.test_ratio"))
    files = load_task_samples(evaluate, paths.tasks, paths.root, splits)
    if duplicates := sorted({task.task for task in tasks}.intersection(task.task for task in files)):
        raise EvaluationError(
            _(
                "{tasks}: records of the splits and a task file have the same name; rename the task file",
                tasks=", ".join(duplicates),
            )
        )
    if unknown := sorted(evaluate.skipped_items.keys() - {task.task for task in (*tasks, *files)}):
        raise EvaluationError(
            _("evaluate.skipped_items names {tasks}, but no such task is evaluated", tasks=", ".join(unknown))
        )
    return [*tasks, *files]
