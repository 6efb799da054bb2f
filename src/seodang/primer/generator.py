"""Make the primer: seeds and generated records, the same bytes for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from importlib import resources

from seodang.errors import SourceError
from seodang.primer.families import Family, build_families
from seodang.primer.item import pick
from seodang.records import Language, Record, make_record

SOURCE = "primer"
_LANGUAGES: tuple[Language, ...] = ("ko", "en")
# A family can run out of different items (24 capitals, two wordings); it then gives what it has.
_TRIES_PER_RECORD = 20


def iter_primer_records(
    *, seed: int, classification_per_language: int, sentiment_per_language: int, open_per_language: int
) -> Iterator[Record]:
    """Yield the whole primer: seeds, film remarks in own words, then each family.

    Args:
        seed: Every family draws from a stream of its own, so that adding a family changes no other.
        classification_per_language: Records of each classification family but sentiment.
        sentiment_per_language: Records of the sentiment family.
        open_per_language: Records of each family with open answers.
    """
    yield from iter_bundled_records("seed_tasks.jsonl", task="seed", cluster="seed")
    yield from iter_bundled_records("film_remarks.jsonl", task="own_words", cluster="sentiment")
    for name, family in build_families().items():
        for language in _LANGUAGES:
            count = open_per_language
            if family.get_choices(language):
                count = sentiment_per_language if name == "sentiment" else classification_per_language
            yield from _iter_family_records(name, family, language, seed, count)


def _iter_family_records(name: str, family: Family, language: Language, seed: int, count: int) -> Iterator[Record]:
    rng = random.Random(f"{seed}/{name}/{language}")
    record_ids: set[str] = set()
    for _ in range(count * _TRIES_PER_RECORD):
        if len(record_ids) == count:
            return
        record = _create_record(rng, name, family, language)
        if record.id not in record_ids:
            record_ids.add(record.id)
            yield record


def _create_record(rng: random.Random, name: str, family: Family, language: Language) -> Record:
    item = family.generate(rng, language)
    return make_record(
        instruction=pick(rng, family.get_templates(language)).format(subject=item.subject),
        input=item.input,
        output=item.output,
        source=SOURCE,
        task=name,
        cluster=family.cluster,
        language=language,
        choices=family.get_choices(language),
    )


def iter_bundled_records(name: str, *, task: str, cluster: str) -> Iterator[Record]:
    """Yield the hand-written records of a file that lies beside this module."""
    text = resources.files(__package__).joinpath(name).read_text("utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            row = json.loads(line)
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
        except (json.JSONDecodeError, KeyError) as error:
            raise SourceError(
                f"bundled {name}, line {number}: {error}; the installation is damaged, install again"
            ) from error
