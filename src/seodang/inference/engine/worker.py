"""What the thread of the engine does: admit requests, compute a step of each batch, deliver, and begin again."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel

from seodang.inference.engine.adapter_selection import AdapterSelection
from seodang.inference.engine.admission import check_request, get_token_limit
from seodang.inference.engine.batch import Batch
from seodang.inference.engine.batch_shape import BatchShape, get_block_size, get_chunk_tokens
from seodang.inference.engine.contract import EngineLoad, EngineObserver, EngineStatus, TokenRequest
from seodang.inference.engine.prefix_store import PrefixStore
from seodang.inference.engine.running_request import RunningRequest, wrap_error
from seodang.inference.engine.scheduler import Limits, admit, count_cached_tokens
from seodang.inference.engine.single_row import answer_alone
from seodang.inference.engine.slot_cache import measure_layers
from seodang.inference.engine.step_watch import StepProgress, watch_layers
from seodang.inference.engine.streams import Channel, Outbox
from seodang.inference.tree_attention import can_continue_cache, can_use_tree
from seodang.models.loading import get_context_length

logger = logging.getLogger(__name__)


class Worker:
    """Owns the model. One thread calls it, but count_requests() and get_status()."""

    def __init__(
        self,
        model: PreTrainedModel,
        stop_ids: frozenset[int],
        limits: Limits,
        *,
        prefix_tokens: int,
        is_fixed: bool,
        is_packed: bool = False,
        outbox: Outbox,
        collect: Callable[[], float | None],
        progress: StepProgress,
    ) -> None:
        """Measure the model's cache.

        Args:
            model: In evaluation mode.
            stop_ids: End tokens of the model.
            limits: Bounds.
            prefix_tokens: Maximum number of tokens in the prefix cache.
            is_fixed: Whether all forward passes have one shape.
            is_packed: Whether all weights of the model are packed.
            outbox: Takes the steps.
            collect: Is called before each step, and passes new requests to accept(). Returns the time, by
                time.monotonic(), at which running requests are canceled; None while the engine is open.
            progress: Shows each forward pass, so that one that does not end is found.
        """
        self._model = model
        self._stop_ids = stop_ids
        self._limits = limits
        self._outbox = outbox
        self._collect = collect
        self._progress = progress
        self._context_length = get_context_length(model.config)
        embeddings: Any = model.get_input_embeddings()
        self._vocab_size = int(embeddings.weight.shape[0])
        self._adapters = AdapterSelection(model)
        self._shapes = measure_layers(model, 0) if can_use_tree(model) else []
        block_size = get_block_size(is_fixed)
        self._store = PrefixStore(self._shapes, block_size=block_size, max_tokens=prefix_tokens)
        self._shape = _make_shape(model, limits, is_fixed=is_fixed, is_packed=is_packed)
        self._batches: dict[str | None, Batch] = {}
        self._waiting: deque[RunningRequest] = deque()
        self._single_rows: deque[RunningRequest] = deque()
        self.observer: EngineObserver | None = None
        self._reported: tuple[Any, ...] = ()

    def accept(self, request: TokenRequest, channel: Channel) -> None:
        """Append a request to the queue; one that cannot be computed ends with an error."""
        try:
            self._adapters.check(request.adapter)
            check_request(request, vocab_size=self._vocab_size, context_length=self._context_length)
            limit = get_token_limit(request, self._context_length)
            self._waiting.append(RunningRequest(request, channel, limit=limit, stop_ids=self._stop_ids))
        except Exception as error:  # one request does not end the engine
            channel.deliver(wrap_error(error))

    @property
    def max_forward_tokens(self) -> int:
        """Tokens of a forward pass at most: those of prompts, with one of padding for each row."""
        return self._shape.chunk_tokens + self._limits.max_running

    def count_requests(self) -> int:
        """Return the number of running and waiting requests."""
        return len(self._waiting) + self._count_running()

    def has_work(self) -> bool:
        """Return whether there is a request."""
        return self.count_requests() > 0

    def get_status(self) -> EngineStatus:
        """Return the present load; prefix hits and queries are tokens."""
        return EngineStatus(
            running=self._count_running(),
            waiting=len(self._waiting),
            cached_tokens=self._store.cached_tokens,
            prefix_hits=self._store.hit_tokens,
            prefix_queries=self._store.queried_tokens,
        )

    def work(self) -> None:
        """Compute one step, or one request that must run alone, with the steps of the others in between."""
        self._turn()
        if not self._single_rows:
            return
        row = self._single_rows[0]
        try:
            self._adapters.select(row.adapter)
            with watch_layers(self._model, self._progress):
                answer_alone(self._model, row, lambda: self._turn_between(row))
        except torch.AcceleratorError:  # each later step would fail, too: the engine ends
            raise
        except Exception as error:
            row.fail(wrap_error(error))
        if row in self._single_rows:
            self._single_rows.remove(row)
        self._outbox.flush()

    def _turn_between(self, row: RunningRequest) -> None:
        self._turn()
        self._adapters.select(row.adapter)

    def _turn(self) -> None:
        deadline = self._collect()
        if deadline is not None:
            self._cancel(self._waiting)
            self._waiting.clear()
            if time.monotonic() >= deadline:
                self._cancel(self._single_rows)
                self._cancel(row for batch in self._batches.values() for row in batch.rows)
        self._remove_finished()
        self._admit()
        self._report_load()
        for adapter, batch in self._batches.items():
            if batch.rows:
                self._compute(adapter, batch)
        self._remove_finished()  # before the delivery: a reader that has its last step finds the slot free
        self._report_load()
        self._outbox.flush()

    def _compute(self, adapter: str | None, batch: Batch) -> None:
        try:
            if self.observer is not None:
                self.observer.observe_batch(adapter, len(batch.rows))
            self._adapters.select(adapter)
            self._progress.advance()
            batch.read_prompts()
            batch.remove_finished()
            self._progress.advance()
            batch.answer()
        except torch.AcceleratorError:
            raise
        except Exception as error:
            logger.exception("a forward pass failed")
            batch.fail(wrap_error(error))
            self._store.clear()

    def _admit(self) -> None:
        rows = [row for batch in self._batches.values() for row in batch.rows]
        for row in admit(self._waiting, [*rows, *self._single_rows], self._limits):
            row.begin()
            if not (self._shapes and can_continue_cache(self._model, row.width)):
                self._single_rows.append(row)
                continue
            if row.adapter not in self._batches:
                self._batches[row.adapter] = Batch(self._model, self._shapes, self._store, self._shape)
            try:
                self._batches[row.adapter].add(row)
            except torch.AcceleratorError:
                raise
            except Exception as error:  # no memory for its states; the others keep theirs
                logger.exception("a request has no place", extra={"fields": {"error": type(error).__name__}})
                row.fail(wrap_error(error))

    def _report_load(self) -> None:
        if self.observer is None:
            return
        last = id(self._waiting[-1]) if self._waiting else 0
        batches = tuple((adapter, len(batch.rows)) for adapter, batch in self._batches.items())
        counts = (len(self._waiting), last, len(self._single_rows), batches)
        if counts == self._reported:  # comparing them takes much less time than counting anew in each step
            return
        self._reported = counts
        rows = [*self._single_rows, *(row for batch in self._batches.values() for row in batch.rows)]
        self.observer.observe_load(
            EngineLoad(
                Counter(row.adapter for row in rows),
                Counter(row.adapter for row in self._waiting),
                count_cached_tokens(rows) / self._limits.max_tokens,
            )
        )

    def _remove_finished(self) -> None:
        self._waiting = deque(row for row in self._waiting if not row.channel.is_closed)
        self._single_rows = deque(row for row in self._single_rows if not (row.is_finished or row.channel.is_closed))
        for batch in self._batches.values():
            batch.remove_finished()
        idle = [adapter for adapter, batch in self._batches.items() if not batch.rows]
        if len(self._batches) > 1:
            for adapter in idle:
                del self._batches[adapter]

    def _cancel(self, rows: Iterable[RunningRequest]) -> None:
        for row in rows:
            row.cancel()

    def _count_running(self) -> int:
        return sum(len(batch.rows) for batch in list(self._batches.values())) + len(self._single_rows)


def _make_shape(model: PreTrainedModel, limits: Limits, *, is_fixed: bool, is_packed: bool) -> BatchShape:
    windows = {getattr(layer, "sliding_window", None) for layer in DynamicCache(config=model.config).layers}
    chunk_tokens = get_chunk_tokens(model.device.type, is_fixed)
    return BatchShape(
        chunk_tokens=chunk_tokens if is_fixed else limits.chunk_tokens or chunk_tokens,
        max_tokens=limits.max_tokens,
        mask_names=("full_attention", "sliding_attention") if len(windows) > 1 else (),
        is_fixed=is_fixed,
        is_packed=is_packed,
    )
