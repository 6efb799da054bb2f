"""Records as training reads them: tokenised once, kept in flat files, and read through the memory map."""

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
from seodang.io.atomic import replace_folder
from seodang.models.tokenization import build_loss_mask, encode_text, encode_texts, get_begin_ids, get_end_id
from seodang.prompting import Renderer, Segment
from seodang.records import Record
from seodang.training.npy import GrowingArray, load_memmap
from seodang.training.ragged import IndexMap, Sequences, compute_offsets

_CHUNK_SIZE = 8192  # records tokenised at a time
_BEGIN, _END = -1, -2  # numbers of the sequences that are no segment's


@dataclass(frozen=True, slots=True)
class TokenizedExample:
    """One record as training reads it."""

    ids: NDArray[np.int32]  # (T,)
    loss_mask: NDArray[np.bool_]  # (T,): whether the token has a label; the first never has one, as nothing predicts it


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCounts:
    """What became of the records."""

    kept: int
    too_long: int  # longer than max_length: left out whole, never cut
    without_answer: int  # nothing in them would be learned


class TokenizedDataset(Sequence[TokenizedExample]):
    """Lessons in the order of their records. An item is a view into the memory map, not a copy."""

    def __init__(
        self,
        ids: NDArray[np.int32],
        loss_mask: NDArray[np.bool_],
        offsets: NDArray[np.int64],
        label_counts: NDArray[np.int64],
        counts: DatasetCounts,
    ) -> None:
        """Take the arrays as they are stored; `offsets`, of shape (N + 1,), tells where each lesson begins in the others."""
        self._ids = ids
        self._loss_mask = loss_mask
        self._offsets = offsets
        self.lengths: NDArray[np.int64] = np.diff(offsets)
        """Tokens of each, shape (N,)."""
        self.label_counts = label_counts
        """Learned tokens of each, shape (N,)."""
        self.counts = counts

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, index: int) -> TokenizedExample: ...

    @overload
    def __getitem__(self, number: slice) -> list[TokenizedExample]: ...

    def __getitem__(self, number: int | slice) -> TokenizedExample | list[TokenizedExample]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        number = range(len(self))[number]
        start, stop = self._offsets[number], self._offsets[number + 1]
        return TokenizedExample(self._ids[start:stop], self._loss_mask[start:stop])


def tokenize_example(tokenizer: PreTrainedTokenizerBase, record: Record, format: PromptFormat) -> TokenizedExample:
    """Return one record as write_lessons stores it, tokenised by itself."""
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
        """Return the learned tokens of each lesson."""
        return np.add.reduceat(self.loss_mask, self.tokens.offsets[:-1], dtype=np.int64)

    def select(self, keep: NDArray[np.bool_]) -> _Chunk:
        """Return the lessons that are kept."""
        lengths = self.tokens.lengths
        token_mask = np.repeat(keep, lengths)
        return _Chunk(
            Sequences(self.tokens.ids[token_mask], compute_offsets(lengths[keep])), self.loss_mask[token_mask]
        )


class _BatchTokenizer:
    """Makes lessons of many records at a time; the same as make_lesson of each."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, format: PromptFormat) -> None:
        self._tokenizer = tokenizer
        self._renderer = Renderer(format, tokenizer)
        self._eos_token_id = get_end_id(tokenizer, format)
        # Sequences that recur in nearly every record: begin, end, and the parts of a chat template's markers.
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
        """Return the numbers of the sequences that make up a control segment, and whether each is learned."""
        if segment not in self._controls:
            ids = encode_text(self._tokenizer, segment.text, control=True)
            runs = groupby(zip(build_loss_mask(segment, ids, self._eos_token_id), ids, strict=True), key=itemgetter(0))
            self._controls[segment] = [
                (self._add_fixed_sequence([token for _, token in run]), flag) for flag, run in runs
            ]
        return self._controls[segment]

    def _add_fixed_sequence(self, ids: list[int]) -> int:
        """Return the number of a new fixed sequence: below zero, as numpy counts from the end."""
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
    """Tokenise records into `folder`, some thousand at a time; it appears only when all went well.

    Args:
        folder: A folder that stands there is replaced.
        records: Any number of them; they are not held in memory.
        tokenizer: The base's.
        format: The wording.
        max_length: Tokens of prompt, answer and end; a longer record is left out whole.

    Raises:
        ModelError: If the tokenizer has no end token.
    """
    batch_tokenizer = _BatchTokenizer(tokenizer, format)
    too_long = without_answer = 0
    lengths, label_counts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    with replace_folder(folder) as temp_folder:
        with (
            GrowingArray(temp_folder / "ids.npy", np.dtype("<i4")) as ids,
            GrowingArray(temp_folder / "learned.npy", np.dtype("?")) as loss_mask,
        ):
            for chunk in _iter_chunks(records):
                with _pause_gc():
                    tokenized_chunk = batch_tokenizer.tokenize(chunk)
                counts = tokenized_chunk.count_labels()
                long = tokenized_chunk.tokens.lengths > max_length
                too_long += int((long & (counts > 0)).sum())
                without_answer += int((counts == 0).sum())
                keep = ~long & (counts > 0)
                tokenized_chunk = tokenized_chunk.select(keep)
                ids.append(tokenized_chunk.tokens.ids)
                loss_mask.append(tokenized_chunk.loss_mask)
                lengths.append(tokenized_chunk.tokens.lengths)
                label_counts.append(counts[keep])
        offsets = compute_offsets(np.concatenate(lengths))
        np.save(temp_folder / "offsets.npy", offsets)
        np.save(temp_folder / "learned_counts.npy", np.concatenate(label_counts))
        result = DatasetCounts(kept=len(offsets) - 1, too_long=too_long, without_answer=without_answer)
        (temp_folder / "counts.json").write_text(json.dumps(asdict(result)))
    return result


def read_tokenized_dataset(folder: Path) -> TokenizedDataset:
    """Return the lessons that write_lessons left in `folder`; their tokens stay on disk until they are read.

    Raises:
        ArtefactError: If a file is missing or damaged.
    """
    try:
        ids, loss_mask = load_memmap(folder / "ids.npy"), load_memmap(folder / "learned.npy")
        offsets, label_counts = np.load(folder / "offsets.npy"), np.load(folder / "learned_counts.npy")
        counts = DatasetCounts(**json.loads((folder / "counts.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise ArtefactError(
            f"{folder} has no lessons that can be read ({error}); remove it, and it is made again"
        ) from error
    if not len(ids) == len(loss_mask) == offsets[-1] or len(offsets) != len(label_counts) + 1 != counts.kept + 1:
        raise ArtefactError(f"{folder} holds files that don't belong together; remove it, and it is made again")
    return TokenizedDataset(ids, loss_mask, offsets, label_counts, counts)


def _iter_chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    remaining = iter(records)
    while chunk := list(islice(remaining, _CHUNK_SIZE)):
        yield chunk


@contextmanager
def _pause_gc() -> Iterator[None]:
    """Keep the garbage collector from walking through all words again and again: nothing made here is a cycle."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
