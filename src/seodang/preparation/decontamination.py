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
from seodang.preparation.features import answered, asked, chunks, shingle_sizes
from seodang.preparation.minhash import Sketch, band_keys, bands_for, signatures, similarities, sketch_of
from seodang.preparation.shingles import Hashes, Integers, Letters, letters_of, mixed, ngrams, shingles, words_of
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
    grams: Hashes  # of all n-grams
    owners: Integers  # the place of each n-gram's record
    in_instruction: NDArray[np.bool_]  # whether an n-gram stands in the instruction
    sketches: Sketch  # records x P
    keys: Hashes  # records x bands
    long_enough: NDArray[np.bool_]  # to be compared by MinHash


@dataclass(frozen=True, slots=True)
class Items:
    """The evaluation items, sorted to be searched."""

    questions: Questions
    gram_hashes: Hashes  # sorted
    gram_owners: Integers
    gram_counts: Integers  # n-grams of each item, at least 1
    band_keys: Hashes  # bands x items that are long enough, each band sorted
    band_owners: Integers  # the items of these keys
    exact_hashes: Hashes  # sorted
    exact_owners: Integers


def read_questions(
    records: Iterable[tuple[int, Record]], templated: NDArray[np.bool_], prepare: PrepareParams, *, answers: bool
) -> Iterator[Questions]:
    """Yield the questions of numbered records, a chunk at a time.

    Args:
        records: Number among the accepted records, and the record.
        templated: Whether a record's instruction is a template; one value an accepted record.
        prepare: Lengths of n-grams, shingles and signatures.
        answers: Whether n-grams of the answers count too: yes for training records, which must not quote an item.
    """
    numbers: list[int] = []

    def numbered() -> Iterator[Record]:
        for number, record in records:
            numbers.append(number)
            yield record

    for chunk in chunks(numbered()):
        yield _questions(chunk, np.array(numbers), templated, prepare, answers=answers)
        numbers.clear()


def _questions(
    chunk: Sequence[Record],
    numbers: NDArray[np.int64],
    templated: NDArray[np.bool_],
    prepare: PrepareParams,
    *,
    answers: bool,
) -> Questions:
    bare = templated[numbers]
    korean = np.array([record.language == "ko" for record in chunk])
    parts = [
        ("" if skip else asked(record), record.input, answered(record) if answers else "")
        for record, skip in zip(chunk, bare, strict=True)
    ]
    letters = letters_of([text for texts in parts for text in texts])
    grams, owners = _ngrams(letters, korean, prepare)
    lengths = letters.lengths.reshape(-1, _PARTS)[:, :_ANSWER].sum(axis=1)
    long_enough = lengths >= prepare.duplicates.min_characters
    sketches, keys = _sketches(letters, korean, long_enough, prepare)
    return Questions(numbers, grams, owners // _PARTS, owners % _PARTS == 0, sketches, keys, long_enough)


def _ngrams(letters: Letters, korean: NDArray[np.bool_], prepare: PrepareParams) -> tuple[Hashes, Integers]:
    """Return the n-grams of words of all texts and of letters of the Korean ones, with the text of each."""
    by_word, word_owners = ngrams(*words_of(letters), prepare.leaks.words)
    by_letter, letter_owners = ngrams(letters.hashes, letters.starts, prepare.leaks.characters_ko)
    wanted = korean[letter_owners // _PARTS]
    return np.concatenate([by_word, mixed(by_letter[wanted])]), np.concatenate([word_owners, letter_owners[wanted]])


def _sketches(
    letters: Letters, korean: NDArray[np.bool_], signed: NDArray[np.bool_], prepare: PrepareParams
) -> tuple[Sketch, Hashes]:
    """Return sketches and band keys of the questions to be signed, those of the others being of no set at all.

    A question's set is the union of the shingles of its instruction and its input.
    """
    permutations = prepare.duplicates.permutations
    hashes = shingles(letters, np.repeat(shingle_sizes(korean, prepare.duplicates), _PARTS))
    lengths = letters.lengths.copy()
    lengths[_ANSWER::_PARTS] = 0
    lengths[np.repeat(~signed, _PARTS)] = 0
    compared = hashes[np.repeat(lengths > 0, letters.lengths)]
    starts = np.concatenate([[0], np.cumsum(lengths)])[::_PARTS]
    values = signatures(compared, starts, permutations, prepare.seed)
    return sketch_of(values), band_keys(values, *bands_for(prepare.leaks.threshold, permutations))


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
    together = _together(parts)
    order = np.lexsort((together.in_instruction, together.owners, together.grams))
    order = order[
        _telling(together.grams[order], together.owners[order], together.in_instruction[order], boilerplate_after)
    ]
    long = np.flatnonzero(together.long_enough)
    keys = np.ascontiguousarray(together.keys[long].T)
    by_key = np.argsort(keys, axis=1)
    hashes, exact_owners = _exact_keys(rows[together.numbers])
    by_hash = np.argsort(hashes)
    return Items(
        questions=replace(
            together, grams=together.grams[:0], owners=together.owners[:0], in_instruction=together.in_instruction[:0]
        ),
        gram_hashes=together.grams[order],
        gram_owners=together.owners[order],
        gram_counts=np.maximum(np.bincount(together.owners[order], minlength=together.numbers.size), 1),
        band_keys=np.take_along_axis(keys, by_key, axis=1),
        band_owners=long[by_key],
        exact_hashes=hashes[by_hash],
        exact_owners=exact_owners[by_hash],
    )


def _exact_keys(rows: NDArray[np.void]) -> tuple[Hashes, Integers]:
    """Return what must not be the same in an item and a training record, and the place of the record that each key is of.

    It is the question; and what is asked about with the answer, which an item may lack.
    """
    keys = (rows["question"], mixed(rows["about"] ^ mixed(rows["answer"])))
    return np.concatenate(keys), np.tile(np.arange(len(rows)), len(keys))


def _together(parts: Sequence[Questions]) -> Questions:
    offsets = np.cumsum([0, *(part.numbers.size for part in parts)])
    return Questions(
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.grams for part in parts]),
        np.concatenate([part.owners + offset for part, offset in zip(parts, offsets[:-1], strict=True)]),
        np.concatenate([part.in_instruction for part in parts]),
        np.concatenate([part.sketches for part in parts]),
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.long_enough for part in parts]),
    )


def _telling(hashes: Hashes, owners: Integers, in_instruction: NDArray[np.bool_], after: int) -> NDArray[np.bool_]:
    """Return which n-grams, sorted by hash and item, count: each once an item, and none that many instructions have."""
    fresh = np.diff(hashes, prepend=hashes[:1] + np.uint64(1)) != 0
    once = fresh | (np.diff(owners, prepend=-1) != 0)
    number = np.cumsum(fresh) - 1
    items = np.bincount(number, weights=once & in_instruction)
    return np.asarray(once & ~(in_instruction & (items[number] > after)))


def find_leaks(questions: Questions, items: Items, rows: NDArray[np.void], threshold: float) -> list[Leak]:
    """Return the leaks of a chunk of training records: each pair of record and item once, by the plainest kind.

    Args:
        questions: Of the training records.
        items: What evaluation asks.
        rows: Traits of all accepted records.
        threshold: Jaccard similarity of two questions that are near-duplicates.
    """
    found: dict[tuple[int, int], Leak] = {}
    numbers = items.questions.numbers
    by_kind: dict[Kind, Iterator[tuple[int, int, float]]] = {
        "exact": _exact(questions, items, rows),
        "ngram": _shared_ngrams(questions, items),
        "minhash": _similar(questions, items, threshold),
    }
    for kind, pairs in by_kind.items():
        for place, item, overlap in pairs:
            found.setdefault((place, item), Leak(int(numbers[item]), int(questions.numbers[place]), kind, overlap))
    return [found[pair] for pair in sorted(found)]


def _ranges(sorted_hashes: Hashes, wanted: Hashes, limit: int | None = None) -> tuple[Integers, Integers]:
    """Return for every hit the place of the wanted hash and the place in `sorted_hashes`; `limit` hits a hash at the most."""
    first = np.searchsorted(sorted_hashes, wanted, side="left")
    counts = np.searchsorted(sorted_hashes, wanted, side="right") - first
    if limit is not None:
        counts = np.minimum(counts, limit)
    places = np.repeat(np.arange(wanted.size), counts)
    within = np.arange(places.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return places, np.asarray(first[places] + within)


def _exact(questions: Questions, items: Items, rows: NDArray[np.void]) -> Iterator[tuple[int, int, float]]:
    mine = rows[questions.numbers]
    unanswered = mine.copy()
    unanswered["answer"] = 0  # meets the items that have no answer
    keys, owners = (np.concatenate(both) for both in zip(_exact_keys(mine), _exact_keys(unanswered), strict=True))
    places, hits = _ranges(items.exact_hashes, keys)
    for place, hit in zip(owners[places].tolist(), hits.tolist(), strict=True):
        yield place, int(items.exact_owners[hit]), 1.0


def _shared_ngrams(questions: Questions, items: Items) -> Iterator[tuple[int, int, float]]:
    pair = mixed(questions.owners.astype(np.uint64)) ^ questions.grams
    _, once = np.unique(pair, return_index=True)  # an n-gram that a record repeats counts once
    places, hits = _ranges(items.gram_hashes, questions.grams[once])
    width = items.questions.numbers.size
    pairs, counts = np.unique(questions.owners[once][places] * width + items.gram_owners[hits], return_counts=True)
    for number, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        place, item = divmod(number, width)
        yield place, item, count / int(items.gram_counts[item])


def _similar(questions: Questions, items: Items, threshold: float) -> Iterator[tuple[int, int, float]]:
    long = np.flatnonzero(questions.long_enough)
    width = items.questions.numbers.size
    candidates: list[Integers] = []
    for band, (keys, owners) in enumerate(zip(items.band_keys, items.band_owners, strict=True)):
        places, hits = _ranges(keys, questions.keys[long, band], _CANDIDATES)
        candidates.append(long[places] * width + owners[hits])
    pairs = np.unique(np.concatenate(candidates)) if candidates else np.zeros(0, dtype=np.int64)
    places, owners = np.divmod(pairs, width)
    alike = similarities(questions.sketches[places], items.questions.sketches[owners])
    for number in np.flatnonzero(alike >= threshold).tolist():
        yield int(places[number]), int(owners[number]), float(alike[number])
