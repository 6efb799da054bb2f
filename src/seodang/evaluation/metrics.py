"""Scores of single answers. Pure: text and numbers in, numbers out."""

from __future__ import annotations

import unicodedata

from sacrebleu.metrics import CHRF


def same_answer(answer: str, reference: str) -> bool:
    """Tell whether two answers are the same but for case, blanks and a final mark."""
    return _plain(answer) == _plain(reference)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split()).rstrip(".!。")


def chrf(answer: str, reference: str) -> float:
    """Return the sentence chrF of an answer, 0 to 100 (Popović 2015; character n-grams up to 6).

    It counts characters, so it is as right for Korean as for English; a metric
    over words would call every other particle a miss.
    """
    return float(CHRF(eps_smoothing=True).sentence_score(answer, [reference]).score)


def best_choice(scores: list[float]) -> int:
    """Return the index of the highest log-likelihood; the first of equals."""
    return max(range(len(scores)), key=scores.__getitem__)
