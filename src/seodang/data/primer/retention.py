"""Questions of kinds that the primer base practised and that nobody tunes it on: what tuning must not make it forget.

python -m seodang.data.primer.retention > tasks/data/retention.jsonl
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator

from seodang.data.primer.curriculum import LANGUAGES, practice_families
from seodang.data.primer.item import pick

_SEED = 1446
_KINDS = ("season", "room", "same", "next_number", "last_digit")  # whose answers are closed
_OF_EACH = 30  # of each kind and language


def retention_rows() -> Iterator[dict[str, str]]:
    """Yield the questions, none twice."""
    rng, families, seen = random.Random(_SEED), practice_families(), set()
    for language in LANGUAGES:
        for kind in _KINDS:
            made = 0
            while made < _OF_EACH:
                item = families[kind].generate(rng, language)
                question = pick(rng, families[kind].wordings(language))
                if (question, item.input) not in seen:
                    seen.add((question, item.input))
                    made += 1
                    yield {"id": f"{language}-{kind}-{made}", "language": language, "question": question, "input": item.input, "answer": item.output}


if __name__ == "__main__":
    sys.stdout.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in retention_rows())
