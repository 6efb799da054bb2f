"""Generate the preference pairs of the primer: how to answer, and what nobody can answer.

The better answer is polite and brief. The worse one is curt or rambling, makes up what the question leaves open, or
refuses what the text says (`task` of the pair). Both sides are the longer one about as often, so that length tells
nothing about an answer. preference_seeds.jsonl holds hand-written pairs, and lexicon/preferences.yaml the words of the
others.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from seodang.primer.generator import SOURCE, read_bundled_rows
from seodang.primer.item import pick, read_lexicon
from seodang.primer.korean import resolve_particles
from seodang.records import Language, Record, make_record

CLUSTER: Final = "preferences"
_LANGUAGES: Final[tuple[Language, ...]] = ("ko", "en")
_PAIRS: Final = {"curt": 7, "rambling": 5, "made_up": 6, "needless_refusal": 2}  # of each family and language


def iter_primer_preferences(seed: int) -> Iterator[Record]:
    """Yield the preference pairs, the hand-written ones first; the same seed gives the same bytes.

    Raises:
        SourceError: If the file of the hand-written pairs is damaged.
    """
    for row in read_bundled_rows("preference_seeds.jsonl", ("instruction", "input", "output", "rejected", "kind")):
        pair = _Pair(row["instruction"], row["input"], row["output"], row["rejected"])
        yield _create_record(pair, row["kind"], row["language"])
    lexicon = read_lexicon("preferences")
    for name, family in lexicon["families"].items():
        for language in _LANGUAGES:
            rng = random.Random(f"{seed}/preferences/{name}/{language}")
            yield from _iter_family_records(rng, family[language], lexicon, language)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A question with the better and the worse answer."""

    instruction: str
    input: str
    chosen: str
    rejected: str


def _iter_family_records(
    rng: random.Random, family: dict[str, Any], lexicon: dict[str, Any], language: Language
) -> Iterator[Record]:
    """Yield the pairs of a family; each has other words, and so another question."""
    words = list(itertools.product(family["a"], family["b"]))
    rng.shuffle(words)
    remaining = iter(words)
    for kind, count in _PAIRS.items():
        for number in range(count):
            a, b = next(remaining)
            short = family["short"].format(a=a, b=b)
            values = {"a": a, "b": b, "n": pick(rng, family["n"]), "short": short}
            pair = (
                _create_made_up(rng, family, is_brief=number % 2 == 0)
                if kind == "made_up"
                else _Pair(family["question"], family["fact"], family["answer"], pick(rng, lexicon[kind][language]))
            )
            yield _create_record(_fill(pair, values, language), kind, language)


def _create_made_up(rng: random.Random, family: dict[str, Any], *, is_brief: bool) -> _Pair:
    """Return the templates of a question that the fact leaves open: a refusal, and an answer that is made up."""
    lie = family["brief_lie" if is_brief else "long_lie"]
    return _Pair(family["open_question"], family["fact"], pick(rng, family["refusals"]), lie)


def _fill(pair: _Pair, values: dict[str, str], language: Language) -> _Pair:
    texts = (template.format(**values) for template in (pair.instruction, pair.input, pair.chosen, pair.rejected))
    if language == "ko":
        return _Pair(*map(resolve_particles, texts))
    return _Pair(*(text[:1].upper() + text[1:] for text in texts))


def _create_record(pair: _Pair, kind: str, language: Language) -> Record:
    return make_record(
        instruction=pair.instruction,
        input=pair.input,
        output=pair.chosen,
        rejected=pair.rejected,
        source=SOURCE,
        task=kind,
        cluster=CLUSTER,
        language=language,
    )
