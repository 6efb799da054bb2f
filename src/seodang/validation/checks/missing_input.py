"""Check that the text an instruction refers to exists and is long enough."""

from __future__ import annotations

import re
from typing import Final

from seodang.i18n import Message
from seodang.ingest.rows import shorten
from seodang.validation.checks.row_view import Check, Finding, Metric, View
from seodang.validation.checks.rule import Rule

RULES: Final = (
    Rule(
        id="missing-input",
        field="record",
        reason=Message("the instruction refers to a text or data that the record does not contain"),
        fix=Message("put the text into the input, or change the instruction"),
    ),
    Rule(
        id="input-thin",
        field="input",
        reason=Message(
            "the task is about an article or another long text, and the input has less than {limit} character",
            plural="the task is about an article or another long text, and the input has less than {limit} characters",
        ),
        fix=Message("put the complete text into the input"),
        minimum="min_article_characters",
    ),
)

_TEXT_EN: Final = (
    r"(?:article|text|passage|paragraph|sentences?|story|poem|essay|e-?mail|letter|document|review|statement"
    r"|quote|quotation|dialogue|conversation|tweet|headline|code|snippet"
    r"|equation|expression"
    r"|data(?: ?set)?|table|list|words?|phrases?|numbers?|items?|options?|excerpt|speech|report|news|blog post"
    r"|lyrics|input|information|facts?|definitions?|scenario|recipe"
    r"|array|string|product|company|animals?|ingredients|set of \w+|pair of \w+)"
)
_TEXT_REFERENCE: Final = re.compile(
    rf"\b(?:the|this|these|each of the|a|of) (?:following|given|below|above|provided"
    rf"|attached) (?:\w+ ){{0,2}}?{_TEXT_EN}\b|\b(?:following|given"
    rf"|provided) (?:\w+ )?{_TEXT_EN}\b|\b(?:this|the) (?:article|passage|paragraph|excerpt|text|sentence|essay"
    rf"|news article|code snippet|dataset)\b(?! (?:of|about|on|that|in"
    rf"|for|with|to|from|called|titled|by|between|structure))"
)
_TEXT_REFERENCE_KO: Final = re.compile(
    r"(?<![가-힣'\"’”])(?:(?:다음|아래|위|위의|아래의|주어진|제시된|제공된) (?:[가-힣]+ )?|이 )"
    r"(?:글|문장|기사|문단|단락|텍스트|이야기|시|코드|단어|낱말|목록|표|대화|내용|본문|구절|지문|데이터|숫자"
    r"|방정식|수식|항목|문구|이메일|편지|문서|에세이|리뷰|진술|인용문|정보|재료)(?:들)?"
    r"(?:을|를|에서|에|의|이|가|은|는|와|과|으로|로)(?![가-힣])"
)
_IMPERATIVE_KO: Final = re.compile(r"(?:세요|시오|니다|하기|줘|라|까|인가요|나요)[.?!]?$")
# A text within the instruction: after a colon, on a new line or in quotes.
_INLINE_TEXT: Final = re.compile(
    r"[:\n]\s*\S|[\"“‘«「『<(\[{].{2,}[\"”’»」』>)\]}]|'.{3,}'|\d+\s*[,+*/=x×-]\s*\d|(?:,.*){2,}|[`]"
)
_NEXT_SENTENCE: Final = re.compile(r"[.?!]\s+\S+\s+\S+")  # ... or in a separate sentence
_CREATION_TASK: Final = re.compile(
    r"\b(?:create|generate|write|compose|make|come up with|imagine|invent|design|construct|form|build|given (?:a"
    r"|an|the)|using the given|a given|any given)\b|만드|만들|작성|생성|쓰세요"
    r"|써 ?주|지어"
)

_LONG_TEXT: Final = re.compile(
    r"\b(?:articles?|news|essay|reports?|passage|documents?|(?<!of )speech|papers?|blog post|stor(?:y|ies)"
    r"|chapter|transcript|dataset|data set|podcast|study)\b"
    r"|기사|뉴스|에세이|보고서|논문|문서|연설|블로그|이야기|지문|데이터 ?세트|데이터셋|연구"
)
_ANALYSIS_TASK: Final = re.compile(
    r"summar|key (?:points|takeaways|ideas|facts|information)|takeaways|main (?:points?|ideas?|arguments?"
    r"|themes?|message)|outline (?:of )?(?:the|this)|analy[sz]|critique"
    r"|synops|abstract|요약|핵심|요점|주요|분석|줄거리"
)

_HANGUL: Final = re.compile("[가-힣]")
# In these tasks the long text is the answer.
_WRITING_TASK: Final = re.compile(
    r"^(?:write|generate|create|construct|compose|develop|prepare|design)(?: me)? an? (?:[\w-]+ ){0,2}?(?:report"
    r"|paper|essay|outline|story|speech|blog|article|news|document"
    r"|presentation)\b|작성|쓰세요|써 ?주|지어"
)


def find_missing_input(view: View) -> Finding | None:
    """Return an instruction that refers to a text which input, instruction and conversation do not contain."""
    if view.input.strip() or view.row.get("turns") or view.has_choices:
        return None
    request = view.request
    match = (
        _TEXT_REFERENCE.search(request)
        if request.isascii() or not _IMPERATIVE_KO.search(request)
        else _TEXT_REFERENCE_KO.search(request)
    )
    if (
        match is None
        or view.is_technical_task
        or view.has_code_answer
        or _NEXT_SENTENCE.search(request, match.end())
        or _INLINE_TEXT.search(view.request)
        or _CREATION_TASK.search(request)
    ):
        return None
    return Finding("instruction", shorten(view.instruction))


def count_article_characters(view: View) -> float | None:
    """Return the length of the input if the task is about a long text, else None.

    A Hangul syllable counts as two letters because it carries about as much.
    """
    text = view.input.strip()
    if not text or view.has_choices or _WRITING_TASK.search(view.request):
        return None
    if not _LONG_TEXT.search(view.request) or not _ANALYSIS_TASK.search(view.request):
        return None
    return float(len(text) if text.isascii() else len(text) + len(_HANGUL.findall(text)))


CHECKS: Final[dict[str, Check]] = {"missing-input": find_missing_input}
METRICS: Final[dict[str, Metric]] = {"input-thin": count_article_characters}
