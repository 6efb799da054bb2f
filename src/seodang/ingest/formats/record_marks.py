"""Find what a record says about itself: that it is rejected, in doubt, corrected, or held out of training.

Annotation tools export such keys beside the texts. Without them, a rejected answer would be learned as a good one. Each
finding is a mark, which a rule of the same name reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from seodang.ingest.formats import mark_values
from seodang.ingest.formats import mark_words as words
from seodang.ingest.formats.failures import mark_error_objects, mark_failure
from seodang.ingest.formats.mark_findings import Marks, is_annotation, iter_values
from seodang.ingest.formats.mark_names import may_count
from seodang.ingest.formats.mark_ratings import (
    Scales,
    mark_extreme,
    mark_pair_scores,
    mark_rating,
    mark_weight,
    parse_rating,
)
from seodang.ingest.formats.mark_truth import read_truth
from seodang.ingest.formats.sample import RawRecord, Sample
from seodang.ingest.formats.verdicts import normalize_word, parse_verdict
from seodang.ingest.rows import ANSWER_CORRECTED, RECORD_DOUBTFUL, RECORD_REJECTED

_PRODIGY_KEYS: Final = frozenset(("_input_hash", "_task_hash", "_session_id", "_view_id", "_annotator_id"))
_TEXT_KEYS: Final = frozenset(("role", "from", "content", "value", "text", "tool_calls", "function_call", "name", "id"))
_PLAIN_KEYS: Final = 2  # role and content
_LABEL_NAMES: Final = frozenset(("label", "labels", "kto_tag", "tag"))
# Of a message; its weight, and flags such as train, are read by loss_flags, and a label may be its speech act.
_MESSAGE_NAMES: Final = (
    (words.STATUS_KEYS | words.GOOD_KEYS | words.BAD_KEYS | words.CONFIRMED_KEYS | words.DOUBT_KEYS)
    | (words.VOTE_KEYS | words.RATING_KEYS | words.GRADE_KEYS | words.DATE_KEYS | words.REASON_KEYS)
) - (_LABEL_NAMES | {"train", "training", "trainable", "masked", "ignore", "ignored", "exclude", "excluded"})


def find_marks(record: RawRecord, used_keys: frozenset[str], sample: Sample, scales: Scales) -> Marks:
    """Return the marks of a record.

    Args:
        record: The object in the file.
        used_keys: Keys whose values are texts of the sample; they are no marks.
        sample: The texts of the record; a correction that equals its answer is none.
        scales: Of the numbers in the first records of the file.

    """
    marks = Marks()
    for key, name, value in iter_values(record, used_keys):
        if _mark_value(marks, key, name, value, sample, scales):
            marks.read_keys.add(key)
    mark_error_objects(marks, record, used_keys, sample)
    _mark_messages(marks, record, used_keys)
    _mark_prodigy_answer(marks, record)
    mark_pair_scores(marks, record)
    return marks


def find_message_marks(message: Mapping[str, Any]) -> Marks:
    """Return the marks of a message: it says that it is rejected, deleted, wrong or in doubt."""
    marks, sample = Marks(), Sample("", "")
    for key, name, value in iter_values(message, _TEXT_KEYS):
        if name in _MESSAGE_NAMES and _mark_value(marks, key, name, value, sample, Scales()):
            marks.read_keys.add(key.partition(".")[0])
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal.strip() and message.get("content"):
        marks.add(RECORD_DOUBTFUL, "refusal", refusal)
        marks.read_keys.add("refusal")
    return marks


def _mark_messages(marks: Marks, record: RawRecord, used_keys: frozenset[str]) -> None:
    """Add the doubts about the answers of a conversation; a rejected answer counts as not learned."""
    for list_key in used_keys & record.keys():
        messages = record[list_key]
        for number, message in enumerate(messages if isinstance(messages, list) else [], start=1):
            if not isinstance(message, Mapping) or len(message) <= _PLAIN_KEYS:
                continue
            found = find_message_marks(message)
            marks.read_keys |= {f"{list_key}[].{key}" for key in found.read_keys}
            if RECORD_DOUBTFUL in found.findings:
                marks.findings.setdefault(RECORD_DOUBTFUL, f"{list_key}[{number}].{found.findings[RECORD_DOUBTFUL]}")


def _mark_value(marks: Marks, key: str, name: str, value: Any, sample: Sample, scales: Scales) -> bool:
    """Add the marks of one value; return whether the value was understood."""
    if name in words.CORRECTION_KEYS or is_annotation(value):
        return _mark_correction(marks, key, value, sample)
    if name in words.DATE_KEYS:
        marks.add(RECORD_REJECTED, key, value)
        return True
    if name in words.REASON_KEYS:
        return _mark_reason(marks, key, value)
    if name in words.SPLIT_KEYS or name in words.HELD_OUT_KEYS:
        return _mark_split(marks, name, value)
    if name in words.STATUS_KEYS and isinstance(value, str | list) and _mark_status(marks, key, name, value, sample):
        return True
    if name in words.WEIGHT_KEYS:
        return mark_weight(marks, key, value)
    if mark_extreme(marks, key, name, value):
        return True
    if name in words.RATING_KEYS and (rating := parse_rating(value)):
        return mark_rating(marks, key, value, rating, scales.top_ratings.get(key, 0.0))
    return mark_failure(marks, key, name, value) or _mark_truth(marks, key, name, value, sample, scales)


def _mark_truth(marks: Marks, key: str, name: str, value: Any, sample: Sample, scales: Scales) -> bool:
    """Mark a value such as is_correct: false or deleted: 1."""
    is_label = name in _LABEL_NAMES and isinstance(value, bool) and parse_verdict(sample.output) is None
    rejects_false = name in words.GOOD_KEYS or is_label
    is_known = rejects_false or name in (words.BAD_KEYS | words.CONFIRMED_KEYS | words.DOUBT_KEYS)
    is_index = key not in scales.flag_keys and may_count(key) and not isinstance(value, bool)
    if not is_known or (is_index and not (isinstance(value, str) and value.strip().replace(" ", "").isalpha())):
        return False
    truth = read_truth(key, name, value)
    if truth is None:
        return False
    if (rejects_false and not truth) or (name in words.BAD_KEYS and truth):
        marks.add(RECORD_REJECTED, key, value)
    elif (name in words.CONFIRMED_KEYS and not truth) or (name in words.DOUBT_KEYS and truth):
        marks.add(RECORD_DOUBTFUL, key, value)
    return True


def _mark_status(marks: Marks, key: str, name: str, value: object, sample: Sample) -> bool:
    """Mark a status in words; return False for a word that is no known status."""
    if isinstance(value, list):
        value = value[0] if value and all(item == value[0] for item in value) else None
    if not isinstance(value, str) or value == sample.output:
        return False
    word = normalize_word(value)
    if word in (mark_values.BAD_LABELS if name in _LABEL_NAMES else mark_values.BAD_STATUS):
        marks.add(RECORD_REJECTED, key, value)
    elif word in mark_values.OPEN_STATUS and name not in _LABEL_NAMES:
        marks.add(RECORD_DOUBTFUL, key, value)
    else:
        return word in mark_values.GOOD_STATUS
    return True


def _mark_reason(marks: Marks, key: str, value: object) -> bool:
    """Mark a record that holds the reason of its rejection; "none" is no reason."""
    if not isinstance(value, str) or not value.strip():
        return False
    if normalize_word(value) not in mark_values.ABSENT_WORDS and parse_verdict(value) is None:
        marks.add(RECORD_REJECTED, key, value)
    return True


def _mark_split(marks: Marks, name: str, value: object) -> bool:
    """Note that the record is held out of training; return whether the value names a split."""
    if name in words.HELD_OUT_KEYS:
        truth = parse_verdict(value)
        marks.is_held_out |= truth is True
        return truth is not None
    word = normalize_word(value) if isinstance(value, str) else ""
    marks.is_held_out |= word in mark_values.HELD_OUT_SPLITS
    return word in mark_values.HELD_OUT_SPLITS or word in mark_values.TRAINING_SPLITS


def _mark_correction(marks: Marks, key: str, value: Any, sample: Sample) -> bool:
    """Mark a corrected answer that differs from the record's answer."""
    items = value if isinstance(value, list) else [value]
    kept = [item for item in items if not (isinstance(item, Mapping) and item.get("status") == "discarded")]
    if items and not kept:
        marks.add(RECORD_REJECTED, f"{key}.status", "discarded")
        return True
    texts = [item.get("value") if isinstance(item, Mapping) else item for item in kept]
    answer = sample.output.split() if isinstance(sample.output, str) else None
    corrections = [text for text in texts if isinstance(text, str) and text.strip() and text.split() != answer]
    if corrections and answer:
        marks.add(ANSWER_CORRECTED, key, corrections[0])
    return bool(corrections)


def _mark_prodigy_answer(marks: Marks, record: RawRecord) -> None:
    """Mark a record that an annotator rejected or skipped in Prodigy, whatever column the format reads."""
    if is_prodigy_answer(record) and normalize_word(record["answer"]) != "accept":
        marks.add(RECORD_REJECTED, "answer", record["answer"])


def is_prodigy_answer(record: RawRecord) -> bool:
    """Return whether the key `answer` holds Prodigy's verdict, not a text."""
    answer = record.get("answer")
    return (
        isinstance(answer, str)
        and normalize_word(answer) in {"accept", "reject", "ignore"}
        and not _PRODIGY_KEYS.isdisjoint(record)
    )
