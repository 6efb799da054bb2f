"""What a generator makes, and the small tools that all generators share."""

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
    """One question with its answer, before a family gives it an instruction's wording."""

    input: str
    output: str
    subject: str = ""  # fills {subject} in the family's instruction, such as a word to look for


Generator = Callable[[random.Random, Language], Item]


@cache
def lexicon(name: str) -> Any:
    """Return the parsed lexicon/`name`.yaml."""
    text = resources.files(__package__).joinpath("lexicon", f"{name}.yaml").read_text("utf-8")
    return yaml.safe_load(text)


def pick(rng: random.Random, options: Sequence[T]) -> T:
    """Return one of `options`, each equally likely."""
    return options[rng.randrange(len(options))]


def fill(rng: random.Random, template: str, words: dict[str, list[str]]) -> str:
    """Return `template` with each {slot} replaced by a word of its list, chosen anew per slot."""
    return template.format(**{slot: pick(rng, options) for slot, options in words.items()})
