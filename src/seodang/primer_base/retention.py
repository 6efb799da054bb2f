"""What tuning must not make the primer base forget: kinds of questions that it practised and that no record of the primer teaches.

Two sets without a shared input. On `retention` it is measured what is left; `replay` is mixed into training, so that something is.

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
_KINDS = ("season", "room", "same", "next_number", "last_digit")  # whose answers are closed
_ITEMS_PER_KIND: dict[Half, int] = {"retention": 30, "replay": 60}  # of each kind and language, where there are so many
_TRIES = 2000


def iter_questions(half: Half) -> Iterator[dict[str, str]]:
    """Yield the questions of one half, none twice; which half an input belongs to is told by its hash."""
    rng, families = random.Random(_SEED), build_practice_families()
    for language in LANGUAGES:
        for kind in _KINDS:
            found: dict[tuple[str, str], str] = {}
            for _ in range(_TRIES):
                item = families[kind].generate(rng, language)
                if _assign_half(item.input) == half and len(found) < _ITEMS_PER_KIND[half]:
                    found.setdefault((pick(rng, families[kind].get_templates(language)), item.input), item.output)
            for number, ((question, input), answer) in enumerate(found.items(), start=1):
                yield {"id": f"{language}-{kind}-{number}", "instruction": question, "input": input, "output": answer}


def _assign_half(input: str) -> Half:
    return "retention" if hashlib.sha256(input.encode()).digest()[0] % 2 else "replay"


if __name__ == "__main__":
    rows = {"retention": iter_questions("retention"), "replay": iter_questions("replay")}[sys.argv[1]]
    sys.stdout.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
