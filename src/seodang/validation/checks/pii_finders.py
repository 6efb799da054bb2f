"""Find personal data and secrets in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

Span = tuple[int, int]  # begin and end in the text

_RESIDENT: Final = re.compile(r"(?<![\d-])(\d{6})( ?[-–] ?)?([1-8]\d{6})(?![\d-])")
# Without this hint, 13 digits without a hyphen are a bar code.
_RESIDENT_HINT: Final = re.compile(r"주민|등록 ?번호|resident|registration", re.IGNORECASE)
_RESIDENT_WEIGHTS: Final = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
# From this date on the last six digits are random
# (Ministry of the Interior and Safety, Enforcement Rule of the Resident Registration Act, Article 2).
_NO_CHECKSUM_SINCE: Final = date(2020, 10, 5)

_KOREAN_PHONE: Final = re.compile(
    r"(?<![\d.+-])(?:\+?82[-. ]?\(?0?\)?1[016789]|01[016789])[-. ]?\d{3,4}[-. ]?\d{4}(?![\d-])"
    r"|(?<![\d.+-])(?:\+?82[-. ]?0?|\(?0)(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|50\d)(?:\)"
    r"|[-. ])[-. ]?\d{3,4}[-. ]\d{4}(?![\d-])"
)
_OTHER_PHONE: Final = re.compile(
    r"(?<![\w+])\+(?!82)[1-9]\d{0,2}[-. ]?\(?\d{1,4}\)?(?:[-. ]\d{2,4}){2,4}(?![\d-])"
    r"|(?<![\d.+-])(?:1[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-.])[2-9]\d\d[-.]\d{4}(?![\d-])"
)
_TOLL_FREE_CODES: Final = ("800", "833", "844", "855", "866", "877", "888", "900")

_EMAIL: Final = re.compile(
    r"(?<![A-Za-z0-9_.+-])[A-Za-z0-9][\w.+%-]{0,63}@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}(?![A-Za-z0-9_-])"
)
# RFC 2606: reserved names without an owner.
_RESERVED_DOMAIN: Final = re.compile(
    r"(?:^|[.@])(?:example\.(?:com|org|net|edu|co\.kr|kr)|example|test|invalid|localhost)$", re.IGNORECASE
)

# Local parts and domains of examples.
_EXAMPLE_EMAIL: Final = re.compile(
    r"(?:example|user(?:name)?|test(?:er|ing)?|(?:your|first|last|full|my)?[._-]?(?:name|e?mail)|john[._]?doe"
    r"|jane[._]?doe|abc|xyz|sample|someone|somebody|recipient|sender|foo"
    r"|bar|123)\d*@"
    r"|.+@(?:[\w-]+\.)*(?:(?:your|my|some)?-?(?:domain|company|e?mail|website|site|organization|school)|abc|xyz"
    r"|foo|bar|test)\.[a-z.]+$",
    re.IGNORECASE,
)

_CARD: Final = re.compile(r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d-])")
# First digits and lengths: Visa, Mastercard, American Express, Discover, UnionPay, JCB, Diners Club.
_CARD_KINDS: Final = re.compile(
    r"4\d{12}(?:\d{3})?|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|62\d{14,17}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}"
)
# Without this hint, digits without separators may be any number.
_CARD_HINT: Final = re.compile(r"card|visa|master|payment|카드|결제", re.IGNORECASE)
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
    r"(?<![A-Za-z0-9])sk-(?:proj-|ant-)?[A-Za-z0-9_-]{20,}|(?<![A-Za-z0-9])(?:AKIA"
    r"|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])|(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{30,}"
    r"|(?<![A-Za-z0-9])github_pat_\w{30,}|(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,}"
    r"|(?<![A-Za-z0-9])xox[abprs]-[A-Za-z0-9-]{10,}"
    r"|AIza[\w-]{35}|(?<![A-Za-z0-9])glpat-[\w-]{20,}|-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"
    r"(?:[A-Za-z0-9+/=\s\\]{0,8000}?-----END (?:[A-Z]+ )?PRIVATE KEY-----)?"
    r"|(?<![\w-])eyJ[\w-]{10,2000}\.eyJ[\w-]{10,8000}\.[\w-]{10,}"
)
SECRET_PREFIXES: Final = (
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
    """Yield the span of each resident registration number: a possible date and a valid checksum.

    A number issued since October 2020 has no checksum; its date alone decides.
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
    """Yield the span of each phone number that may be in use."""
    for match in _KOREAN_PHONE.finditer(text):
        if not _is_fictitious(re.sub(r"\D", "", match.group())[-8:]):
            yield match.span()
    for match in _OTHER_PHONE.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        # 555 is the exchange of films and examples; 800 and similar codes belong to companies.
        if (
            digits[-7:-4] != "555"
            and digits[-10:-7] not in {*_TOLL_FREE_CODES, "555"}
            and not _is_fictitious(digits[-7:])
        ):
            yield match.span()


def _is_fictitious(digits: str) -> bool:
    """Return whether the digits are an example: one repeated digit, or consecutive digits up or down."""
    sequence = "01234567890123456789"
    halves = (digits[: len(digits) - 4], digits[-4:])
    return all(len(set(half)) == 1 or half in sequence or half in sequence[::-1] for half in halves)


def find_emails(text: str) -> Iterator[Span]:
    """Yield the span of each e-mail address whose domain is not reserved for examples (RFC 2606)."""
    for match in _EMAIL.finditer(text):
        if not _RESERVED_DOMAIN.search(match.group()) and not _EXAMPLE_EMAIL.match(match.group()):
            yield match.span()


def find_card_numbers(text: str) -> Iterator[Span]:
    """Yield the span of each payment card number: known prefix and length, valid Luhn checksum (ISO/IEC 7812-1)."""
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        is_card = digits != match.group() or _CARD_HINT.search(text)
        if is_card and _CARD_KINDS.fullmatch(digits) and digits not in _TEST_CARDS and _has_luhn_checksum(digits):
            yield match.span()


def _has_luhn_checksum(digits: str) -> bool:
    products = [int(digit) * (2 if position % 2 else 1) for position, digit in enumerate(reversed(digits))]
    return sum(number - 9 if number > 9 else number for number in products) % 10 == 0


def find_secrets(text: str) -> Iterator[Span]:
    """Yield the span of each key or token in a known format."""
    for match in _SECRET.finditer(text):
        if match.group().startswith("-----") or len(set(match.group())) > 8:  # sk-xxxxxxxx is an example
            yield match.span()
