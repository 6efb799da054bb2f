"""Speech levels of Korean sentences, by the ending of the last predicate.

합쇼체 and 해요체 are polite (존댓말), 해체 and 해라체 are plain (반말).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, Protocol

from seodang.evaluation.korean.passages import Sentence, iter_sentences
from seodang.hangul.analyzer import load_analyzer

SpeechLevel = Literal["hapsyo", "haeyo", "hae", "haera"]
POLITE: Final[frozenset[SpeechLevel]] = frozenset(("hapsyo", "haeyo"))

_END_CHARACTERS: Final = 200  # that are read of a sentence
_TAIL_CHARACTERS: Final = 60  # that are analyzed
_TAIL_WORDS: Final = 6
# Marks, emoji, laughter and crying (ㅋㅋ, ㅠㅠ) after the last word.
_TRAILING: Final = re.compile(r"[^\w가-힣]*(?:[ㄱ-ㅎㅏ-ㅣ]+[^\w가-힣]*)*$")
_BRACKETS_AT_END: Final = re.compile(r"\s*[(\[]\s*[)\]]\s*$")
_QUOTE_AT_END: Final = re.compile(r"[\"”'’」』»》〉]\s*$")

_HAPSYO: Final = re.compile(r"(?:ᆸ|습|읍)(?:니다|니까|디다|디까|시다)$|(?:시|으시)오$|(?:ᆸ|십|읍)시오$")
_HAERA: Final = re.compile(
    r"^(?:ᆫ다|는다|자|라|으라|아라|어라|여라|거라|너라|니|으니|냐|으냐|느냐|구나|는구나|도다|리라|으리라|ᆫ단다|는단다|단다|란다|련다"
    r"|으련다|더라|노라|로다|ᆯ지어다|이라)$"
)
_HAE: Final = re.compile(
    r"^(?:어|아|여|야|지|네|어야지|아야지|여야지|거든|잖아|ᆯ게|을게|ᆯ래|을래|ᆯ걸|을걸|는걸|ᆫ걸|은걸|ᆫ데|은데|는데|더라고|더라구|더군|군|는군|대|래"
    r"|ᆫ대|는대|다니까|라니까|ᆫ다니까|는다니까|나|던데|게|고)$"
)
_AMBIGUOUS_PLAIN: Final = frozenset(("ᆫ데", "은데", "는데", "게", "고", "나"))  # often a clause that goes on
_DICTIONARY_STEMS: Final = frozenset(("VV", "VV-I", "VV-R", "XSV"))
_UNSPOKEN: Final = ("S", "Z_CODA")  # tags of marks, and of a final sound that is added to an ending: 좋아용
_EXISTENCE: Final = frozenset(("있", "없", "계시"))


class Morpheme(Protocol):
    """The used attributes of a token of kiwipiepy."""

    form: str
    tag: str


@dataclass(frozen=True, slots=True)
class LeveledSentence:
    """A sentence with the speech level of its ending."""

    sentence: Sentence
    level: SpeechLevel


@lru_cache(maxsize=16)
def find_speech_levels(text: str) -> tuple[LeveledSentence, ...]:
    """Return the sentences of an answer that have a speech level, in order.

    Headings, noun phrases, noun endings (-음, -기), quotations and dictionary forms (가다) have none. Neither has a
    question to oneself (-ㄹ까, -는가): it occurs in polite and in plain texts.
    """
    sentences = [(sentence, tail) for sentence in iter_sentences(text) if (tail := _extract_tail(sentence.text))]
    if not sentences:
        return ()
    analyses = load_analyzer().tokenize(tail for _, tail in sentences)
    return tuple(
        LeveledSentence(sentence, level)
        for (sentence, _), morphemes in zip(sentences, analyses, strict=True)
        if (level := detect_level(morphemes))
    )


def _extract_tail(sentence: str) -> str:
    """Return the last words with one end mark; "" where a quotation or no Hangul syllable stands at the end."""
    end = sentence[-_END_CHARACTERS:]
    is_question = bool(re.search(r"[?？][^\w]*$", end))
    body = end.rstrip(" .!?…~^*_:：")
    while match := _BRACKETS_AT_END.search(body):
        body = body[: match.start()].rstrip(" .!?…~^*_:：")
    if _QUOTE_AT_END.search(body):
        return ""
    body = _TRAILING.sub("", body)
    if not "가" <= body[-1:] <= "힣":
        return ""
    words = body[-_TAIL_CHARACTERS:].split()[-_TAIL_WORDS:]
    return " ".join(words) + ("?" if is_question else ".")


def detect_level(morphemes: Sequence[Morpheme]) -> SpeechLevel | None:
    """Return the speech level of a sentence's last words; None where they have none."""
    words = [morpheme for morpheme in morphemes if not morpheme.tag.startswith(_UNSPOKEN)]
    if not words:
        return None
    last = words[-1]
    if last.tag == "IC" and last.form.endswith("요"):
        return "haeyo"
    if last.tag == "IC" and len(words) > 1 and words[-2].tag in ("EF", "EC"):  # 그렇죠 뭐, 고마워요 안녕
        words = words[:-1]
        last = words[-1]
    if last.form == "요" and last.tag in ("JX", "EF"):
        return "haeyo"
    if last.tag == "JX" and last.form == "만" and len(words) > 1:  # -습니다만
        words = words[:-1]
        last = words[-1]
    if last.tag not in ("EF", "EC"):
        return None
    if last.form == "니" and len(words) > 1 and words[-2].tag == "EP" and morphemes[-1].form == "?":
        return "haera"  # 했니?, which the analyzer takes for a clause that goes on
    return _classify_ending(last, words[-2] if len(words) > 1 else None)


def _classify_ending(ending: Morpheme, before: Morpheme | None) -> SpeechLevel | None:
    form = ending.form
    if form.endswith(("요", "죠")):
        return "haeyo"
    if _HAPSYO.search(form):
        return "hapsyo"
    if ending.tag != "EF":
        return None
    if form == "다":
        is_dictionary_form = before is None or (before.tag in _DICTIONARY_STEMS and before.form not in _EXISTENCE)
        return None if is_dictionary_form else "haera"
    if _HAERA.match(form):
        return "haera"
    return "hae" if form not in _AMBIGUOUS_PLAIN and _HAE.match(form) else None
