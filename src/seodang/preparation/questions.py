"""The questions of records as n-grams, sketches and band keys, for the search for leaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seodang.config import PrepareParams
from seodang.preparation.boilerplate import Boilerplate
from seodang.preparation.features import build_answer, build_question, get_shingle_sizes, iter_chunks
from seodang.preparation.minhash import Sketch, compute_band_keys, compute_bands, compute_signatures, compute_sketch
from seodang.preparation.shingles import (
    Hashes,
    Integers,
    Letters,
    compute_ngrams,
    compute_shingles,
    extract_letters,
    hash_words,
    mix_hashes,
)
from seodang.records import Record

# A record has these texts, in this order: instruction, input, answer.
_PARTS, _ANSWER = 3, 2


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions of n records, in the form that the search for leaks needs."""

    numbers: NDArray[np.int64]  # indices of the records into the accepted records
    ngrams: Hashes  # n-grams of all records
    owners: Integers  # index of the record of each n-gram, 0 to n - 1
    in_instruction: NDArray[np.bool_]  # whether an n-gram is from the instruction
    sketches: Sketch  # n x P
    keys: Hashes  # n x bands
    is_long_enough: NDArray[np.bool_]  # whether MinHash compares the record


def read_questions(
    records: Iterable[tuple[int, Record]],
    is_template: NDArray[np.bool_],
    prepare: PrepareParams,
    boilerplate: Boilerplate,
    *,
    include_answers: bool,
) -> Iterator[Questions]:
    """Yield the questions of records in chunks.

    Args:
        records: Index into the accepted records, and the record.
        is_template: Whether the instruction of a record is a template; one value for each accepted record.
        prepare: Lengths of n-grams, shingles and signatures.
        boilerplate: Knows the common phrases, which are left out.
        include_answers: Whether n-grams of the answers count. They do for training records, which must not quote items.
    """
    numbers: list[int] = []

    def iter_records() -> Iterator[Record]:
        for number, record in records:
            numbers.append(number)
            yield record

    for chunk in iter_chunks(iter_records()):
        yield _build_questions(chunk, np.array(numbers), is_template, prepare, boilerplate, include_answers)
        numbers.clear()


def _build_questions(
    chunk: Sequence[Record],
    numbers: NDArray[np.int64],
    is_template: NDArray[np.bool_],
    prepare: PrepareParams,
    boilerplate: Boilerplate,
    include_answers: bool,
) -> Questions:
    skip_instruction = is_template[numbers]
    is_korean = np.array([record.language == "ko" for record in chunk])
    parts = [
        ("" if skip else build_question(record), record.input, build_answer(record) if include_answers else "")
        for record, skip in zip(chunk, skip_instruction, strict=True)
    ]
    letters = extract_letters([boilerplate.remove_frame(text) for texts in parts for text in texts])
    ngrams, owners = _compute_text_ngrams(letters, is_korean, prepare)
    lengths = letters.lengths.reshape(-1, _PARTS)[:, :_ANSWER].sum(axis=1)
    is_long_enough = lengths >= prepare.deduplication.min_characters
    sketches, keys = _compute_sketches(letters, is_korean, is_long_enough, prepare)
    return Questions(numbers, ngrams, owners // _PARTS, owners % _PARTS == 0, sketches, keys, is_long_enough)


def _compute_text_ngrams(
    letters: Letters, is_korean: NDArray[np.bool_], prepare: PrepareParams
) -> tuple[Hashes, Integers]:
    """Return the word n-grams of all texts and the letter n-grams of Korean texts, with the text index of each."""
    by_word, word_owners = compute_ngrams(*hash_words(letters), prepare.decontamination.ngram_words)
    by_letter, letter_owners = compute_ngrams(
        letters.hashes, letters.starts, prepare.decontamination.ngram_characters_ko
    )
    mask = is_korean[letter_owners // _PARTS]
    return np.concatenate([by_word, mix_hashes(by_letter[mask])]), np.concatenate([word_owners, letter_owners[mask]])


def _compute_sketches(
    letters: Letters, is_korean: NDArray[np.bool_], mask: NDArray[np.bool_], prepare: PrepareParams
) -> tuple[Sketch, Hashes]:
    """Return the sketches and band keys of the selected questions; the other rows belong to the empty set.

    The set of a question is the union of the shingles of its instruction and its input.
    """
    permutations = prepare.deduplication.permutations
    hashes = compute_shingles(letters, np.repeat(get_shingle_sizes(is_korean, prepare.deduplication), _PARTS))
    lengths = letters.lengths.copy()
    lengths[_ANSWER::_PARTS] = 0
    lengths[np.repeat(~mask, _PARTS)] = 0
    question_hashes = hashes[np.repeat(lengths > 0, letters.lengths)]
    starts = np.concatenate([[0], np.cumsum(lengths)])[::_PARTS]
    values = compute_signatures(question_hashes, starts, permutations, prepare.seed)
    return compute_sketch(values), compute_band_keys(
        values, *compute_bands(prepare.decontamination.threshold, permutations)
    )
