"""The item type of the generators, and the functions that all generators share."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final, Literal, TypeVar

import yaml

from seodang.records import Language

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Item:
    """A question with its answer; the family adds the instruction from a prompt template."""

    input: str
    output: str
    subject: str = ""  # value of {subject} in the template of the family, such as a country


WordSet = Literal["all", "seen", "unseen"]
"""Words of an item: any; only those of training records; only held-out ones where a list has some."""

Generator = Callable[[random.Random, Language, WordSet], Item]

_WHOLE: Final = frozenset({"capitals", "antonyms", "translations", "rooms", "season", "templates"})  # never split


@cache
def read_lexicon(name: str) -> Any:
    """Return the content of lexicon/`name`.yaml."""
    text = resources.files(__package__).joinpath("lexicon", f"{name}.yaml").read_text("utf-8")
    return yaml.safe_load(text)


@cache
def select_words(name: str, words: WordSet) -> Any:
    """Return the content of lexicon/`name`.yaml with the words of one side of lexicon/held_out.yaml."""
    if words == "all":
        return read_lexicon(name)
    held_out = frozenset().union(*read_lexicon("held_out")[name].values())
    return _select_side(read_lexicon(name), held_out, unseen=words == "unseen")


def _select_side(value: Any, held_out: frozenset[str], *, unseen: bool) -> Any:
    if isinstance(value, dict):
        return {
            key: inner if key in _WHOLE else _select_side(inner, held_out, unseen=unseen)
            for key, inner in value.items()
        }
    if not isinstance(value, list):
        return value
    sides: dict[bool, list[Any]] = {True: [], False: []}
    for option in value:
        sides[(option[0] if isinstance(option, list) else option) in held_out].append(option)
    return sides[unseen] if sides[True] else value


def pick(rng: random.Random, options: Sequence[T]) -> T:
    """Return one of `options` with equal probability."""
    return options[rng.randrange(len(options))]


def fill(rng: random.Random, template: str, words: dict[str, list[str]]) -> str:
    """Return `template` with each {slot} replaced by a random word of its list."""
    return template.format(**{slot: pick(rng, options) for slot, options in words.items()})
