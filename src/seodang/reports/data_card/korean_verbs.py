"""Find the root verb and the object of a Korean instruction in the morphemes that Kiwi returns.

Korean is head-final. The root is the last predicate of the main clause without polite and auxiliary forms (설명해
주시겠어요 -> 설명하다). The object is the noun before the object particle 을/를, unless the particle belongs to an
embedded or instrumental clause. Example: "단어를 사용하여 문장을 쓰세요" -> 쓰다, 문장.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from seodang.hangul.analyzer import load_analyzer
from seodang.reports.data_card import korean_words as words
from seodang.reports.data_card.korean_nouns import Morpheme, find_bare_object, find_noun_before, find_topic
from seodang.reports.data_card.verb_objects import VerbObject

_HEAD_CHARACTERS: Final = 400
# The material of a request: the text after "...하세요:" or on the following lines.
_MATERIAL: Final = re.compile(r"(?<=[다오요라줘까기])(?:\s*[:：]|[.?!]?\s*\n).*", re.DOTALL)
# Endings of a clause that is itself the object, or a reported thought: 무엇인지 설명하세요.
_CLAUSE_ENDINGS: Final = re.compile(r"(지|는가|ᆫ가|다고|라고)$")


def iter_korean_roots(texts: Sequence[str]) -> Iterator[VerbObject]:
    """Yield the root verb in its dictionary form (설명하다) and the object of each instruction."""
    for morphemes in load_analyzer().tokenize(_extract_request(text) for text in texts):
        yield find_root(morphemes)


def _extract_request(text: str) -> str:
    """Return the beginning of a text without the material after its request."""
    head = text[:_HEAD_CHARACTERS].strip()
    return _MATERIAL.sub(".", head, count=1)


def find_root(morphemes: Iterable[Morpheme]) -> VerbObject:
    """Return the root verb and the object of the first request, else of the first sentence with a predicate."""
    first = VerbObject(None, None)
    for sentence in _iter_sentences(morphemes):
        root = _parse_sentence(sentence)
        first = first if first.verb else root
        if root.verb and _is_request(sentence):
            return root
    return first


def _iter_sentences(morphemes: Iterable[Morpheme]) -> Iterator[list[Morpheme]]:
    sentence: list[Morpheme] = []
    for morpheme in morphemes:
        if sentence and morpheme.sent_position != sentence[-1].sent_position:
            yield sentence
            sentence = []
        sentence.append(morpheme)
    if sentence:
        yield sentence


def _is_request(sentence: list[Morpheme]) -> bool:
    """Return whether a sentence is a request or a question; 합니다 of translated instructions counts as a request."""
    if sentence[-1].form == "?":
        return True
    last = next((morpheme for morpheme in reversed(sentence) if morpheme.tag == "EF"), None)
    return last is None or bool(words.REQUEST_ENDINGS.search(last.form))


def _parse_sentence(sentence: list[Morpheme]) -> VerbObject:
    sentence = _remove_quotations(sentence)
    index = _find_root_index(sentence)
    if index is None:
        return _parse_noun_ending(sentence)
    start, verb = _build_verb(sentence, index)
    if sentence[index].tag in {"VCP", "VCN"}:
        return VerbObject("이다" if sentence[index].tag == "VCP" else "아니다", find_topic(sentence[:start]))
    if _get_tag(sentence[index]) not in words.VERB_TAGS and sentence[index].form != words.MAKE:
        return VerbObject(verb, None)
    noun = _find_object(sentence, start)
    return VerbObject("들다" if (verb, noun) == ("듣다", "예") else verb, noun)  # 들어 is a form of both verbs


def _remove_quotations(sentence: list[Morpheme]) -> list[Morpheme]:
    """Return the sentence without quotations, which are material."""
    result: list[Morpheme] = []
    is_quoted = False
    for morpheme in sentence:
        if morpheme.form in {'"', "'", "“", "”", "‘", "’", "`", "「", "」"}:
            is_quoted = not is_quoted
            continue
        if not is_quoted:
            result.append(morpheme)
    return result if result and not is_quoted else sentence


def _find_root_index(sentence: list[Morpheme]) -> int | None:
    """Return the index of the last predicate that is no auxiliary; None if the sentence ends with a noun."""
    index = len(sentence)
    while index:
        index -= 1
        morpheme = sentence[index]
        if (morpheme.tag.startswith("VX") and morpheme.form != words.MAKE) or _is_ability(sentence, index):
            continue
        if _get_tag(morpheme) in words.PREDICATE_TAGS or morpheme.form == words.MAKE:
            before = _find_main_predicate(sentence, index)
            if before is None:
                return index
            index = before + 1
        elif morpheme.tag not in words.ENDING_TAGS and not _is_inside_ability(sentence, index):
            return None
    return None


def _get_tag(morpheme: Morpheme) -> str:
    """Return the tag without the suffix for irregular conjugation."""
    return morpheme.tag.split("-")[0]


def _is_ability(sentence: list[Morpheme], index: int) -> bool:
    """Return whether a morpheme is 있/없 in ㄹ 수 있다."""
    return (
        sentence[index].form in {"있", "없"}
        and index > 0
        and (sentence[index - 1].form == "수" or (index > 1 and sentence[index - 2].form == "수"))
    )


def _is_inside_ability(sentence: list[Morpheme], index: int) -> bool:
    return sentence[index].form == "수" and sentence[index].tag == "NNB"


def _find_main_predicate(sentence: list[Morpheme], index: int) -> int | None:
    """Return the index of the main predicate if the one at `index` is an auxiliary: 쓰도록 하세요, 쓰면 되나요."""
    is_auxiliary = (
        sentence[index].form in {"하", "되"}
        and sentence[index].tag == "VV"
        and index > 0
        and sentence[index - 1].form in {"도록", "면", "으면", "어야", "아야", "려고"}
    )
    if not is_auxiliary:
        return None
    return next(
        (earlier for earlier in range(index - 1, -1, -1) if _get_tag(sentence[earlier]) in words.PREDICATE_TAGS), None
    )


def _build_verb(sentence: list[Morpheme], index: int) -> tuple[int, str]:
    """Return the index of the first morpheme of a predicate, and its dictionary form."""
    root = sentence[index]
    is_attached = (
        root.form == "하"
        and index
        and sentence[index - 1].tag in {"NNG", "XSN"}
        and sentence[index - 1].end == root.start
    )
    if _get_tag(root) not in {"XSV", "XSA"} and not is_attached:
        stem = root.form
        if (
            stem == "하"
            and index > 1
            and sentence[index - 1].tag == "JKO"
            and sentence[index - 2].form in words.ACTION_NOUNS
        ):
            return index - 2, f"{sentence[index - 2].form}하다"
        return index, f"{stem}다"
    start = index
    while (
        start
        and sentence[start - 1].tag in {"NNG", "XR", "XPN", "XSN", "SL", "NNP"}
        and sentence[start - 1].end == sentence[start].start
    ):
        start -= 1
    return start, "".join(morpheme.form for morpheme in sentence[start : index + 1]) + "다"


def _find_object(sentence: list[Morpheme], start: int) -> str | None:
    """Return the noun before the 을/를 that belongs to the root at `start`, else a noun directly before the root."""
    clause_objects = 0
    index = start - 1
    while index >= 0:
        morpheme = sentence[index]
        if morpheme.tag == "EC" and not clause_objects and _CLAUSE_ENDINGS.search(morpheme.form):
            return None
        if morpheme.tag in {"ETM", "EC"}:
            clause_objects += _has_own_object(sentence, index)
        if morpheme.tag == "JKO":
            if not clause_objects:
                return find_noun_before(sentence, index)
            clause_objects -= 1
        index -= 1
    return find_bare_object(sentence, start)


def _has_own_object(sentence: list[Morpheme], index: int) -> bool:
    """Return whether the clause that ends at `index` has a separate object.

    A clause that describes a noun (ETM) has one if its verb is transitive. A clause before the root (EC) has one if it
    states a means. Otherwise both predicates share the object: "글을 읽고 요약하세요", "비교하고 대조하세요".
    """
    verb = next(
        (earlier for earlier in range(index - 1, -1, -1) if _get_tag(sentence[earlier]) in words.PREDICATE_TAGS), None
    )
    # The ending follows its verb directly, or after a tense.
    if verb is None or _get_tag(sentence[verb]) not in words.VERB_TAGS or index - verb > 2:
        return False
    if sentence[verb].form in words.INTRANSITIVE_VERBS:
        return False
    _, name = _build_verb(sentence, verb)
    return sentence[index].tag == "ETM" or sentence[index].form == "도록" or name in words.MEANS_VERBS


def _parse_noun_ending(sentence: list[Morpheme]) -> VerbObject:
    """Parse an instruction that ends with a noun: a noun of an action is the root."""
    indices = [index for index, morpheme in enumerate(sentence) if morpheme.tag not in words.PUNCTUATION_TAGS]
    last = sentence[indices[-1]].form if indices else ""
    if last not in words.ACTION_NOUNS and last not in words.GERUND_VERBS:
        return VerbObject(None, None)
    return VerbObject(words.GERUND_VERBS.get(last, f"{last}하다"), _find_object(sentence, indices[-1]))
