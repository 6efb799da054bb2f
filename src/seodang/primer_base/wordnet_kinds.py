"""Read the words of everyday kinds of things from WordNet's database files: the hyponyms of a few nouns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

# Kind -> the lemma of its synset and the number of its lexicographer file (lexnames(5WN)).
KINDS: Mapping[str, tuple[str, str]] = {
    "animal": ("animal", "03"),
    "plant": ("plant", "03"),
    "food": ("food", "03"),
    "person": ("person", "03"),
    "fruit": ("edible_fruit", "13"),
    "vegetable": ("vegetable", "13"),
    "drink": ("beverage", "13"),
    "vehicle": ("vehicle", "06"),
    "furniture": ("furniture", "06"),
    "instrument": ("musical_instrument", "06"),
    "clothes": ("clothing", "06"),
    "building": ("building", "06"),
    "weapon": ("weapon", "06"),
    "tool": ("tool", "06"),
    "job": ("worker", "18"),
    "body": ("body_part", "08"),
    "feeling": ("feeling", "03"),
    "weather": ("weather", "19"),
    "illness": ("illness", "26"),
    "time": ("time_period", "28"),
    "place": ("location", "03"),
}
_POINTER = re.compile(r"~i? (\d{8}) n")


def read_kinds(folder: Path) -> dict[str, list[str]]:
    """Return the single words of each kind, sorted: those of its synset and of all hyponyms."""
    words: dict[str, list[str]] = {}
    hyponyms: dict[str, list[str]] = {}
    roots: dict[tuple[str, str], str] = {}
    for line in (folder / "data.noun").read_text("utf-8", "replace").splitlines():
        if line.startswith("  "):
            continue
        fields = line.split("|", 1)[0].split(" ")
        offset, count = fields[0], int(fields[3], 16)
        lemmas = fields[4 : 4 + 2 * count : 2]
        for lemma in lemmas[:2]:
            roots.setdefault((lemma, fields[1]), offset)
        words[offset] = [lemma for lemma in lemmas if lemma.isalpha() and lemma.islower()]
        hyponyms[offset] = _POINTER.findall(line)
    return {kind: _collect_words(roots[key], words, hyponyms) for kind, key in KINDS.items() if key in roots}


def _collect_words(root: str, words: Mapping[str, list[str]], hyponyms: Mapping[str, list[str]]) -> list[str]:
    seen, waiting = {root}, [root]
    while waiting:
        for offset in hyponyms.get(waiting.pop(), ()):
            if offset not in seen:
                seen.add(offset)
                waiting.append(offset)
    return sorted({word for offset in seen for word in words.get(offset, ())})
