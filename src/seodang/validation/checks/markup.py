"""What is left of web pages, chat formats and prompts in a text that should be plain."""

from __future__ import annotations

import html
import re
from html.entities import html5
from typing import Final

from seodang.validation.checks.row_view import Check, Finding, Repairer, View, create_finding, search
from seodang.validation.checks.rule import Rule

RULES: Final = (
    Rule(
        id="special-token",
        field="record",
        reason_ko="대화 형식의 특수 토큰(<|im_start|>, </s>, [INST] 따위)이 글로 들어 있습니다",
        reason_en="special tokens of a chat format (<|im_start|>, </s>, [INST] and the like) stand in the text",
        fix_ko="원본에서 대화 형식을 벗기고 말만 남기세요",
        fix_en="take the chat format off at the source, and keep what was said",
    ),
    Rule(
        id="prompt-marker",
        field="record",
        reason_ko="프롬프트 틀의 머리말(### Instruction:, ### 답변: 따위)이 글로 들어 있습니다",
        reason_en="headings of a prompt template (### Instruction:, ### Response: and the like) stand in the text",
        fix_ko="틀은 학습할 때 붙습니다. 원본에서 지우세요",
        fix_en="the template is put around it for training; delete it at the source",
    ),
    Rule(
        id="html-entity",
        field="record",
        reason_ko="풀리지 않은 HTML 문자 참조(&amp;, &#39; 따위)가 있습니다",
        reason_en="HTML character references (&amp;, &#39; and the like) were left as they are",
        fix_ko="그것이 뜻하는 글자로 바꾸세요. repair가 그렇게 합니다",
        fix_en="write the letters they stand for, as repair does",
        repairable=True,
    ),
    Rule(
        id="html-break",
        field="record",
        reason_ko="줄이나 문단을 나누는 HTML 태그(<br>, <p>)가 남아 있습니다",
        reason_en="HTML tags that end a line or a paragraph (<br>, <p>) were left in",
        fix_ko="줄바꿈으로 바꾸세요. repair가 그렇게 합니다",
        fix_en="make them line feeds, as repair does",
        repairable=True,
    ),
    Rule(
        id="html-tag",
        field="record",
        reason_ko="HTML 태그가 남아 있습니다",
        reason_en="HTML tags were left in",
        fix_ko="글만 남기세요. HTML이 과제라면 지시문에서 그렇게 말하세요",
        fix_en="keep the text alone; if HTML is the task, let the instruction say so",
    ),
)

_SPECIAL: Final = re.compile(
    r"<\|[A-Za-z][\w ]{0,30}\|>|<\uff5c[^<>\n]{1,30}\uff5c>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_(?:turn|text)>|<(?:bos|eos|pad|unk)>|\[(?:BOS|EOS|gMASK|sop)\]"
)
_MARKER: Final = re.compile(
    r"^#{2,3} ?(?:Instruction|Input|Response|Human|Assistant|User|System|지시|지시문|명령|명령어|질문|입력|답변|답|응답|사용자|맥락)\s*:"
    r"|^<(?:human|bot|assistant|user)>:|Below is an instruction that describes a task|아래는 작업을 설명하는",
    re.MULTILINE | re.IGNORECASE,
)
_ENTITY: Final = re.compile(r"&(?:([A-Za-z][A-Za-z0-9]{1,30})|#(\d{1,7})|#[xX]([0-9A-Fa-f]{1,6}));")
_BREAK: Final = re.compile(r"<br\s*/?>|</?p(?:\s[^<>]{0,200})?>", re.IGNORECASE)
_TAG: Final = re.compile(
    r"</?(?:div|span|a|b|i|u|em|strong|font|table|tbody|thead|tr|td|th|ul|ol|li|h[1-6]|img|script|style|body|html|head|iframe|center|blockquote|pre|code|sup|sub|small|hr)"
    r"(?:\s+[\w:-]+\s*=[^<>]{0,200})?\s*/?>",
    re.IGNORECASE,
)
# Tasks that mark a part of a text.
_EMPHASIS: Final = re.compile(r"\b(?:bold|highlight|italic|underline|mark|colou?r)|굵게|강조|기울|밑줄|표시|색")


def _decode_reference(match: re.Match[str]) -> str:
    """Return the letter that a reference stands for; the reference itself where that is no letter."""
    name, decimal, hexadecimal = match.groups()
    if name:
        letter = html5.get(f"{name};", match.group())
        return " " if letter == "\xa0" else letter
    code = int(decimal) if decimal else int(hexadecimal, 16)
    if code == 0xA0:
        return " "
    return html.unescape(match.group()) if code <= 0x10FFFF and chr(code).isprintable() else match.group()


def find_entity(view: View) -> Finding | None:
    """Return the first reference that stands for a letter, unless the record is about markup or code."""
    if "&" not in view.full_text or view.is_technical:
        return None
    for field, text in view.texts:
        for match in _ENTITY.finditer(text):
            if _decode_reference(match) != match.group():
                return create_finding(field, text, match.start())
    return None


def _create_tag_check(pattern: re.Pattern[str]) -> Check:
    return lambda view: search(view, pattern) if "<" in view.full_text and not view.is_technical else None


def find_special_token(view: View) -> Finding | None:
    """Return special-token text, unless the record is about tokens or code."""
    text = view.full_text
    if "<" not in text and "[" not in text:
        return None
    found = search(view, _SPECIAL)
    return None if found is None or view.is_technical else found


def _replace_breaks(text: str, view: View) -> str:
    lines = _BREAK.sub(lambda match: "" if match.group()[1] in "pP" else "\n", text)
    return re.sub(r"\n{3,}", "\n\n", lines).strip() if lines != text else text


CHECKS: Final[dict[str, Check]] = {
    "special-token": find_special_token,
    "prompt-marker": lambda view: (
        search(view, _MARKER)
        if "#" in view.full_text or ">:" in view.full_text or "elow is" in view.full_text or "아래는" in view.full_text
        else None
    ),
    "html-entity": find_entity,
    "html-break": _create_tag_check(_BREAK),
    "html-tag": lambda view: (
        None if "<" not in view.full_text or _EMPHASIS.search(view.task_text) else _create_tag_check(_TAG)(view)
    ),
}
REPAIRERS: Final[dict[str, Repairer]] = {
    "html-entity": lambda text, view: _ENTITY.sub(_decode_reference, text),
    "html-break": _replace_breaks,
}
