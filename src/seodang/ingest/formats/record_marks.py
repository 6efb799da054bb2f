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
from seodang.ingest.formats.mark_names import may_count, normalize_name
from seodang.ingest.formats.mark_ratings import mark_extreme, mark_pair_scores, mark_rating, mark_weight, parse_rating
from seodang.ingest.formats.sample import RawRecord, Sample
from seodang.ingest.formats.verdicts import normalize_word, parse_verdict
from seodang.ingest.rows import ANSWER_CORRECTED, RECORD_DOUBTFUL, RECORD_REJECTED

_PRODIGY_KEYS: Final = frozenset(("_input_hash", "_task_hash", "_session_id", "_view_id", "_annotator_id"))
_LABEL_NAMES: Final = frozenset(("label", "kto_tag", "tag"))


def find_marks(record: RawRecord, used_keys: frozenset[str], sample: Sample, top_ratings: Mapping[str, float]) -> Marks:
    """Return the marks of a record.

    Args:
        record: The object in the file.
        used_keys: Keys whose values are texts of the sample; they are no marks.
        sample: The texts of the record; a correction that equals its answer is none.
        top_ratings: Highest rating by key in the first records of the file.

    """
    marks = Marks()
    for key, name, value in iter_values(record, used_keys):
        if _mark_value(marks, key, name, value, sample, top_ratings):
            marks.read_keys.add(key)
    mark_error_objects(marks, record, used_keys, sample)
    _mark_prodigy_answer(marks, record)
    mark_pair_scores(marks, record)
    return marks


def is_rejected_message(message: Mapping[str, Any]) -> bool:
    """Return whether a message says that it is rejected, deleted or wrong."""
    marks, sample = Marks(), Sample("", "")
    for key, value in message.items():
        if isinstance(key, str) and value is not None and not isinstance(value, Mapping | list):
            name = normalize_name(key)
            is_status = name in words.STATUS_KEYS - _LABEL_NAMES and isinstance(value, str)
            if not (is_status and _mark_status(marks, key, name, value, sample)):
                _mark_truth(marks, key, name, value, sample)
    return RECORD_REJECTED in marks.findings


def _mark_value(
    marks: Marks, key: str, name: str, value: Any, sample: Sample, top_ratings: Mapping[str, float]
) -> bool:
    """Add the marks of one value; return whether the value was understood."""
    if name in words.CORRECTION_KEYS or is_annotation(value):
        return _mark_correction(marks, key, value, sample)
    if name in words.DATE_KEYS:
        marks.add(RECORD_REJECTED, key, value)
        return True
    if name in words.SPLIT_KEYS or name in words.HELD_OUT_KEYS:
        return _mark_split(marks, name, value)
    if name in words.STATUS_KEYS and isinstance(value, str | list) and _mark_status(marks, key, name, value, sample):
        return True
    if name in words.WEIGHT_KEYS:
        return mark_weight(marks, key, value)
    if mark_extreme(marks, key, name, value):
        return True
    if name in words.RATING_KEYS and (rating := parse_rating(value)):
        return mark_rating(marks, key, value, rating, top_ratings.get(key, 0.0))
    return mark_failure(marks, key, name, value) or _mark_truth(marks, key, name, value, sample)


def _mark_truth(marks: Marks, key: str, name: str, value: Any, sample: Sample) -> bool:
    """Mark a value such as is_correct: false or deleted: 1."""
    is_label = name in _LABEL_NAMES and isinstance(value, bool) and parse_verdict(sample.output) is None
    rejects_false = name in words.GOOD_KEYS or is_label
    is_known = rejects_false or name in (words.BAD_KEYS | words.CONFIRMED_KEYS | words.DOUBT_KEYS)
    is_index = may_count(key) and not isinstance(value, bool)
    if not is_known or (is_index and not (isinstance(value, str) and value.strip().isalpha())):
        return False
    truth = (
        None
        if isinstance(value, str) and value.strip().lower() in ("x", "o") and key.isascii()
        else parse_verdict(value)
    )
    if truth is None and isinstance(value, str) and normalize_word(value) in mark_values.BAD_STATUS:
        truth = False if name in words.GOOD_KEYS else None
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
        value = value[0] if len(value) == 1 else None
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
