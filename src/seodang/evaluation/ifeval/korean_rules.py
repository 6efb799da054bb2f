"""Rules of our own for Korean, where the published rules count English words or check capital letters.

Each rule takes an answer and the arguments of its instruction, and returns whether the answer follows it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from seodang.evaluation.ifeval.arguments import Arguments
from seodang.evaluation.ifeval.text import split_eojeols, split_sentences

_LATIN: Final = re.compile("[A-Za-z\uff21-\uff3a\uff41-\uff5a]")  # full-width letters too
# What may follow the last syllable of a sentence: marks, symbols, and letters for laughing or crying (ㅋㅋ, ㅠㅠ).
_AFTER_ENDING: Final = re.compile("[\\W_\u3131-\u318e]+$")


def has_eojeol_count(answer: str, arguments: Arguments) -> bool:
    """Return whether the answer has as many eojeols as required; blanks separate them."""
    return arguments.check_relation(len(split_eojeols(answer)), "relation", "num_eojeols")


def has_character_count(answer: str, arguments: Arguments) -> bool:
    """Return whether the answer has as many characters as required, blanks not counted."""
    return arguments.check_relation(
        len("".join(unicodedata.normalize("NFC", answer).split())), "relation", "num_characters"
    )


def has_no_latin_letter(answer: str, arguments: Arguments) -> bool:
    """Return whether the answer has no letter of the basic Latin alphabet."""
    return _LATIN.search(answer) is None


def has_sentence_endings(answer: str, arguments: Arguments) -> bool:
    """Return whether each sentence ends with one of the endings; marks and symbols after it do not count."""
    endings = tuple(unicodedata.normalize("NFC", ending) for ending in arguments.get_texts("endings"))
    sentences = split_sentences(answer)
    return bool(sentences) and all(_AFTER_ENDING.sub("", sentence).endswith(endings) for sentence in sentences)
