"""Scores of single answers. Pure: text and numbers in, numbers out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from sacrebleu.metrics import CHRF

from seodang.records import detect_language, normalise

# A syllable of Hangul or a sign of Han or kana is a token by itself; other letters and digits make words.
_TOKEN = re.compile("[\uac00-\ud7a3\u3040-\u30ff\u3400-\u9fff]|[^\\W_\uac00-\ud7a3\u3040-\u30ff\u3400-\u9fff]+")
_WORD_NGRAM, _CHARACTER_NGRAM = 4, 20  # n-grams of which repetition is told


def is_exact_match(answer: str, reference: str) -> bool:
    """Tell whether two answers are the same but for case, blanks and a final mark."""
    return _normalize_answer(answer) == _normalize_answer(reference)


def _normalize_answer(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split()).rstrip(".!。")


def compute_chrf(answer: str, reference: str) -> float:
    """Return the sentence chrF of an answer, 0 to 100 (Popović 2015; character n-grams up to 6).

    It counts characters, so it is as right for Korean as for English; a metric
    over words would call every other particle a miss. N-grams longer than the text
    are left out, as sacrebleu does by default: smoothed, they would hold the right
    answer of two syllables to 33.
    """
    return float(CHRF(eps_smoothing=False).sentence_score(answer, [reference]).score)


def compute_rouge_l(answer: str, reference: str) -> float:
    """Return ROUGE-L, 0 to 1: the F1 of the longest common subsequence of tokens (Lin 2004, with beta 1, no stemming).

    The usual implementation (rouge_score) splits at whatever is not [a-z0-9], which leaves of Korean nothing. Here a syllable of
    Hangul is a token, since a particle makes another word of each noun; words in Latin letters are tokens as there, lower-cased.
    """
    answer_tokens, reference_tokens = tokenize_for_rouge(answer), tokenize_for_rouge(reference)
    common = _compute_lcs_length(answer_tokens, reference_tokens)
    return 2 * common / (len(answer_tokens) + len(reference_tokens)) if common else 0.0


def tokenize_for_rouge(text: str) -> list[str]:
    """Return the tokens of rouge_l: syllables of Hangul, Han and kana signs, words of other letters; no marks."""
    return _TOKEN.findall(unicodedata.normalize("NFC", text).lower())


def _compute_lcs_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence; a bit for each token of `first` (Hyyrö 2004)."""
    positions: dict[str, int] = {}
    for position, token in enumerate(first):
        positions[token] = positions.get(token, 0) | 1 << position
    full_mask = (1 << len(first)) - 1
    unmatched = full_mask
    for token in second:
        matches = unmatched & positions.get(token, 0)
        unmatched = ((unmatched + matches) | (unmatched - matches)) & full_mask
    return len(first) - unmatched.bit_count()


def compute_length_ratio(answer: str, reference: str) -> float:
    """Return the characters of an answer for each of the reference's, blanks around them left out; 0 or more, 1 is as long.

    Raises:
        ZeroDivisionError: If the reference is blank.
    """
    return len(normalise(answer)) / len(normalise(reference))


def compute_repetition(text: str) -> float:
    """Return the share of n-grams that an earlier one in the text repeats, 0 to 1: seq-rep-n of Welleck et al. 2020.

    The greater share of two: of 4 words in a row, and of 20 characters in a row without blanks. Words alone would not see a loop
    without blanks ("하하하..."); characters alone would see loops of short Korean words late.
    """
    words = unicodedata.normalize("NFC", text).split()
    return max(
        _compute_repetition_ratio(words, _WORD_NGRAM), _compute_repetition_ratio("".join(words), _CHARACTER_NGRAM)
    )


def _compute_repetition_ratio(units: Sequence[str], n: int) -> float:
    grams = [tuple(units[start : start + n]) for start in range(len(units) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def is_same_language(answer: str, question: str, reference: str = "") -> bool:
    """Tell whether an answer is in the language of the question, or in that of the reference where there is one: it may be a translation.

    Only Korean and other are told apart, see records.detect_language. A number or a sign is of any language; no answer is of none.
    """
    if not any(map(str.isalpha, answer)):
        return bool(answer.strip())
    language_source = reference if any(map(str.isalpha, reference)) else question
    return detect_language(answer) == detect_language(language_source)


def select_best_choice(scores: Sequence[float]) -> int:
    """Return the index of the highest log-likelihood; the first of equals."""
    return max(range(len(scores)), key=scores.__getitem__)
