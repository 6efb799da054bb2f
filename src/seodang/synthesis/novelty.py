"""Whether an instruction is new: its highest ROUGE-L with the seed tasks and all tasks that were kept. Pure.

Alpaca and Self-Instruct (Wang et al. 2023, arXiv 2212.10560, section 2.2) drop an instruction with a ROUGE-L of 0.7
or more. They split at all characters outside [a-z0-9], which leaves no token of Korean text, so that every Korean
instruction would be new. Here each Hangul syllable is a token, as in our metric of that name. Morphemes of Kiwi give
about the same values: docs/generate.md has both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cdist

from seodang.evaluation.metrics import tokenize_for_rouge


@dataclass(frozen=True, slots=True)
class Similarity:
    """The known instruction that is most like another one."""

    rouge_l: float
    """0 to 1; 0 where nothing is known."""
    instruction: str


class NoveltyPool:
    """The known instructions: seed tasks, and kept tasks in the order in which they were added."""

    def __init__(self, instructions: Sequence[str]) -> None:
        """Begin with the seed tasks."""
        self._instructions: list[str] = []
        self._tokens: list[list[str]] = []
        for instruction in instructions:
            self.add(instruction)

    def add(self, instruction: str) -> None:
        """Add an instruction."""
        self._instructions.append(instruction)
        self._tokens.append(tokenize_for_rouge(instruction))

    def find_most_similar(self, instruction: str) -> Similarity:
        """Return the known instruction with the highest ROUGE-L; the first one among equals."""
        values = compute_rouge_l_values(tokenize_for_rouge(instruction), self._tokens)
        if not len(values):
            return Similarity(0.0, "")
        best = int(values.argmax())
        return Similarity(float(values[best]), self._instructions[best])


def compute_rouge_l_values(tokens: Sequence[str], others: Sequence[Sequence[str]]) -> np.ndarray:
    """Return the ROUGE-L of a text with each of the others: F1 of the longest common subsequence of tokens."""
    if not others:
        return np.zeros(0)
    common = cdist([tokens], others, scorer=LCSseq.similarity, dtype=np.int32)[0].astype(np.float64)
    lengths = np.array([len(tokens) + len(other) for other in others], dtype=np.float64)
    values: np.ndarray = np.divide(2 * common, lengths, out=np.zeros_like(common), where=lengths > 0)
    return values
