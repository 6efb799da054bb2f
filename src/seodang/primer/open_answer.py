"""Generate items with open answers: extraction, rewriting, ordering, numbers, knowledge."""

from __future__ import annotations

import random

from seodang.primer.item import Item, WordSet, pick, read_lexicon, select_words
from seodang.primer.korean import add_particle
from seodang.records import Language


def _generate_errand(rng: random.Random, language: Language, words: WordSet) -> tuple[str, str, str]:
    lists = select_words("words", words)
    name, place = pick(rng, lists["names"][language]), pick(rng, lists["places"][language])
    noun, template = pick(rng, lists["nouns"][language]), pick(rng, lists["errands"][language])
    if language == "ko":
        template = template.replace("{name}는", add_particle(name, "이는", "는"))
        template = template.replace("{name}가", add_particle(name, "이가", "가"))
        template = template.replace(
            "{place}로", place + ("로" if place.endswith("울") else add_particle(place, "으로", "로")[len(place) :])
        )
        noun = add_particle(noun, "을", "를")
    return template.format(name=name, place=place, noun=noun), name, place


def generate_name_extraction(rng: random.Random, language: Language, words: WordSet) -> Item:
    """Return a sentence and the name of the person in it."""
    sentence, name, _ = _generate_errand(rng, language, words)
    return Item(sentence, name)


def generate_place_extraction(rng: random.Random, language: Language, words: WordSet) -> Item:
    """Return a sentence and the name of the place in it."""
    sentence, _, place = _generate_errand(rng, language, words)
    return Item(sentence, place)


def generate_polite_rewrite(rng: random.Random, language: Language, words: WordSet) -> Item:
    """Return a casual sentence and its polite form (Korean) or its form without contractions (English)."""
    lists = select_words("style", words)[language]
    time = pick(rng, lists["times"])
    if language == "ko":
        form = pick(rng, [0, 2, 4])
        action = pick(rng, lists["actions"])
        return Item(f"{time} {action[form]}".strip(), f"{time} {action[form + 1]}".strip())
    full, short = pick(rng, lists["contractions"])
    rest = (
        f"{pick(rng, lists['actions'])[1]} {time}".strip()
        if "is not" not in full
        else pick(rng, ["late", "cold", "far", "easy", "open"])
    )
    return Item(f"{short} {rest}.", f"{full} {rest}.")


def generate_list_reversal(rng: random.Random, language: Language, words: WordSet) -> Item:
    """Return two to four words and the same words in reverse order."""
    nouns = rng.sample(select_words("words", words)["nouns"][language], rng.randint(2, 4))
    return Item(", ".join(nouns), ", ".join(reversed(nouns)))


def generate_number_sorting(rng: random.Random, language: Language, words: WordSet) -> Item:
    """Return three integers below 100 and the same in ascending order."""
    numbers = rng.sample(range(100), 3)
    return Item(", ".join(map(str, numbers)), ", ".join(map(str, sorted(numbers))))


def generate_addition(rng: random.Random, language: Language, words: WordSet) -> Item:
    """Return a sum of two integers from 0 to 20 and its value."""
    left, right = rng.randint(0, 20), rng.randint(0, 20)
    return Item(f"{left} + {right}", str(left + right))


def generate_item_count(rng: random.Random, language: Language, words: WordSet) -> Item:
    """Return a list of one to seven words and their number."""
    nouns = rng.sample(select_words("words", words)["nouns"][language], rng.randint(1, 7))
    return Item(", ".join(nouns), str(len(nouns)))


def generate_larger_number(rng: random.Random, language: Language, words: WordSet) -> Item:
    """Return two different integers below 100 and the larger one."""
    left, right = rng.sample(range(100), 2)
    return Item(f"{left}, {right}", str(max(left, right)))


def generate_capital(rng: random.Random, language: Language, words: WordSet) -> Item:
    """Return a country and its capital."""
    country, city = pick(rng, sorted(read_lexicon("words")["capitals"][language].items()))
    return Item("", city, subject=country)


def generate_antonym(rng: random.Random, language: Language, words: WordSet) -> Item:
    """Return a word and its opposite."""
    pair = list(pick(rng, read_lexicon("words")["antonyms"][language]))
    rng.shuffle(pair)
    return Item(pair[0], pair[1])


def generate_word_translation(rng: random.Random, language: Language, words: WordSet) -> Item:
    """Return a word in the other language and its translation into `language`."""
    korean, english = pick(rng, read_lexicon("words")["translations"])
    return Item(english, korean) if language == "ko" else Item(korean, english)
