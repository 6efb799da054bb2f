"""Decontamination: which records of train and validation give an evaluation item away, item by item.

A record leaks an item when it asks exactly the same (normalised) or gives the item's answer for the same input in other words;
when it has a long n-gram of the item's question anywhere in it (13 words, as Brown et al. 2020 take; in Korean 30 letters); or
when the two questions are near-duplicates by MinHash. An instruction that stands before many different inputs gives nothing
away: of its records only the input counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seodang.config import PrepareParams
from seodang.preparation.features import build_answer, build_question, get_shingle_sizes, iter_chunks
from seodang.preparation.minhash import (
    Sketch,
    compute_band_keys,
    compute_bands,
    compute_signatures,
    compute_sketch,
    estimate_similarities,
)
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

Kind = Literal["exact", "ngram", "minhash"]

# Items of one band's bucket that a record is compared with: a bucket of boilerplate must not cost its size for each record.
_CANDIDATES = 64

# Texts of a record, in this order: instruction, input, answer.
_PARTS, _ANSWER = 3, 2


@dataclass(frozen=True, slots=True)
class Leak:
    """A training record that gives an evaluation item away. Both are numbers among the accepted records."""

    item: int
    record: int
    kind: Kind
    overlap: float  # exact: 1; ngram: share of the item's n-grams that the record has; minhash: Jaccard similarity


@dataclass(frozen=True, slots=True)
class Questions:
    """What of several records is looked at for leaks: one value or row a record."""

    numbers: NDArray[np.int64]  # of the records among the accepted ones
    ngrams: Hashes  # of all n-grams
    owners: Integers  # the place of each n-gram's record
    in_instruction: NDArray[np.bool_]  # whether an n-gram stands in the instruction
    sketches: Sketch  # records x P
    keys: Hashes  # records x bands
    is_long_enough: NDArray[np.bool_]  # to be compared by MinHash


@dataclass(frozen=True, slots=True)
class Items:
    """The evaluation items, sorted to be searched."""

    questions: Questions
    ngram_hashes: Hashes  # sorted
    ngram_owners: Integers
    ngram_counts: Integers  # n-grams of each item, at least 1
    band_keys: Hashes  # bands x items that are long enough, each band sorted
    band_owners: Integers  # the items of these keys
    exact_hashes: Hashes  # sorted
    exact_owners: Integers


def read_questions(
    records: Iterable[tuple[int, Record]],
    is_template: NDArray[np.bool_],
    prepare: PrepareParams,
    *,
    include_answers: bool,
) -> Iterator[Questions]:
    """Yield the questions of numbered records, a chunk at a time.

    Args:
        records: Number among the accepted records, and the record.
        templated: Whether a record's instruction is a template; one value an accepted record.
        prepare: Lengths of n-grams, shingles and signatures.
        answers: Whether n-grams of the answers count too: yes for training records, which must not quote an item.
    """
    numbers: list[int] = []

    def iter_records() -> Iterator[Record]:
        for number, record in records:
            numbers.append(number)
            yield record

    for chunk in iter_chunks(iter_records()):
        yield _build_questions(chunk, np.array(numbers), is_template, prepare, include_answers=include_answers)
        numbers.clear()


def _build_questions(
    chunk: Sequence[Record],
    numbers: NDArray[np.int64],
    is_template: NDArray[np.bool_],
    prepare: PrepareParams,
    *,
    include_answers: bool,
) -> Questions:
    skip_instruction = is_template[numbers]
    is_korean = np.array([record.language == "ko" for record in chunk])
    parts = [
        ("" if skip else build_question(record), record.input, build_answer(record) if include_answers else "")
        for record, skip in zip(chunk, skip_instruction, strict=True)
    ]
    letters = extract_letters([text for texts in parts for text in texts])
    ngrams, owners = _compute_text_ngrams(letters, is_korean, prepare)
    lengths = letters.lengths.reshape(-1, _PARTS)[:, :_ANSWER].sum(axis=1)
    is_long_enough = lengths >= prepare.deduplication.min_characters
    sketches, keys = _compute_sketches(letters, is_korean, is_long_enough, prepare)
    return Questions(numbers, ngrams, owners // _PARTS, owners % _PARTS == 0, sketches, keys, is_long_enough)


def _compute_text_ngrams(
    letters: Letters, is_korean: NDArray[np.bool_], prepare: PrepareParams
) -> tuple[Hashes, Integers]:
    """Return the n-grams of words of all texts and of letters of the Korean ones, with the text of each."""
    by_word, word_owners = compute_ngrams(*hash_words(letters), prepare.decontamination.ngram_words)
    by_letter, letter_owners = compute_ngrams(
        letters.hashes, letters.starts, prepare.decontamination.ngram_characters_ko
    )
    mask = is_korean[letter_owners // _PARTS]
    return np.concatenate([by_word, mix_hashes(by_letter[mask])]), np.concatenate([word_owners, letter_owners[mask]])


def _compute_sketches(
    letters: Letters, is_korean: NDArray[np.bool_], mask: NDArray[np.bool_], prepare: PrepareParams
) -> tuple[Sketch, Hashes]:
    """Return sketches and band keys of the questions to be signed, those of the others being of no set at all.

    A question's set is the union of the shingles of its instruction and its input.
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


def gather_items(questions: Iterable[Questions], rows: NDArray[np.void], boilerplate_after: int) -> Items | None:
    """Return the evaluation items ready to be searched, None when there are none.

    Args:
        questions: Of all items, by chunks.
        rows: Traits of all accepted records.
        boilerplate_after: An n-gram in the instructions of more items than this is boilerplate and gives nothing away.
    """
    parts = list(questions)
    if not parts:
        return None
    all_questions = _concatenate(parts)
    order = np.lexsort((all_questions.in_instruction, all_questions.owners, all_questions.ngrams))
    order = order[
        _find_informative(
            all_questions.ngrams[order],
            all_questions.owners[order],
            all_questions.in_instruction[order],
            boilerplate_after,
        )
    ]
    long = np.flatnonzero(all_questions.is_long_enough)
    keys = np.ascontiguousarray(all_questions.keys[long].T)
    by_key = np.argsort(keys, axis=1)
    hashes, exact_owners = _compute_exact_keys(rows[all_questions.numbers])
    by_hash = np.argsort(hashes)
    return Items(
        questions=replace(
            all_questions,
            ngrams=all_questions.ngrams[:0],
            owners=all_questions.owners[:0],
            in_instruction=all_questions.in_instruction[:0],
        ),
        ngram_hashes=all_questions.ngrams[order],
        ngram_owners=all_questions.owners[order],
        ngram_counts=np.maximum(np.bincount(all_questions.owners[order], minlength=all_questions.numbers.size), 1),
        band_keys=np.take_along_axis(keys, by_key, axis=1),
        band_owners=long[by_key],
        exact_hashes=hashes[by_hash],
        exact_owners=exact_owners[by_hash],
    )


def _compute_exact_keys(rows: NDArray[np.void]) -> tuple[Hashes, Integers]:
    """Return what must not be the same in an item and a training record, and the place of the record that each key is of.

    It is the question; and what is asked about with the answer, which an item may lack.
    """
    keys = (rows["question"], mix_hashes(rows["about"] ^ mix_hashes(rows["answer"])))
    return np.concatenate(keys), np.tile(np.arange(len(rows)), len(keys))


def _concatenate(parts: Sequence[Questions]) -> Questions:
    offsets = np.cumsum([0, *(part.numbers.size for part in parts)])
    return Questions(
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.ngrams for part in parts]),
        np.concatenate([part.owners + offset for part, offset in zip(parts, offsets[:-1], strict=True)]),
        np.concatenate([part.in_instruction for part in parts]),
        np.concatenate([part.sketches for part in parts]),
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.is_long_enough for part in parts]),
    )


def _find_informative(
    hashes: Hashes, owners: Integers, in_instruction: NDArray[np.bool_], boilerplate_after: int
) -> NDArray[np.bool_]:
    """Return which n-grams, sorted by hash and item, count: each once an item, and none that many instructions have."""
    is_new = np.diff(hashes, prepend=hashes[:1] + np.uint64(1)) != 0
    is_first = is_new | (np.diff(owners, prepend=-1) != 0)
    number = np.cumsum(is_new) - 1
    items = np.bincount(number, weights=is_first & in_instruction)
    return np.asarray(is_first & ~(in_instruction & (items[number] > boilerplate_after)))


def find_leaks(questions: Questions, items: Items, rows: NDArray[np.void], threshold: float) -> list[Leak]:
    """Return the leaks of a chunk of training records: each pair of record and item once, by the plainest kind.

    Args:
        questions: Of the training records.
        items: What evaluation asks.
        rows: Traits of all accepted records.
        threshold: Jaccard similarity of two questions that are near-duplicates.
    """
    leaks: dict[tuple[int, int], Leak] = {}
    numbers = items.questions.numbers
    by_kind: dict[Kind, Iterator[tuple[int, int, float]]] = {
        "exact": _find_exact(questions, items, rows),
        "ngram": _find_shared_ngrams(questions, items),
        "minhash": _find_similar(questions, items, threshold),
    }
    for kind, pairs in by_kind.items():
        for index, item, overlap in pairs:
            leaks.setdefault((index, item), Leak(int(numbers[item]), int(questions.numbers[index]), kind, overlap))
    return [leaks[pair] for pair in sorted(leaks)]


def _find_matches(sorted_hashes: Hashes, hashes: Hashes, limit: int | None = None) -> tuple[Integers, Integers]:
    """Return for every hit the place of the wanted hash and the place in `sorted_hashes`; `limit` hits a hash at the most."""
    first = np.searchsorted(sorted_hashes, hashes, side="left")
    counts = np.searchsorted(sorted_hashes, hashes, side="right") - first
    if limit is not None:
        counts = np.minimum(counts, limit)
    indices = np.repeat(np.arange(hashes.size), counts)
    within = np.arange(indices.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return indices, np.asarray(first[indices] + within)


def _find_exact(questions: Questions, items: Items, rows: NDArray[np.void]) -> Iterator[tuple[int, int, float]]:
    own_rows = rows[questions.numbers]
    unanswered = own_rows.copy()
    unanswered["answer"] = 0  # meets the items that have no answer
    keys, owners = (
        np.concatenate(both)
        for both in zip(_compute_exact_keys(own_rows), _compute_exact_keys(unanswered), strict=True)
    )
    indices, hits = _find_matches(items.exact_hashes, keys)
    for index, hit in zip(owners[indices].tolist(), hits.tolist(), strict=True):
        yield index, int(items.exact_owners[hit]), 1.0


def _find_shared_ngrams(questions: Questions, items: Items) -> Iterator[tuple[int, int, float]]:
    pair = mix_hashes(questions.owners.astype(np.uint64)) ^ questions.ngrams
    _, once = np.unique(pair, return_index=True)  # an n-gram that a record repeats counts once
    indices, hits = _find_matches(items.ngram_hashes, questions.ngrams[once])
    width = items.questions.numbers.size
    pairs, counts = np.unique(questions.owners[once][indices] * width + items.ngram_owners[hits], return_counts=True)
    for number, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        index, item = divmod(number, width)
        yield index, item, count / int(items.ngram_counts[item])


def _find_similar(questions: Questions, items: Items, threshold: float) -> Iterator[tuple[int, int, float]]:
    long = np.flatnonzero(questions.is_long_enough)
    width = items.questions.numbers.size
    candidates: list[Integers] = []
    for band, (keys, owners) in enumerate(zip(items.band_keys, items.band_owners, strict=True)):
        indices, hits = _find_matches(keys, questions.keys[long, band], _CANDIDATES)
        candidates.append(long[indices] * width + owners[hits])
    pairs = np.unique(np.concatenate(candidates)) if candidates else np.zeros(0, dtype=np.int64)
    indices, owners = np.divmod(pairs, width)
    similarity = estimate_similarities(questions.sketches[indices], items.questions.sketches[owners])
    for number in np.flatnonzero(similarity >= threshold).tolist():
        yield int(indices[number]), int(owners[number]), float(similarity[number])
