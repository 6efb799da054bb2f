"""Whether an instruction is new: its highest ROUGE-L with the seed tasks and all tasks that were kept. Pure.

Alpaca and Self-Instruct (Wang et al. 2023, arXiv 2212.10560, section 2.2) drop an instruction with a ROUGE-L of 0.7
or more. They split at all characters outside [a-z0-9], which leaves no token of Korean text, so that every Korean
instruction would be new. Here each Hangul syllable is a token, as in our metric of that name. Morphemes of Kiwi give
about the same values: docs/generate.md has both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cdist

from seodang.evaluation.metrics import tokenize_for_rouge

_BINS: Final = 20  # of a histogram of ROUGE-L, from 0 to 1
_CLOSEST: Final = 5


@dataclass(frozen=True, slots=True)
class Similarity:
    """The known instruction that is most like another one."""

    rouge_l: float
    """0 to 1; 0 where nothing is known."""
    instruction: str
    seed_rouge_l: float
    """The highest ROUGE-L with a seed task."""


class NoveltyPool:
    """The known instructions: seed tasks, and kept tasks in the order in which they were added."""

    def __init__(self, instructions: Sequence[str]) -> None:
        """Begin with the seed tasks."""
        self._instructions: list[str] = []
        self._tokens: list[list[str]] = []
        self._seeds = len(instructions)
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
            return Similarity(0.0, "", 0.0)
        best = int(values.argmax())
        seeds = values[: self._seeds]
        return Similarity(float(values[best]), self._instructions[best], float(seeds.max()) if len(seeds) else 0.0)


class NoveltyFigures:
    """The distribution of the similarities of new tasks, for the manifest and the page of a run."""

    def __init__(self) -> None:
        """Begin without tasks."""
        self._found: list[tuple[str, Similarity]] = []

    def add(self, instruction: str, similarity: Similarity) -> None:
        """Add a task that passed all other filters."""
        self._found.append((instruction, similarity))

    def to_json(self, max_rouge_l: float) -> dict[str, Any]:
        """Return histograms of ROUGE-L and the kept tasks that are the least new.

        `all` is of each judged task with the seed tasks and the tasks kept before it. `kept_to_seeds` is of the kept
        ones with the seed tasks alone: the distribution in figure 4 of Wang et al. 2023.
        """
        kept = [found for found in self._found if found[1].rouge_l < max_rouge_l]
        closest = sorted(kept, key=lambda found: -found[1].rouge_l)[:_CLOSEST]
        to_seeds = [similarity.seed_rouge_l for _instruction, similarity in kept]
        return {
            "max_rouge_l": max_rouge_l,
            "judged": len(self._found),
            "kept": len(kept),
            "all": _count_bins([similarity.rouge_l for _instruction, similarity in self._found]),
            "kept_to_seeds": _count_bins(to_seeds),
            "median_to_seeds": float(np.median(to_seeds)) if to_seeds else None,
            "closest": [
                {"instruction": instruction, "like": found.instruction, "rouge_l": round(found.rouge_l, 4)}
                for instruction, found in closest
            ],
        }


def _count_bins(values: Sequence[float]) -> list[int]:
    counts: list[int] = np.histogram(values, bins=_BINS, range=(0, 1))[0].tolist()
    return counts


def compute_rouge_l_values(tokens: Sequence[str], others: Sequence[Sequence[str]]) -> np.ndarray:
    """Return the ROUGE-L of a text with each of the others: F1 of the longest common subsequence of tokens."""
    if not others:
        return np.zeros(0)
    common = cdist([tokens], others, scorer=LCSseq.similarity, dtype=np.int32)[0].astype(np.float64)
    lengths = np.array([len(tokens) + len(other) for other in others], dtype=np.float64)
    values: np.ndarray = np.divide(2 * common, lengths, out=np.zeros_like(common), where=lengths > 0)
    return values
