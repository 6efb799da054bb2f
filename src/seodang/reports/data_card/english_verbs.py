"""Find the root verb and the direct object of an English instruction by rules.

Wang et al. 2023 (Self-Instruct) and Taori et al. 2023 (Alpaca) use a constituency parser, which no package registry
offers. Instructions are regular: most are an imperative or a question. The rules give the roots of the figures in these
papers. Examples: "Write a story about a dragon" -> write, story; "What is the capital of France?" -> be, capital.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from seodang.reports.data_card import english_words as words
from seodang.reports.data_card.english_nouns import QUOTE, STOPS, find_noun
from seodang.reports.data_card.verb_objects import VerbObject

_HEAD_CHARACTERS: Final = 400  # the root is at the beginning; the rest is usually material
_QUOTATION: Final = re.compile(r"[\"“”][^\"“”]*[\"“”]|(?<![\w])['‘][^'’]*['’](?![\w])|`[^`]*`")
_TOKEN: Final = re.compile(
    r"[A-Za-z][A-Za-z'’]*(?:-[A-Za-z0-9]+)*|\d+(?:-[A-Za-z]+)+|\d+(?:[.,/-]\d+)*(?:%|'?s\b|st\b|nd\b|rd\b|th\b)?"
    rf"|[^\sA-Za-z\d]|{QUOTE}"
)
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])[\"”)]*\s+|\n+")
_REQUEST_PREFIX: Final = re.compile(
    r"(?:^|.*?[,;] (?:and )?)(?:i (?:want|need|would like|'d like) (?:you )?to|i would like for you to"
    r"|you (?:need|have|are asked|are required|are going) to|you (?:should|must|will|are to)"
    r"|(?:your|the) (?:task|job|goal) is to|let us|let's|in this task ,? ?you (?:need|have|are asked|will need) to)\s+",
    re.IGNORECASE,
)
_LEAD_WORDS: Final = frozenset(
    "given using based if when in for from to with considering by after before as imagine suppose assume assuming"
    " taking following having because on at during knowing among while".split()
)
_HELPERS: Final = words.BE | words.DO | words.MODALS


def find_english_root(text: str) -> VerbObject:
    """Return the lemmas of the root verb and the direct object of an instruction; None for a missing one."""
    head = _QUOTATION.sub(QUOTE, text[:_HEAD_CHARACTERS].replace("’", "'"))
    first = VerbObject(None, None)
    for sentence in _SENTENCE_END.split(head):
        root = _parse_sentence(sentence)
        first = first if first.verb else root
        if root.verb and (sentence.rstrip().endswith("?") or _is_imperative(sentence, root.verb)):
            return root
    return first


def _is_imperative(sentence: str, verb: str) -> bool:
    """Return whether the verb is at the beginning of a clause, and not after a subject."""
    tokens = [token.lower() for token in _TOKEN.findall(sentence)]
    base = verb.split()[0]
    return base in tokens and (
        tokens.index(base) == 0
        or tokens[tokens.index(base) - 1] in words.COURTESIES | {",", ":", "to", "you"}
        or tokens[0] not in words.PRONOUNS | words.DETERMINERS
    )


def _parse_sentence(sentence: str) -> VerbObject:
    tokens = [token.lower() for token in _TOKEN.findall(_REQUEST_PREFIX.sub("", sentence.strip(" -*•#>\t")))]
    tokens = _skip_courtesy(tokens)
    if not tokens:
        return VerbObject(None, None)
    first = tokens[0].split("'")[0]
    if first in words.QUESTION_WORDS:
        return _parse_question(tokens)
    if (
        first in words.MODALS | words.DO | words.BE
        and len(tokens) > 1
        and not (first == "do" and tokens[1] in words.DETERMINERS)
    ):
        return _parse_inverted(tokens)
    return _parse_imperative(tokens)


def _skip_courtesy(tokens: list[str]) -> list[str]:
    start = 0
    while start < len(tokens) - 1 and (
        tokens[start] in words.COURTESIES
        or (tokens[start].endswith("ly") and not words.is_base_verb(tokens[start]))
        or tokens[start] in STOPS
    ):
        start += 1
    return tokens[start:]


def _parse_imperative(tokens: list[str]) -> VerbObject:
    """Parse an imperative: the verb is the first word, or follows a lead such as "Given a list of numbers, ..."."""
    if tokens[0] in _LEAD_WORDS or not words.is_base_verb(tokens[0]):
        for index, token in enumerate(tokens[:-1]):
            rest = _skip_courtesy(tokens[index + 1 :]) if token in {",", ":", "-", "–", "—"} else []
            if rest and rest[0] in words.QUESTION_WORDS | words.MODALS:
                return _parse_sentence(" ".join(rest))
            if rest and rest[0] not in _LEAD_WORDS and words.is_base_verb(rest[0]):
                return _parse_verb_phrase(rest)
    if words.is_base_verb(tokens[0]) or _is_unknown_verb(tokens):
        return _parse_verb_phrase(tokens)
    root = _parse_statement(tokens)
    lemma = words.get_word_classes(tokens[0]).get("VERB")
    return root if root.verb or lemma is None else _parse_verb_phrase([lemma, *tokens[1:]])


def _is_unknown_verb(tokens: list[str]) -> bool:
    """Return whether a sentence starts with an unknown word before a determiner: "Synonymize the word"."""
    return (
        tokens[0].isalpha() and not words.is_known(tokens[0]) and tokens[1:2] != [] and tokens[1] in words.DETERMINERS
    )


def _parse_statement(tokens: list[str]) -> VerbObject:
    """Parse a sentence that starts with a subject, or with a lead without a comma: its first verb is the root."""
    lead = tokens[0] in _LEAD_WORDS
    for index, token in enumerate(tokens[1:], start=1):
        if token in words.BE:
            return VerbObject("be", find_noun(tokens[index + 1 :]))
        is_verb = (
            lead
            and words.is_base_verb(token)
            and (words.is_only_verb(token) or tokens[index + 1 : index + 2] in (["the"], ["a"], ["an"]))
        )
        if (
            is_verb
            or (
                not lead
                and words.is_only_verb(token)
                and (words.is_noun(tokens[index - 1]) or tokens[index - 1] in words.PRONOUNS)
            )
            or (index == 1 and tokens[0] in words.PRONOUNS and words.is_base_verb(token))
        ):
            return _parse_verb_phrase([words.get_word_classes(token)["VERB"], *tokens[index + 1 :]])
    return VerbObject(None, None)


def _parse_verb_phrase(tokens: list[str]) -> VerbObject:
    """Return the first verb of `tokens` with the noun after it; in "compare and contrast X" both verbs have X."""
    for phrasal in words.PHRASALS:
        if tuple(tokens[: len(phrasal)]) == phrasal:
            return VerbObject(" ".join(phrasal), find_noun(tokens[len(phrasal) :]))
    rest = tokens[1:]
    if len(rest) > 1 and rest[0] in {"and", "or", "/"} and words.is_base_verb(rest[1]):
        rest = rest[2:]
    if rest and rest[0] in words.PARTICLES:
        rest = rest[1:]
    return VerbObject("be" if tokens[0] in words.BE else tokens[0], find_noun(rest))


def _parse_question(tokens: list[str]) -> VerbObject:
    """Parse a question: "what is X", "how do I do X", "which X does Y", "who did X"."""
    if "'" in tokens[0]:
        return VerbObject("be", find_noun(tokens[1:]))
    helper = _find_index(tokens, lambda index: tokens[index] in _HELPERS)
    question_noun = find_noun(tokens[1:helper])
    verb = _find_inflected_verb(tokens)
    first_verb = _get_first_verb_index(tokens)
    if verb < helper and verb + 1 != helper and (verb == first_verb or not words.is_noun(tokens[verb])):
        return VerbObject(words.get_word_classes(tokens[verb])["VERB"], find_noun(tokens[verb + 1 :]))
    if helper == len(tokens):
        return _parse_question_without_helper(tokens)
    root = _parse_inverted(tokens[helper:], adverbial=tokens[0] in {"how", "why", "when", "where"})
    return VerbObject(root.verb, question_noun or root.object)


def _get_first_verb_index(tokens: list[str]) -> int:
    # "which fields have seen": the word after which, whose and how is no verb.
    return 2 if tokens[0] in {"which", "whose", "how"} else 1


def _find_inflected_verb(tokens: list[str]) -> int:
    """Return the index of the first inflected main verb of a question; the number of tokens if there is none."""

    def is_inflected(index: int) -> bool:
        token = tokens[index]
        return "VERB" in words.get_word_classes(token) and not words.is_base_verb(token) and token not in _HELPERS

    first = _get_first_verb_index(tokens)
    return _find_index(tokens, lambda index: index >= first and is_inflected(index))


def _parse_question_without_helper(tokens: list[str]) -> VerbObject:
    """Parse "what steps solve X" or "how to do X"."""
    verb = _find_index(
        tokens, lambda index: index > 1 and words.is_base_verb(tokens[index]) and words.is_noun(tokens[index - 1])
    )
    if verb < len(tokens):
        return _parse_verb_phrase(tokens[verb:])
    is_how_to = tokens[:2] == ["how", "to"] and len(tokens) > 2
    return _parse_imperative(tokens[2:]) if is_how_to else VerbObject(None, None)


def _find_index(tokens: list[str], condition: Callable[[int], bool]) -> int:
    """Return the first index that satisfies a condition; the number of tokens if there is none."""
    return next((index for index in range(len(tokens)) if condition(index)), len(tokens))


def _parse_inverted(tokens: list[str], *, adverbial: bool = False) -> VerbObject:
    """Parse auxiliary, subject, verb: "can you explain X", "does X cause Y", "is X Y"."""
    helper, rest = tokens[0], _skip_courtesy(tokens[1:])
    if helper in words.BE:
        return _parse_passive(rest if adverbial else [], rest, only_verbs=True)
    index = _find_verb_after_subject(rest)
    if index is None:
        return VerbObject("do", None) if helper in words.DO else VerbObject(None, None)
    if rest[index] == "be":
        return _parse_passive(rest[index + 1 : index + 3], rest[index + 1 :], only_verbs=False)
    return _parse_verb_phrase(rest[index:])


def _parse_passive(candidates: list[str], rest: list[str], *, only_verbs: bool) -> VerbObject:
    """Return the verb of the participle among some tokens; else "be" with the noun of the rest.

    Args:
        candidates: Tokens that may be the participle.
        rest: Tokens after "be".
        only_verbs: Whether words that can also be a noun or an adjective are no participle.
    """
    for token in candidates:
        is_participle = "VERB" in words.get_word_classes(token) and not words.is_base_verb(token)
        if is_participle and (not only_verbs or (words.is_only_verb(token) and not words.is_adjective(token))):
            return VerbObject(words.get_word_classes(token)["VERB"], None)
    return VerbObject("be", find_noun(rest))


def _find_verb_after_subject(tokens: list[str]) -> int | None:
    """Return the index of the verb after the subject, which is a pronoun or a noun phrase."""
    candidates = [index for index, token in enumerate(tokens) if words.is_base_verb(token)]
    if tokens and tokens[0] in words.PRONOUNS:
        return candidates[0] if candidates else None
    for index in candidates:
        if words.is_only_verb(tokens[index]) or tokens[index] in {"be", "have", "do"}:
            return index
    end = _find_index(
        tokens,
        lambda index: tokens[index] in STOPS or (tokens[index] in words.PREPOSITIONS and tokens[index] != "of"),
    )
    before_end = [
        index
        for index in candidates
        if index == 0 or (index < end and tokens[index - 1] not in words.DETERMINERS | words.PREPOSITIONS)
    ]
    return before_end[-1] if before_end else None
