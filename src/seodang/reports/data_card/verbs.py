"""Root verbs and their objects, counted: the numbers of Alpaca's figure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from seodang.reports.data_card.english_verbs import english_root
from seodang.reports.data_card.korean_verbs import korean_roots
from seodang.reports.data_card.verb_objects import VerbObject

# Wang et al. 2023, figure 2 (and Taori et al. 2023): the 20 commonest verbs with 4 objects each.
VERBS: Final = 20
OBJECTS: Final = 4


@dataclass(frozen=True, slots=True)
class Verb:
    """A root verb with its commonest objects."""

    name: str
    count: int  # instructions with this root and any object
    objects: tuple[tuple[str, int], ...]

    @property
    def shown(self) -> int:
        """Instructions with one of the objects that are shown: the verb's share of the figure."""
        return sum(count for _, count in self.objects)


@dataclass(frozen=True, slots=True)
class RootFigure:
    """The figure of one language."""

    language: str
    instructions: int  # different ones that were looked at
    with_verb: int
    with_object: int
    shown: int  # instructions that the figure holds
    verbs: tuple[Verb, ...]


def root_figure(language: str, instructions: Sequence[str]) -> RootFigure | None:
    """Return the figure of instructions in one language; None when none has a verb with an object."""
    roots = list(korean_roots(instructions)) if language == "ko" else [english_root(text) for text in instructions]
    verbs = top_verbs(roots)
    if not verbs:
        return None
    return RootFigure(
        language=language,
        instructions=len(roots),
        with_verb=sum(root.verb is not None for root in roots),
        with_object=sum(root.object is not None for root in roots),
        shown=sum(verb.shown for verb in verbs),
        verbs=verbs,
    )


def top_verbs(roots: Iterable[VerbObject]) -> tuple[Verb, ...]:
    """Return the commonest verbs that have objects, each with its commonest ones; ties go by the alphabet."""
    objects: dict[str, Counter[str]] = defaultdict(Counter)
    for root in roots:
        if root.verb is not None and root.object is not None:
            objects[root.verb][root.object] += 1
    ranked = sorted(objects, key=lambda name: (-objects[name].total(), name))[:VERBS]
    return tuple(Verb(name, objects[name].total(), tuple(_commonest(objects[name]))) for name in ranked)


def _commonest(objects: Counter[str]) -> list[tuple[str, int]]:
    return sorted(objects.items(), key=lambda item: (-item[1], item[0]))[:OBJECTS]
