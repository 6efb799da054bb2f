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

_READ: Final = 400  # characters
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
_ACTS: Final = frozenset(
    "작성 제공 설명 생성 요약 분류 번역 비교 분석 계산 추천 제안 설계 개발 정의 나열 수정 변환 구성 식별 확인 평가 예측 추출 선택 정리 묘사 서술 해석 제작 소개 조사 검색 완성 편집 토론 논의 결정 구현 디자인 구축 재작성 표시 추가 삭제 제거 교정".split()
)
_ACT_NOUNS: Final = {
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
_ORDERS: Final = re.compile(r"(세요|시오|십시오|어라|아라|라|자|죠|까|나|가|지|니|습니까|ᆸ니까|어|아)$")


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


def korean_roots(texts: Sequence[str]) -> Iterator[VerbObject]:
    """Yield root verb (as the dictionary has it, 설명하다) and object of each instruction."""
    for morphemes in _analyser().tokenize(_asking_part(text) for text in texts):
        yield root_of(morphemes)


@cache
def _analyser() -> Kiwi:
    """Load the analyser: 1.5 s and 300 MB, once a process."""
    from kiwipiepy import Kiwi

    return Kiwi()


def _asking_part(text: str) -> str:
    """Return the head of a text without what follows the colon or line break after its request."""
    head = text[:_READ].strip()
    return _MATERIAL.sub(".", head, count=1)


def root_of(morphemes: Iterable[Morpheme]) -> VerbObject:
    """Return root verb and object of the first sentence that asks for something, else of the first with a predicate."""
    first = VerbObject(None, None)
    for sentence in _sentences(morphemes):
        found = _of_sentence(sentence)
        first = first if first.verb else found
        if found.verb and _asks(sentence):
            return found
    return first


def _sentences(morphemes: Iterable[Morpheme]) -> Iterator[list[Morpheme]]:
    sentence: list[Morpheme] = []
    for morpheme in morphemes:
        if sentence and morpheme.sent_position != sentence[-1].sent_position:
            yield sentence
            sentence = []
        sentence.append(morpheme)
    if sentence:
        yield sentence


def _asks(sentence: list[Morpheme]) -> bool:
    """Return whether a sentence is an order or a question; the plain 합니다 of translated instructions is one too."""
    if sentence[-1].form == "?":
        return True
    last = next((morpheme for morpheme in reversed(sentence) if morpheme.tag == "EF"), None)
    return last is None or bool(_ORDERS.search(last.form))


def _of_sentence(sentence: list[Morpheme]) -> VerbObject:
    sentence = _without_quotations(sentence)
    place = _root_place(sentence)
    if place is None:
        return _of_noun_ending(sentence)
    start, verb = _verb_at(sentence, place)
    if sentence[place].tag in {"VCP", "VCN"}:
        return VerbObject("이다" if sentence[place].tag == "VCP" else "아니다", _topic(sentence[:start]))
    if _tag(sentence[place]) not in _ACTIVE and sentence[place].form != _MAKE:
        return VerbObject(verb, None)
    noun = _object(sentence, start)
    return VerbObject("들다" if (verb, noun) == ("듣다", "예") else verb, noun)  # 들어 is a form of both


def _without_quotations(sentence: list[Morpheme]) -> list[Morpheme]:
    """Drop what stands in quotation marks: it is what the instruction is about."""
    kept: list[Morpheme] = []
    quoted = False
    for morpheme in sentence:
        if morpheme.form in {'"', "'", "“", "”", "‘", "’", "`", "「", "」"}:
            quoted = not quoted
            continue
        if not quoted:
            kept.append(morpheme)
    return kept if kept and not quoted else sentence


def _root_place(sentence: list[Morpheme]) -> int | None:
    """Return where the last predicate stands that is no auxiliary, None when the sentence ends in a noun."""
    place = len(sentence)
    while place:
        place -= 1
        morpheme = sentence[place]
        if (morpheme.tag.startswith("VX") and morpheme.form != _MAKE) or _is_ability(sentence, place):
            continue
        if _tag(morpheme) in _PREDICATES or morpheme.form == _MAKE:
            before = _predicate_before_auxiliary(sentence, place)
            if before is None:
                return place
            place = before + 1
        elif morpheme.tag not in _ENDINGS and not _in_ability(sentence, place):
            return None
    return None


def _tag(morpheme: Morpheme) -> str:
    """Return the tag without the mark of irregular conjugation."""
    return morpheme.tag.split("-")[0]


def _is_ability(sentence: list[Morpheme], place: int) -> bool:
    """Return whether 있/없 stands in ㄹ 수 있다."""
    return (
        sentence[place].form in {"있", "없"}
        and place > 0
        and (sentence[place - 1].form == "수" or (place > 1 and sentence[place - 2].form == "수"))
    )


def _in_ability(sentence: list[Morpheme], place: int) -> bool:
    return sentence[place].form == "수" and sentence[place].tag == "NNB"


def _predicate_before_auxiliary(sentence: list[Morpheme], place: int) -> int | None:
    """Return where the real predicate stands when the one at `place` only helps it: 쓰도록 하세요, 쓰면 되나요."""
    helps = (
        sentence[place].form in {"하", "되"}
        and sentence[place].tag == "VV"
        and place > 0
        and sentence[place - 1].form in {"도록", "면", "으면", "어야", "아야", "려고"}
    )
    if not helps:
        return None
    return next((earlier for earlier in range(place - 1, -1, -1) if _tag(sentence[earlier]) in _PREDICATES), None)


def _verb_at(sentence: list[Morpheme], place: int) -> tuple[int, str]:
    """Return where the predicate's first morpheme stands, and its dictionary form."""
    root = sentence[place]
    attached = (
        root.form == "하"
        and place
        and sentence[place - 1].tag in {"NNG", "XSN"}
        and sentence[place - 1].end == root.start
    )
    if _tag(root) not in {"XSV", "XSA"} and not attached:
        stem = root.form
        if stem == "하" and place > 1 and sentence[place - 1].tag == "JKO" and sentence[place - 2].form in _ACTS:
            return place - 2, f"{sentence[place - 2].form}하다"
        return place, f"{stem}다"
    start = place
    while (
        start
        and sentence[start - 1].tag in {"NNG", "XR", "XPN", "XSN", "SL", "NNP"}
        and sentence[start - 1].end == sentence[start].start
    ):
        start -= 1
    return start, "".join(morpheme.form for morpheme in sentence[start : place + 1]) + "다"


def _object(sentence: list[Morpheme], start: int) -> str | None:
    """Return the noun before the 을/를 that the root at `start` governs, else a noun right before the root."""
    taken = 0
    place = start - 1
    while place >= 0:
        morpheme = sentence[place]
        if morpheme.tag == "EC" and not taken and _CLAUSE_ENDINGS.search(morpheme.form):
            return None
        if morpheme.tag in {"ETM", "EC"}:
            taken += _takes_object(sentence, place)
        if morpheme.tag == "JKO":
            if not taken:
                return _noun_before(sentence, place)
            taken -= 1
        place -= 1
    return _bare_object(sentence, start)


def _takes_object(sentence: list[Morpheme], place: int) -> bool:
    """Return whether the clause that ends at `place` has an object of its own.

    One that describes a noun does, when its verb acts on something. One that goes before the root (EC) does when it
    says by what means; else both share the object: "글을 읽고 요약하세요", "비교하고 대조하세요".
    """
    verb = next((earlier for earlier in range(place - 1, -1, -1) if _tag(sentence[earlier]) in _PREDICATES), None)
    if (
        verb is None or _tag(sentence[verb]) not in _ACTIVE or place - verb > 2
    ):  # the ending stands right behind its verb, or behind a tense
        return False
    if sentence[verb].form in _NO_OBJECT:
        return False
    _, name = _verb_at(sentence, verb)
    return sentence[place].tag == "ETM" or sentence[place].form == "도록" or name in _MEANS


def _noun_before(sentence: list[Morpheme], place: int) -> str | None:
    """Return the last word of the noun phrase that ends before `place`; counters are skipped: 팁 세 가지를 -> 팁."""
    end = place
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


def _bare_object(sentence: list[Morpheme], start: int) -> str | None:
    """Return the noun right before the root, where the particle was left out: 의미 찾기, 팁 알려줘."""
    if (
        start
        and (sentence[start - 1].tag in {"NNG", "NNP", "NNB"} or sentence[start - 1].form in _PLURALS)
        and sentence[start - 1].end < sentence[start].start
    ):
        return _noun_before(sentence, start)
    return None


def _topic(sentence: list[Morpheme]) -> str | None:
    """Return what a question with 이다 is about: 프랑스의 수도는 무엇인가요 -> 수도."""
    place = next((place for place in range(len(sentence) - 1, 0, -1) if sentence[place].tag in {"JX", "JKS"}), None)
    return _noun_before(sentence, place) if place else None


def _of_noun_ending(sentence: list[Morpheme]) -> VerbObject:
    """Read an instruction that ends in a noun: one that names an act is the root."""
    words = [place for place, morpheme in enumerate(sentence) if morpheme.tag not in _MARKS]
    last = sentence[words[-1]].form if words else ""
    if last not in _ACTS and last not in _ACT_NOUNS:
        return VerbObject(None, None)
    return VerbObject(_ACT_NOUNS.get(last, f"{last}하다"), _object(sentence, words[-1]))
