"""Generate questions that test whether a tuned primer base retains what it practised before.

The primer's records do not teach these kinds of questions. There are three sets without a common input. `replay` is
mixed into training. `replayed` evaluates the same kinds with other inputs. `retention` evaluates kinds that are never
replayed: only these show what tuning makes the model forget.

python -m seodang.primer_base.retention retention > tasks/data/retention.jsonl
python -m seodang.primer_base.retention replayed > tasks/data/replayed.jsonl
python -m seodang.primer_base.retention replay > models/primer-base/replay.jsonl
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Iterator
from typing import Final, Literal, get_args

from seodang.primer.item import fill, pick, read_lexicon
from seodang.primer_base.corpus import LANGUAGES, build_practice_families, create_practice_item
from seodang.records import Language

QuestionSet = Literal["retention", "replayed", "replay"]

REPLAYED_KINDS: Final = (
    *("season", "same", "next_number", "contains_digit", "tongue", "length"),
    *("last_word", "last_letter", "word_after", "copy"),
)
RETAINED_KINDS: Final = ("room", "last_digit", "first_word", "contains_word")
"""Never replayed. Each has a relative among the replayed kinds: knowledge, numbers, positions and membership."""

_SEED = 1446
_ITEMS_PER_KIND: Final[dict[QuestionSet, int]] = {"retention": 30, "replayed": 12, "replay": 90}  # and language
_TRIES = 4000


def iter_questions(questions: QuestionSet) -> Iterator[dict[str, str]]:
    """Yield the distinct questions of a set; the hash of an input assigns it to evaluation or to training."""
    families = build_practice_families()
    for language in LANGUAGES:
        for kind in RETAINED_KINDS if questions == "retention" else REPLAYED_KINDS:
            rng = random.Random(f"{_SEED}/{kind}/{language}")
            answers: dict[tuple[str, str], str] = {}
            for _ in range(_TRIES):
                if len(answers) == _ITEMS_PER_KIND[questions]:
                    break
                text = create_line(rng, language)
                item = create_practice_item(rng, kind, families[kind], text, language)
                question = pick(rng, families[kind].get_templates(language)).format(subject=item.subject)
                if _is_evaluated(item.input) == (questions != "replay"):
                    answers.setdefault((question, item.input), item.output)
            for number, ((question, input), answer) in enumerate(answers.items(), start=1):
                yield {"id": f"{language}-{kind}-{number}", "instruction": question, "input": input, "output": answer}


def create_line(rng: random.Random, language: Language) -> str:
    """Return a sentence of lexicon/lines.yaml, about which the text families ask."""
    words = read_lexicon("lines")[language]
    slots = {name: options for name, options in words.items() if name != "templates"}
    line = fill(rng, pick(rng, words["templates"]), slots)
    return line[0].upper() + line[1:]


def _is_evaluated(input: str) -> bool:
    return bool(hashlib.sha256(input.encode()).digest()[0] % 2)


if __name__ == "__main__":
    rows = {name: iter_questions(name) for name in get_args(QuestionSet)}[sys.argv[1]]
    sys.stdout.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
