"""Tokenized training records: written once to flat files and read through the memory map."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from seodang.config import PromptFormat
from seodang.errors import ArtefactError
from seodang.i18n import _
from seodang.io.atomic import replace_folder
from seodang.models.tokenization import build_loss_mask, encode_text, encode_texts, get_begin_ids, get_end_id
from seodang.prompting import Renderer, Segment
from seodang.records import Record
from seodang.training.npy import GrowingArray, load_memmap
from seodang.training.ragged import IndexMap, Sequences, compute_offsets

_CHUNK_SIZE = 8192  # records that are tokenized at a time
_BEGIN, _END = -1, -2  # indices of the fixed sequences: begin tokens, end token
_LOSS_MASK, _LABEL_COUNTS = "loss_mask.npy", "label_counts.npy"


@dataclass(frozen=True, slots=True)
class TokenizedExample:
    """One tokenized record."""

    ids: NDArray[np.int32]  # (T,)
    loss_mask: NDArray[np.bool_]  # (T,): whether the token is a label; the first token never is, as nothing predicts it


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


def tokenize_example(tokenizer: PreTrainedTokenizerBase, record: Record, format: PromptFormat) -> TokenizedExample:
    """Return one record as `write_tokenized_dataset` stores it, tokenized by itself."""
    segments, eos_token_id = Renderer(format, tokenizer).render_example(record), get_end_id(tokenizer, format)
    ids = [] if segments[0].control else get_begin_ids(tokenizer)
    loss_mask = [False] * len(ids)
    for segment in segments:
        token_ids = encode_text(tokenizer, segment.text, control=segment.control)
        ids += token_ids
        loss_mask += build_loss_mask(segment, token_ids, eos_token_id)
    example = TokenizedExample(
        np.array([*ids, eos_token_id], np.int32), np.array([*loss_mask, segments[-1].is_label], np.bool_)
    )
    example.loss_mask[0] = False
    return example


@dataclass(frozen=True, slots=True)
class _Chunk:
    tokens: Sequences
    loss_mask: NDArray[np.bool_]  # (tokens,)

    def count_labels(self) -> NDArray[np.int64]:
        """Return the number of label tokens of each example."""
        return np.add.reduceat(self.loss_mask, self.tokens.offsets[:-1], dtype=np.int64)

    def select(self, keep: NDArray[np.bool_]) -> _Chunk:
        """Return the examples that are kept."""
        lengths = self.tokens.lengths
        token_mask = np.repeat(keep, lengths)
        return _Chunk(
            Sequences(self.tokens.ids[token_mask], compute_offsets(lengths[keep])), self.loss_mask[token_mask]
        )


class _BatchTokenizer:
    """Tokenizes many records at a time, with the same result as `tokenize_example` of each."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, format: PromptFormat) -> None:
        self._tokenizer = tokenizer
        self._renderer = Renderer(format, tokenizer)
        self._eos_token_id = get_end_id(tokenizer, format)
        # Sequences that recur in nearly every record: begin, end, and the parts of the chat template's markers.
        self._fixed_sequences: list[list[int]] = [get_begin_ids(tokenizer), [self._eos_token_id]]
        self._controls: dict[Segment, list[tuple[int, bool]]] = {}

    def tokenize(self, records: Sequence[Record]) -> _Chunk:
        texts: IndexMap[str] = IndexMap()
        indices: list[int] = []
        part_mask: list[bool] = []
        ends: list[int] = []
        for record in records:
            segments = self._renderer.render_example(record)
            if not segments[0].control:
                indices.append(_BEGIN)
                part_mask.append(False)
            for segment in segments:
                if segment.control:
                    for index, flag in self._split_control_segment(segment):
                        indices.append(index)
                        part_mask.append(flag)
                else:
                    indices.append(texts[segment.text])
                    part_mask.append(segment.is_label)
            indices.append(_END)
            part_mask.append(segments[-1].is_label)
            ends.append(len(indices))
        return self._assemble(
            list(texts), np.array(indices, np.int64), np.array(part_mask, np.bool_), np.diff(ends, prepend=0)
        )

    def _split_control_segment(self, segment: Segment) -> list[tuple[int, bool]]:
        """Return the indices of the fixed sequences that make up a control segment, and whether each has labels."""
        if segment not in self._controls:
            ids = encode_text(self._tokenizer, segment.text, control=True)
            runs = groupby(zip(build_loss_mask(segment, ids, self._eos_token_id), ids, strict=True), key=itemgetter(0))
            self._controls[segment] = [
                (self._add_fixed_sequence([token for _, token in run]), flag) for flag, run in runs
            ]
        return self._controls[segment]

    def _add_fixed_sequence(self, ids: list[int]) -> int:
        """Return the index of a new fixed sequence: negative, counted from the end."""
        self._fixed_sequences.append(ids)
        return -len(self._fixed_sequences)

    def _assemble(
        self, texts: list[str], indices: NDArray[np.int64], part_mask: NDArray[np.bool_], parts: NDArray[np.int64]
    ) -> _Chunk:
        sequences = Sequences.from_lists([*encode_texts(self._tokenizer, texts), *reversed(self._fixed_sequences)])
        pieces = sequences.take(np.where(indices < 0, indices + len(texts) + len(self._fixed_sequences), indices))
        loss_mask = np.repeat(part_mask, pieces.lengths)
        tokens = pieces.join(parts)
        loss_mask[tokens.offsets[:-1]] = False
        return _Chunk(tokens, loss_mask)


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
    batch_tokenizer = _BatchTokenizer(tokenizer, format)
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

    def filter(self, chunk: _Chunk) -> _Chunk:
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
        ArtefactError: If a file is missing or damaged.
    """
    try:
        ids, loss_mask = load_memmap(folder / "ids.npy"), load_memmap(folder / _LOSS_MASK)
        offsets, label_counts = np.load(folder / "offsets.npy"), np.load(folder / _LABEL_COUNTS)
        counts = DatasetCounts(**json.loads((folder / "counts.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise ArtefactError(
            _(
                "the tokenized records in {folder} cannot be read ({error}); delete the folder and run training again:"
                " it is written anew",
                folder=folder,
                error=error,
            )
        ) from error
    if not len(ids) == len(loss_mask) == offsets[-1] or len(offsets) != len(label_counts) + 1 != counts.kept + 1:
        raise ArtefactError(
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
