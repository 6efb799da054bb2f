"""Raw results of an evaluation, by variant, task and item: generated answers and log-likelihoods of options."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from seodang.evaluation.requests import Requests, Variant
from seodang.evaluation.result_log import ResultLog
from seodang.evaluation.result_store import ModelResults, ResultStore, compute_request_digest

ResultKey = tuple[str, str, str, str]
"""Kind of result ("answer" or "options"), variant, task key (split/task/language), item."""


class Results:
    """The results so far, in memory and in the result log; an interrupted evaluation finds its own again."""

    def __init__(self, result_log: ResultLog, store: ResultStore | None = None) -> None:
        """Read the results of an interrupted run from the log.

        Args:
            result_log: Of this evaluation.
            store: Results of earlier evaluations; None to compute every result.
        """
        self.reused = 0
        """Results that come from earlier evaluations."""
        self._result_log, self._store = result_log, store
        self._model: ModelResults | None = None
        self._results: dict[ResultKey, Any] = {_parse_key(row): row["result"] for row in result_log.rows}
        self._first_variants: dict[tuple[str, ...], str] = {}  # requests to the base -> the first variant that has them

    def __contains__(self, key: ResultKey) -> bool:
        return key in self._results

    def __getitem__(self, key: ResultKey) -> Any:
        return self._results[key]

    def add(self, results: Iterable[tuple[ResultKey, Any]]) -> None:
        """Add results, and append them to the log in one write."""
        new = dict(results)
        self._result_log.append(
            {"kind": kind, "variant": variant, "place": task_key, "item": item, "result": result}
            for (kind, variant, task_key, item), result in new.items()
        )
        self._results |= new

    def select_model(self, folders: Sequence[Path]) -> None:
        """Select the model that computes the next results; without folders, nothing of it is kept.

        Args:
            folders: Of its weights: a checkpoint, or base and adapter.
        """
        self._model = self._store.open_model(folders) if self._store and folders else None

    def recall(self, request: Any, keys: Sequence[ResultKey]) -> bool:
        """Add the results of an earlier evaluation; return whether the selected model has had equal requests.

        Args:
            request: Everything that is computed together, with the settings of the batches.
            keys: Of the results, in their order.
        """
        kept = self._model.find(compute_request_digest(request)) if self._model else None
        if kept is None:
            return False
        missing = {key: result for key, result in zip(keys, kept, strict=True) if key not in self}
        self.add(missing.items())
        self.reused += len(missing)
        return True

    def keep(self, request: Any, keys: Sequence[ResultKey]) -> None:
        """Keep the results of requests for later evaluations; the arguments are those of `recall`."""
        if self._model:
            self._model.add(compute_request_digest(request), [self[key] for key in keys])

    def reuse_results(self, variant: Variant, requests: Requests) -> None:
        """Copy to a variant of the base the results of an earlier variant with equal requests.

        Requests are equal where a task has no few-shot examples, so their number changes nothing. Tuned models have one
        variant each, so only the base is considered.
        """
        if variant.model != "base":
            return
        task_key = requests.task.key
        digest = hashlib.sha256(repr((requests.prompts, requests.options)).encode()).hexdigest()
        first = self._first_variants.setdefault((variant.format, task_key, digest), variant.name)
        if first == variant.name:
            return
        self.add(
            (key, self._results[known])
            for kind in ("answer", "options")
            for record in requests.task.records
            if (known := (kind, first, task_key, record.id)) in self
            and (key := (kind, variant.name, task_key, record.id)) not in self
        )


def build_answer_key(variant: Variant, requests: Requests, index: int) -> ResultKey:
    """Return the key of an item's generated answer."""
    return "answer", variant.name, requests.task.key, requests.task.records[index].id


def build_options_key(variant: Variant, requests: Requests, index: int) -> ResultKey:
    """Return the key of the log-likelihoods of an item's options."""
    return "options", variant.name, requests.task.key, requests.task.records[index].id


def _parse_key(row: dict[str, Any]) -> ResultKey:
    return row["kind"], row["variant"], row["place"], row["item"]
