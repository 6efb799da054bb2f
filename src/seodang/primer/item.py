"""The item type of the generators, and the functions that all generators share."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, TypeVar

import yaml

from seodang.records import Language

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Item:
    """A question with its answer; the family adds the instruction from a prompt template."""

    input: str
    output: str
    subject: str = ""  # value of {subject} in the template of the family, such as a country


Generator = Callable[[random.Random, Language], Item]


@cache
def lexicon(name: str) -> Any:
    """Return the content of lexicon/`name`.yaml."""
    text = resources.files(__package__).joinpath("lexicon", f"{name}.yaml").read_text("utf-8")
    return yaml.safe_load(text)


def pick(rng: random.Random, options: Sequence[T]) -> T:
    """Return one of `options` with equal probability."""
    return options[rng.randrange(len(options))]


def fill(rng: random.Random, template: str, words: dict[str, list[str]]) -> str:
    """Return `template` with each {slot} replaced by a random word of its list."""
    return template.format(**{slot: pick(rng, options) for slot, options in words.items()})
