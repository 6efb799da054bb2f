"""Root verbs and their objects, counted: the numbers of Alpaca's figure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from seodang.reports.data_card.english_verbs import find_english_root
from seodang.reports.data_card.korean_verbs import iter_korean_roots
from seodang.reports.data_card.verb_objects import VerbObject

# Wang et al. 2023, figure 2 (and Taori et al. 2023): the 20 commonest verbs with 4 objects each.
MAX_VERBS: Final = 20
MAX_OBJECTS: Final = 4


@dataclass(frozen=True, slots=True)
class Verb:
    """A root verb with its commonest objects."""

    name: str
    count: int  # instructions with this root and any object
    objects: tuple[tuple[str, int], ...]

    @property
    def top_count(self) -> int:
        """Instructions with one of the objects that are shown: the verb's share of the figure."""
        return sum(count for _, count in self.objects)


@dataclass(frozen=True, slots=True)
class RootFigure:
    """The figure of one language."""

    language: str
    instructions: int  # different ones that were looked at
    with_verb: int
    with_object: int
    total: int  # instructions that the figure holds
    verbs: tuple[Verb, ...]


def build_root_figure(language: str, instructions: Sequence[str]) -> RootFigure | None:
    """Return the figure of instructions in one language; None when none has a verb with an object."""
    roots = (
        list(iter_korean_roots(instructions))
        if language == "ko"
        else [find_english_root(text) for text in instructions]
    )
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
    """Return the commonest verbs that have objects, each with its commonest ones; ties go by the alphabet."""
    objects: dict[str, Counter[str]] = defaultdict(Counter)
    for root in roots:
        if root.verb is not None and root.object is not None:
            objects[root.verb][root.object] += 1
    names = sorted(objects, key=lambda name: (-objects[name].total(), name))[:MAX_VERBS]
    return tuple(Verb(name, objects[name].total(), tuple(_select_commonest(objects[name]))) for name in names)


def _select_commonest(objects: Counter[str]) -> list[tuple[str, int]]:
    return sorted(objects.items(), key=lambda item: (-item[1], item[0]))[:MAX_OBJECTS]
