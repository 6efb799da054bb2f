"""Generate the records of the primer; the same seed gives the same bytes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from importlib import resources

from seodang.errors import SourceError
from seodang.i18n import _
from seodang.primer.families import Family, build_families
from seodang.primer.item import pick
from seodang.records import Language, Record, make_record

SOURCE = "primer"
_LANGUAGES: tuple[Language, ...] = ("ko", "en")
# A family can run out of distinct records (24 capitals with two templates); then it yields fewer.
_TRIES_PER_RECORD = 20


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


def _iter_family_records(name: str, family: Family, language: Language, seed: int, count: int) -> Iterator[Record]:
    rng = random.Random(f"{seed}/{name}/{language}")
    record_ids: set[str] = set()
    for _attempt in range(count * _TRIES_PER_RECORD):
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
    """Yield the hand-written records of a file in the folder of this module.

    Raises:
        SourceError: If a line is damaged.
    """
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
                _(
                    "{file}, line {line}, of the primer cannot be read ({error}); install seodang again",
                    file=name,
                    line=number,
                    error=error,
                )
            ) from error
