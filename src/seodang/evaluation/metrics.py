"""Scores of single answers. Pure: text and numbers in, numbers out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from rapidfuzz.distance import LCSseq
from sacrebleu.metrics import CHRF

from seodang.records import detect_language, normalize

# Each Hangul syllable, Han character and kana is a token; runs of other letters and digits make words.
_TOKEN = re.compile("[\uac00-\ud7a3\u3040-\u30ff\u3400-\u9fff]|[^\\W_\uac00-\ud7a3\u3040-\u30ff\u3400-\u9fff]+")
_WORD_NGRAM, _CHARACTER_NGRAM = 4, 20  # lengths of the n-grams of compute_repetition


def is_exact_match(answer: str, reference: str) -> bool:
    """Return whether two answers are equal up to case, blanks and a final full stop."""
    return _normalize_answer(answer) == _normalize_answer(reference)


def _normalize_answer(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split()).rstrip(".!。")


@lru_cache(maxsize=1 << 16)  # many prompts of the base lead to the same answer
def compute_chrf(answer: str, reference: str) -> float:
    """Return the sentence chrF of an answer, 0 to 100 (Popović 2015; character n-grams up to 6).

    chrF counts characters, so it suits Korean as well as English. A word metric would count each changed particle as an
    error. N-grams longer than the text are left out, sacrebleu's default. Smoothing would limit a correct answer of two
    syllables to 33.
    """
    return float(CHRF(eps_smoothing=False).sentence_score(answer, [reference]).score)


def compute_rouge_l(answer: str, reference: str) -> float:
    """Return ROUGE-L, 0 to 1: the F1 of the longest common subsequence of tokens (Lin 2004, with beta 1, no stemming).

    The usual implementation (rouge_score) splits at all characters outside [a-z0-9], so it finds no token in Korean
    text. Here each Hangul syllable is a token, because a particle makes another word of each noun. Latin words are
    lower-cased tokens, as there.
    """
    answer_tokens, reference_tokens = tokenize_for_rouge(answer), tokenize_for_rouge(reference)
    common = LCSseq.similarity(answer_tokens, reference_tokens)
    return 2 * common / (len(answer_tokens) + len(reference_tokens)) if common else 0.0


def tokenize_for_rouge(text: str) -> list[str]:
    """Return the tokens of ROUGE-L: Hangul syllables, Han characters, kana, words of other letters."""
    return _TOKEN.findall(unicodedata.normalize("NFC", text).lower())


def compute_length_ratio(answer: str, reference: str) -> float:
    """Return the length of an answer over that of the reference, in characters without outer blanks; 0 or more.

    Raises:
        ZeroDivisionError: If the reference is blank.
    """
    return len(normalize(answer)) / len(normalize(reference))


def compute_repetition(text: str) -> float:
    """Return the ratio of n-grams that repeat an earlier one, 0 to 1: seq-rep-n of Welleck et al. 2020.

    It is the larger one of two ratios: of 4 consecutive words, and of 20 consecutive characters without blanks. Words
    alone miss a loop without blanks ("하하하..."); characters alone detect loops of short Korean words late.
    """
    words = unicodedata.normalize("NFC", text).split()
    return max(
        _compute_repetition_ratio(words, _WORD_NGRAM), _compute_repetition_ratio("".join(words), _CHARACTER_NGRAM)
    )


def _compute_repetition_ratio(units: Sequence[str], n: int) -> float:
    grams = [tuple(units[start : start + n]) for start in range(len(units) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def is_same_language(answer: str, question: str, reference: str = "") -> bool:
    """Return whether an answer is in the language of the reference, or of the question where there is no reference.

    The reference takes precedence because the task may be a translation. Only Korean and other languages are
    distinguished, see records.detect_language. An answer without letters matches any language; an empty answer matches
    none.
    """
    if not any(map(str.isalpha, answer)):
        return bool(answer.strip())
    language_source = reference if any(map(str.isalpha, reference)) else question
    return detect_language(answer) == detect_language(language_source)


def select_best_choice(scores: Sequence[float], reference: int) -> int:
    """Return the index of the highest log-likelihood; of equal values one that is not the reference.

    So a tie is wrong: the correct option must be strictly the likeliest, as in BLiMP (Warstadt et al. 2020). A model
    that gives all options the same likelihood would otherwise be right wherever the reference comes first.

    Args:
        scores: Of the options.
        reference: Index of the correct option.
    """
    return max(range(len(scores)), key=lambda index: (scores[index], index != reference))


def has_tie(scores: Sequence[float]) -> bool:
    """Return whether several options have exactly the highest log-likelihood."""
    return list(scores).count(max(scores)) > 1
