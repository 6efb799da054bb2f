"""Quotes: complete questions and gold answers of evaluation items that stand inside training records.

A question counts if an answer, an earlier turn or a longer question of a training record quotes it. A gold answer
counts in any field and under any question. Short texts are left out, because they occur by chance, and so are the
answers to many questions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seodang.preparation.boilerplate import Boilerplate
from seodang.preparation.features import build_answer, build_question
from seodang.preparation.shingles import Hashes, Integers, Letters, extract_letters, find_matches, hash_ranges
from seodang.records import Language, Record, is_text

QuoteKind = Literal["quote", "answer"]

# Texts have at least so many letters; digits do not count, and a Hangul syllable says as much as two letters.
_MIN_QUESTION = 14  # "Good evening!" is no question that gives an item away
# Of a question inside a longer one. Of 2,664 items of Alpaca, KoAlpaca and Dolly none was so by chance.
_MIN_ASKED = 24
_MIN_INPUT = 24  # of an input without its instruction, if it is a sentence
_MIN_PHRASE = 40  # of another one: "Harry Potter and the Sorcerer's Stone" is a name
_IS_QUESTION = re.compile(r"""[?？]["'”’)\]]*\s*$""")
_IS_SENTENCE = re.compile(r"""(?:[.!…。！]|[다요오죠까니가지네음함임])["'”’)\]]*\s*$""")
_MIN_ANSWER = 30  # of an answer that equals another one
_MIN_QUOTED = 60  # of an answer inside a longer text; a shorter one may be a title or a name
_MIN_QUOTED_SENTENCE = 40
_HANGUL_LETTERS = 2
_MAX_QUESTIONS = 3  # the answer to more different questions than this is a common one and gives no item away
_ANCHORS = (7, 14, 28, 56)  # letters at the beginning of a text that are compared first; the longest that fits


@dataclass(frozen=True, slots=True)
class Needle:
    """One text to find."""

    owner: int  # index of the item into the accepted records
    text: str
    language: Language
    is_complete: bool = False  # whether it is a complete question


@dataclass(frozen=True, slots=True)
class Needles:
    """The texts to find; each value is an array with one entry for each text."""

    anchors: Hashes  # hash of the first letters
    anchor_lengths: Integers
    hashes: Hashes  # hash of all letters
    lengths: Integers
    owners: Integers  # index of the item into the accepted records
    ends_at_word: NDArray[np.bool_]  # whether a word must end with the text; particles follow a Korean one
    is_long: NDArray[np.bool_]  # whether the text counts inside a longer one
    is_complete: NDArray[np.bool_]  # whether the text is a complete question, which counts as another question
    is_asked: NDArray[np.bool_]  # whether it is long enough to count inside another question too


def gather_needles(
    items: Sequence[tuple[int, Record]],
    rows: NDArray[np.void],
    is_template: NDArray[np.bool_],
    boilerplate: Boilerplate,
) -> dict[QuoteKind, Needles]:
    """Return the questions and the gold answers of the evaluation items, without short and common ones."""
    common = find_common_answers(rows)
    questions, answers = [], []
    for number, record in items:
        question = "" if is_template[number] else record.instruction
        questions += [
            Needle(number, text, record.language, is_complete)
            for text, least, is_complete in _list_questions(record, question, boilerplate)
            if count_letters(text) >= least
        ]
        if record.choices or int(rows["answer"][number]) in common:
            continue
        answers += [
            Needle(number, text, record.language)
            for text in dict.fromkeys([record.output, boilerplate.strip(record.output)])
            if count_letters(text) >= _MIN_ANSWER
        ]
    return {"quote": build_needles(questions), "answer": build_needles(answers, _MIN_QUOTED, _MIN_QUOTED_SENTENCE)}


def _list_questions(record: Record, instruction: str, boilerplate: Boilerplate) -> Iterator[tuple[str, int, bool]]:
    """Yield the texts of a question, the letters that each must have at least, and whether it is complete.

    The instruction is "" if it is a template. A text may be quoted without its greeting and its closing. What is to be
    labelled is no short question, even with a question mark.
    """
    input = record.input
    if instruction:
        yield f"{instruction}\n{input}", _MIN_QUESTION, True
    for text in dict.fromkeys(
        [boilerplate.strip(instruction), *([input, boilerplate.strip(input)] if is_text(input) else [])]
    ):
        if text != instruction:
            is_short_question = _IS_QUESTION.search(text) and not record.choices
            least = _MIN_QUESTION if is_short_question else _find_least_letters(text)
            yield text, least, text != input and not input


def _find_least_letters(text: str) -> int:
    """Return the letters that a text without its instruction must have at least: many for what may be a name."""
    return _MIN_INPUT if _IS_QUESTION.search(text) or _IS_SENTENCE.search(text) else _MIN_PHRASE


def count_letters(text: str) -> int:
    """Return the number of letters without digits; a Hangul syllable counts as two."""
    return sum(_HANGUL_LETTERS if "가" <= sign <= "힣" else sign.isalpha() for sign in text)


def find_common_answers(rows: NDArray[np.void]) -> set[int]:
    """Return the hashes of the answers to so many different questions that they give no item away."""
    pairs = np.unique(np.stack([rows["answer"], rows["question"]], axis=1), axis=0)
    answers, counts = np.unique(pairs[:, 0], return_counts=True)
    return set(answers[counts > _MAX_QUESTIONS].tolist())


def build_needles(entries: Sequence[Needle], long_from: int = 0, sentence_from: int = 0) -> Needles:
    """Return the texts to find; those of `long_from` letters, or sentences of fewer, count inside a longer text."""
    letters = extract_letters([entry.text for entry in entries])
    long = np.flatnonzero(letters.lengths >= _ANCHORS[0])
    starts, lengths = letters.starts[:-1][long], letters.lengths[long]
    anchor_lengths = np.array(_ANCHORS)[np.searchsorted(_ANCHORS, lengths, side="right") - 1]
    return Needles(
        hash_ranges(letters, starts, starts + anchor_lengths),
        anchor_lengths,
        hash_ranges(letters, starts, starts + lengths),
        lengths,
        np.array([entry.owner for entry in entries], dtype=np.int64)[long],
        np.array([entry.language != "ko" for entry in entries], dtype=np.bool_)[long],
        np.array(
            [
                count_letters(entry.text) >= (sentence_from if _IS_SENTENCE.search(entry.text) else long_from)
                for entry in entries
            ],
            dtype=np.bool_,
        )[long],
        np.array([entry.is_complete for entry in entries], dtype=np.bool_)[long],
        np.array([entry.is_complete and count_letters(entry.text) >= _MIN_ASKED for entry in entries], dtype=np.bool_)[
            long
        ],
    )


def find_quotes(
    chunk: Sequence[tuple[int, Record]],
    needles: dict[QuoteKind, Needles],
    rows: NDArray[np.void],
    boilerplate: Boilerplate,
) -> Iterator[tuple[QuoteKind, int, int]]:
    """Yield kind, training record and item of each quote; both are indices into the accepted records."""
    answers = ["\n".join([*(turn.content for turn in record.turns), build_answer(record)]) for _, record in chunk]
    questions = [f"{build_question(record)}\n{record.input}" for _, record in chunk]
    places: dict[QuoteKind, Letters] = {
        "quote": extract_letters(answers),
        "answer": extract_letters([*answers, *questions]),
    }
    yield from _find_questions(chunk, questions, needles["quote"], boilerplate)
    for kind, letters in places.items():
        for text, needle in find_texts(letters, needles[kind]):
            record, item = chunk[text % len(chunk)][0], int(needles[kind].owners[needle])
            if needles[kind].is_long[needle] or rows["answer"][record] == rows["answer"][item]:
                yield kind, record, item


def _find_questions(
    chunk: Sequence[tuple[int, Record]], questions: Sequence[str], needles: Needles, boilerplate: Boilerplate
) -> Iterator[tuple[QuoteKind, int, int]]:
    """Yield the complete questions of items that are a part of another question, or all of it but for a greeting."""
    for text, needle in find_texts(extract_letters(questions), needles):
        if needles.is_asked[needle]:
            yield "quote", chunk[text][0], int(needles.owners[needle])
    contents = extract_letters([boilerplate.strip(question) for question in questions])
    lengths = contents.lengths
    for text, needle in find_texts(contents, needles):
        if needles.is_complete[needle] and needles.lengths[needle] == lengths[text]:
            yield "quote", chunk[text][0], int(needles.owners[needle])


def find_texts(letters: Letters, needles: Needles) -> Iterator[tuple[int, int]]:
    """Yield the text and the needle of each match; a match begins at the beginning of a word."""
    starts = np.flatnonzero(letters.is_word_start)
    texts = np.searchsorted(letters.starts, starts, side="right") - 1
    is_end = np.append(letters.is_word_start, True)
    is_end[letters.starts] = True
    for length in _ANCHORS:
        own = np.flatnonzero(needles.anchor_lengths == length)
        own = own[np.argsort(needles.anchors[own])]
        fits = np.flatnonzero(letters.starts[texts + 1] - starts >= length)
        anchors = hash_ranges(letters, starts[fits], starts[fits] + length)
        indices, hits = find_matches(needles.anchors[own], anchors)
        indices, hits = fits[indices], own[hits]
        ends = starts[indices] + needles.lengths[hits]
        inside = ends <= letters.starts[texts[indices] + 1]
        indices, hits, ends = indices[inside], hits[inside], ends[inside]
        is_equal = hash_ranges(letters, starts[indices], ends) == needles.hashes[hits]
        is_match = is_equal & (is_end[ends] | ~needles.ends_at_word[hits])
        yield from zip(texts[indices[is_match]].tolist(), hits[is_match].tolist(), strict=True)


def drop_boilerplate(
    quotes: Iterable[tuple[QuoteKind, int, int]], template_after: int
) -> list[tuple[QuoteKind, int, int]]:
    """Return the distinct quotes, without those of an item that more than `template_after` records quote."""
    distinct = sorted(set(quotes))
    counts = Counter((kind, item) for kind, _, item in distinct)
    return [quote for quote in distinct if counts[quote[0], quote[2]] <= template_after]
