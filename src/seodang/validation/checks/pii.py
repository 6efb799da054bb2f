"""Find and mask personal data and secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from seodang.i18n import Message
from seodang.ingest.rows import shorten
from seodang.validation.checks.pii_finders import (
    SECRET_PREFIXES,
    Span,
    find_card_numbers,
    find_emails,
    find_phone_numbers,
    find_resident_numbers,
    find_secrets,
)
from seodang.validation.checks.row_view import Check, Finding, Repairer, View
from seodang.validation.checks.rule import Rule

_FIX: Final = Message(
    "remove or mask it in the source; repair replaces it with a label such as [PHONE], and no report shows the value"
)

RULES: Final = tuple(
    Rule(id=id, field="record", reason=reason, fix=_FIX, repairable=True)
    for id, reason in (
        (
            "personal-resident-number",
            Message("the text contains a number that looks like a Korean resident registration number"),
        ),
        ("personal-phone", Message("the text contains a phone number")),
        ("personal-email", Message("the text contains an e-mail address")),
        ("personal-card", Message("the text contains a number that looks like a payment card number")),
        ("secret-key", Message("the text contains a secret key or token")),
    )
)

_LABELS: Final = {
    "personal-resident-number": ("[주민등록번호]", "[RESIDENT NUMBER]"),
    "personal-phone": ("[전화번호]", "[PHONE]"),
    "personal-email": ("[전자우편]", "[EMAIL]"),
    "personal-card": ("[카드번호]", "[CARD NUMBER]"),
    "secret-key": ("[비밀키]", "[SECRET]"),
}

_FORMAT_EXEMPT_RULES: Final = ("personal-phone", "personal-email")
# In these tasks numbers and addresses illustrate a format.
_FORMAT_TASK: Final = re.compile(r"\bregex\b|regular expression|\bvalid|정규 ?식|정규 ?표현|유효")

_FINDERS: Final[dict[str, tuple[Callable[[View], bool], Callable[[str], Iterator[Span]]]]] = {
    "personal-resident-number": (lambda view: view.has_long_number, find_resident_numbers),
    "personal-phone": (lambda view: view.has_long_number, find_phone_numbers),
    "personal-email": (lambda view: "@" in view.full_text, find_emails),
    "personal-card": (lambda view: view.has_long_number, find_card_numbers),
    "secret-key": (lambda view: any(prefix in view.full_text for prefix in SECRET_PREFIXES), find_secrets),
}


def _create_check(id: str) -> Check:
    may_match, find_spans = _FINDERS[id]

    def check(view: View) -> Finding | None:
        if not may_match(view) or (id in _FORMAT_EXEMPT_RULES and _FORMAT_TASK.search(view.request)):
            return None
        for field, text in view.texts:
            if span := next(find_spans(text), None):
                return Finding(field, _excerpt_masked(text, span, _LABELS[id][not view.is_korean]))
        return None

    return check


def _excerpt_masked(text: str, span: Span, label: str) -> str:
    """Return the text around a span, with a label in its place: no report shows personal data."""
    masked, (start, stop) = mask_personal_data(text), span
    return shorten(masked[max(0, start - 20) : start] + label + masked[stop : stop + 20])


def _mask_spans(text: str, find_spans: Callable[[str], Iterator[Span]], mask: Callable[[int], str]) -> str:
    """Return the text with each span masked; repeat, because masking may join the parts of another span."""
    while spans := sorted(find_spans(text)):
        parts, end = [], 0
        for start, stop in spans:
            if start >= end:
                parts += [text[end:start], mask(stop - start)]
                end = stop
        text = "".join([*parts, text[end:]])
    return text


def _create_redactor(id: str) -> Repairer:
    def redact(text: str, view: View) -> str:
        label, find_spans = _LABELS[id][not view.is_korean], _FINDERS[id][1]
        return _mask_spans(text, find_spans, lambda _: label)

    return redact


def mask_personal_data(text: str) -> str:
    """Return the text with asterisks in place of personal data, for reports."""
    for _, find_spans in _FINDERS.values():
        text = _mask_spans(text, find_spans, lambda length: "*" * length)
    return text


CHECKS: Final[dict[str, Check]] = {id: _create_check(id) for id in _FINDERS}
REPAIRERS: Final[dict[str, Repairer]] = {id: _create_redactor(id) for id in _FINDERS}
