"""Constraints that an answer meets as it is: words, letters, lengths, language."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any, Final

from seodang.constraints.draft import Builder, Constraint, Draft, list_words
from seodang.evaluation.ifeval.arguments import Arguments
from seodang.evaluation.ifeval.form_rules import has_no_comma
from seodang.evaluation.ifeval.text import split_eojeols, split_sentences, split_words

_ENDINGS: Final = ("습니다", "니다", "세요", "요", "다")


def _build_count(
    draft: Draft,
    rng: random.Random,
    count: int,
    names: tuple[str, str, str],
    step: int = 1,
    **others: Any,
) -> Constraint | None:
    """Return a constraint on a count: at least a number below it, or less than a number above it.

    Args:
        count: Of the answer.
        names: Id of the rule, and the names of its arguments for the number and the relation.
        step: The number is a multiple of it.
        others: Further arguments of the rule, which are also values of the phrasing.
    """
    id, number_name, relation_name = names
    below, above = count // step * step, (count // step + 1) * step
    is_minimum = below > 1 and rng.random() < 0.6
    number = below if is_minimum else above + step * rng.randint(0, 1)
    relation = "at least" if is_minimum else "less than"
    arguments = {number_name: number, relation_name: relation, **others}
    return Constraint(id, arguments, {"n": number, **others}, draft.answer, f"{id}/{relation}")


def build_sentence_count(draft: Draft, rng: random.Random) -> Constraint | None:
    """Bound the number of sentences."""
    names = ("length_constraints:number_sentences", "num_sentences", "relation")
    return _build_count(draft, rng, len(split_sentences(draft.answer)), names)


def build_word_count(draft: Draft, rng: random.Random) -> Constraint | None:
    """Bound the number of English words, or of Korean eojeols."""
    if draft.language == "ko":
        names = ("korean:number_eojeols", "num_eojeols", "relation")
        return _build_count(draft, rng, len(split_eojeols(draft.answer)), names, step=5)
    names = ("length_constraints:number_words", "num_words", "relation")
    return _build_count(draft, rng, len(split_words(draft.answer)), names, step=rng.choice((5, 10)))


def build_character_count(draft: Draft, rng: random.Random) -> Constraint | None:
    """Bound the number of characters of a Korean answer, without blanks."""
    names = ("korean:number_characters", "num_characters", "relation")
    count = len("".join(draft.answer.split()))
    return _build_count(draft, rng, count, names, step=10) if draft.language == "ko" else None


def build_keyword_frequency(draft: Draft, rng: random.Random) -> Constraint | None:
    """Bound how often a word of the answer occurs; frequent words first."""
    counts = {word: draft.answer.lower().count(word.lower()) for word in list_words(draft.body, draft.language)}
    if not counts:
        return None
    highest = max(counts.values())
    word = rng.choice([word for word, count in counts.items() if count == highest])
    return _build_count(draft, rng, highest, ("keywords:frequency", "frequency", "relation"), keyword=word)


def build_letter_frequency(draft: Draft, rng: random.Random) -> Constraint | None:
    """Bound how often a letter or syllable of the answer occurs."""
    letters = Counter(letter for letter in draft.answer.lower() if letter.isalpha())
    common = [letter for letter, count in letters.most_common(6) if count > 1]
    if not common:
        return None
    letter = rng.choice(common)
    names = ("keywords:letter_frequency", "let_frequency", "let_relation")
    return _build_count(draft, rng, letters[letter], names, letter=letter)


def build_keywords(draft: Draft, rng: random.Random) -> Constraint | None:
    """Ask for words of the answer that the instruction does not have."""
    words = [word for word in list_words(draft.body, draft.language) if word not in draft.instruction]
    if not words:
        return None
    chosen = rng.sample(words, rng.randint(1, min(3, len(words))))
    return Constraint("keywords:existence", {"keywords": chosen}, {"words": _quote(chosen)}, draft.answer)


def build_forbidden_words(draft: Draft, rng: random.Random) -> Constraint | None:
    """Forbid words that the answer does not have."""
    words = [word for word in draft.other_words if word.lower() not in draft.answer.lower()]
    if not words:
        return None
    chosen = rng.sample(words, rng.randint(1, min(3, len(words))))
    arguments = {"forbidden_words": chosen}
    return Constraint("keywords:forbidden_words", arguments, {"words": _quote(chosen)}, draft.answer)


def build_no_comma(draft: Draft, rng: random.Random) -> Constraint | None:
    """Forbid commas where there are none."""
    suits = has_no_comma(draft.answer, Arguments("", {}))
    return Constraint("punctuation:no_comma", {}, {}, draft.answer) if suits else None


def build_no_latin_letter(draft: Draft, rng: random.Random) -> Constraint | None:
    """Forbid Latin letters in a Korean answer that has none."""
    return Constraint("korean:no_latin_letters", {}, {}, draft.answer) if draft.language == "ko" else None


def build_sentence_endings(draft: Draft, rng: random.Random) -> Constraint | None:
    """Ask for the ending that all sentences of a Korean answer have."""
    sentences = [sentence.rstrip(" .!?~\"'") for sentence in split_sentences(draft.answer)]
    shared = [ending for ending in _ENDINGS if all(sentence.endswith(ending) for sentence in sentences)]
    if draft.language != "ko" or not shared:
        return None
    ending = rng.choice(shared)
    return Constraint("korean:sentence_endings", {"endings": [ending]}, {"ending": ending}, draft.answer)


def build_language(draft: Draft, rng: random.Random) -> Constraint | None:
    """Ask for the language of the answer."""
    id, language = "language:response_language", draft.language
    return Constraint(id, {"language": language}, {}, draft.answer, f"{id}/{language}")


def _quote(words: list[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


LENGTHS: Final[dict[Builder, float]] = {
    build_sentence_count: 2.0,
    build_word_count: 2.0,
    build_character_count: 1.0,
}
"""At most one of these for a record, with their weights."""
CONTENTS: Final[dict[Builder, float]] = {
    build_keywords: 2.0,
    build_forbidden_words: 1.5,
    build_keyword_frequency: 2.0,
    build_letter_frequency: 1.5,
    build_no_comma: 4.0,
    build_no_latin_letter: 0.7,
    build_sentence_endings: 1.5,
    build_language: 0.4,
}
