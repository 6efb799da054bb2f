"""Generate items of the classification families: a text with one label of a closed set."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

from seodang.primer.item import Generator, Item, WordSet, fill, pick, read_lexicon, select_words
from seodang.primer.korean import resolve_particles
from seodang.records import Language


def _generate_sentence(rng: random.Random, language: Language, words: WordSet, *, family: str) -> Item:
    labels: dict[str, Any] = select_words("labels", words)[family][language]
    label = pick(rng, sorted(labels))
    slots = {slot: options for slot, options in labels[label].items() if slot != "templates"}
    sentence = fill(rng, pick(rng, labels[label]["templates"]), slots)
    if language == "ko":
        sentence = resolve_particles(sentence)
    return Item(input=sentence[0].upper() + sentence[1:], output=label)


def create_sentence_generator(family: str) -> Generator:
    """Return the generator of a family in lexicon/labels.yaml."""
    return partial(_generate_sentence, family=family)


def load_sentence_labels(family: str, language: Language) -> tuple[str, ...]:
    """Return the label set of a family in lexicon/labels.yaml."""
    return tuple(read_lexicon("labels")[family][language])


def _generate_english_action(rng: random.Random, lists: dict[str, Any], template: str) -> str:
    past, base = pick(rng, lists["actions"])
    sentence = " ".join(template.format(did=past, do=base, time=pick(rng, lists["times"])).split())
    for mark in ",.?!":
        sentence = sentence.replace(f" {mark}", mark)
    return sentence[0].upper() + sentence[1:]


def _generate_korean_action(rng: random.Random, lists: dict[str, Any], form: int) -> str:
    return f"{pick(rng, lists['times'])} {pick(rng, lists['actions'])[form]}".strip()


def generate_formality(rng: random.Random, language: Language, words: WordSet) -> Item:
    """Return a sentence with its style: polite or casual."""
    lists = select_words("style", words)[language]
    polite = rng.random() < 0.5
    if language == "ko":
        form = pick(rng, [1, 3, 5]) if polite else pick(rng, [0, 2, 4])
        return Item(_generate_korean_action(rng, lists, form), "존댓말" if polite else "반말")
    template = pick(rng, lists["formal"] if polite else lists["casual"])
    return Item(_generate_english_action(rng, lists, template), "formal" if polite else "casual")


def generate_sentence_type(rng: random.Random, language: Language, words: WordSet) -> Item:
    """Return a sentence with its type: statement, question or request."""
    lists = select_words("style", words)[language]
    kind = rng.randrange(3)
    if language == "ko":
        form = pick(rng, [[0, 1], [2, 3], [4, 5]][kind])
        return Item(_generate_korean_action(rng, lists, form), ("서술", "질문", "부탁")[kind])
    subject = pick(rng, ["she", "he", "they", "we", "the boy", "our guest"])
    template = (
        f"{subject} {{did}} {{time}}.",
        f"Did {subject} {{do}} {{time}}?",
        pick(rng, ["Please {do} {time}.", "{do} {time}, please."]),
    )[kind]
    return Item(_generate_english_action(rng, lists, template), ("statement", "question", "request")[kind])


def generate_room(rng: random.Random, language: Language, words: WordSet) -> Item:
    """Return an object and the room in which it belongs."""
    groups = select_words("words", words)["rooms"][language]
    label = pick(rng, sorted(groups))
    return Item(pick(rng, groups[label]), label)
