"""Human labels that a judge is calibrated with: preferences between two answers, or marks of single answers.

    {"id": "7", "question": "...", "answer_a": "...", "answer_b": "...", "label": "A", "rater": "kim"}
    {"id": "7", "question": "...", "answer": "...", "mark": 8, "model": "tuned", "rater": "kim"}

The file is JSONL, JSON, CSV, TSV, Excel or Parquet. Column names may be Korean. A row per rater; raters may have seen
the answers in either order. Single marks make pairs: each two answers to one question, of which a rater prefers the one
with the higher mark, because the judge compares in pairs.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from seodang.errors import EvaluationError, SourceError
from seodang.evaluation.judge.label_columns import LABEL_WORDS, is_blank, map_fields, parse_label, parse_mark, read_text
from seodang.evaluation.judge.prompt import ModelAnswer
from seodang.evaluation.judge.verdicts import Pair
from seodang.i18n import _
from seodang.ingest.readers.strict import read_numbered_rows
from seodang.records import detect_language

_MESSAGE_LIMIT: Final = 20  # errors of a file that a message lists
_TASK: Final = "labels"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPair:
    """Two answers to one question with what people prefer."""

    pair: Pair
    group: str
    """Pairs of one group are not independent: the question, unless a column `group` says more."""
    ratings: tuple[float, ...]
    """One per rater, as scores of answer A: 1 better, 0.5 equal, 0 worse."""
    models: tuple[str, str] = ("", "")
    """Names of the models that gave the answers; empty where the file has none."""

    @property
    def label(self) -> float:
        """Return what most raters prefer; without such a label the pair is a tie."""
        counts = Counter(self.ratings).most_common(2)
        return counts[0][0] if len(counts) == 1 or counts[0][1] > counts[1][1] else 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanLabels:
    """The labels of a file."""

    pairs: list[LabelledPair]
    checksum: str
    """Sha256 of the file."""
    raters: int
    unlabelled: int
    """Rows without a label."""
    marks: list[tuple[float, ...]] = field(default_factory=list)
    """Marks of each answer, one per rater; empty for a file of preferences."""
    mark_groups: list[str] = field(default_factory=list)
    """Group of each answer with marks."""


@dataclass(slots=True)
class _Answers:
    """Rows with the same question and answers."""

    row: int
    fields: Mapping[str, Any]
    ratings: dict[str, float]


class _Reader:
    """Collects the rows of a file and all their errors."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.unlabelled = 0
        self.raters: set[str] = set()
        self.rows: dict[tuple[str, ...], _Answers] = {}
        self._questions: dict[str, tuple[int, str]] = {}

    def add(self, number: int, fields: dict[str, Any], *, has_marks: bool) -> None:
        """Add a row, or its errors."""
        answers = ("answer",) if has_marks else ("answer_a", "answer_b")
        missing = [name for name in ("question", *answers) if is_blank(fields.get(name))]
        for name in missing:
            self._report(number, name, _("is missing or blank"))
        value_name = "mark" if has_marks else "label"
        value = fields.get(value_name)
        if is_blank(value):
            self.unlabelled += 1
            return
        rating = parse_mark(value) if has_marks else parse_label(value)
        if rating is None:
            error = (
                _("must be a number (got {value})", value=value)
                if has_marks
                else _("must be one of {words} (got {value})", words=LABEL_WORDS, value=value)
            )
            self._report(number, value_name, error)
        if missing or rating is None:
            return
        texts: dict[str, str] = {}
        for name in ("question", *answers):
            text = read_text(fields[name])
            if text is None:
                self._report(number, name, _("must be a text or a list of texts"))
                return
            texts[name] = text
        identity = str(fields["id"]).strip() if not is_blank(fields.get("id")) else _hash(texts["question"])
        first, question = self._questions.setdefault(identity, (number, texts["question"]))
        if question != texts["question"]:
            self._report(number, "question", _("differs from row {row}, which has the same id", row=first))
            return
        self._add_rating(number, {**fields, **texts, "id": identity}, rating, answers)

    def _add_rating(self, number: int, fields: dict[str, Any], rating: float, answers: tuple[str, ...]) -> None:
        key = (fields["id"], *(fields[name] for name in answers))
        if len(answers) == 1:
            key = (*key, str(fields.get("model") or ""))  # two models may give the same answer
        if len(answers) == 2 and (swapped := (fields["id"], key[2], key[1])) in self.rows and swapped != key:
            key, rating = swapped, 1 - rating  # this rater saw the answers in the other order
        entry = self.rows.setdefault(key, _Answers(number, fields, {}))
        name = fields.get("rater")
        rater = "" if is_blank(name) else str(name).strip()
        if rater in entry.ratings:
            self._report(number, "rater", _("rates the answers of row {row} again; name another rater", row=entry.row))
        entry.ratings[rater] = rating
        self.raters.add(rater)

    def _report(self, number: int, name: str, error: str) -> None:
        self.errors.append(_("row {row}, {field}: {error}", row=number, field=name, error=error))


def read_labels(path: Path) -> HumanLabels:
    """Return the human labels of a file.

    Raises:
        EvaluationError: With up to 20 errors, each with its row and field; also if the file has no label.
        SourceError: If the file cannot be read at all.
    """
    reader = _Reader()
    names: list[str] = []
    has_marks = False
    try:
        for number, row in read_numbered_rows(path, str(path)):
            fields = map_fields(row)
            if not names:
                names = list(row)
                has_marks = not {"answer_a", "answer_b"} & fields.keys() and bool({"answer", "mark"} & fields.keys())
            reader.add(number, fields, has_marks=has_marks)
    except SourceError as error:
        if not reader.errors and not reader.rows:
            raise
        reader.errors.insert(0, str(error))
    if not reader.rows and not reader.errors:
        reader.errors.append(
            _(
                "no row has a label; expected the columns question, answer_a, answer_b and label, or question, answer "
                "and mark; found: {names}",
                names=", ".join(names),
            )
        )
    if reader.errors:
        raise EvaluationError(_format_errors(path, reader.errors))
    pairs = _pair_marks(reader.rows.values()) if has_marks else _build_pairs(reader.rows.values())
    if not pairs:
        raise EvaluationError(
            _format_errors(path, [_("no question has two different answers with marks of one rater")])
        )
    answers = list(reader.rows.values())
    return HumanLabels(
        pairs=pairs,
        checksum=hashlib.sha256(path.read_bytes()).hexdigest(),
        raters=len(reader.raters),
        unlabelled=reader.unlabelled,
        marks=[tuple(entry.ratings.values()) for entry in answers] if has_marks else [],
        mark_groups=[_get_group(entry) for entry in answers] if has_marks else [],
    )


def _build_pairs(rows: Iterable[_Answers]) -> list[LabelledPair]:
    return [
        LabelledPair(
            pair=_build_pair(number, entry.fields, str(entry.fields["answer_a"]), str(entry.fields["answer_b"])),
            group=_get_group(entry),
            ratings=tuple(entry.ratings.values()),
            models=(str(entry.fields.get("model_a") or ""), str(entry.fields.get("model_b") or "")),
        )
        for number, entry in enumerate(rows, start=1)
    ]


def _pair_marks(rows: Iterable[_Answers]) -> list[LabelledPair]:
    """Return each two different answers to one question; a rater of both prefers the one with the higher mark."""
    by_question: dict[str, list[_Answers]] = {}
    for entry in rows:
        by_question.setdefault(str(entry.fields["id"]), []).append(entry)
    pairs: list[LabelledPair] = []
    for entries in by_question.values():
        for one, other in combinations(entries, 2):
            raters = [rater for rater in one.ratings if rater in other.ratings]
            if not raters or one.fields["answer"] == other.fields["answer"]:
                continue
            differences = [one.ratings[rater] - other.ratings[rater] for rater in raters]
            answers = str(one.fields["answer"]), str(other.fields["answer"])
            pairs.append(
                LabelledPair(
                    pair=_build_pair(len(pairs) + 1, one.fields, *answers),
                    group=_get_group(one),
                    ratings=tuple(1.0 if value > 0 else 0.0 if value < 0 else 0.5 for value in differences),
                    models=(str(one.fields.get("model") or ""), str(other.fields.get("model") or "")),
                )
            )
    return pairs


def _build_pair(number: int, fields: Mapping[str, Any], answer_a: str, answer_b: str) -> Pair:
    question = str(fields["question"])
    language = str(fields.get("language") or "").strip() or detect_language(question)
    item = f"{fields['id']}#{number}"
    reference = str(fields.get("reference") or "")
    one, other = (
        ModelAnswer(task=_TASK, item=item, language=language, prompt=question, answer=text, reference=reference)
        for text in (answer_a, answer_b)
    )
    return one, other


def _get_group(entry: _Answers) -> str:
    group = entry.fields.get("group")
    return str(entry.fields["id"]) if is_blank(group) else f"group {group}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _format_errors(path: Path, errors: Sequence[str]) -> str:
    lines = [_("{path} has errors ({count}):", path=path, count=len(errors))]
    lines += [f"  {error}" for error in errors[:_MESSAGE_LIMIT]]
    if len(errors) > _MESSAGE_LIMIT:
        lines.append(_("  ... and {count} more", count=len(errors) - _MESSAGE_LIMIT))
    return "\n".join(lines)
