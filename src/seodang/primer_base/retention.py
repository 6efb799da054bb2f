"""Generate questions that test whether a tuned primer base retains what it practised before.

The primer's records do not teach these kinds of questions. There are two sets without a common input: `retention`
evaluates the retained skills, and `replay` is mixed into training to retain them.

python -m seodang.primer_base.retention retention > tasks/data/retention.jsonl
python -m seodang.primer_base.retention replay > models/primer-base/replay.jsonl
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Iterator
from typing import Literal

from seodang.primer.item import pick
from seodang.primer_base.corpus import LANGUAGES, build_practice_families

Half = Literal["retention", "replay"]

_SEED = 1446
_KINDS = ("season", "room", "same", "next_number", "last_digit")  # families with closed answers
_ITEMS_PER_KIND: dict[Half, int] = {"retention": 30, "replay": 60}  # maximum for each kind and language
_TRIES = 2000


def iter_questions(half: Half) -> Iterator[dict[str, str]]:
    """Yield the distinct questions of one half; the hash of an input assigns it to a half."""
    rng, families = random.Random(_SEED), build_practice_families()
    for language in LANGUAGES:
        for kind in _KINDS:
            answers: dict[tuple[str, str], str] = {}
            for _ in range(_TRIES):
                item = families[kind].generate(rng, language)
                if _assign_half(item.input) == half and len(answers) < _ITEMS_PER_KIND[half]:
                    answers.setdefault((pick(rng, families[kind].get_templates(language)), item.input), item.output)
            for number, ((question, input), answer) in enumerate(answers.items(), start=1):
                yield {"id": f"{language}-{kind}-{number}", "instruction": question, "input": input, "output": answer}


def _assign_half(input: str) -> Half:
    return "retention" if hashlib.sha256(input.encode()).digest()[0] % 2 else "replay"


if __name__ == "__main__":
    rows = {"retention": iter_questions("retention"), "replay": iter_questions("replay")}[sys.argv[1]]
    sys.stdout.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
