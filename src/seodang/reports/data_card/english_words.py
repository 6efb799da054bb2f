"""Word classes of English words.

The closed classes are listed here. The open classes (verb, noun, adjective) come from the word list of lemminflect,
which is the NIH SPECIALIST lexicon.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

DETERMINERS: Final = frozenset(
    "a an the this that these those some any each every all both either neither no another such my your his her"
    " its our their few several many much more most less least enough own".split()
)
NUMBERS: Final = frozenset(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen twenty thirty"
    " forty fifty hundred thousand million dozen first second third".split()
)
PRONOUNS: Final = frozenset(
    "i you he she it we they me him us them myself yourself itself themselves someone somebody anyone anybody"
    " everyone people something anything everything".split()
)
PREPOSITIONS: Final = frozenset(
    "about above across after against along among around as at before behind below beneath beside besides between"
    " beyond by concerning despite during except for from in inside into"
    " like near of off on onto out outside over past per regarding since than through throughout till to toward"
    " towards under until up upon via with within without versus vs".split()
)
CONJUNCTIONS: Final = frozenset(
    "and or nor but so because although though while whereas if whether unless then".split()
)
QUESTION_WORDS: Final = frozenset("what which who whom whose when where why how".split())
BE: Final = frozenset("be is are was were am been being what's who's where's how's it's there's".split())
DO: Final = frozenset("do does did don't doesn't didn't".split())
MODALS: Final = frozenset(
    "can could will would should shall may might must can't couldn't won't wouldn't shouldn't".split()
)
HAVE: Final = frozenset("have has had".split())
# Words whose noun follows after "of": "one of the options", "some of the symptoms".
PARTITIVES: Final = frozenset(
    "one two three some any each all both many most several few part either none five four".split()
)
PARTICLES: Final = frozenset("up out down back".split())
# Words before the verb of an imperative that do not change its meaning.
COURTESIES: Final = frozenset("please kindly now just also then next first finally simply".split())
# Phrasal verbs: the object follows their particle or preposition.
PHRASALS: Final = (
    ("come", "up", "with"),
    ("think", "of"),
    ("make", "up"),
    ("look", "up"),
    ("look", "for"),
    ("fill", "in"),
    ("find", "out"),
    ("figure", "out"),
    ("break", "down"),
)
# Words that the lexicon also lists as nouns, but that are no noun within the noun phrase of an instruction.
NEVER_NOUNS: Final = frozenset(
    "given following provided using based creative new short brief simple better best good short-term long"
    " possible good different interesting appropriate correct unique original specific"
    " similar main real true false online more there here using so also not only well safe".split()
)
_CLOSED_CLASSES: Final = DETERMINERS | NUMBERS | PRONOUNS | PREPOSITIONS | CONJUNCTIONS | QUESTION_WORDS | MODALS
_MAX_SINGULAR_LETTERS: Final = 4  # a longer unknown word that ends in s counts as a plural
_NUMBER: Final = re.compile(r"[\d.,/%$€£-]+(st|nd|rd|th|s)?$")


@lru_cache(maxsize=50_000)
def get_word_classes(word: str) -> dict[str, str]:
    """Return the classes of a lower-case word with its lemma in each: VERB, NOUN, ADJ, ADV.

    Unknown words and names are nouns. A hyphenated word has the class of its last part: "well-written", "flow-chart".
    """
    from lemminflect import getAllLemmas

    if word in _CLOSED_CLASSES or _NUMBER.match(word):
        return {}
    classes = {
        name: lemmas[0]
        for name, lemmas in getAllLemmas(word).items()
        if name in {"VERB", "NOUN", "ADJ", "ADV"} and lemmas
    }
    if not classes and "-" in word:
        return (
            get_word_classes(word.replace("-", ""))
            if word.startswith("re-")
            else get_word_classes(word.rpartition("-")[2])
        )
    if not classes and len(word) > _MAX_SINGULAR_LETTERS:
        word = f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")
    return classes or {"NOUN": word}


def is_known(word: str) -> bool:
    """Return whether the lexicon contains a lower-case word."""
    from lemminflect import getAllLemmas

    return bool(getAllLemmas(word))


def is_base_verb(word: str) -> bool:
    """Return whether a lower-case word can be a verb in its base form, as in an imperative."""
    return word == "be" or get_word_classes(word).get("VERB") == (
        word.replace("-", "") if word.startswith("re-") else word
    )


def is_noun(word: str) -> bool:
    """Return whether a lower-case word can head a noun phrase."""
    return word not in NEVER_NOUNS and word not in BE and "NOUN" in get_word_classes(word)


def is_adjective(word: str) -> bool:
    """Return whether a lower-case word can be an adjective."""
    return word in NEVER_NOUNS or "ADJ" in get_word_classes(word)


def is_only_verb(word: str) -> bool:
    """Return whether a lower-case word can be a verb but not a noun."""
    classes = get_word_classes(word)
    return "VERB" in classes and not is_noun(word)
