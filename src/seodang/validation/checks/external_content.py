"""Find tasks that depend on links, images, sounds or files, which a text model cannot open."""

from __future__ import annotations

import re
from typing import Final

from seodang.i18n import Message
from seodang.ingest.rows import shorten
from seodang.validation.checks.placeholders import is_empty_placeholder
from seodang.validation.checks.row_view import Check, Finding, View, create_finding
from seodang.validation.checks.rule import Rule

RULES: Final = (
    Rule(
        id="external-link",
        field="record",
        reason=Message("the task depends on the content of a link, which the model cannot open"),
        fix=Message("put the content into the input as text, or leave the row out"),
    ),
    Rule(
        id="external-media",
        field="record",
        reason=Message(
            "the task depends on an image, a sound, a video or an attachment, which the model cannot see or hear"
        ),
        fix=Message("describe its content as text in the input, or leave the row out"),
    ),
)

_URL: Final = re.compile(
    r"https?://\S+|(?<![A-Za-z0-9])www\.\S+|(?<![@\w.-])[a-z0-9-]{2,}\.(?:com|org|net|edu|gov|io|co\.kr|or\.kr"
    r"|go\.kr|kr|co\.uk)(?:/\S*)?(?![\w@])"
)
_URL_MARKERS: Final = ("http", "www.", ".com", ".org", ".net", ".kr", ".edu", ".gov", ".io", ".co.uk")
_ABOUT_CONTENT: Final = re.compile(
    r"summar|article|analy[sz]|page|website|site|read|visit|extract|identif|critique|evaluat|apprais|assess"
    r"|review|rate|describe|outline|find|key points|main|watch|listen"
    r"|explain|discuss|what|who|design"
    r"|요약|기사|분석|페이지|사이트|읽|방문|추출|평가|설명|영상|내용|찾|블로그|링크|주소|무엇|디자인"
)
_ABOUT_ADDRESS: Final = re.compile(
    r"(?<![a-z])urls?(?![a-z])|shorten|domain|hyperlink|html|css|python|script|function|program|anchor|parse"
    r"|protocol|valid|cit(?:e|ation)|reference|bibliograph|format|e-?mail|regex|\bip\b"
    r"|도메인|단축|하이퍼링크|형식|인용|참고 ?문헌|유효|정규식|메일|코드"
)

_MEDIUM: Final = (
    r"(?:image|picture|photo|photograph|painting|drawing|video|clip|audio|recording|screenshot|attachment"
    r"|attached file|gif|cartoon|comic|illustration)s?"
)
_MEDIA: Final = re.compile(
    rf"\b(?:this|the (?:following|given|attached|above|below|provided|accompanying)) (?:\w+ )?{_MEDIUM}\b"
    rf"|\b(?:in|of|from|about|describe|caption|for|analyze|identify) (?:the|this) (?:\w+ )?(?:image|picture"
    rf"|photo|photograph|painting|video|audio|recording"
    rf"|screenshot)s?(?: (?:below|above|attached|provided))?\s*[.?:]?$"
    r"|\b(?:see|is|are|files?|images?|documents?) attached\b|\battached (?:file|image|document|picture|photo"
    r"|spreadsheet|pdf)\b|\bsee attachment\b"
    r"|(?<![가-힣])(?:이|다음|아래|위|위의|아래의|첨부된?|첨부한|주어진|제시된|제공된) ?(?:그림|이미지|사진|영상"
    r"|동영상|비디오|오디오|음성|녹음|첨부 ?파일|스크린샷|삽화|만화)(?!작가|책)"
)
_MEDIUM_WORD: Final = re.compile(
    "image|picture|photo|paint|draw|video|clip|audio|record|screens|attach|gif|carto|comic|illustr|그림|이미지"
    "|사진|영상|비디오|오디오|음성|녹음|첨부|스크린|삽화|만화"
)
_MEDIA_TOKENS: Final = ("<image>", "<video>", "<audio>")  # multimodal data sets mark a medium with them
_MAX_NAME_CHARACTERS: Final = 200  # a longer input is more than the name of a file or image
_MEDIA_INPUT: Final = re.compile(
    r"^\W*(?:an? )?(?:image|picture|photo|video|audio|이미지|사진|그림|동영상|영상)\W*(?:$|[:\]])"
    r"|^\W*[\w/ .-]+\.(?:jpe?g|png|gif|mp[34]|wav|avi|mov|pdf|docx?|xlsx?|pptx?)\W*$"
    r"|^[\[(<](?:an? |link to |attached )?(?:image|picture|photo|painting|video|audio|attach|이미지|사진|그림"
    r"|영상|동영상|첨부)[^\])>]{0,80}[\])>]$"
)


def find_link(view: View) -> Finding | None:
    """Return a link whose content the task needs.

    A text of `min_article_characters` beside the link is taken for its content.
    """
    if not any(marker in view.task_text for marker in _URL_MARKERS) or view.has_code_answer:
        return None
    if (
        len(_URL.sub("", view.input)) >= view.limits.min_article_characters
        or _ABOUT_ADDRESS.search(_URL.sub("", view.request))
        or not _ABOUT_CONTENT.search(view.request)
    ):
        return None
    for field, text in (("instruction", view.instruction), ("input", view.input)):
        if match := _URL.search(text):
            return create_finding(field, text, match.start())
    return None


def find_media(view: View) -> Finding | None:
    """Return the mention of an image, a sound or a file that the record does not describe."""
    text = view.input.strip()
    if text and (
        (len(text) <= _MAX_NAME_CHARACTERS and _MEDIA_INPUT.search(text.lower()))
        or any(token in text for token in _MEDIA_TOKENS)
    ):
        return Finding("input", shorten(text))
    if (
        _MEDIUM_WORD.search(view.request) is None
        or (text and not is_empty_placeholder(text))
        or _INLINE_TEXT.search(view.request)
    ):
        return None
    match = _MEDIA.search(view.request)
    return create_finding("instruction", view.request, match.start()) if match else None


_INLINE_TEXT: Final = re.compile(r":\s*\S|\n\s*\S|[\"“].{10,}[\"”]")

CHECKS: Final[dict[str, Check]] = {"external-link": find_link, "external-media": find_media}
