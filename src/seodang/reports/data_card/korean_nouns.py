"""Find the noun before a particle or a predicate in the morphemes of a Korean sentence."""

from __future__ import annotations

from typing import Protocol

from seodang.reports.data_card import korean_words as words


class Morpheme(Protocol):
    """The used attributes of a token of kiwipiepy."""

    form: str
    tag: str
    start: int
    end: int
    sent_position: int


def find_noun_before(sentence: list[Morpheme], index: int) -> str | None:
    """Return the last word of the noun phrase before `index` without counters: 팁 세 가지를 -> 팁."""
    end = index
    while (
        end
        and (
            sentence[end - 1].tag in words.COUNTER_TAGS | words.PUNCTUATION_TAGS
            or sentence[end - 1].form in words.PLURALS
        )
        and not _is_noun_word(sentence, end)
    ):
        end -= 1
    start = end
    while (
        start
        and sentence[start - 1].tag in words.NOUN_TAGS
        and (start == end or sentence[start - 1].end == sentence[start].start)
    ):
        start -= 1
    noun = "".join(morpheme.form for morpheme in sentence[start:end] if morpheme.form not in words.PLURALS)
    return noun if noun and noun not in words.EMPTY_NOUNS else None


def _is_noun_word(sentence: list[Morpheme], end: int) -> bool:
    return sentence[end - 1].tag in words.NOUN_TAGS and sentence[end - 1].form not in words.PLURALS


def find_bare_object(sentence: list[Morpheme], start: int) -> str | None:
    """Return the noun directly before the root if there is no particle: 의미 찾기, 팁 알려줘."""
    if (
        start
        and (sentence[start - 1].tag in {"NNG", "NNP", "NNB"} or sentence[start - 1].form in words.PLURALS)
        and sentence[start - 1].end < sentence[start].start
    ):
        return find_noun_before(sentence, start)
    return None


def find_topic(sentence: list[Morpheme]) -> str | None:
    """Return the topic of a question with 이다: 프랑스의 수도는 무엇인가요 -> 수도."""
    index = next((index for index in range(len(sentence) - 1, 0, -1) if sentence[index].tag in {"JX", "JKS"}), None)
    return find_noun_before(sentence, index) if index else None
