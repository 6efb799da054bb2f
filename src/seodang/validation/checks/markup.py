"""Find remains of web pages, chat formats and prompts in texts that should be plain."""

from __future__ import annotations

import html
import re
from html.entities import html5
from typing import Final

from seodang.i18n import Message
from seodang.validation.checks.row_view import Check, Finding, Repairer, View, create_finding, search
from seodang.validation.checks.rule import Rule

RULES: Final = (
    Rule(
        id="special-token",
        field="record",
        reason=Message("the text contains special tokens of a chat format (<|im_start|>, </s>, [INST] and the like)"),
        fix=Message("remove the chat format in the source, and keep the messages"),
    ),
    Rule(
        id="prompt-marker",
        field="record",
        reason=Message(
            "the text contains headings of a prompt template (### Instruction:, ### Response: and the like)"
        ),
        fix=Message("delete the headings in the source: training adds the prompt template"),
    ),
    Rule(
        id="html-entity",
        field="record",
        reason=Message("the text contains undecoded HTML character references (&amp;, &#39; and the like)"),
        fix=Message("replace them with the characters they stand for, as repair does"),
        repairable=True,
    ),
    Rule(
        id="html-break",
        field="record",
        reason=Message("the text contains HTML tags that end a line or a paragraph (<br>, <p>)"),
        fix=Message("replace them with line feeds, as repair does"),
        repairable=True,
    ),
    Rule(
        id="html-tag",
        field="record",
        reason=Message("the text contains HTML tags"),
        fix=Message("keep only the text; if HTML is the task, let the instruction say so"),
    ),
)

_SPECIAL: Final = re.compile(
    r"<\|[A-Za-z][\w ]{0,30}\|>|<\uff5c[^<>\n]{1,30}\uff5c>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_(?:turn"
    r"|text)>|<(?:bos|eos|pad|unk)>|\[(?:BOS|EOS|gMASK|sop)\]"
)
PROMPT_MARKER: Final = (
    r"(?im)^#{2,3} ?(?:Instruction|Input|Response|Human|Assistant|User|System|지시|지시문|명령|명령어|질문|입력|답변"
    r"|답|응답|사용자|맥락)\s*:"
    r"|^<(?:human|bot|assistant|user)>:|Below is an instruction that describes a task|아래는 작업을 설명하는"
)
_MARKER: Final = re.compile(PROMPT_MARKER)
_ENTITY: Final = re.compile(r"&(?:([A-Za-z][A-Za-z0-9]{1,30})|#(\d{1,7})|#[xX]([0-9A-Fa-f]{1,6}));")
_BREAK: Final = re.compile(r"<br\s*/?>|</?p(?:\s[^<>]{0,200})?>", re.IGNORECASE)
_TAG: Final = re.compile(
    r"</?(?:div|span|a|b|i|u|em|strong|font|table|tbody|thead|tr|td|th|ul|ol|li|h[1-6]|img|script|style|body"
    r"|html|head|iframe|center|blockquote|pre|code|sup|sub|small|hr)"
    r"(?:\s+[\w:-]+\s*=[^<>]{0,200})?\s*/?>",
    re.IGNORECASE,
)
# These tasks mark a part of a text.
_EMPHASIS: Final = re.compile(r"\b(?:bold|highlight|italic|underline|mark|colou?r)|굵게|강조|기울|밑줄|표시|색")

_BLANKS: Final = {0x09: "\t", 0x0A: "\n", 0x0D: "", 0xA0: " "}


def _decode_reference(match: re.Match[str]) -> str:
    """Return the character that a reference stands for; the reference itself if it stands for none."""
    name, decimal, hexadecimal = match.groups()
    if name:
        letter = html5.get(f"{name};", match.group())
        return " " if letter == "\xa0" else letter
    code = int(decimal) if decimal else int(hexadecimal, 16)
    if code in _BLANKS:
        return _BLANKS[code]
    return html.unescape(match.group()) if code <= 0x10FFFF and chr(code).isprintable() else match.group()


def find_entity(view: View) -> Finding | None:
    """Return the first reference that stands for a character, unless the record is about markup or code."""
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
    """Return a special token, unless the record is about tokens or code."""
    text = view.full_text
    if "<" not in text and "[" not in text:
        return None
    finding = search(view, _SPECIAL)
    return None if finding is None or view.is_technical else finding


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
