"""The running requests of one adapter: their rows in the cache, and the forward passes over them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from seodang.inference.engine.batch_shape import BatchShape
from seodang.inference.engine.forward_pass import ForwardFailed, ForwardPass
from seodang.inference.engine.prefix_store import PrefixStore
from seodang.inference.engine.running_request import RunningRequest, wrap_error
from seodang.inference.engine.sampling import find_best_tokens, is_plain_greedy
from seodang.inference.engine.scheduler import select_chunks
from seodang.inference.engine.slot_cache import LayerShape, SlotCache
from seodang.inference.generation import make_nan_error

logger = logging.getLogger(__name__)


class Batch:
    """Rows that are computed together: first those that are answered, then those whose prompts are read."""

    def __init__(
        self, model: PreTrainedModel, shapes: Sequence[LayerShape], store: PrefixStore, shape: BatchShape
    ) -> None:
        """Create an empty batch.

        Args:
            model: In evaluation mode; the adapter of the batch is active in each call.
            shapes: Of the cached layers.
            store: Prefix cache.
            shape: Rounding of rows and tokens of forward passes.
        """
        self._store = store
        self._shape = shape
        self._cache = SlotCache(shapes)
        self._pass = ForwardPass(model, self._cache, shape)
        self._answered = 0
        self.rows: list[RunningRequest] = []

    def add(self, request: RunningRequest) -> None:
        """Give a request a row."""
        width = max(max(len(row.prompt), row.position) for row in [*self.rows, request]) + 1
        self._cache.trim(width, used_rows=len(self.rows))
        self._pass.reserve(len(self.rows) + 1, width, used_rows=len(self.rows))
        self.rows.append(request)
        if not request.needs_prompt_logits:
            self._store.queried_tokens += len(request.prompt)

    def remove_finished(self) -> None:
        """Free the rows of requests that are finished or whose readers are gone."""
        for index in reversed(range(len(self.rows))):
            row = self.rows[index]
            if not (row.is_finished or row.channel.is_closed):
                continue
            if index < self._answered:
                self._answered -= 1
                self._move(self._answered, index)
                index = self._answered
            self._move(len(self.rows) - 1, index)
            self.rows.pop()

    def fail(self, error: Exception) -> None:
        """End all requests with an error, and forget the states, which may be damaged."""
        for row in self.rows:
            row.fail(error)
        self.rows.clear()
        self._answered = 0
        self.release()

    def release(self) -> None:
        """Free the memory of an empty batch."""
        self._cache.release()

    def read_prompts(self) -> None:
        """Read the next tokens of prompts in one forward pass; a prompt that is read gets its first token."""
        unread = self.rows[self._answered :]
        self._restore_prefixes(unread)
        # Rows change places when others end. Without the order of arrival, a row could wait for its turn forever.
        chunks = select_chunks(
            sorted(unread, key=lambda row: row.channel.opened_at),
            chunk_tokens=self._shape.chunk_tokens,
            block_size=self._store.block_size,
            max_rows=self._shape.max_prompt_rows,
        )
        if not chunks:
            return
        chunks.sort(key=lambda chunk: self.rows.index(chunk[0]))  # neighbouring rows are written faster
        try:
            self._take_chunks(chunks, self._read_chunks(chunks))
        except ForwardFailed as failure:
            self._read_alone(chunks, failure)

    def _read_alone(self, chunks: Sequence[tuple[RunningRequest, int]], failure: ForwardFailed) -> None:
        """Read each row alone after a failure, so that only the one that causes it ends with an error."""
        if len(chunks) == 1:
            self._fail_row(chunks[0][0], failure.error)
            return
        for chunk in chunks:
            try:
                self._take_chunks([chunk], self._read_chunks([chunk]))
            except ForwardFailed as own:
                self._fail_row(chunk[0], own.error)

    def _take_chunks(self, chunks: Sequence[tuple[RunningRequest, int]], logits: Tensor) -> None:
        ready = []
        damaged = logits[:, -1].isnan().any(dim=-1).tolist()
        for index, (row, count) in enumerate(chunks):
            if damaged[index]:
                self._fail_damaged(row)
                continue
            try:
                if row.needs_prompt_logits:
                    row.describe_prompt(logits[index, logits.shape[1] - count :], row.position)
            except Exception as error:  # the options of one request do not end the others
                self._fail_row(row, error)
                continue
            row.position += count
            self._save_prefix(row)
            if row.is_prompt_read:
                ready.append((row, logits[index, -1]))
        for row, _last in ready:
            self._exchange(self.rows.index(row), self._answered)
            self._answered += 1
        if ready:
            self._take_steps([row for row, _last in ready], torch.stack([last for _row, last in ready]))

    def answer(self) -> None:
        """Compute the next token of each request whose prompt is read."""
        size = self._shape.answer_rows or self._answered
        for start in range(0, self._answered, max(size, 1)):
            self._answer_or_split(start, min(size, self._answered - start))

    def _answer_or_split(self, start: int, count: int) -> None:
        """Compute rows; after a failure each half, so that only the row that causes it ends with an error."""
        try:
            self._answer_rows(start, count)
        except ForwardFailed as failure:
            if count == 1:
                self._fail_row(self.rows[start], failure.error)
                return
            self._answer_or_split(start, count // 2)
            self._answer_or_split(start + count // 2, count - count // 2)

    def _answer_rows(self, start: int, count: int) -> None:
        rows = self.rows[start : start + count]
        size = self._shape.answer_rows or self._shape.round_rows(count)
        before = max(start + size - self._cache.rows, 0)  # the padding of a part begins before it where it must
        padded = range(start - before, start - before + size)
        # A row of the padding writes where the first one does: if that is the only one, all write one column.
        lengths = [self.rows[index if index < len(self.rows) else start].position for index in padded]
        tokens = [0] * before + [row.last_token for row in rows] + [0] * (size - before - count)
        columns = torch.tensor(lengths)[:, None]
        logits = self._forward(list(padded), torch.tensor(tokens)[:, None], columns, columns, keep=1)
        for row in rows:
            row.position += 1
        self._take_steps(rows, logits[before : before + count, -1])

    def _restore_prefixes(self, unread: Sequence[RunningRequest]) -> None:
        for index, row in enumerate(unread, self._answered):
            if not row.needs_prompt_logits and row.position % self._store.block_size == 0:
                position = self._store.restore(row.adapter, row.prompt, self._cache, index, row.position)
                row.cached_tokens += position - row.position
                row.position = position

    def _read_chunks(self, chunks: Sequence[tuple[RunningRequest, int]]) -> Tensor:
        """Return the logits of the last tokens of each chunk, (rows, tokens, vocabulary).

        Chunks are padded on the left, so that the last token of each is in the last column. Padding is written behind
        the chunk, where no token sees it before the next one is written there.
        """
        length = self._shape.round_chunk(max(count for _row, count in chunks))
        tokens, positions, columns = [], [], []
        for row, count in chunks:
            padding, start, end = length - count, row.position, row.position + count
            tokens.append([0] * padding + list(row.prompt[start:end]))
            positions.append([start] * padding + list(range(start, end)))
            columns.append([end] * padding + list(range(start, end)))
        is_described = any(row.needs_prompt_logits for row, _count in chunks)
        return self._forward(
            [self.rows.index(row) for row, _count in chunks],
            torch.tensor(tokens),
            torch.tensor(positions),
            torch.tensor(columns),
            keep=length if is_described else self._shape.min_logits,
        )

    def _forward(self, rows: list[int], tokens: Tensor, positions: Tensor, columns: Tensor, *, keep: int) -> Tensor:
        return self._pass.compute(rows, tokens, positions, columns, keep=keep, used_rows=len(self.rows))

    def _take_steps(self, rows: Sequence[RunningRequest], logits: Tensor) -> None:
        logits = logits.float()
        damaged = logits.amax(dim=-1).isnan().tolist()  # NaN if a value is NaN
        for row, row_logits, token, is_damaged in zip(rows, logits, find_best_tokens(logits), damaged, strict=True):
            if is_damaged:
                self._fail_damaged(row)
                continue
            try:
                row.take_step(row_logits, token if is_plain_greedy(row.request.options) else None)
            except Exception as error:  # the options of one request do not end the others
                row.fail(wrap_error(error))

    def _save_prefix(self, row: RunningRequest) -> None:
        """Let other requests use the states of a row; one that has no place in memory is computed again."""
        try:
            self._store.save(row.adapter, row.prompt[: row.position], self._cache, self.rows.index(row))
        except torch.AcceleratorError:
            raise
        except Exception as error:
            logger.warning("the prefix cache was emptied", extra={"fields": {"error": type(error).__name__}})
            self._store.clear()

    def _fail_row(self, row: RunningRequest, error: Exception) -> None:
        self._cache.clear_row(self.rows.index(row))  # damaged states would reach others through the padding
        row.fail(wrap_error(error))

    def _fail_damaged(self, row: RunningRequest) -> None:
        self._fail_row(row, make_nan_error())

    def _move(self, source: int, target: int) -> None:
        if source != target:
            self._cache.copy_row(source, target, self.rows[source].position)
            self.rows[target] = self.rows[source]

    def _exchange(self, first: int, second: int) -> None:
        if first != second:
            self._cache.exchange_rows(first, second)
            self.rows[first], self.rows[second] = self.rows[second], self.rows[first]
