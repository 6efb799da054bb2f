"""Generate the records of the primer; the same seed gives the same bytes.

Where the words of a family can be held out, its test items are made of words that no training record has
(lexicon/held_out.yaml). Further test items with words of the training records are tasks of their own, named
`<family>_seen_words`, so that both scores stand beside each other.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

from seodang.errors import SourceError
from seodang.i18n import _
from seodang.primer.families import Family, build_families
from seodang.primer.item import WordSet, pick
from seodang.records import Language, Record, Role, make_record

SOURCE = "primer"
_LANGUAGES: tuple[Language, ...] = ("ko", "en")
# A family can run out of distinct records (24 capitals with two templates); then it yields fewer.
_TRIES_PER_RECORD = 20
_SEEN_WORDS_SUFFIX = (
    "_seen_words"  # as in evaluation/baselines.py; of the tasks whose test items have words of the training records
)
_UNSEEN_WORDS_RATIO = 0.15  # of a family's records: test items with held-out words
_SEEN_WORDS_RATIO = 0.08  # of a family's records: test items with words of the training records


def iter_primer_records(
    *, seed: int, classification_per_language: int, sentiment_per_language: int, open_per_language: int
) -> Iterator[Record]:
    """Yield the records of the primer: hand-written seed tasks and film remarks, then the records of each family.

    Args:
        seed: Seed of the random numbers. Each family has a separate stream, so a new family does not change the others.
        classification_per_language: Records per language of each classification family except sentiment.
        sentiment_per_language: Records per language of the sentiment family.
        open_per_language: Records per language of each family with open answers.
    """
    yield from iter_bundled_records("seed_tasks.jsonl", task="seed", cluster="seed")
    yield from iter_bundled_records("film_remarks.jsonl", task="own_words", cluster="sentiment")
    for name, family in build_families().items():
        for language in _LANGUAGES:
            count = open_per_language
            if family.get_choices(language):
                count = sentiment_per_language if name == "sentiment" else classification_per_language
            yield from _iter_family_records(name, family, language, seed, count)


@dataclass(frozen=True, slots=True)
class _Part:
    """Records of a family that go to the same side."""

    task: str
    words: WordSet
    role: Role
    count: int


def _list_parts(name: str, family: Family, count: int) -> list[_Part]:
    """Return the parts of a family: training records and two kinds of test items, or one part that is split by hash."""
    if not family.holds_out_words:
        return [_Part(name, "all", "any", count)]
    unseen, seen = round(count * _UNSEEN_WORDS_RATIO), round(count * _SEEN_WORDS_RATIO)
    return [
        _Part(name, "seen", "train", count - unseen - seen),
        _Part(name + _SEEN_WORDS_SUFFIX, "seen", "test", seen),
        _Part(name, "unseen", "test", unseen),
    ]


def _iter_family_records(name: str, family: Family, language: Language, seed: int, count: int) -> Iterator[Record]:
    """Yield the records of a family in one language; its parts have no input in common."""
    earlier_inputs: set[str] = set()
    for part in _list_parts(name, family, count):
        rng = random.Random(f"{seed}/{name}/{language}/{part.words}/{part.role}")
        records: dict[str, Record] = {}
        for _attempt in range(part.count * _TRIES_PER_RECORD):
            if len(records) == part.count:
                break
            record = _create_record(rng, family, language, part)
            if record.input not in earlier_inputs:
                records.setdefault(record.id, record)
        earlier_inputs.update(record.input for record in records.values())
        yield from records.values()


def _create_record(rng: random.Random, family: Family, language: Language, part: _Part) -> Record:
    item = family.generate(rng, language, part.words)
    return make_record(
        instruction=pick(rng, family.get_templates(language)).format(subject=item.subject),
        input=item.input,
        output=item.output,
        source=SOURCE,
        task=part.task,
        cluster=family.cluster,
        language=language,
        choices=family.get_choices(language),
        role=part.role,
    )


def iter_bundled_records(name: str, *, task: str, cluster: str) -> Iterator[Record]:
    """Yield the hand-written records of a file in the folder of this module.

    Raises:
        SourceError: If a line is damaged.
    """
    for row in read_bundled_rows(name, ("instruction", "input", "output", "language")):
        yield make_record(
            instruction=row["instruction"],
            input=row["input"],
            output=row["output"],
            source=SOURCE,
            task=task,
            cluster=cluster,
            language=row["language"],
            choices=tuple(row.get("choices", ())),
        )


def read_bundled_rows(name: str, keys: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file in the folder of this module; each of them has the keys.

    Raises:
        SourceError: If a line is damaged.
    """
    text = resources.files(__package__).joinpath(name).read_text("utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            row = json.loads(line)
            yield {**row, **{key: row[key] for key in keys}}
        except (json.JSONDecodeError, KeyError) as error:
            raise SourceError(
                _(
                    "{file}, line {line}, of the primer cannot be read ({error}); install seodang again",
                    file=name,
                    line=number,
                    error=error,
                )
            ) from error
