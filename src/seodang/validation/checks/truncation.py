"""Check how an output ends: truncated, in a loop, or in stray quotes; and how much it repeats."""

from __future__ import annotations

import re
from typing import Final

from seodang.i18n import Message
from seodang.ingest.rows import shorten
from seodang.validation.checks.row_view import Check, Finding, Metric, Repairer, View
from seodang.validation.checks.rule import Rule

RULES: Final = (
    Rule(
        id="truncated",
        field="output",
        reason=Message("the output ends in the middle of a sentence, a list or code"),
        fix=Message("complete the answer; check the length limit of the model or tool that wrote it"),
    ),
    Rule(
        id="repetition",
        field="output",
        reason=Message("the ratio of four-word sequences that occur again in the output is above {limit}"),
        fix=Message("delete the repetitions, or raise expectations.limits.max_repeated_ratio in params.yaml"),
        maximum="max_repeated_ratio",
    ),
    Rule(
        id="loop",
        field="output",
        reason=Message(
            "the output ends by repeating the same text more than {limit} time",
            plural="the output ends by repeating the same text more than {limit} times",
        ),
        fix=Message("delete the repetitions, or leave the row out"),
        maximum="max_loop",
    ),
    Rule(
        id="output-quoted",
        field="output",
        reason=Message("the entire output is in one pair of quotes, or a single quote remains at its beginning or end"),
        fix=Message("remove the quotes, as repair does"),
        repairable=True,
    ),
)

_ENDS_OPEN_EN: Final = re.compile(
    r"(?:^|[ \n])(?:the|a|an|of|to|and|or|with|for|from|by|as|but|because|their|its|our|your|which|whose|than"
    r"|into|is|are|was|were|be|if|when|such as|in order|will|would"
    r"|should|can)$",
    re.IGNORECASE,
)
_ENDS_OPEN_KO: Final = re.compile(
    r"(?:[가-힣](?:를|(?<![마가노고])을|하며|하고|되고|하는|되는|위한|대한|통한|으로써|면서|지만|하여|되어"
    r"|에서는|에게|라는|다는)|(?:^|\s)(?:그리고|또는|또한|및|하지만|그러나|예를 들어|위해|통해|대해))$"
)
# After these words even a short answer goes on.
_ENDS_OPEN_ALWAYS: Final = re.compile(
    r" (?:the|an|and|or|(?<!just )because|their|our|your|whose|such as|in order)$"
    r"|\S (?:\S+(?:를|(?<![마가노고])을)|\S+[을를] (?:위한|통한)|\S+에 대한|그리고|또는|하지만|그러나|예를 들어)$|[입습합됩]니$"
)
_ENDS_OPEN_SIGN: Final = re.compile(r"[(\[{‘“«·+=&]$|\S+(?: \S+){4,}[,:]$|(?<=\w) [-–—]$|\n(?:\d{1,2}[.)]|[-*•])$")
# A complete sentence, then at least four words without an end. A word precedes the full stop: "5. Rest" is a list item.
_LINE_OF_PROSE: Final = re.compile(r"[^\W\d]{2,}[.!?][\"'”’)]? +([^.!?]{12,})$")
_ITEM: Final = re.compile(r"\s*(?:\d{1,3}[.):]|[-*•]|[a-z][.)])\s")
_MAX_SENTENCE_CHARACTERS: Final = 600  # the check reads so many characters from the end
# Endings of a Korean sentence, or of the last word of a list, without a full stop.
_SENTENCE_END_KO: Final = re.compile(r"(?:[다요죠까음함됨임기것등지네군라자오세점법력성률제수])$")
_MIN_PROSE_CHARACTERS: Final = 120  # a length limit, the usual cause, does not cut shorter answers
MIN_CUT_CHARACTERS: Final = 40  # a shorter answer may end without punctuation
SENTENCE_END: Final = re.compile(r"[.!?…\"'”’)\]}`。~*>]$")


def find_truncated(view: View) -> Finding | None:
    """Return the end of a truncated output."""
    text = view.answer
    if view.has_choices or not (has_open_code(text) or (ends_cut(text) and not view.is_technical)):
        return None
    return Finding("output", shorten(f"…{text[-MIN_CUT_CHARACTERS:]}"))


def has_open_code(text: str) -> bool:
    """Return whether a block of code in the text does not end."""
    return len(text) >= MIN_CUT_CHARACTERS and text.count("```") % 2 == 1 and not text.endswith("```")


def ends_cut(text: str) -> bool:
    """Return whether a text ends in the middle of a sentence or a list."""
    if len(text) < MIN_CUT_CHARACTERS or SENTENCE_END.search(text):
        return False
    tail = text[-MIN_CUT_CHARACTERS:]
    return (
        _ENDS_OPEN_SIGN.search(tail[tail.rfind("\n") :]) is not None
        or _ENDS_OPEN_EN.search(tail) is not None
        or _ENDS_OPEN_KO.search(tail) is not None
        or _is_cut_off(text)
    )


def ends_open(text: str) -> bool:
    """Return whether a text of any length ends with a word that no sentence ends with."""
    return _ENDS_OPEN_ALWAYS.search(text[-MIN_CUT_CHARACTERS:]) is not None


def _is_cut_off(text: str) -> bool:
    """Return whether the last line holds a complete sentence and then one without an end."""
    line = text[text.rfind("\n") + 1 :][-_MAX_SENTENCE_CHARACTERS:]
    match = _LINE_OF_PROSE.search(line) if len(text) >= _MIN_PROSE_CHARACTERS else None
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


_NGRAM_WORDS: Final = 4
_REFRAIN: Final = re.compile(
    r"\b(?:songs?|lyrics?|poems?|rap|chant|verse|chorus|repeat\w*|copy)\b|노래|가사|(?<![가-힣])시(?:를|의|로)"
    r"|반복|되풀이"
)
_MIN_NGRAMS: Final = 12  # in a shorter text a single repeated phrase would decide the ratio


def compute_repetition_ratio(view: View) -> float | None:
    """Return the ratio (0 to 1) of four-word sequences in the output that occur earlier in it."""
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
    """Return how many times the end of the output repeats; a run of one or two characters, such as dashes, gives 1."""
    if not isinstance(view.row["output"], str):
        return None
    text = view.answer
    if len(text) < MIN_CUT_CHARACTERS:
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
_QUOTATION_TASK: Final = re.compile(
    r"quot|인용|명언|따옴표|\bstring|문자열|\bjson\b|\bcsv\b|격언|속담|dialog|[\"“]\s*[\"”]"  # the last: an empty pair
)


def strip_quotes(text: str) -> str:
    """Return the text without its enclosing pair of quotes, or without a single quote at its beginning or end."""
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
    """Return an output in stray quotes, unless the task requests a quotation."""
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
