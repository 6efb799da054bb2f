"""Features of the accepted records: the values that deduplication, splits and mixing need, about 100 bytes per record.

The records are read in chunks. One fixed-size row per record stays in memory; the larger sketches go to files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seodang.config import DeduplicationParams, PrepareParams
from seodang.preparation.minhash import Signatures, Sketches, compute_signatures
from seodang.preparation.shingles import (
    Hashes,
    Integers,
    Letters,
    compute_shingles,
    extract_letters,
    hash_texts,
    join_hashes,
    mix_hashes,
)
from seodang.preparation.splitting import get_split_constraint, hash_group
from seodang.records import Record, is_text

FEATURE_DTYPE = np.dtype(
    [
        ("id", "S16"),
        ("exact", "u8"),  # hash of all normalized texts: system, turns, instruction, input, answer
        ("question", "u8"),  # hash of the turns, the instruction and the input
        ("instruction", "u8"),  # hash of the turns and the instruction
        ("input", "u8"),  # 0: no input
        ("answer", "u8"),
        ("subject", "u8"),  # hash of the input if that is a text, else of the question
        ("origin", "u8"),  # hash of the file and the number of the object in it; 0: no file
        ("group", "u8"),  # hash of the texts that must stay in one split; gives its position as well
        ("instruction_letters", "i4"),  # number of normalized letters; see shingles
        ("input_letters", "i4"),
        ("answer_letters", "i4"),
        ("task", "i4"),  # index into Features.tasks
        ("source", "i4"),  # index into Features.sources
        ("warnings", "u2"),
        ("repairs", "u2"),
        ("constraint", "u1"),  # the splits in which the record may be; see splitting
        ("korean", "?"),
        ("usable", "?"),  # False: people marked the answer as undesirable
    ]
)

# Size of a chunk: the arrays of its characters fit the cache of a processor.
_CHUNK_CHARACTERS = 200_000
_CHUNK_RECORDS = 1_000


@dataclass(slots=True)
class Names:
    """Names with numbers, in order of first appearance."""

    numbers: dict[str, int] = field(default_factory=dict)

    def get_number(self, name: str) -> int:
        """Return the number of a name; a new name gets the next number."""
        return self.numbers.setdefault(name, len(self.numbers))

    def __iter__(self) -> Iterator[str]:
        return iter(self.numbers)


@dataclass(frozen=True, slots=True)
class Features:
    """One row per record (dtype FEATURE_DTYPE), and the names of the numbers in it."""

    rows: NDArray[np.void]
    sources: Names
    tasks: Names


@dataclass(frozen=True, slots=True)
class Fields:
    """The normalized fields of n records: n instructions, n inputs, n answers and n system texts."""

    letters: Letters  # 4n texts
    hashes: Hashes  # 4 x n
    lengths: Integers  # 4 x n
    input_is_text: NDArray[np.bool_]  # n; whether the input is a text and not one word


def build_question(record: Record) -> str:
    """Return the turns and the instruction: the question without the input."""
    return (
        "\n".join([*(turn.content for turn in record.turns), record.instruction])
        if record.turns
        else record.instruction
    )


def build_answer(record: Record) -> str:
    """Return the answer and, in a preference pair, the rejected answer."""
    return f"{record.output}\n{record.rejected}" if record.rejected else record.output


def iter_chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield the records in lists of about a megabyte."""
    chunk: list[Record] = []
    characters = 0
    for record in records:
        chunk.append(record)
        characters += (
            len(record.instruction)
            + len(record.input)
            + len(record.output)
            + sum(len(turn.content) for turn in record.turns)
        )
        if characters >= _CHUNK_CHARACTERS or len(chunk) >= _CHUNK_RECORDS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def compute_features(records: Iterable[Record], count: int, prepare: PrepareParams, sketches: Sketches) -> Features:
    """Return the features of `count` records and append their sketches to `sketches`."""
    features = Features(np.zeros(count, dtype=FEATURE_DTYPE), Names(), Names())
    start = 0
    for chunk in iter_chunks(records):
        rows = features.rows[start : start + len(chunk)]
        fields = _build_fields(chunk)
        _fill_texts(rows, fields)
        _fill_metadata(rows, chunk, features, prepare)
        sketches.append(*_compute_signatures(fields, rows["korean"], prepare))
        start += len(chunk)
    sketches.flush()
    return features


def get_shingle_sizes(korean: NDArray[np.bool_], params: DeduplicationParams) -> Integers:
    """Return the number of letters of a shingle for each text, by its language."""
    return np.asarray(np.where(korean, params.shingle_ko, params.shingle_en), dtype=np.int64)


def _build_fields(chunk: Sequence[Record]) -> Fields:
    parts: tuple[Callable[[Record], str], ...] = (
        build_question,
        lambda record: record.input,
        build_answer,
        lambda record: record.system,
    )
    letters = extract_letters([part(record) for part in parts for record in chunk])
    return Fields(
        letters,
        hash_texts(letters).reshape(len(parts), -1),
        letters.lengths.reshape(len(parts), -1),
        np.array([is_text(record.input) for record in chunk]),
    )


def _fill_texts(rows: NDArray[np.void], fields: Fields) -> None:
    instructions, inputs, answers, systems = fields.hashes
    lengths = fields.lengths
    question = join_hashes(instructions, lengths[0], inputs)
    all_texts = join_hashes(question, lengths[0] + lengths[1], answers)
    rows["instruction"], rows["input"], rows["answer"], rows["question"] = instructions, inputs, answers, question
    rows["subject"] = np.where(fields.input_is_text & (inputs != 0), inputs, question)
    rows["exact"] = mix_hashes(all_texts) ^ mix_hashes(mix_hashes(systems))
    rows["instruction_letters"], rows["input_letters"], rows["answer_letters"] = lengths[:3]


def _fill_metadata(rows: NDArray[np.void], chunk: Sequence[Record], features: Features, prepare: PrepareParams) -> None:
    rows["id"] = [record.id.encode() for record in chunk]
    rows["group"] = [hash_group(prepare.seed, record) for record in chunk]
    rows["origin"] = [_hash_origin(record) for record in chunk]
    rows["task"] = [features.tasks.get_number(record.task) for record in chunk]
    rows["source"] = [features.sources.get_number(record.source) for record in chunk]
    rows["warnings"] = [len(record.warnings) for record in chunk]
    rows["repairs"] = [len(record.repairs) for record in chunk]
    rows["constraint"] = [get_split_constraint(record, prepare) for record in chunk]
    rows["korean"] = [record.language == "ko" for record in chunk]
    rows["usable"] = [record.desirable is not False for record in chunk]


def _hash_origin(record: Record) -> int:
    if not record.file:
        return 0
    name = f"{record.file}\x1f{record.source_row}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big")


def _compute_signatures(fields: Fields, korean: NDArray[np.bool_], prepare: PrepareParams) -> list[Signatures]:
    """Return the signatures of the instructions, of the inputs and of the answers, n x P each."""
    letters, lengths = fields.letters, fields.lengths[:3].copy()
    end = letters.starts[lengths.size]
    text_letters = Letters(letters.hashes[:end], letters.starts[: lengths.size + 1], letters.is_word_start[:end])
    hashes = compute_shingles(text_letters, np.tile(get_shingle_sizes(korean, prepare.deduplication), 3))
    is_short = lengths.sum(axis=0) < prepare.deduplication.min_characters
    lengths[:, is_short] = 0  # compared exactly only, so no signature is needed
    shingle_hashes = hashes[np.repeat(lengths.ravel() > 0, text_letters.lengths)]
    starts = np.concatenate([[0], np.cumsum(lengths.ravel())])
    return np.split(compute_signatures(shingle_hashes, starts, prepare.deduplication.permutations, prepare.seed), 3)


def find_templates_so_far(rows: NDArray[np.void], after: int) -> NDArray[np.bool_]:
    """Return whether the instruction of each record has more than `after` different inputs up to this record.

    The inputs are counted in the order of the records, so appended records never change the value of an earlier one.
    """
    first = np.zeros(len(rows), dtype=np.int64)
    _, indices = np.unique(mix_hashes(rows["instruction"]) ^ mix_hashes(mix_hashes(rows["input"])), return_index=True)
    first[indices] = 1
    order = np.argsort(rows["instruction"], kind="stable")
    counts = np.cumsum(first[order])
    borders = np.flatnonzero(np.diff(rows["instruction"][order], prepend=rows["instruction"][order][:1] + np.uint64(1)))
    before = np.repeat(counts[borders] - first[order][borders], np.diff(np.append(borders, len(rows))))
    result = np.zeros(len(rows), dtype=np.bool_)
    result[order] = counts - before > after
    return result


def find_templates(rows: NDArray[np.void], after: int) -> NDArray[np.bool_]:
    """Return whether the instruction of each record has more than `after` different inputs among all records."""
    return np.isin(rows["instruction"], np.unique(rows["instruction"][find_templates_so_far(rows, after)]))


def compute_unit_hash(seed: int, purpose: str, ids: NDArray[np.bytes_]) -> NDArray[np.float64]:
    """Return a uniform number in [0, 1) for each record id by hash; the numbers of two purposes are independent."""
    salt = np.frombuffer(hashlib.sha256(f"{seed}\x1f{purpose}".encode()).digest()[:8], dtype=np.uint64)
    halves = np.ascontiguousarray(ids).view(np.uint64).reshape(-1, 2)
    hashes = mix_hashes(halves[:, 0] ^ mix_hashes(halves[:, 1] ^ salt))
    return np.asarray((hashes >> np.uint64(11)).astype(np.float64) / 2.0**53)
