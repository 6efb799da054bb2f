"""How the test items differ from those that a champion was promoted on. Pure.

Items whose reference answer changed are another exam. A champion that knew the old answers fails on them, and a bad
candidate would look as good as the champion. Items that the champion was trained on favour it. This module finds both,
from the records and scores of the run that the champion was promoted with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from seodang.evaluation.aggregate import TUNED_VARIANT
from seodang.io.jsonl import serialize_record
from seodang.metric_registry import ITEM_METRICS
from seodang.records import Record, build_group_key

ItemStatus = Literal["same", "changed", "trained", "new", "removed"]
"""same: question and answer as at the promotion; changed: another answer; trained: the champion was trained on it; new:
not in the data of the promotion; removed: scored at the promotion, and no longer an item."""

Row = Mapping[str, Any]
_Item = tuple[str, str]
"""Task and id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamItem:
    """A test item beside the run that a champion was promoted with."""

    version: str
    """Of the champion."""
    task: str
    item: str
    status: ItemStatus
    scores: Mapping[str, float]
    """Of the champion at its promotion, by metric; of a changed item, those on its earlier answer."""


@dataclass(frozen=True, slots=True)
class PromotedRun:
    """Records and scores of the run that a champion was promoted with, texts as hashes below 2**64."""

    known: set[int] = field(default_factory=set)
    """Questions of all splits."""
    answered: set[int] = field(default_factory=set)
    """The same questions with their answers."""
    trained: set[int] = field(default_factory=set)
    """Questions of the training split."""
    questions: dict[_Item, int] = field(default_factory=dict)
    """Question of each test item."""
    scores: dict[_Item, dict[str, float]] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    """Of the protocol of each task file."""

    def add(self, row: Row) -> int:
        """Add a record, and return its question."""
        question = _hash_question(row)
        self.known.add(question)
        self.answered.add(_hash_answer(question, row["output"]))
        return question


def read_promoted_run(
    splits: Mapping[str, Iterable[Row]], items: Iterable[Row], scores: Iterable[Row], candidate: str = TUNED_VARIANT
) -> PromotedRun:
    """Return the run from the rows of its files.

    Args:
        splits: Records by split: train, validation, test, unseen.
        items: Evaluated items, those of task files included.
        scores: Of all variants.
        candidate: Variant that was promoted.
    """
    run = PromotedRun()
    for name, rows in splits.items():
        for row in rows:
            question = run.add(row)
            if name == "train":
                run.trained.add(question)
    for row in items:
        run.questions[row["task"], row["id"]] = run.add(row)
    for row in scores:
        if row["variant"] == candidate and row["split"] != "unseen":
            values = {name: row.get(name) for name in ITEM_METRICS} | row["extra_metrics"]
            own = {name: float(value) for name, value in values.items() if value is not None}
            run.scores[row["task"], row["item"]] = own
            run.fingerprints[row["task"]] = row.get("fingerprint", "")
    return run


def find_other_protocols(run: PromotedRun, fingerprints: Mapping[str, str]) -> frozenset[str]:
    """Return the tasks whose protocol changed since a run; an unknown protocol is not known to differ.

    Args:
        run: That a champion was promoted with.
        fingerprints: Of the protocols of this evaluation, by task.
    """
    return frozenset(
        task
        for task, fingerprint in fingerprints.items()
        if fingerprint and run.fingerprints.get(task) and run.fingerprints[task] != fingerprint
    )


def compare_exam(
    version: str, run: PromotedRun, records: Iterable[Record], other_protocols: Collection[str] = ()
) -> Iterator[ExamItem]:
    """Yield every item of the test split and of task files, and those that are gone.

    Args:
        version: Of the champion.
        run: That it was promoted with.
        records: Items of this evaluation, those of unseen clusters left out.
        other_protocols: Tasks whose protocol changed; their scores of that run are not comparable and are left out.
    """
    by_question = {question: run.scores.get(item, {}) for item, question in run.questions.items()}
    present: set[int] = set()
    for record in records:
        question, item = _hash_question(serialize_record(record)), (record.task, record.id)
        present.add(question)
        yield ExamItem(
            version=version,
            task=record.task,
            item=record.id,
            status=_find_status(run, question, record.output),
            scores={} if record.task in other_protocols else run.scores.get(item) or by_question.get(question, {}),
        )
    for item, question in run.questions.items():
        if item in run.scores and question not in present:
            yield ExamItem(version=version, task=item[0], item=item[1], status="removed", scores=run.scores[item])


def _find_status(run: PromotedRun, question: int, answer: str) -> ItemStatus:
    if question not in run.known:
        return "new"
    if _hash_answer(question, answer) not in run.answered:
        return "changed"
    return "trained" if question in run.trained else "same"


def _hash_question(row: Row) -> int:
    """Return the hash of the task and of the text that the question is about, with the conversation before it."""
    turns = (turn["content"] for turn in row["turns"])
    return _hash(row["task"], *turns, build_group_key(row["instruction"], row["input"]))


def _hash_answer(question: int, answer: str) -> int:
    return _hash(str(question), answer)


def _hash(*texts: str) -> int:
    content = "\x1e".join(" ".join(text.split()) for text in texts)
    return int.from_bytes(hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
