"""Find outputs that do not answer: copies of the question, refusals, and requests for more information."""

from __future__ import annotations

import re
from typing import Final

from seodang.i18n import Message
from seodang.ingest.rows import shorten
from seodang.validation.checks.row_view import Check, Finding, View, get_turns
from seodang.validation.checks.rule import Rule

RULES: Final = (
    Rule(
        id="output-equals-instruction",
        field="output",
        reason=Message("the output repeats the instruction and nothing else"),
        fix=Message("write the answer, or delete the row"),
    ),
    Rule(
        id="instruction-echo",
        field="output",
        reason=Message("the output begins with the entire instruction"),
        fix=Message("delete the repeated instruction"),
    ),
    Rule(
        id="output-equals-input",
        field="output",
        reason=Message("the output repeats the input and nothing else"),
        fix=Message("check whether the task leaves the input unchanged; otherwise write the answer"),
    ),
    Rule(
        id="refusal",
        field="output",
        reason=Message("the output only refuses"),
        fix=Message(
            "write the answer, or leave the row out; to teach refusals set expectations.actions.refusal to warn"
        ),
    ),
    Rule(
        id="asks-back",
        field="output",
        reason=Message("the output requests missing information instead of answering"),
        fix=Message(
            "add the missing information to the input and write the answer; leave the row as it is to "
            "teach such requests"
        ),
    ),
)

_NON_WORD: Final = re.compile(r"[\W_]+")
# These tasks may leave the text unchanged.
_EDITING_TASK: Final = re.compile(
    r"correct|grammar|spell|punctuat|edit\b|proofread|rewrite|rephrase|fix\b|sort|order|arrange|remove|duplicate"
    r"|translate|repeat|copy|capital|lower|upper|format|identify"
    r"|select|choose|extract|find|improve|insert|split|divide|break"
    r"|교정|수정|고치|고쳐|맞춤법|문법|정렬|순서|배열|제거|삭제|번역|반복|그대로|따라|바꾸|변환|찾|고르|선택"
    r"|추출|식별|다듬|띄어|구두점|쉼표|삽입|줄 ?바꿈|철자|다시"
)

_MIN_COPY_LETTERS: Final = 8  # the same greeting may answer a greeting

_APOLOGY_TASK: Final = re.compile(
    r"refus|declin|apolog|sorry|reject|cancel|excuse|politely|synonym|replace|dialogue|conversation|chatbot"
    r"|complain|customer|respond to|reply|translate|paraphrase|rewrite"
    r"|rephrase|sentence|role|story|letter|e-?mail|script"
    r"|사과|거절|거부|미안|죄송|취소|정중|대화|챗봇|불만|고객|답장|번역|문장(?!으로|만| ?이내| ?이하)|역할|이야기|편지|메일|대본|요약"
)
_REFUSAL_EN: Final = re.compile(
    r"(?:as an? (?:ai|artificial intelligence|(?:large )?language model|gpt)\b|i(?:'m| am) (?:just "
    r"|only )?an? (?:ai|artificial intelligence|(?:large )?language model)\b"
    r"|(?:i'?m |i am )?(?:very |so )?sorry,? ?(?:but )?,?(?:i(?:'m| am)? |this |that |as an )"
    r"|i apologi[sz]e,? but|unfortunately,? (?:i |this |as an )|i (?:can(?:'t|not)"
    r"|am (?:unable|not able) to) (?:fulfil|complet|provid|assist|help|answer|generat|creat|do |perform|access"
    r"|process|see |view|determin|give|respond|comply|identif|offer"
    r"|tell|writ|play|brows|open|summar|translat|analy|render|draw)"
    r"|i'm (?:unable|not able) |i do(?:n't| not) have (?:access|the ability|enough|the necessary"
    r"|any information)|this (?:type of )?(?:instruction|task|request"
    r"|question) can(?:not|'t) be"
    r"|it is not possible (?:for me )?to |not enough information|there is not enough information|no (?:image"
    r"|picture|input|article|text) (?:was |is |has been )?(?:provided"
    r"|given|attached))"
)
_CANNOT_EN: Final = re.compile(
    r"\b(?:can(?:'t|not)|unable|not able|not possible|don't have|do not have|not capable|not enough information"
    r"|wasn't provided|(?:was|is|been) (?:not )?(?:provided|given"
    r"|attached)|not have access|don't know|do not know)\b"
)
_CONTRAST_EN: Final = re.compile(
    r"\b(?:however|but (?:i can(?!'t|not| not)|here|generally|in general|if)|here (?:is|are)|instead,|that said"
    r"|nevertheless)\b"
)
_REFUSAL_KO: Final = re.compile(
    r"죄송|미안|안타깝|유감|아쉽|인공지능|인공 지능|ai |저는 (?:ai|인공|언어|해당|그 |이 |아직|오늘|현재|죄송"
    r"|알 )|이 (?:과제|작업|지시|명령|질문|요청|문제)|해당 |주어진 |제공된 |입력|지시|언어 ?모델|gpt|대답|답변"
    r"|정보가 부족"
)
_CANNOT_KO: Final = re.compile(
    r"(?:답변|대답|제공|수행|도와|도움|생성|처리|이해|작성|판단|알려|확인|말씀|추천|요약|분석|번역|실행|완료"
    r"|해결|응답|설명|평가|파악|답|알|할|볼|찾을|쓸)[^.]{0,8}(?:수 ?(?:가 |는 )?없|지 못|불가|어렵|않습니다)"
    r"|(?:정보|데이터|내용|입력|이미지|기사|문장|텍스트|글|자료|맥락)[^.]{0,6}(?:부족|없어|없습니다|없으"
    r"|주어지지 않|제공되지 않)|능력이 없|권한이 없|지원하지 않|가지고 있지 않|잘 모르|모르겠"
)
_CONTRAST_KO: Final = re.compile(r"(?<!죄송)(?<!미안)하지만|그러나|다만|대신|그렇지만|다음과 같")
# A reply to a customer does not mention language models, even if it apologizes.
_MODEL_ITSELF: Final = re.compile(
    r"\b(?:as an?|i(?:'m| am) (?:just |only )?an?) (?:ai\b|artificial intelligence|(?:large )?language model"
    r"|gpt)|(?:ai|인공 ?지능|언어 ?모델)[^.]{0,8}(?:로서|이기 때문|이므로|이라서|입니다)"
)
_ABOUT_MODELS: Final = re.compile(r"\bai\b|language model|chatbot|assistant|gpt|인공 ?지능|언어 ?모델|챗봇|비서")
_HEAD: Final = 160  # a refusal begins within so many characters


def find_equal_instruction(view: View) -> Finding | None:
    """Return an output that equals the instruction except for punctuation and case."""
    if (
        not view.answer
        or view.has_choices
        or abs(len(view.answer) - len(view.request)) > max(8, len(view.request) // 4)
    ):
        return None
    bare = _NON_WORD.sub("", view.answer.casefold())
    return (
        Finding("output", shorten(view.answer))
        if len(bare) >= _MIN_COPY_LETTERS and bare == _NON_WORD.sub("", view.instruction.casefold())
        else None
    )


def find_echo(view: View) -> Finding | None:
    """Return an output that begins with the entire instruction and continues after it."""
    instruction = view.instruction.strip().rstrip(".?!:")
    if len(instruction) < 2 * _MIN_COPY_LETTERS or len(view.answer) < len(instruction) + _MIN_COPY_LETTERS:
        return None
    return Finding("output", shorten(view.answer)) if view.answer.lstrip("\"'“‘ ").startswith(instruction) else None


def find_equal_input(view: View) -> Finding | None:
    """Return an output that equals the input although the task would change it."""
    text = view.input.strip()
    if not text or abs(len(view.answer) - len(text)) > 8 or view.has_choices:
        return None
    same = view.answer.casefold().split() == text.casefold().split()
    return Finding("output", shorten(view.answer)) if same and not _EDITING_TASK.search(view.request) else None


def _has_tools(view: View) -> bool:
    """Return whether the record offers tools: a model may refuse tasks that no tool can do."""
    system = view.row.get("system")
    return (isinstance(system, str) and _TOOLS.search(system) is not None) or any(
        turn.get("role") in {"tool_call", "tool"} for turn in get_turns(view.row)
    )


_TOOLS: Final = re.compile(r"\b(?:functions?|tools?|parameters)\b|함수|도구", re.IGNORECASE)


def find_refusal(view: View) -> Finding | None:
    """Return an output that only refuses: it gives no answer, and the task does not request a refusal."""
    text = view.answer
    if not text or len(text) > view.limits.max_refusal_characters or view.has_choices or _has_tools(view):
        return None
    low = text.lower().replace("’", "'")
    head = low[:_HEAD]
    if text.isascii() or "a" <= head[0] <= "z":
        is_refusal = (
            _REFUSAL_EN.match(head) is not None and _CANNOT_EN.search(low) is not None and not _CONTRAST_EN.search(low)
        )
    else:
        is_refusal = (
            _REFUSAL_KO.match(head) is not None and _CANNOT_KO.search(head) is not None and not _CONTRAST_KO.search(low)
        )
    is_requested = _APOLOGY_TASK.search(view.task_text) is not None and (
        _MODEL_ITSELF.search(head) is None or _ABOUT_MODELS.search(view.task_text) is not None
    )
    return Finding("output", shorten(text)) if is_refusal and not is_requested else None


_CLARIFICATION: Final = re.compile(
    r"\b(?:please|could you|can you|kindly) (?:also )?(?:provide|share|specify|give me|enter|clarify|supply"
    r"|tell me|let me know)\b|\bwhat (?:would you like|exactly do you)\b"
    r"|(?:정보|입력 ?값?|내용|텍스트|문장|사항|데이터|기사|글|자료|조건|주제|예시|이미지|파일|링크)(?:을|를|이"
    r"|가)? ?(?:더 |추가로 |먼저 |다시 |자세히 |구체적으로 )?(?:입력|제공|알려|공유|말씀|제시)(?:해"
    r"|하여)? ?(?:주세요|주시|주십|주실|주신)"
    r"|(?:추가|더 많은|더 자세한|더 구체적인)[^.]{0,14}필요합니다\.?$|^입력이 필요",
    re.IGNORECASE,
)
_CLARIFICATION_HINT: Final = re.compile(
    "[Pp]lease|[Yy]ou|[Kk]indly|주세요|주[시십실신]|필요"
)  # a cheap test before the long pattern
_QUESTION_TASK: Final = re.compile(
    r"question|e-?mail|letter|message|customer|dialogue|conversation|chat|ask|request|interview|survey|form"
    r"|instruction|write|rewrite|rephrase|translate|sentence|polite"
    r"|command|script|role"
    r"|질문|메일|편지|메시지|고객|대화|챗|묻|물어|요청|인터뷰|설문|양식|지침|지시|번역|문장|정중|명령|대본|역할"
    r"|작성|안내"
)


def find_clarification(view: View) -> Finding | None:
    """Return a short output that requests missing information, unless the task is to write a question or message."""
    text = view.answer
    if (
        not text
        or len(text) > view.limits.max_refusal_characters
        or view.has_choices
        or _CLARIFICATION_HINT.search(text) is None
    ):
        return None
    return (
        Finding("output", shorten(text))
        if _CLARIFICATION.search(text) and not _QUESTION_TASK.search(view.request)
        else None
    )


CHECKS: Final[dict[str, Check]] = {
    "output-equals-instruction": find_equal_instruction,
    "instruction-echo": find_echo,
    "output-equals-input": find_equal_input,
    "refusal": find_refusal,
    "asks-back": find_clarification,
}
