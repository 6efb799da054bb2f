"""Find the head of an English noun phrase in a list of lower-case tokens."""

from __future__ import annotations

from typing import Final

from seodang.reports.data_card import english_words as words

QUOTE: Final = "\u241f"  # the token of a quotation, whatever its content
STOPS: Final = frozenset(".,;:!?()[]{}-–—=<>/|&")
_PHRASE_ENDS: Final = (
    words.PREPOSITIONS
    | words.CONJUNCTIONS
    | words.QUESTION_WORDS
    | words.MODALS
    | words.BE
    | words.PRONOUNS
    | words.DO
    | words.HAVE
)


def find_noun(tokens: list[str]) -> str | None:
    """Return the lemma of the head of the noun phrase at the start of `tokens`; None if there is no noun phrase."""
    run: list[str] = []
    for index, token in enumerate(tokens):
        if not run and token in words.PRONOUNS:
            continue  # "give me an example"
        if not run and token in words.PARTITIVES and tokens[index + 1 : index + 2] == ["of"]:
            return find_noun(tokens[index + 2 :])
        after = tokens[index + 1 : index + 2]
        if (
            token in {",", "and", "or"}
            and run
            and words.is_adjective(run[-1])
            and after
            and words.is_adjective(after[0])
        ):
            continue  # "new and interesting uses", "a short, funny story"
        if _is_phrase_end(token, run):
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


def _is_phrase_end(token: str, run: list[str]) -> bool:
    """Return whether a word cannot belong to the noun phrase with the words `run` so far."""
    has_noun = any(words.is_noun(word) for word in run)
    # "ways artificial intelligence is used"
    after_plural = bool(run) and words.get_word_classes(run[-1]).get("NOUN", run[-1]) != run[-1]
    if token == "to" or token in STOPS or token == QUOTE or token in _PHRASE_ENDS:
        return True
    if token in words.DETERMINERS:
        return bool(run)
    if has_noun and after_plural and words.is_adjective(token):
        return True
    return has_noun and (words.is_only_verb(token) or (not words.is_noun(token) and not words.is_adjective(token)))
