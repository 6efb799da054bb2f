"""Counts of root verbs and their objects, as in the figure of Alpaca."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from seodang.reports.data_card.english_verbs import find_english_root
from seodang.reports.data_card.korean_verbs import iter_korean_roots
from seodang.reports.data_card.verb_objects import VerbObject

# Figure 2 of Wang et al. 2023 (and Taori et al. 2023): the 20 most frequent verbs with 4 objects each.
MAX_VERBS: Final = 20
MAX_OBJECTS: Final = 4


@dataclass(frozen=True, slots=True)
class Verb:
    """A root verb with its most frequent objects."""

    name: str
    count: int  # instructions with this root and any object
    objects: tuple[tuple[str, int], ...]  # object, instructions

    @property
    def top_count(self) -> int:
        """Number of instructions with one of `objects`; it is the size of the verb in the figure."""
        return sum(count for _, count in self.objects)


@dataclass(frozen=True, slots=True)
class RootFigure:
    """The counts of one language."""

    language: str
    instructions: int  # distinct instructions that were analysed
    with_verb: int
    with_object: int
    total: int  # instructions in the figure
    verbs: tuple[Verb, ...]


def build_root_figure(language: str, instructions: Sequence[str]) -> RootFigure | None:
    """Return the counts of the instructions of one language; None if no instruction has a verb with an object."""
    return count_roots(language, find_roots(language, instructions))


def find_roots(language: str, instructions: Sequence[str]) -> list[VerbObject]:
    """Return the root verb and the object of each instruction."""
    if language == "ko":
        return list(iter_korean_roots(instructions))
    return [find_english_root(text) for text in instructions]


def count_roots(language: str, roots: Sequence[VerbObject]) -> RootFigure | None:
    """Return the counts of the roots of one language; None if none has a verb with an object."""
    verbs = select_top_verbs(roots)
    if not verbs:
        return None
    return RootFigure(
        language=language,
        instructions=len(roots),
        with_verb=sum(root.verb is not None for root in roots),
        with_object=sum(root.object is not None for root in roots),
        total=sum(verb.top_count for verb in verbs),
        verbs=verbs,
    )


def select_top_verbs(roots: Iterable[VerbObject]) -> tuple[Verb, ...]:
    """Return the most frequent verbs with their most frequent objects; ties are sorted alphabetically."""
    objects: dict[str, Counter[str]] = defaultdict(Counter)
    for root in roots:
        if root.verb is not None and root.object is not None:
            objects[root.verb][root.object] += 1
    names = sorted(objects, key=lambda name: (-objects[name].total(), name))[:MAX_VERBS]
    return tuple(Verb(name, objects[name].total(), tuple(_select_most_frequent(objects[name]))) for name in names)


def _select_most_frequent(objects: Counter[str]) -> list[tuple[str, int]]:
    return sorted(objects.items(), key=lambda item: (-item[1], item[0]))[:MAX_OBJECTS]
