"""Find that a generated record holds the error of its request instead of an answer: error: "timeout"."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from seodang.ingest.formats.mark_findings import Marks
from seodang.ingest.formats.mark_names import normalize_name
from seodang.ingest.formats.sample import RawRecord, Sample
from seodang.ingest.formats.verdicts import normalize_word, parse_verdict
from seodang.ingest.rows import RECORD_DOUBTFUL, RECORD_REJECTED

FAILURE_KEYS: Final = frozenset(
    (
        "error",
        "errors",
        "error_message",
        "error_msg",
        "error_type",
        "exception",
        "traceback",
        "오류",
        "에러",
        "오류_메시지",
    )
)
_NO_FAILURE: Final = re.compile(
    r"(?:none|null|nil|nan|nothing|n/a|na|ok|success|없음|정상|-)\b.*|-|no (?:errors?|issues?|problems?)\b.*"
    r"|(?:오류|에러|문제) ?없음.*",
    re.DOTALL,
)
# Words of a failed request; other texts under these keys may describe the content, as in corpora of language errors.
_FAILURE: Final = re.compile(
    r"time[d ]*[\s_-]?out|traceback|exception|\b[a-z]*error\b|rate[\s_-]?limit|https?\b|\b[45]\d\d\b|failed|failure|refused"
    r"|connection|overloaded|unavailable|cancell?ed|content[\s_-]filter|too (?:long|many)|exceed|out of memory"
    r"|시간\s?초과|실패|오류|에러|중단|예외",
    re.IGNORECASE,
)
_RESPONSE_KEYS: Final = frozenset(("code", "message", "status"))
_ERROR_KEYS: Final = _RESPONSE_KEYS | {"error", "type", "detail", "request_id", "object", "success"}
_ERROR_CHARACTERS: Final = 2000
_ABOUT_ERRORS: Final = re.compile(r"json|\bapi\b|error|http|server|오류|에러|응답|서버", re.IGNORECASE)


def mark_failure(marks: Marks, key: str, name: str, value: object) -> bool:
    """Mark an error in words; return False for values that a verdict or a number has, and for "none".

    A text that names a failed request rejects the record. Any other text leaves a doubt.
    """
    texts = value if isinstance(value, list) else [value]
    words = [text for text in texts if isinstance(text, str) and not _NO_FAILURE.fullmatch(normalize_word(text))]
    if name not in FAILURE_KEYS or not words or parse_verdict(words[0]) is not None or _is_number(words[0]):
        return False
    marks.add(RECORD_REJECTED if any(map(_FAILURE.search, words)) else RECORD_DOUBTFUL, key, words[0])
    return True


def mark_error_objects(marks: Marks, record: RawRecord, used_keys: frozenset[str], sample: Sample) -> None:
    """Mark a record with an error object of an API: `error: {"code": 429}`, or its JSON text as the answer.

    A question about an API or about JSON may have such an answer.
    """
    for key, value in record.items():
        if key not in used_keys and isinstance(value, Mapping) and value and normalize_name(key) in FAILURE_KEYS:
            is_response = not _RESPONSE_KEYS.isdisjoint(value) or _FAILURE.search(str(value))
            text = json.dumps(value, ensure_ascii=False, default=str)
            marks.add(RECORD_REJECTED if is_response else RECORD_DOUBTFUL, key, text)
            marks.read_keys.add(key)
    if isinstance(sample.output, str) and _is_error_text(sample.output):
        question = f"{sample.instruction} {sample.input}"
        if not _ABOUT_ERRORS.search(question):
            marks.add(RECORD_REJECTED, "output", sample.output)


def _is_error_text(text: str) -> bool:
    """Return whether a text is a JSON object that only reports an error."""
    if not text.lstrip().startswith("{") or len(text) > _ERROR_CHARACTERS:
        return False
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, dict) and bool(value.get("error")) and set(value) <= _ERROR_KEYS


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).lstrip("+-").isdecimal()
