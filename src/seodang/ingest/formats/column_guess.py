"""Guess the columns of a table with unknown names, by header words in Korean and English and by the content."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from seodang.config import TableTemplate
from seodang.ingest.formats.template import format_cell
from seodang.records import detect_language

TEXT_FIELD: Final = "text"  # of a labelled table, beside the fields of a record
LABEL_FIELD: Final = "label"
MAX_LABELS: Final = 50  # different labels of a table
# Header words, the surest first; a longer name with one of them counts less than the word itself.
_QUESTIONS: Final = (
    *("문의내용", "질문내용", "질의내용", "상담내용", "질문", "문의", "질의", "물음", "요청", "발화", "사용자", "고객"),
    *("instruction", "question", "query", "prompt", "inquiry", "request", "utterance", "user", "본문", "내용"),
    *("body", "content", "message", "text", "제목", "title", "subject"),
)
_ANSWERS: Final = (
    *("답변내용", "답변", "응답", "답글", "회신", "대답", "정답", "처리내용", "조치", "해결", "상담사"),
    *("answer", "response", "reply", "completion", "output", "resolution", "assistant", "agent", "solution"),
)
_TEXTS: Final = (
    *("리뷰내용", "리뷰", "후기", "상품평", "댓글", "문장", "텍스트", "본문", "내용", "질문", "문의"),
    *("review", "sentence", "text", "comment", "body", "content", "document", "message", "utterance", "question"),
    *("제목", "title", "subject"),
)
_LABELS: Final = (
    *(
        "라벨",
        "레이블",
        "정답",
        "감정",
        "감성",
        "긍부정",
        "만족도",
        "평가",
        "판정",
        "평점",
        "별점",
        "점수",
        "카테고리",
        "분류",
        "유형",
        "구분",
        "의도",
    ),
    *(
        "label",
        "class",
        "sentiment",
        "category",
        "rating",
        "stars",
        "score",
        "target",
        "intent",
        "topic",
        "type",
        "tag",
    ),
)
_SEPARATORS: Final = re.compile(r"[\s_\-.()\[\]/:]+")
_NO_TEXT: Final = re.compile(r"[\d\s.,:/+\-년월일시분TZ]+|https?://\S+|\S+@\S+\.\S+")  # numbers, dates, URLs, addresses
_PLAIN_WORD: Final = re.compile(r"[\w@%+=:,./-]+")
_MIN_TEXT: Final = 4  # characters of a text on average
_MIN_LONG_TEXT: Final = 8  # of a text in a column whose name says nothing
_MAX_LABEL: Final = 20  # characters of a label
_MIN_ROWS: Final = 4  # with fewer rows the content says nothing


@dataclass(frozen=True, slots=True)
class _Column:
    """One column with the texts of its first cells."""

    name: str
    cells: list[str]

    @property
    def mean_length(self) -> float:
        return sum(map(len, self.cells)) / max(len(self.cells), 1)

    @property
    def is_text(self) -> bool:
        """Whether most cells are texts, not numbers, dates or addresses."""
        texts = [cell for cell in self.cells if not _NO_TEXT.fullmatch(cell)]
        return len(texts) * 2 > len(self.cells) and self.mean_length >= _MIN_TEXT

    @property
    def is_label(self) -> bool:
        """Whether the cells are short, and some of them are equal."""
        return (
            bool(self.cells)
            and max(map(len, self.cells)) <= _MAX_LABEL
            and (len(self.cells) < _MIN_ROWS or len({*self.cells}) * 2 <= len(self.cells))
        )

    @property
    def question_share(self) -> float:
        return sum(cell.rstrip().endswith(("?", "요", "까", "？")) for cell in self.cells) / max(len(self.cells), 1)


def guess_columns(names: Sequence[str], records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the keys of instruction and output, or of text and label; {} if nothing can be guessed."""
    columns = [_build_column(name, records) for name in names]
    texts = [column for column in columns if column.is_text]
    answer = _find_best([column for column in columns if column.cells], _ANSWERS, lambda column: column.is_text)
    question = _find_best([column for column in texts if column != answer], _QUESTIONS)
    if question and answer:
        return {"instruction": question.name, "output": answer.name}
    label = _find_best([column for column in columns if column.is_label], _LABELS)
    text = _find_best([column for column in texts if column != label], _TEXTS)
    if text and label:
        return {TEXT_FIELD: text.name, LABEL_FIELD: label.name}
    return _guess_by_content(columns, label, text, answer)


def _guess_by_content(
    columns: Sequence[_Column], label: _Column | None, text: _Column | None, answer: _Column | None
) -> dict[str, str]:
    known = [column for column in (label, text, answer) if column]
    long_texts = [
        column
        for column in columns
        if column.is_text and column.mean_length >= _MIN_LONG_TEXT and not column.is_label and column not in known
    ]
    labels = [column for column in columns if column.is_label and column not in known]
    labels.sort(key=lambda column: len({*column.cells}))  # the name of a product repeats, too, but has more values
    if answer and long_texts:
        return {"instruction": max(long_texts, key=lambda column: column.question_share).name, "output": answer.name}
    if label and long_texts:
        return {TEXT_FIELD: long_texts[0].name, LABEL_FIELD: label.name}
    if text and labels and len(text.cells) >= _MIN_ROWS:
        return {TEXT_FIELD: text.name, LABEL_FIELD: labels[0].name}
    if len(long_texts) > 1:
        question, *_others = sorted(long_texts[:2], key=lambda column: -column.question_share)
        reply = next(column for column in long_texts if column != question)
        return {"instruction": question.name, "output": reply.name}
    if long_texts and labels and len(long_texts[0].cells) >= _MIN_ROWS:
        return {TEXT_FIELD: long_texts[0].name, LABEL_FIELD: labels[0].name}
    return {}


def format_check_command(location: str, columns: Mapping[str, str]) -> str:
    """Return the command that checks a file with these columns."""
    options = " ".join(f"--column {quote_word(f'{field}={key}')}" for field, key in columns.items())
    return f"seodang check {quote_word(location)} {options}"


def quote_word(text: str) -> str:
    """Return a word for a shell; Korean letters need no quotes, unlike in shlex.quote."""
    return text if _PLAIN_WORD.fullmatch(text) else shlex.quote(text)


def build_label_template(text: str, label: str, labels: Sequence[str], sample: str) -> TableTemplate:
    """Return the template of a table with one text and one label; the question is in the language of the texts."""
    choices = ", ".join(labels)
    instruction = (
        f"다음 글을 {choices} 가운데 하나로 분류하세요."
        if detect_language(sample) == "ko"
        else f"Classify the text as one of: {choices}."
    )
    return TableTemplate(
        label_column=label, labels={value: value for value in labels}, input=f"{{{text}}}", instructions=[instruction]
    )


def _build_column(name: str, records: Sequence[Mapping[str, Any]]) -> _Column:
    cells = [cell for record in records if (cell := format_cell(record.get(name)))]
    return _Column(name, cells)


def _find_best(
    columns: Sequence[_Column], words: Sequence[str], condition: Callable[[_Column], bool] = lambda _column: True
) -> _Column | None:
    """Return the column whose name has the surest word; among equals the one with the longer texts."""
    ranked = [
        (not is_exact, rank, -column.mean_length, number)
        for number, column in enumerate(columns)
        if condition(column)
        for rank, word in enumerate(words)
        if (is_exact := word == (name := _SEPARATORS.sub("", column.name.lower()))) or word in name
    ]
    return columns[min(ranked)[3]] if ranked else None
