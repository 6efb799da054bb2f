"""Which requests run, and which tokens of their prompts the next forward pass reads. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the engine."""

    max_running: int = 64
    """Requests that are computed together."""
    max_waiting: int = 256
    """Requests that wait; a further one is refused."""
    max_tokens: int = 65_536
    """Tokens in the key-value cache: rows times the longest row. A longer request runs alone."""
    chunk_tokens: int | None = None
    """Padded tokens of prompts that one step reads, so that running answers do not stall; None: by the device."""
    step_seconds: float = 300.0
    """Time without progress after which the engine counts as stopped. The longest steps take a tenth of it."""


class Row(Protocol):
    """A request as the scheduler sees it."""

    @property
    def adapter(self) -> str | None:
        """Rows of different adapters do not share a cache."""

    @property
    def width(self) -> int:
        """Tokens of prompt and answer at most."""


class PromptRow(Protocol):
    """A request whose prompt is being read."""

    @property
    def prompt(self) -> tuple[int, ...]:
        """All tokens."""

    @property
    def position(self) -> int:
        """Number of tokens that were read."""


_Row = TypeVar("_Row", bound=Row)
_PromptRow = TypeVar("_PromptRow", bound=PromptRow)


def count_cached_tokens(rows: Iterable[Row]) -> int:
    """Return the tokens in the caches of all adapters: rows times the longest row of each."""
    widths: dict[str | None, list[int]] = {}
    for row in rows:
        widths.setdefault(row.adapter, []).append(row.width)
    return sum(len(group) * max(group) for group in widths.values())


def admit(waiting: deque[_Row], running: Sequence[Row], limits: Limits) -> list[_Row]:
    """Remove those requests from the queue that begin now, and return them.

    The order of arrival is kept: a long request at the head waits until there is room, and the others wait behind it.
    """
    admitted: list[_Row] = []
    while waiting and len(running) + len(admitted) < limits.max_running:
        candidates: list[Row] = [*running, *admitted, waiting[0]]
        if len(candidates) > 1 and count_cached_tokens(candidates) > limits.max_tokens:
            break
        admitted.append(waiting.popleft())
    return admitted


def select_chunks(
    rows: Sequence[_PromptRow], *, chunk_tokens: int, block_size: int, max_rows: int | None = None
) -> list[tuple[_PromptRow, int]]:
    """Return the rows that the next forward pass reads, and how many tokens of each.

    Two rows with the same next block are not read together: the second one takes it from the prefix cache afterwards.

    Args:
        rows: In the order of arrival; none is read completely.
        chunk_tokens: Maximum of rows times longest chunk, at least `block_size`.
        block_size: Tokens of a block of the prefix cache; a chunk ends at the end of a block or of the prompt.
        max_rows: Maximum number of rows; None for no limit.
    """
    chunks: list[tuple[_PromptRow, int]] = []
    blocks: set[Hashable] = set()
    longest = 0
    for row in rows:
        if max_rows is not None and len(chunks) == max_rows:
            break
        end = row.position + block_size
        block = row.prompt[:end] if end < len(row.prompt) else None
        if block is not None and block in blocks:
            continue
        count = _cut_chunk(row, chunk_tokens, block_size)
        if chunks and (len(chunks) + 1) * max(longest, count) > chunk_tokens:
            break
        longest = max(longest, count)
        chunks.append((row, count))
        blocks.add(block)
    return chunks


def _cut_chunk(row: PromptRow, chunk_tokens: int, block_size: int) -> int:
    remaining = len(row.prompt) - row.position
    if remaining <= chunk_tokens:
        return remaining
    end = (row.position + chunk_tokens) // block_size * block_size
    return end - row.position if end > row.position else chunk_tokens
