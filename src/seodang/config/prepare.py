"""Section `prepare`: duplicates, leaks, mixing and splits."""

from __future__ import annotations

from pydantic import NonNegativeInt, PositiveInt

from seodang.config.section import Ratio, Section


class DeduplicationParams(Section):
    """Near-duplicates, by MinHash (Broder 1997) and locality-sensitive hashing."""

    threshold: Ratio
    """Records whose sets of shingles have at least this Jaccard similarity are duplicates of each other."""
    shingle_ko: PositiveInt
    """Characters of a shingle in Korean text, blanks left out."""
    shingle_en: PositiveInt
    permutations: PositiveInt
    """Length of a signature."""
    min_characters: PositiveInt
    """A shorter text is compared exactly only: a few shingles tell nothing."""
    template_after: PositiveInt
    """An instruction that stands before more different inputs than this is a template; only the input is compared then."""


class DecontaminationParams(Section):
    """When a training record gives an evaluation item away."""

    ngram_words: PositiveInt
    """Length of the n-grams of words that both have (Brown et al. 2020 take 13)."""
    ngram_characters_ko: PositiveInt
    """Length of the n-grams of characters, blanks left out, in Korean text."""
    threshold: Ratio
    """Jaccard similarity by MinHash, as for duplicates."""


class CardParams(Section):
    """How much the data card samples and shows."""

    instructions: PositiveInt
    """Different instructions of each language whose root verb and object are looked at."""
    examples: NonNegativeInt
    """Rows or records shown for each reason, kind of duplicate and kind of leak."""


class PrepareParams(Section):
    """Duplicates, leaks, mixing and splits."""

    seed: int
    validation_ratio: Ratio
    test_ratio: Ratio
    held_out_clusters: list[str]
    """Clusters of which nothing is trained on."""
    test_only_tasks: list[str]
    """Tasks that are scored only."""
    replay_ratio: Ratio | None
    """Share of train that the sources marked `replay` make up; 0 leaves them out, null mixes them like all others."""
    deduplication: DeduplicationParams
    decontamination: DecontaminationParams
    card: CardParams
