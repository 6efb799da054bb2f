"""Section `prepare`: deduplication, decontamination, mixing and splits."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from seodang.config.section import Ratio, Section


class DeduplicationParams(Section):
    """Near-duplicates, by MinHash (Broder 1997) and locality-sensitive hashing."""

    threshold: Ratio
    """Jaccard similarity of the shingle sets from which two records are duplicates."""
    shingle_ko: PositiveInt
    """Characters of a shingle in Korean text, without spaces."""
    shingle_en: PositiveInt
    permutations: PositiveInt
    """Length of a MinHash signature."""
    min_characters: PositiveInt
    """A shorter text is compared exactly only, as it has too few shingles."""
    template_after: PositiveInt
    """An instruction with more different inputs than this is a template; then only the inputs are compared."""


class DecontaminationParams(Section):
    """When a training record leaks an evaluation item."""

    ngram_words: PositiveInt
    """Length of a word n-gram that both contain (Brown et al. 2020 use 13)."""
    ngram_characters_ko: PositiveInt
    """Length of a character n-gram in Korean text, without spaces."""
    threshold: Ratio
    """Jaccard similarity by MinHash, as for duplicates."""


class CardParams(Section):
    """How much the data card samples and shows."""

    instructions: PositiveInt
    """Different instructions per language whose root verb and object are counted."""
    examples: NonNegativeInt
    """Rows or records shown for each reason, kind of duplicate and kind of leak."""


class PrepareParams(Section):
    """Deduplication, decontamination, mixing and splits."""

    seed: NonNegativeInt
    validation_ratio: Ratio
    test_ratio: Ratio
    held_out_clusters: list[str]
    """Clusters that are never trained on."""
    test_only_tasks: list[str]
    """Tasks that are only scored."""
    replay_ratio: Ratio | None
    """Share of train from sources marked `replay`; 0: none; null: they are mixed like all others."""
    preferences_test_ratio: Annotated[float, Field(gt=0, lt=1)]
    """Share of the groups of similar preference questions that are held out, for the accuracy of stage `align`."""
    deduplication: DeduplicationParams
    decontamination: DecontaminationParams
    card: CardParams
