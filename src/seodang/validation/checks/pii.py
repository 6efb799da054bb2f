"""Personal data and secrets: what points to one person, or opens a door."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Final

from seodang.ingest.rows import shorten
from seodang.validation.checks.row_view import Check, Finding, Repairer, View
from seodang.validation.checks.rule import Rule


def _create_rule(id: str, name_ko: str, name_en: str) -> Rule:
    return Rule(
        id=id,
        field="record",
        reason_ko=f"{name_ko} 들어 있습니다",
        reason_en=f"there is {name_en} in the text",
        fix_ko="원본에서 지우거나 가리세요. repair면 [전화번호]처럼 무엇이었는지만 남기고, 찾은 값은 보고서에 적지 않습니다",
        fix_en="take it out or mask it at the source; repair leaves only what it was, such as [PHONE], and no report holds the value",
        repairable=True,
    )


RULES: Final = (
    _create_rule(
        "personal-resident-number",
        "주민등록번호나 외국인등록번호로 보이는 번호가",
        "what looks like a Korean resident registration number",
    ),
    _create_rule("personal-phone", "전화번호가", "a phone number"),
    _create_rule("personal-email", "전자우편 주소가", "an e-mail address"),
    _create_rule("personal-card", "카드 번호로 보이는 번호가", "what looks like a payment card number"),
    _create_rule("secret-key", "비밀 키나 토큰이", "a secret key or token"),
)

_LABELS: Final = {
    "personal-resident-number": ("[주민등록번호]", "[RESIDENT NUMBER]"),
    "personal-phone": ("[전화번호]", "[PHONE]"),
    "personal-email": ("[전자우편]", "[EMAIL]"),
    "personal-card": ("[카드번호]", "[CARD NUMBER]"),
    "secret-key": ("[비밀키]", "[SECRET]"),
}

_FORMAT_EXEMPT_RULES: Final = ("personal-phone", "personal-email")
Span = tuple[int, int]

_RESIDENT: Final = re.compile(r"(?<![\d-])(\d{6})( ?[-–] ?)?([1-8]\d{6})(?![\d-])")
_RESIDENT_HINT: Final = re.compile(
    r"주민|등록 ?번호|resident|registration", re.IGNORECASE
)  # without it 13 digits in a row are a bar code
_RESIDENT_WEIGHTS: Final = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
# Since then the last six digits are drawn at random (Ministry of the Interior and Safety, Enforcement Rule of the Resident Registration Act, Article 2).
_NO_CHECKSUM_SINCE: Final = date(2020, 10, 5)

_KOREAN_PHONE: Final = re.compile(
    r"(?<![\d.+-])(?:\+?82[-. ]?\(?0?\)?1[016789]|01[016789])[-. ]?\d{3,4}[-. ]?\d{4}(?![\d-])"
    r"|(?<![\d.+-])(?:\+?82[-. ]?0?|\(?0)(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|50\d)(?:\)|[-. ])[-. ]?\d{3,4}[-. ]\d{4}(?![\d-])"
)
_OTHER_PHONE: Final = re.compile(
    r"(?<![\w+])\+(?!82)[1-9]\d{0,2}[-. ]?\(?\d{1,4}\)?(?:[-. ]\d{2,4}){2,4}(?![\d-])"
    r"|(?<![\d.+-])(?:1[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-.])[2-9]\d\d[-.]\d{4}(?![\d-])"
)
_TOLL_FREE_CODES: Final = ("800", "833", "844", "855", "866", "877", "888", "900")

_EMAIL: Final = re.compile(
    r"(?<![A-Za-z0-9_.+-])[A-Za-z0-9][\w.+%-]{0,63}@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}(?![A-Za-z0-9_-])"
)
# RFC 2606: names that belong to nobody.
_RESERVED_DOMAIN: Final = re.compile(
    r"(?:^|[.@])(?:example\.(?:com|org|net|edu|co\.kr|kr)|example|test|invalid|localhost)$", re.IGNORECASE
)

# Local parts and domains that examples are made of.
_EXAMPLE_EMAIL: Final = re.compile(
    r"(?:example|user(?:name)?|test(?:er|ing)?|(?:your|first|last|full|my)?[._-]?(?:name|e?mail)|john[._]?doe|jane[._]?doe|abc|xyz|sample|someone|somebody|recipient|sender|foo"
    r"|bar|123)\d*@"
    r"|.+@(?:[\w-]+\.)*(?:(?:your|my|some)?-?(?:domain|company|e?mail|website|site|organization|school)|abc|xyz|foo|bar|test)\.[a-z.]+$",
    re.IGNORECASE,
)
# In these tasks numbers and addresses show a form.
_FORMAT_TASK: Final = re.compile(r"\bregex\b|regular expression|\bvalid|정규 ?식|정규 ?표현|유효")

_CARD: Final = re.compile(r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d-])")
# First digits and lengths: Visa, Mastercard, American Express, Discover, UnionPay, JCB, Diners Club.
_CARD_KINDS: Final = re.compile(
    r"4\d{12}(?:\d{3})?|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|62\d{14,17}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}"
)
_CARD_HINT: Final = re.compile(
    r"card|visa|master|payment|카드|결제", re.IGNORECASE
)  # without it digits in a row are any number
_TEST_CARDS: Final = frozenset(
    (
        "4111111111111111",
        "4242424242424242",
        "5555555555554444",
        "5105105105105100",
        "378282246310005",
        "4012888888881881",
        "6011111111111117",
    )
)

_SECRET: Final = re.compile(
    r"(?<![A-Za-z0-9])sk-(?:proj-|ant-)?[A-Za-z0-9_-]{20,}|(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])|(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{30,}"
    r"|(?<![A-Za-z0-9])github_pat_\w{30,}|(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,}|(?<![A-Za-z0-9])xox[abprs]-[A-Za-z0-9-]{10,}"
    r"|AIza[\w-]{35}|(?<![A-Za-z0-9])glpat-[\w-]{20,}|-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----(?:[A-Za-z0-9+/=\s\\]{0,8000}?-----END (?:[A-Z]+ )?PRIVATE KEY-----)?"
    r"|(?<![\w-])eyJ[\w-]{10,2000}\.eyJ[\w-]{10,8000}\.[\w-]{10,}"
)
_SECRET_SIGNS: Final = (
    "sk-",
    "AKIA",
    "ASIA",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "hf_",
    "xox",
    "AIza",
    "glpat-",
    "PRIVATE KEY",
    "eyJ",
)


def find_resident_numbers(text: str) -> Iterator[Span]:
    """Yield where a resident registration number stands: a possible date and a right checksum.

    A number given out since October 2020 has no checksum; there the date alone decides.
    """
    for match in _RESIDENT.finditer(text):
        digits = match[1] + match[3]
        birth_date = _parse_birth_date(digits)
        if (
            birth_date is not None
            and (match[2] or _RESIDENT_HINT.search(text))
            and (birth_date >= _NO_CHECKSUM_SINCE or _has_valid_checksum(digits))
        ):
            yield match.span()


def _parse_birth_date(digits: str) -> date | None:
    century = 1900 if digits[6] in "1256" else 2000
    try:
        return date(century + int(digits[:2]), int(digits[2:4]), int(digits[4:6]))
    except ValueError:
        return None


def _has_valid_checksum(digits: str) -> bool:
    total = sum(weight * int(digit) for weight, digit in zip(_RESIDENT_WEIGHTS, digits, strict=False))
    expected = {(11 - total % 11) % 10}
    if digits[6] in "5678":
        expected.add((13 - total % 11) % 10)
    return int(digits[12]) in expected


def find_phone_numbers(text: str) -> Iterator[Span]:
    """Yield where a phone number stands that may ring somewhere."""
    for match in _KOREAN_PHONE.finditer(text):
        if not _is_fictitious(re.sub(r"\D", "", match.group())[-8:]):
            yield match.span()
    for match in _OTHER_PHONE.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        # 555 is the exchange of films and examples; 800 and its like call a company.
        if (
            digits[-7:-4] != "555"
            and digits[-10:-7] not in {*_TOLL_FREE_CODES, "555"}
            and not _is_fictitious(digits[-7:])
        ):
            yield match.span()


def _is_fictitious(digits: str) -> bool:
    """Return whether the digits are an example: one digit again and again, or counting up or down."""
    sequence = "01234567890123456789"
    halves = (digits[: len(digits) - 4], digits[-4:])
    return all(len(set(half)) == 1 or half in sequence or half in sequence[::-1] for half in halves)


def find_emails(text: str) -> Iterator[Span]:
    """Yield where an e-mail address stands whose domain may be somebody's (RFC 2606)."""
    for match in _EMAIL.finditer(text):
        if not _RESERVED_DOMAIN.search(match.group()) and not _EXAMPLE_EMAIL.match(match.group()):
            yield match.span()


def find_card_numbers(text: str) -> Iterator[Span]:
    """Yield where a payment card number stands: a known prefix and length, and the Luhn checksum (ISO/IEC 7812-1)."""
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        is_card = digits != match.group() or _CARD_HINT.search(text)
        if is_card and _CARD_KINDS.fullmatch(digits) and digits not in _TEST_CARDS and _has_luhn_checksum(digits):
            yield match.span()


def _has_luhn_checksum(digits: str) -> bool:
    products = [int(digit) * (2 if position % 2 else 1) for position, digit in enumerate(reversed(digits))]
    return sum(number - 9 if number > 9 else number for number in products) % 10 == 0


def find_secrets(text: str) -> Iterator[Span]:
    """Yield where a key or token in a known form stands."""
    for match in _SECRET.finditer(text):
        if match.group().startswith("-----") or len(set(match.group())) > 8:  # sk-xxxxxxxx is none
            yield match.span()


_FINDERS: Final[dict[str, tuple[Callable[[View], bool], Callable[[str], Iterator[Span]]]]] = {
    "personal-resident-number": (lambda view: view.has_long_number, find_resident_numbers),
    "personal-phone": (lambda view: view.has_long_number, find_phone_numbers),
    "personal-email": (lambda view: "@" in view.full_text, find_emails),
    "personal-card": (lambda view: view.has_long_number, find_card_numbers),
    "secret-key": (lambda view: any(sign in view.full_text for sign in _SECRET_SIGNS), find_secrets),
}


def _create_check(id: str) -> Check:
    may_match, find_spans = _FINDERS[id]

    def check(view: View) -> Finding | None:
        if not may_match(view) or (id in _FORMAT_EXEMPT_RULES and _FORMAT_TASK.search(view.request)):
            return None
        for field, text in view.texts:
            if found := next(find_spans(text), None):
                # The value itself stays out of every report.
                hidden = mask_personal_data(text)
                return Finding(
                    field,
                    shorten(
                        hidden[max(0, found[0] - 20) : found[0]]
                        + _LABELS[id][not view.is_korean]
                        + hidden[found[1] : found[1] + 20]
                    ),
                )
        return None

    return check


def _mask_spans(text: str, find_spans: Callable[[str], Iterator[Span]], mask: Callable[[int], str]) -> str:
    """Return the text with each span covered; what covering one brings together is looked at again."""
    while found := sorted(find_spans(text)):
        parts, end = [], 0
        for start, stop in found:
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
    """Return the text with all personal data as stars, for reports."""
    for _, find_spans in _FINDERS.values():
        text = _mask_spans(text, find_spans, lambda length: "*" * length)
    return text


CHECKS: Final[dict[str, Check]] = {id: _create_check(id) for id in _FINDERS}
REPAIRERS: Final[dict[str, Repairer]] = {id: _create_redactor(id) for id in _FINDERS}
