"""Root verb and direct object of an English instruction, by rules.

Wang et al. 2023 (Self-Instruct) and Taori et al. 2023 (Alpaca) take them from a constituency parser. There is none on
a package registry, and instructions are regular: most are an imperative or a question. What is found is what the
figure of these papers shows: "Write a story about a dragon" -> write, story; "What is the capital of France?" -> be, capital.
"""

from __future__ import annotations

import re
from typing import Final

from seodang.reports.data_card import english_words as words
from seodang.reports.data_card.verb_objects import VerbObject

_HEAD_CHARACTERS: Final = 400  # characters: the root stands at the beginning, what follows is what it is about
_QUOTE: Final = "\u241f"  # stands for a quotation, whatever is in it
_QUOTATION: Final = re.compile(r"[\"“”][^\"“”]*[\"“”]|(?<![\w])['‘][^'’]*['’](?![\w])|`[^`]*`")
_TOKEN: Final = re.compile(
    rf"[A-Za-z][A-Za-z'’]*(?:-[A-Za-z0-9]+)*|\d+(?:-[A-Za-z]+)+|\d+(?:[.,/-]\d+)*(?:%|'?s\b|st\b|nd\b|rd\b|th\b)?|[^\sA-Za-z\d]|{_QUOTE}"
)
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])[\"”)]*\s+|\n+")
_STOPS: Final = frozenset(".,;:!?()[]{}-–—=<>/|&")
_REQUEST_PREFIX: Final = re.compile(
    r"(?:^|.*?[,;] (?:and )?)(?:i (?:want|need|would like|'d like) (?:you )?to|i would like for you to|you (?:need|have|are asked|are required|are going) to|you (?:should|must|will|are to)"
    r"|(?:your|the) (?:task|job|goal) is to|let us|let's|in this task ,? ?you (?:need|have|are asked|will need) to)\s+",
    re.IGNORECASE,
)
_LEAD_WORDS: Final = frozenset(
    "given using based if when in for from to with considering by after before as imagine suppose assume assuming taking following having because on at during knowing among while".split()
)


def find_english_root(text: str) -> VerbObject:
    """Return root verb and direct object of an instruction as lemmas; None for what is not there or not found."""
    head = _QUOTATION.sub(_QUOTE, text[:_HEAD_CHARACTERS].replace("’", "'"))
    first = VerbObject(None, None)
    for sentence in _SENTENCE_END.split(head):
        found = _parse_sentence(sentence)
        first = first if first.verb else found
        if found.verb and (sentence.rstrip().endswith("?") or _is_imperative(sentence, found.verb)):
            return found
    return first


def _is_imperative(sentence: str, verb: str) -> bool:
    """Return whether the verb stands at the beginning of a clause rather than after a subject."""
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
        or tokens[start] in _STOPS
    ):
        start += 1
    return tokens[start:]


def _parse_imperative(tokens: list[str]) -> VerbObject:
    """Find the verb at the head of the sentence, or after a lead such as "Given a list of numbers, ..."."""
    if tokens[0] in _LEAD_WORDS or not words.is_base_verb(tokens[0]):
        for index, token in enumerate(tokens[:-1]):
            rest = _skip_courtesy(tokens[index + 1 :]) if token in {",", ":", "-", "–", "—"} else []
            if rest and rest[0] in words.QUESTION_WORDS | words.MODALS:
                return _parse_sentence(" ".join(rest))
            if rest and rest[0] not in _LEAD_WORDS and words.is_base_verb(rest[0]):
                return _parse_verb_phrase(rest)
    if words.is_base_verb(tokens[0]) or _is_unknown_verb(tokens):
        return _parse_verb_phrase(tokens)
    found = _parse_statement(tokens)
    lemma = words.get_word_classes(tokens[0]).get("VERB")
    return found if found.verb or lemma is None else _parse_verb_phrase([lemma, *tokens[1:]])


def _is_unknown_verb(tokens: list[str]) -> bool:
    """Return whether a sentence starts with a word that no lexicon has and that acts on something: "Synonymize the word"."""
    return (
        tokens[0].isalpha() and not words.is_known(tokens[0]) and tokens[1:2] != [] and tokens[1] in words.DETERMINERS
    )


def _parse_statement(tokens: list[str]) -> VerbObject:
    """Find the first verb of a sentence that starts with a subject or a lead without a comma."""
    lead = tokens[0] in _LEAD_WORDS
    for index, token in enumerate(tokens[1:], start=1):
        if token in words.BE:
            return VerbObject("be", _find_noun(tokens[index + 1 :]))
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
    """Return the verb at the head of `tokens` with the noun after it; "compare and contrast X" shares X."""
    for phrasal in words.PHRASALS:
        if tuple(tokens[: len(phrasal)]) == phrasal:
            return VerbObject(" ".join(phrasal), _find_noun(tokens[len(phrasal) :]))
    rest = tokens[1:]
    if len(rest) > 1 and rest[0] in {"and", "or", "/"} and words.is_base_verb(rest[1]):
        rest = rest[2:]
    if rest and rest[0] in words.PARTICLES:
        rest = rest[1:]
    return VerbObject("be" if tokens[0] in words.BE else tokens[0], _find_noun(rest))


def _parse_question(tokens: list[str]) -> VerbObject:
    """Read "what is X", "how do I do X", "which X does Y", "who did X"."""
    if "'" in tokens[0]:
        return VerbObject("be", _find_noun(tokens[1:]))
    helpers = words.BE | words.DO | words.MODALS
    index = next((place for place, token in enumerate(tokens) if token in helpers), len(tokens))
    question_noun = _find_noun(tokens[1:index])
    nouns = (
        2 if tokens[0] in {"which", "whose", "how"} else 1
    )  # "which fields have seen": what follows these words is no verb
    verb = next(
        (
            place
            for place, token in enumerate(tokens[nouns:], start=nouns)
            if "VERB" in words.get_word_classes(token) and not words.is_base_verb(token) and token not in helpers
        ),
        len(tokens),
    )
    if verb < index and verb + 1 != index and (verb == nouns or not words.is_noun(tokens[verb])):
        return VerbObject(words.get_word_classes(tokens[verb])["VERB"], _find_noun(tokens[verb + 1 :]))
    if index == len(tokens):
        sure = next(
            (
                place
                for place, token in enumerate(tokens)
                if place > 1 and words.is_base_verb(token) and words.is_noun(tokens[place - 1])
            ),
            None,
        )
        if sure:
            return _parse_verb_phrase(tokens[sure:])
        return (
            _parse_imperative(tokens[2:]) if tokens[:2] == ["how", "to"] and len(tokens) > 2 else VerbObject(None, None)
        )
    found = _parse_inverted(tokens[index:], adverbial=tokens[0] in {"how", "why", "when", "where"})
    return VerbObject(found.verb, question_noun or found.object)


def _parse_inverted(tokens: list[str], *, adverbial: bool = False) -> VerbObject:
    """Read helper verb, subject, verb: "can you explain X", "does X cause Y", "is X Y"."""
    helper, rest = tokens[0], _skip_courtesy(tokens[1:])
    if helper in words.BE:
        participle = next(
            (
                token
                for token in rest
                if adverbial
                and words.is_only_verb(token)
                and not words.is_base_verb(token)
                and not words.is_adjective(token)
            ),
            None,
        )
        return (
            VerbObject(words.get_word_classes(participle)["VERB"], None)
            if participle
            else VerbObject("be", _find_noun(rest))
        )
    index = _find_verb_after_subject(rest)
    if index is None:
        return VerbObject("do", None) if helper in words.DO else VerbObject(None, None)
    if rest[index] == "be":
        passive = next(
            (
                token
                for token in rest[index + 1 : index + 3]
                if "VERB" in words.get_word_classes(token) and not words.is_base_verb(token)
            ),
            None,
        )
        return (
            VerbObject(words.get_word_classes(passive)["VERB"], None)
            if passive
            else VerbObject("be", _find_noun(rest[index + 1 :]))
        )
    return _parse_verb_phrase(rest[index:])


def _find_verb_after_subject(tokens: list[str]) -> int | None:
    """Return where the verb stands after its subject: a pronoun, or a noun phrase with what belongs to it."""
    possible = [place for place, token in enumerate(tokens) if words.is_base_verb(token)]
    if tokens and tokens[0] in words.PRONOUNS:
        return possible[0] if possible else None
    sure = next(
        (place for place in possible if words.is_only_verb(tokens[place]) or tokens[place] in {"be", "have", "do"}),
        None,
    )
    if sure is not None:
        return sure
    end = next(
        (
            place
            for place, token in enumerate(tokens)
            if token in _STOPS or (token in words.PREPOSITIONS and token != "of")
        ),
        len(tokens),
    )
    before = [
        index
        for index in possible
        if (0 < index < end and tokens[index - 1] not in words.DETERMINERS | words.PREPOSITIONS) or index == 0
    ]
    return before[-1] if before else None


def _find_noun(tokens: list[str]) -> str | None:
    """Return the head of the noun phrase at the beginning of `tokens` as a lemma, None when there is none."""
    run: list[str] = []
    for index, token in enumerate(tokens):
        if not run and token in words.PRONOUNS:
            continue  # "give me an example"
        if not run and token in words.PARTITIVES and tokens[index + 1 : index + 2] == ["of"]:
            return _find_noun(tokens[index + 2 :])
        after = tokens[index + 1 : index + 2]
        if (
            token in {",", "and", "or"}
            and run
            and words.is_adjective(run[-1])
            and after
            and words.is_adjective(after[0])
        ):
            continue  # "new and interesting uses", "a short, funny story"
        if _is_phrase_end([token], run):
            break
        if (
            token not in words.DETERMINERS
            and not token.endswith("'s")
            and words.get_word_classes(token)
            and token[0].isalpha()
        ):
            run.append(token)
    head = next((token for token in reversed(run) if words.is_noun(token)), None)
    return words.get_word_classes(head)["NOUN"] if head else None


def _is_phrase_end(tokens: list[str], run: list[str]) -> bool:
    """Return whether a word cannot belong to the noun phrase whose words so far are `run`."""
    if not tokens:
        return True
    token = tokens[0]
    closed = (
        words.PREPOSITIONS
        | words.CONJUNCTIONS
        | words.QUESTION_WORDS
        | words.MODALS
        | words.BE
        | words.PRONOUNS
        | words.DO
        | words.HAVE
    )
    has_noun = any(words.is_noun(word) for word in run)
    after_plural = (
        bool(run) and words.get_word_classes(run[-1]).get("NOUN", run[-1]) != run[-1]
    )  # "ways artificial intelligence is used"
    if token == "to" or token in _STOPS or token == _QUOTE or token in closed:
        return True
    if token in words.DETERMINERS:
        return bool(run)
    if has_noun and after_plural and words.is_adjective(token):
        return True
    return has_noun and (words.is_only_verb(token) or (not words.is_noun(token) and not words.is_adjective(token)))
