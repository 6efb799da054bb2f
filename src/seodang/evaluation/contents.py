"""What an item asks, whatever its task, id, file or prompt template: the ledger recognizes items by it. Pure.

The words that all prompts of a task have are its template. The other words of a prompt are the item's content. Their
order does not count, because another template may have the columns in another order. So a review is the same item as a
record, as a row of a task file, and with another question about it.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from seodang.evaluation.tasks.samples import EvalSample

_WORD: Final = re.compile(r"[^\W_]+")
_HANGUL: Final = re.compile("[\uac00-\ud7a3]")
_MIN_ITEMS: Final = 10  # of fewer items, a word that all prompts have may belong to the items
# A shorter text, such as a single word, is in many questions, so its answer counts. A Hangul syllable is two letters.
_MIN_TEXT_LETTERS: Final = 12
_DIGITS: Final = 16


def compute_contents(samples: Sequence[EvalSample]) -> dict[str, str]:
    """Return a checksum of what each item asks, by id.

    Args:
        samples: All items of a task in one language; a selection of few items shows less of the template.
    """
    texts = _find_texts(samples)
    words = [Counter(_WORD.findall(unicodedata.normalize("NFKC", text).casefold())) for text in texts]
    template = functools.reduce(Counter.__and__, words) if len(words) >= _MIN_ITEMS else Counter[str]()
    return {
        sample.id: _compute_checksum(own - template or own, sample.reference)
        for sample, own in zip(samples, words, strict=True)
    }


def _find_texts(samples: Sequence[EvalSample]) -> list[str]:
    """Return what each item asks: its prompt, or the text whose perplexity is computed.

    An instruction with several inputs is a template, of which a task may have several; then the input alone counts.
    """
    inputs: dict[str, set[str]] = {}
    for sample in samples:
        if sample.record is not None:
            inputs.setdefault(sample.record.instruction, set()).add(sample.record.input)
    return [_get_text(sample, inputs) for sample in samples]


def _get_text(sample: EvalSample, inputs: Mapping[str, set[str]]) -> str:
    record = sample.record
    if record is None:
        return sample.prompt.strip() or sample.reference
    parts = [turn.content for turn in record.turns]
    is_template = bool(record.input) and len(inputs[record.instruction]) > 1
    return "\n".join([*parts, *([] if is_template else [record.instruction]), record.input])


def _compute_checksum(words: Counter[str], reference: str) -> str:
    parts = sorted(words.elements())
    text = " ".join(parts)
    if sum(len(word) + len(_HANGUL.findall(word)) for word in parts) < _MIN_TEXT_LETTERS:
        text = f"{text}\x1e{' '.join(unicodedata.normalize('NFKC', reference).casefold().split())}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
