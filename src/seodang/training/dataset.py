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
from seodang.io.atomic import replaced_folder
from seodang.models.tokenization import begin_ids, encode_text, encode_texts, end_id, learned_tokens
from seodang.prompting import Renderer, Segment
from seodang.records import Record
from seodang.training.npy import GrowingArray, mapped
from seodang.training.ragged import Numbers, Sequences, offsets_of

_CHUNK = 8192  # records tokenised at a time
_BEGIN, _END = -1, -2  # numbers of the sequences that are no segment's


@dataclass(frozen=True, slots=True)
class Lesson:
    """One record as training reads it."""

    ids: NDArray[np.int32]  # (T,)
    learned: NDArray[np.bool_]  # (T,): whether the token has a label; the first never has one, as nothing predicts it


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonCounts:
    """What became of the records."""

    kept: int
    too_long: int  # longer than max_length: left out whole, never cut
    without_answer: int  # nothing in them would be learned


class Lessons(Sequence[Lesson]):
    """Lessons in the order of their records. An item is a view into the memory map, not a copy."""

    def __init__(
        self,
        ids: NDArray[np.int32],
        learned: NDArray[np.bool_],
        offsets: NDArray[np.int64],
        learned_counts: NDArray[np.int64],
        counts: LessonCounts,
    ) -> None:
        """Take the arrays as they are stored; `offsets`, of shape (N + 1,), tells where each lesson begins in the others."""
        self._ids = ids
        self._learned = learned
        self._offsets = offsets
        self.lengths: NDArray[np.int64] = np.diff(offsets)
        """Tokens of each, shape (N,)."""
        self.learned_counts = learned_counts
        """Learned tokens of each, shape (N,)."""
        self.counts = counts

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, number: int) -> Lesson: ...

    @overload
    def __getitem__(self, number: slice) -> list[Lesson]: ...

    def __getitem__(self, number: int | slice) -> Lesson | list[Lesson]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        number = range(len(self))[number]
        start, stop = self._offsets[number], self._offsets[number + 1]
        return Lesson(self._ids[start:stop], self._learned[start:stop])


def make_lesson(tokenizer: PreTrainedTokenizerBase, record: Record, format: PromptFormat) -> Lesson:
    """Return one record as write_lessons stores it, tokenised by itself."""
    segments, end = Renderer(format, tokenizer).lesson(record), end_id(tokenizer, format)
    ids = [] if segments[0].control else begin_ids(tokenizer)
    learned = [False] * len(ids)
    for segment in segments:
        found = encode_text(tokenizer, segment.text, control=segment.control)
        ids += found
        learned += learned_tokens(segment, found, end)
    lesson = Lesson(np.array([*ids, end], np.int32), np.array([*learned, segments[-1].learned], np.bool_))
    lesson.learned[0] = False
    return lesson


@dataclass(frozen=True, slots=True)
class _Chunk:
    tokens: Sequences
    learned: NDArray[np.bool_]  # (tokens,)

    def counts(self) -> NDArray[np.int64]:
        """Return the learned tokens of each lesson."""
        return np.add.reduceat(self.learned, self.tokens.offsets[:-1], dtype=np.int64)

    def chosen(self, kept: NDArray[np.bool_]) -> _Chunk:
        """Return the lessons that are kept."""
        lengths = self.tokens.lengths
        places = np.repeat(kept, lengths)
        return _Chunk(Sequences(self.tokens.ids[places], offsets_of(lengths[kept])), self.learned[places])


class _LessonMaker:
    """Makes lessons of many records at a time; the same as make_lesson of each."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, format: PromptFormat) -> None:
        self._tokenizer = tokenizer
        self._renderer = Renderer(format, tokenizer)
        self._end = end_id(tokenizer, format)
        # Sequences that recur in nearly every record: begin, end, and the parts of a chat template's markers.
        self._fixed: list[list[int]] = [begin_ids(tokenizer), [self._end]]
        self._controls: dict[Segment, list[tuple[int, bool]]] = {}

    def lessons(self, records: Sequence[Record]) -> _Chunk:
        texts: Numbers[str] = Numbers()
        numbers: list[int] = []
        learned: list[bool] = []
        ends: list[int] = []
        for record in records:
            segments = self._renderer.lesson(record)
            if not segments[0].control:
                numbers.append(_BEGIN)
                learned.append(False)
            for segment in segments:
                if segment.control:
                    for number, flag in self._parts(segment):
                        numbers.append(number)
                        learned.append(flag)
                else:
                    numbers.append(texts[segment.text])
                    learned.append(segment.learned)
            numbers.append(_END)
            learned.append(segments[-1].learned)
            ends.append(len(numbers))
        return self._assembled(
            list(texts), np.array(numbers, np.int64), np.array(learned, np.bool_), np.diff(ends, prepend=0)
        )

    def _parts(self, segment: Segment) -> list[tuple[int, bool]]:
        """Return the numbers of the sequences that make up a control segment, and whether each is learned."""
        if segment not in self._controls:
            ids = encode_text(self._tokenizer, segment.text, control=True)
            runs = groupby(zip(learned_tokens(segment, ids, self._end), ids, strict=True), key=itemgetter(0))
            self._controls[segment] = [(self._add_fixed([token for _, token in run]), flag) for flag, run in runs]
        return self._controls[segment]

    def _add_fixed(self, ids: list[int]) -> int:
        """Return the number of a new fixed sequence: below zero, as numpy counts from the end."""
        self._fixed.append(ids)
        return -len(self._fixed)

    def _assembled(
        self, texts: list[str], numbers: NDArray[np.int64], learned: NDArray[np.bool_], parts: NDArray[np.int64]
    ) -> _Chunk:
        sequences = Sequences.of([*encode_texts(self._tokenizer, texts), *reversed(self._fixed)])
        taken = sequences.take(np.where(numbers < 0, numbers + len(texts) + len(self._fixed), numbers))
        flags = np.repeat(learned, taken.lengths)
        tokens = taken.joined(parts)
        flags[tokens.offsets[:-1]] = False
        return _Chunk(tokens, flags)


def write_lessons(
    folder: Path, records: Iterable[Record], tokenizer: PreTrainedTokenizerBase, format: PromptFormat, max_length: int
) -> LessonCounts:
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
    maker = _LessonMaker(tokenizer, format)
    too_long = without_answer = 0
    lengths, learned_counts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    with replaced_folder(folder) as beside:
        with (
            GrowingArray(beside / "ids.npy", np.dtype("<i4")) as ids,
            GrowingArray(beside / "learned.npy", np.dtype("?")) as learned,
        ):
            for chunk in _chunks(records):
                with _no_collection():
                    made = maker.lessons(chunk)
                counts = made.counts()
                long = made.tokens.lengths > max_length
                too_long += int((long & (counts > 0)).sum())
                without_answer += int((counts == 0).sum())
                kept = ~long & (counts > 0)
                made = made.chosen(kept)
                ids.append(made.tokens.ids)
                learned.append(made.learned)
                lengths.append(made.tokens.lengths)
                learned_counts.append(counts[kept])
        offsets = offsets_of(np.concatenate(lengths))
        np.save(beside / "offsets.npy", offsets)
        np.save(beside / "learned_counts.npy", np.concatenate(learned_counts))
        result = LessonCounts(kept=len(offsets) - 1, too_long=too_long, without_answer=without_answer)
        (beside / "counts.json").write_text(json.dumps(asdict(result)))
    return result


def read_lessons(folder: Path) -> Lessons:
    """Return the lessons that write_lessons left in `folder`; their tokens stay on disk until they are read.

    Raises:
        ArtefactError: If a file is missing or damaged.
    """
    try:
        ids, learned = mapped(folder / "ids.npy"), mapped(folder / "learned.npy")
        offsets, learned_counts = np.load(folder / "offsets.npy"), np.load(folder / "learned_counts.npy")
        counts = LessonCounts(**json.loads((folder / "counts.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise ArtefactError(
            f"{folder} has no lessons that can be read ({error}); remove it, and it is made again"
        ) from error
    if not len(ids) == len(learned) == offsets[-1] or len(offsets) != len(learned_counts) + 1 != counts.kept + 1:
        raise ArtefactError(f"{folder} holds files that don't belong together; remove it, and it is made again")
    return Lessons(ids, learned, offsets, learned_counts, counts)


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    remaining = iter(records)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector from walking through all words again and again: nothing made here is a cycle."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
