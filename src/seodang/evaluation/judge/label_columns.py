"""Names and values in files of human labels, in English and Korean. Pure."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

_NOT_LETTERS: Final = re.compile(r"[\W_]+")
# Field -> names, the preferred one first, as normalize_name returns them.
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("questionid", "id", "qid", "item", "itemid", "pairid", "번호", "문항번호", "문항", "질문번호", "아이디"),
    "question": (
        *("question", "prompt", "instruction", "query", "request"),
        *("질문", "질의", "지시문", "지시", "문제", "프롬프트"),
    ),
    "answer_a": (
        *("answera", "responsea", "outputa", "a", "answer1", "response1"),
        *("답변a", "응답a", "답a", "모델a답변", "답변1", "응답1"),
    ),
    "answer_b": (
        *("answerb", "responseb", "outputb", "b", "answer2", "response2"),
        *("답변b", "응답b", "답b", "모델b답변", "답변2", "응답2"),
    ),
    "label": (
        *("label", "winner", "verdict", "preference", "preferred", "choice", "humanlabel", "better"),
        *("라벨", "선호", "선호답변", "승자", "판정", "선택", "더나은답변", "우열", "평가"),
    ),
    "answer": ("answer", "response", "output", "답변", "응답", "답", "모델답변"),
    "mark": ("mark", "score", "rating", "grade", "humanscore", "점수", "평점", "평가점수", "등급"),
    "rater": (
        *("rater", "annotator", "judge", "labeler", "labeller", "worker", "evaluator"),
        *("평가자", "작업자", "라벨러", "검수자", "평가위원"),
    ),
    "language": ("language", "lang", "언어"),
    "reference": ("reference", "gold", "정답", "모범답안", "참고답안", "기준답안"),
    "model_a": ("modela", "모델a", "모델1", "model1"),
    "model_b": ("modelb", "모델b", "모델2", "model2"),
    "model": ("model", "modelname", "모델", "모델명"),
    "group": ("group", "cluster", "passage", "그룹", "묶음", "지문"),
}
_SIDE: Final = r"(?:answer|response|output|model|assistant|답변|응답|답|모델)?"
_LABELS: Final = (
    (1.0, re.compile(rf"{_SIDE}(?:a|1|one)(?:번|안|승)?|first|left|왼쪽|첫번째|앞|앞답변")),
    (0.0, re.compile(rf"{_SIDE}(?:b|2|two)(?:번|안|승)?|second|right|오른쪽|두번째|뒤|뒷답변")),
    (
        0.5,
        re.compile(
            r"c|tie|tied|ties|tiebothbad|tiebothgood|bothbad|bothgood|both|draw|equal|same|neither"
            r"|무승부|동점|동률|비김|비슷|비슷함|같음|동일|동등|둘다|둘다좋음|둘다나쁨|차이없음"
        ),
    ),
)
_ONE_HOT: Final = (("winnermodela", 1.0), ("winnermodelb", 0.0), ("winnertie", 0.5))
LABEL_WORDS: Final = "A, B, tie, model_a, model_b, 무승부"
"""Examples of labels, for messages."""


def normalize_name(name: str) -> str:
    """Return the letters and digits of a name in lower case: Answer_A, "answer a" and ANSWER(A) are one name."""
    return _NOT_LETTERS.sub("", unicodedata.normalize("NFKC", name).casefold())


def map_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a row by field; a field without a column is missing."""
    values = {normalize_name(name): value for name, value in row.items()}
    fields = {
        field: values[name]
        for field, names in _NAMES.items()
        if (name := next((name for name in names if name in values), None)) is not None
    }
    label = _read_one_hot(values)
    if label:
        fields |= _read_encoded_turns(fields)
    return fields | _read_conversations(values) | label


def read_text(value: object) -> str | None:
    """Return the text of a question or an answer, several turns with a blank line between them; None for an object."""
    if isinstance(value, list):
        turns = [turn for turn in value if turn is not None]
        return "\n\n".join(turns) if turns and all(isinstance(turn, str) for turn in turns) else None
    return None if isinstance(value, Mapping) else str(value)


def _read_conversations(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return question and answers of two conversations, as in MT-Bench's human judgments: user turns and answers.

    There, `turn` is the turn that was rated; a row of the first turn has the second one, too. Both have one id.
    """
    fields: dict[str, Any] = {}
    turn = values.get("turn")
    rated = turn if isinstance(turn, int) and turn > 0 else None
    for side in "ab":
        turns = values.get(f"conversation{side}")
        if isinstance(turns, list) and all(isinstance(turn, dict) for turn in turns):
            for role, field in (("user", "question"), ("assistant", f"answer_{side}")):
                texts = [str(turn.get("content", "")) for turn in turns if turn.get("role") == role]
                fields[field] = "\n\n".join(texts[:rated])
    identity = next((values[name] for name in _NAMES["id"] if name in values), None)
    if fields and rated and not is_blank(identity):
        fields |= {"id": f"{identity} turn {rated}", "group": identity}
    return fields


def _read_one_hot(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the label of three columns of which one is 1, as in exports of Chatbot Arena."""
    if not all(name in values for name, _score in _ONE_HOT):
        return {}
    marked = [score for name, score in _ONE_HOT if str(values[name]).strip() in ("1", "1.0", "True", "true")]
    return {"label": {1.0: "A", 0.0: "B", 0.5: "tie"}[marked[0]] if len(marked) == 1 else "?"}


def _read_encoded_turns(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return question and answers that are JSON lists in texts, as an export of Chatbot Arena has them."""
    names = ("question", "answer_a", "answer_b")
    try:
        turns = {name: json.loads(fields[name]) for name in names}
    except (KeyError, TypeError, ValueError):
        return {}
    return turns if all(isinstance(value, list) for value in turns.values()) else {}


def parse_label(value: object) -> float | None:
    """Return the score of answer A that a label means: 1, 0.5 or 0; None for an unknown label."""
    if isinstance(value, bool):
        return None
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if text.lstrip().startswith("-"):  # -1 is not 1
        return None
    word = normalize_name(text)
    return next((score for score, pattern in _LABELS if pattern.fullmatch(word)), None)


def parse_mark(value: object) -> float | None:
    """Return a finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if number - number == 0 else None


def is_blank(value: object) -> bool:
    """Return whether a cell holds nothing."""
    return value is None or (isinstance(value, str) and not value.strip())
