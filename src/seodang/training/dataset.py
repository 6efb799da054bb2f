"""Tokenized training records: written once to flat files and read through the memory map."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from seodang.config import PromptFormat
from seodang.errors import ArtifactError
from seodang.i18n import _
from seodang.io.atomic import replace_folder
from seodang.records import Record
from seodang.training.example_tokenizer import BatchTokenizer, TokenizedChunk, TokenizedExample
from seodang.training.npy import GrowingArray, load_memmap
from seodang.training.ragged import compute_offsets

_CHUNK_SIZE = 8192  # records that are tokenized at a time
_LOSS_MASK, _LABEL_COUNTS = "loss_mask.npy", "label_counts.npy"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCounts:
    """Numbers of records that were kept and left out."""

    kept: int
    too_long: int  # longer than max_length: left out, never cut
    without_answer: int  # no label token


class TokenizedDataset(Sequence[TokenizedExample]):
    """Tokenized examples in the order of their records. An item is a view into the memory map, not a copy."""

    def __init__(
        self,
        ids: NDArray[np.int32],
        loss_mask: NDArray[np.bool_],
        offsets: NDArray[np.int64],
        label_counts: NDArray[np.int64],
        counts: DatasetCounts,
    ) -> None:
        """Take the arrays as they are stored.

        Args:
            ids: Tokens of all examples, shape (tokens,).
            loss_mask: Whether each token is a label, shape (tokens,).
            offsets: Start of each example in the two arrays above and the end of the last one, shape (N + 1,).
            label_counts: Label tokens of each example, shape (N,).
            counts: Numbers of records that were kept and left out.
        """
        self._ids = ids
        self._loss_mask = loss_mask
        self._offsets = offsets
        self.lengths: NDArray[np.int64] = np.diff(offsets)
        """Tokens of each example, shape (N,)."""
        self.label_counts = label_counts
        """Label tokens of each example, shape (N,)."""
        self.counts = counts

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, index: int) -> TokenizedExample: ...

    @overload
    def __getitem__(self, index: slice) -> list[TokenizedExample]: ...

    def __getitem__(self, index: int | slice) -> TokenizedExample | list[TokenizedExample]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        start, stop = self._offsets[index], self._offsets[index + 1]
        return TokenizedExample(self._ids[start:stop], self._loss_mask[start:stop])


def write_tokenized_dataset(
    folder: Path, records: Iterable[Record], tokenizer: PreTrainedTokenizerBase, format: PromptFormat, max_length: int
) -> DatasetCounts:
    """Tokenize records into `folder`, some thousands at a time; the folder appears only after success.

    Args:
        folder: Target; an existing folder is replaced.
        records: Any number of records; they are not held in memory.
        tokenizer: The tokenizer of the base.
        format: The prompt template.
        max_length: Maximum number of tokens of prompt, answer and end; a longer record is left out.

    Raises:
        ModelError: If the tokenizer has no end token.
    """
    batch_tokenizer = BatchTokenizer(tokenizer, format)
    with replace_folder(folder) as temp_folder:
        writer = _DatasetWriter(max_length)
        with (
            GrowingArray(temp_folder / "ids.npy", np.dtype("<i4")) as ids,
            GrowingArray(temp_folder / _LOSS_MASK, np.dtype("?")) as loss_mask,
        ):
            for chunk in _iter_chunks(records):
                with _pause_gc():
                    tokenized_chunk = writer.filter(batch_tokenizer.tokenize(chunk))
                ids.append(tokenized_chunk.tokens.ids)
                loss_mask.append(tokenized_chunk.loss_mask)
        return writer.finish(temp_folder)


class _DatasetWriter:
    """Leaves out records that are too long or have no label, counts them, and writes the index of the others."""

    def __init__(self, max_length: int) -> None:
        self._max_length = max_length
        self._too_long = self._without_answer = 0
        self._lengths, self._label_counts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]

    def filter(self, chunk: TokenizedChunk) -> TokenizedChunk:
        """Return the examples that are kept, and count all."""
        label_counts = chunk.count_labels()
        too_long = chunk.tokens.lengths > self._max_length
        self._too_long += int((too_long & (label_counts > 0)).sum())
        self._without_answer += int((label_counts == 0).sum())
        keep = ~too_long & (label_counts > 0)
        kept = chunk.select(keep)
        self._lengths.append(kept.tokens.lengths)
        self._label_counts.append(label_counts[keep])
        return kept

    def finish(self, folder: Path) -> DatasetCounts:
        """Write the offsets, label counts and counts of the dataset."""
        offsets = compute_offsets(np.concatenate(self._lengths))
        np.save(folder / "offsets.npy", offsets)
        np.save(folder / _LABEL_COUNTS, np.concatenate(self._label_counts))
        counts = DatasetCounts(kept=len(offsets) - 1, too_long=self._too_long, without_answer=self._without_answer)
        (folder / "counts.json").write_text(json.dumps(asdict(counts)))
        return counts


def read_tokenized_dataset(folder: Path) -> TokenizedDataset:
    """Return the dataset that `write_tokenized_dataset` wrote; its tokens stay on disk until they are read.

    Raises:
        ArtifactError: If a file is missing or damaged.
    """
    try:
        ids, loss_mask = load_memmap(folder / "ids.npy"), load_memmap(folder / _LOSS_MASK)
        offsets, label_counts = np.load(folder / "offsets.npy"), np.load(folder / _LABEL_COUNTS)
        counts = DatasetCounts(**json.loads((folder / "counts.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise ArtifactError(
            _(
                "the tokenized records in {folder} cannot be read ({error}); delete the folder and run training again:"
                " it is written anew",
                folder=folder,
                error=error,
            )
        ) from error
    if not len(ids) == len(loss_mask) == offsets[-1] or len(offsets) != len(label_counts) + 1 != counts.kept + 1:
        raise ArtifactError(
            _(
                "the files in {folder} do not belong together; delete the folder and run training again:"
                " it is written anew",
                folder=folder,
            )
        )
    return TokenizedDataset(ids, loss_mask, offsets, label_counts, counts)


def _iter_chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    remaining = iter(records)
    while chunk := list(islice(remaining, _CHUNK_SIZE)):
        yield chunk


@contextmanager
def _pause_gc() -> Iterator[None]:
    """Pause the garbage collector: tokenizing creates no cycles, and each collection would visit all words."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
