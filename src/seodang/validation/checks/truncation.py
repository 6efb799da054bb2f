"""How an output runs and ends: broken off, going round, in stray quotes."""

from __future__ import annotations

import re
from typing import Final

from seodang.ingest.rows import shorten
from seodang.validation.checks.row_view import Check, Finding, Metric, Repairer, View
from seodang.validation.checks.rule import Rule

RULES: Final = (
    Rule(
        id="truncated",
        field="output",
        reason_ko="답이 문장이나 목록, 코드 가운데서 끊겼습니다",
        reason_en="the output breaks off in the middle of a sentence, a list or code",
        fix_ko="답을 끝까지 적으세요. 만들 때의 길이 제한을 보세요",
        fix_en="finish the answer; look at the length limit it was made with",
    ),
    Rule(
        id="repetition",
        field="output",
        reason_ko="답에서 되풀이된 네 낱말 묶음의 비율이 {limit}보다 높습니다",
        reason_en="the share of four-word groups that occur again in the output is above {limit}",
        fix_ko="되풀이를 지우거나 params.yaml의 expectations.limits.max_repeated_share를 키우세요",
        fix_en="delete what is repeated, or raise expectations.limits.max_repeated_ratio in params.yaml",
        maximum="max_repeated_ratio",
    ),
    Rule(
        id="loop",
        field="output",
        reason_ko="답이 같은 말을 {limit}번 넘게 되풀이하며 끝납니다",
        reason_en="the output ends by saying the same more than {limit} times",
        fix_ko="되풀이를 지우거나 그 행을 빼세요",
        fix_en="delete what is repeated, or leave the row out",
        maximum="max_loop",
    ),
    Rule(
        id="output-quoted",
        field="output",
        reason_ko="답 전체가 따옴표 한 쌍에 싸여 있거나 앞이나 뒤에 따옴표 하나만 남아 있습니다",
        reason_en="the whole output is in one pair of quotes, or one quote is left at its beginning or end",
        fix_ko="따옴표를 벗기세요. repair가 그렇게 합니다",
        fix_en="take the quotes off, as repair does",
        repairable=True,
    ),
)

_ENDS_OPEN_EN: Final = re.compile(
    r"(?:^|[ \n])(?:the|a|an|of|to|and|or|with|for|from|by|as|but|because|their|its|our|your|which|whose|than|into|is|are|was|were|be|if|when|such as|in order|will|would"
    r"|should|can)$",
    re.IGNORECASE,
)
_ENDS_OPEN_KO: Final = re.compile(
    r"(?:[가-힣](?:를|(?<![마가노고])을|하며|하고|되고|하는|되는|위한|대한|통한|으로써|면서|지만|하여|되어|에서는|에게|라는|다는)|(?:^|\s)(?:그리고|또는|또한|및|하지만|그러나|예를 들어|위해|통해|대해))$"
)
_ENDS_OPEN_SIGN: Final = re.compile(r"[(\[{‘“«·+=&]$|\S+(?: \S+){4,}[,:]$|(?<=\w) [-–—]$|\n(?:\d{1,2}[.)]|[-*•])$")
# A whole sentence, then at least four words without an end. What stands before the full stop is a word: "5. Rest" is an item of a list.
_LINE_OF_PROSE: Final = re.compile(r"[^\W\d]{2,}[.!?][\"'”’)]? +([^.!?]{12,})$")
_ITEM: Final = re.compile(r"\s*(?:\d{1,3}[.):]|[-*•]|[a-z][.)])\s")
# How a Korean sentence or a list's last word ends without a full stop.
_MAX_SENTENCE_CHARACTERS: Final = 600  # characters from the end that are looked at
_SENTENCE_END_KO: Final = re.compile(r"(?:[다요죠까음함됨임기것등지네군라자오세점법력성률제수])$")
_MIN_CUT_CHARACTERS: Final = 120  # characters: what cuts answers is a limit on length
_MIN_CHARACTERS: Final = 40  # characters; in a shorter answer an end without a sign means nothing


def find_truncated(view: View) -> Finding | None:
    """Return the end of an output that breaks off."""
    text = view.answer
    if len(text) < _MIN_CHARACTERS or view.has_choices:
        return None
    tail = text[-_MIN_CHARACTERS:]
    if text.count("```") % 2 and not text.endswith("```"):
        return Finding("output", shorten(f"…{tail}"))
    if text[-1] in ".!?…\"'”’)]}`。~*>":
        return None
    if (
        _ENDS_OPEN_SIGN.search(tail[tail.rfind("\n") :])
        or _ENDS_OPEN_EN.search(tail)
        or _ENDS_OPEN_KO.search(tail)
        or _is_cut_off(text)
    ):
        return None if view.is_technical else Finding("output", shorten(f"…{tail}"))
    return None


def _is_cut_off(text: str) -> bool:
    """Return whether the last line holds a whole sentence and then one without an end."""
    line = text[text.rfind("\n") + 1 :][-_MAX_SENTENCE_CHARACTERS:]
    match = _LINE_OF_PROSE.search(line) if len(text) >= _MIN_CUT_CHARACTERS else None
    if match is None or not text[-1].isalpha() or _ITEM.match(line) or "#" in match[1] or ":" in match[1]:
        return False
    if "가" <= text[-1] <= "힣":
        return (
            _SENTENCE_END_KO.search(text) is None
            and match[1].count(",") < 2
            and " - " not in match[1]
            and match[1][0] != "-"
        )
    return text[-1].isascii() and text[-1].islower() and len(match[1].split()) >= 4


_NGRAM_WORDS: Final = 4  # words
_REFRAIN: Final = re.compile(
    r"\b(?:songs?|lyrics?|poems?|rap|chant|verse|chorus|repeat\w*|copy)\b|노래|가사|(?<![가-힣])시(?:를|의|로)|반복|되풀이"
)
_MIN_NGRAMS: Final = 12  # with less, one phrase said twice makes the share


def compute_repetition_ratio(view: View) -> float | None:
    """Return the share (0 to 1) of four-word groups of the output that occurred before in it."""
    if not isinstance(view.row["output"], str):
        return None
    words = view.output.split()
    count = len(words) - _NGRAM_WORDS + 1
    if count < _MIN_NGRAMS or "|" in words:
        return 0.0
    ratio = 1 - len(set(zip(words, words[1:], words[2:], words[3:], strict=False))) / count
    return 0.0 if ratio and (view.is_technical or _REFRAIN.search(view.request)) else ratio


_MAX_PERIOD: Final = 60  # characters
_REPETITION_TASK: Final = re.compile(r"repeat|times|copy|loop|반복|되풀이|번 |소리|의성어")


def count_loops(view: View) -> float | None:
    """Return how often the output's end repeats itself; strings of one sign, such as a rule of dashes, are no loop."""
    if not isinstance(view.row["output"], str):
        return None
    text = view.answer
    if len(text) < _MIN_CHARACTERS:
        return 1.0
    position = len(text) - 1
    while (position := text.rfind(text[-1], max(0, len(text) - 1 - _MAX_PERIOD), position)) >= 0:
        length = len(text) - 1 - position
        unit = text[-length:]
        if text.endswith(unit * 3) and len(set(unit)) > 2 and not _REPETITION_TASK.search(view.request):
            count = 3
            while text.endswith(unit * (count + 1)):
                count += 1
            return float(count)
    return 1.0


_PAIRS: Final = {'"': '"', "“": "”", "'": "'", "‘": "’", "«": "»"}
_QUOTATION_TASK: Final = re.compile(r"quot|인용|명언|따옴표|\bstring|문자열|\bjson\b|\bcsv\b|격언|속담|dialog")


def strip_quotes(text: str) -> str:
    """Return the text without a pair of quotes around all of it, or without a lone one at its beginning or end."""
    stripped = text.strip()
    if len(stripped) < 3:
        return text
    first, last = stripped[0], stripped[-1]
    inner = stripped[1:-1]
    if _PAIRS.get(first) == last and not set(inner) & {first, last} and inner.strip():
        return inner.strip()
    if stripped.count('"') == 1:
        if first == '"':
            return stripped[1:].strip()
        if last == '"' and not stripped[-2].isdigit():
            return stripped[:-1].strip()
    return text


def find_stray_quotes(view: View) -> Finding | None:
    """Return an output in stray quotes, unless a quotation is asked for."""
    text = view.answer
    if not text or (text[0] not in _PAIRS and text[-1] != '"') or view.has_choices:
        return None
    if (
        strip_quotes(text) == text
        or view.input.lstrip()[:1] in _PAIRS
        or view.is_technical
        or _QUOTATION_TASK.search(view.request)
    ):
        return None
    return Finding("output", shorten(text))


CHECKS: Final[dict[str, Check]] = {"truncated": find_truncated, "output-quoted": find_stray_quotes}
METRICS: Final[dict[str, Metric]] = {"repetition": compute_repetition_ratio, "loop": count_loops}
REPAIRERS: Final[dict[str, Repairer]] = {"output-quoted": lambda text, view: strip_quotes(text)}
