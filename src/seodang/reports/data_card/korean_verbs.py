"""Root verb and object of a Korean instruction, from the morphemes that Kiwi finds.

Korean is head-final: the root is the last predicate of the main clause, before what is polite or auxiliary (설명해 주시겠어요
-> 설명하다). Its object is the noun before the object particle 을/를 that no embedded or instrumental clause has taken for
itself ("단어를 사용하여 문장을 쓰세요" -> 쓰다, 문장). Tags are those of the Sejong corpus, as kiwipiepy prints them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

from seodang.reports.data_card.verb_objects import VerbObject

if TYPE_CHECKING:
    from kiwipiepy import Kiwi

_HEAD_CHARACTERS: Final = 400  # characters
_NOUNS: Final = frozenset({"NNG", "NNP", "XSN", "XPN", "XR", "SL", "SH"})
_COUNTS: Final = frozenset({"NNB", "MM", "NR", "SN", "W_SERIAL"})
_MARKS: Final = frozenset({"SSO", "SSC", "SS", "SP", "SF", "SE", "SO", "SW", "SB"})
_ENDINGS: Final = frozenset({"EP", "EF", "EC", "ETN", "ETM", "JX", "JKO", "JC", "MAG", "IC"}) | _MARKS
_PREDICATES: Final = frozenset({"VV", "VA", "XSV", "XSA", "VCP", "VCN"})
_ACTIVE: Final = frozenset({"VV", "XSV"})
# Verbs without an object: what stands before them with 을/를 belongs to a later verb.
_NO_OBJECT: Final = frozenset(
    {"되", "주어지", "지", "있", "없", "어울리", "맞", "따르", "나오", "살", "생기", "일어나"}
)
# Predicates that only say by what means or about what: "X를 사용하여", "X를 바탕으로 하여", "X를 위한".
_MEANS: Final = frozenset(
    {
        "사용하다",
        "이용하다",
        "활용하다",
        "위하다",
        "통하다",
        "대하다",
        "관하다",
        "참고하다",
        "참조하다",
        "포함하다",
        "기반하다",
        "가지다",
        "시키다",
        "고려하다",
    }
)
# Nouns that name an act: an instruction may end in one ("보고서 작성", "뜻 찾기").
_ACTION_NOUNS: Final = frozenset(
    "작성 제공 설명 생성 요약 분류 번역 비교 분석 계산 추천 제안 설계 개발 정의 나열 수정 변환 구성 식별 확인 평가 예측 추출 선택 정리 묘사 서술 해석 제작 소개 조사 검색 완성 편집 토론 논의 결정 구현 디자인 구축 재작성 표시 추가 삭제 제거 교정".split()
)
_GERUND_VERBS: Final = {
    "쓰기": "쓰다",
    "읽기": "읽다",
    "말하기": "말하다",
    "만들기": "만들다",
    "찾기": "찾다",
    "고르기": "고르다",
    "그리기": "그리다",
    "바꾸기": "바꾸다",
    "답하기": "답하다",
}
_MAKE: Final = "만들"  # the analyser takes it for an auxiliary now and then
_EMPTY_NOUNS: Final = frozenset("것 데 바 때 줄 중 등 거".split())
_PLURALS: Final = frozenset({"들"})
_REQUEST_ENDINGS: Final = re.compile(r"(세요|시오|십시오|어라|아라|라|자|죠|까|나|가|지|니|습니까|ᆸ니까|어|아)$")


# The material of a request: what follows "...하세요:" or stands on the lines below it.
_MATERIAL: Final = re.compile(r"(?<=[다오요라줘까기])(?:\s*[:：]|[.?!]?\s*\n).*", re.DOTALL)
# Endings of a clause that is itself the object, or what somebody thinks: 무엇인지 설명하세요.
_CLAUSE_ENDINGS: Final = re.compile(r"(지|는가|ᆫ가|다고|라고)$")


class Morpheme(Protocol):
    """What is read of a token of kiwipiepy."""

    form: str
    tag: str
    start: int
    end: int
    sent_position: int


def iter_korean_roots(texts: Sequence[str]) -> Iterator[VerbObject]:
    """Yield root verb (as the dictionary has it, 설명하다) and object of each instruction."""
    for morphemes in _load_analyser().tokenize(_extract_request(text) for text in texts):
        yield find_root(morphemes)


@cache
def _load_analyser() -> Kiwi:
    """Load the analyser: 1.5 s and 300 MB, once a process."""
    from kiwipiepy import Kiwi

    return Kiwi()


def _extract_request(text: str) -> str:
    """Return the head of a text without what follows the colon or line break after its request."""
    head = text[:_HEAD_CHARACTERS].strip()
    return _MATERIAL.sub(".", head, count=1)


def find_root(morphemes: Iterable[Morpheme]) -> VerbObject:
    """Return root verb and object of the first sentence that asks for something, else of the first with a predicate."""
    first = VerbObject(None, None)
    for sentence in _iter_sentences(morphemes):
        found = _parse_sentence(sentence)
        first = first if first.verb else found
        if found.verb and _is_request(sentence):
            return found
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
    """Return whether a sentence is an order or a question; the plain 합니다 of translated instructions is one too."""
    if sentence[-1].form == "?":
        return True
    last = next((morpheme for morpheme in reversed(sentence) if morpheme.tag == "EF"), None)
    return last is None or bool(_REQUEST_ENDINGS.search(last.form))


def _parse_sentence(sentence: list[Morpheme]) -> VerbObject:
    sentence = _remove_quotations(sentence)
    index = _find_root_index(sentence)
    if index is None:
        return _parse_noun_ending(sentence)
    start, verb = _build_verb(sentence, index)
    if sentence[index].tag in {"VCP", "VCN"}:
        return VerbObject("이다" if sentence[index].tag == "VCP" else "아니다", _find_topic(sentence[:start]))
    if _get_tag(sentence[index]) not in _ACTIVE and sentence[index].form != _MAKE:
        return VerbObject(verb, None)
    noun = _find_object(sentence, start)
    return VerbObject("들다" if (verb, noun) == ("듣다", "예") else verb, noun)  # 들어 is a form of both


def _remove_quotations(sentence: list[Morpheme]) -> list[Morpheme]:
    """Drop what stands in quotation marks: it is what the instruction is about."""
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
    """Return where the last predicate stands that is no auxiliary, None when the sentence ends in a noun."""
    index = len(sentence)
    while index:
        index -= 1
        morpheme = sentence[index]
        if (morpheme.tag.startswith("VX") and morpheme.form != _MAKE) or _is_ability(sentence, index):
            continue
        if _get_tag(morpheme) in _PREDICATES or morpheme.form == _MAKE:
            before = _find_main_predicate(sentence, index)
            if before is None:
                return index
            index = before + 1
        elif morpheme.tag not in _ENDINGS and not _is_inside_ability(sentence, index):
            return None
    return None


def _get_tag(morpheme: Morpheme) -> str:
    """Return the tag without the mark of irregular conjugation."""
    return morpheme.tag.split("-")[0]


def _is_ability(sentence: list[Morpheme], index: int) -> bool:
    """Return whether 있/없 stands in ㄹ 수 있다."""
    return (
        sentence[index].form in {"있", "없"}
        and index > 0
        and (sentence[index - 1].form == "수" or (index > 1 and sentence[index - 2].form == "수"))
    )


def _is_inside_ability(sentence: list[Morpheme], index: int) -> bool:
    return sentence[index].form == "수" and sentence[index].tag == "NNB"


def _find_main_predicate(sentence: list[Morpheme], index: int) -> int | None:
    """Return where the real predicate stands when the one at `place` only helps it: 쓰도록 하세요, 쓰면 되나요."""
    is_auxiliary = (
        sentence[index].form in {"하", "되"}
        and sentence[index].tag == "VV"
        and index > 0
        and sentence[index - 1].form in {"도록", "면", "으면", "어야", "아야", "려고"}
    )
    if not is_auxiliary:
        return None
    return next((earlier for earlier in range(index - 1, -1, -1) if _get_tag(sentence[earlier]) in _PREDICATES), None)


def _build_verb(sentence: list[Morpheme], index: int) -> tuple[int, str]:
    """Return where the predicate's first morpheme stands, and its dictionary form."""
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
            and sentence[index - 2].form in _ACTION_NOUNS
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
    """Return the noun before the 을/를 that the root at `start` governs, else a noun right before the root."""
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
                return _find_noun_before(sentence, index)
            clause_objects -= 1
        index -= 1
    return _find_bare_object(sentence, start)


def _has_own_object(sentence: list[Morpheme], index: int) -> bool:
    """Return whether the clause that ends at `place` has an object of its own.

    One that describes a noun does, when its verb acts on something. One that goes before the root (EC) does when it
    says by what means; else both share the object: "글을 읽고 요약하세요", "비교하고 대조하세요".
    """
    verb = next((earlier for earlier in range(index - 1, -1, -1) if _get_tag(sentence[earlier]) in _PREDICATES), None)
    if (
        verb is None or _get_tag(sentence[verb]) not in _ACTIVE or index - verb > 2
    ):  # the ending stands right behind its verb, or behind a tense
        return False
    if sentence[verb].form in _NO_OBJECT:
        return False
    _, name = _build_verb(sentence, verb)
    return sentence[index].tag == "ETM" or sentence[index].form == "도록" or name in _MEANS


def _find_noun_before(sentence: list[Morpheme], index: int) -> str | None:
    """Return the last word of the noun phrase that ends before `place`; counters are skipped: 팁 세 가지를 -> 팁."""
    end = index
    while (
        end
        and (sentence[end - 1].tag in _COUNTS | _MARKS or sentence[end - 1].form in _PLURALS)
        and not _is_noun_word(sentence, end)
    ):
        end -= 1
    start = end
    while (
        start
        and sentence[start - 1].tag in _NOUNS
        and (start == end or sentence[start - 1].end == sentence[start].start)
    ):
        start -= 1
    noun = "".join(morpheme.form for morpheme in sentence[start:end] if morpheme.form not in _PLURALS)
    return noun if noun and noun not in _EMPTY_NOUNS else None


def _is_noun_word(sentence: list[Morpheme], end: int) -> bool:
    return sentence[end - 1].tag in _NOUNS and sentence[end - 1].form not in _PLURALS


def _find_bare_object(sentence: list[Morpheme], start: int) -> str | None:
    """Return the noun right before the root, where the particle was left out: 의미 찾기, 팁 알려줘."""
    if (
        start
        and (sentence[start - 1].tag in {"NNG", "NNP", "NNB"} or sentence[start - 1].form in _PLURALS)
        and sentence[start - 1].end < sentence[start].start
    ):
        return _find_noun_before(sentence, start)
    return None


def _find_topic(sentence: list[Morpheme]) -> str | None:
    """Return what a question with 이다 is about: 프랑스의 수도는 무엇인가요 -> 수도."""
    index = next((place for place in range(len(sentence) - 1, 0, -1) if sentence[place].tag in {"JX", "JKS"}), None)
    return _find_noun_before(sentence, index) if index else None


def _parse_noun_ending(sentence: list[Morpheme]) -> VerbObject:
    """Read an instruction that ends in a noun: one that names an act is the root."""
    words = [index for index, morpheme in enumerate(sentence) if morpheme.tag not in _MARKS]
    last = sentence[words[-1]].form if words else ""
    if last not in _ACTION_NOUNS and last not in _GERUND_VERBS:
        return VerbObject(None, None)
    return VerbObject(_GERUND_VERBS.get(last, f"{last}하다"), _find_object(sentence, words[-1]))
