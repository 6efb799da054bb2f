"""The table of licences: rules from texts that were read, and the search for a licence by any of its spellings."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

Use = Literal["research", "non-commercial", "commercial"]
USES: Final[tuple[Use, ...]] = ("commercial", "non-commercial", "research")
"""From the widest use to the narrowest."""
Status = Literal["allowed", "conditional", "unknown", "forbidden"]

_TABLE: Final = Path(__file__).with_name("terms.yaml")
_ADDRESS: Final = re.compile(r"https?://\S+|\b[\w.-]+\.(?:com|org|net|dev|kr)\b(?:/\S*)?")
_CC_ADDRESS: Final = re.compile(
    r"(?:https?://)?(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/([a-z-]+)/(\d\.\d)"
    r"(?:/(?:legalcode|deed)?[\w.]*)?"
)
# Pages whose address holds the identifier of a licence.
_NAMED_ADDRESS: Final = re.compile(
    r"(?:https?://)?(?:www\.)?(?:spdx\.org/licenses/|opensource\.org/licenses?/|(kogl)\.or\.kr/info/license(?=type))"
    r"([\w.-]+?)(?:\.(?:html|json|txt|php|do))?/?(?![\w./-])"
)
# Words and numbers. Words in any other script and signs such as "?" are words that no licence of the table has.
_TOKEN: Final = re.compile(r"\d+(?:\.\d+)*|[a-z]+|[가-힣]+|[^\W\d_a-z가-힣]+|[?\u2600-\u27bf\U0001f300-\U0001faff]")
# Parts of a licence's name that have the same meaning.
_SYNONYMS: Final = (
    ("creative commons", "cc"), ("크리에이티브 커먼즈", "cc"), ("크리에이티브 커먼스", "cc"), ("ccby", "cc by"),
    ("저작자 표시", "by"), ("저작자표시", "by"), ("attribution", "by"), ("비영리", "nc"),
    ("non commercial", "nc"), ("noncommercial", "nc"), ("동일조건변경허락", "sa"), ("share alike", "sa"),
    ("sharealike", "sa"), ("no derivatives", "nd"), ("noderivatives", "nd"), ("공공누리", "공공누리"),
)  # fmt: skip
# Words of a licence's name that distinguish no licence from another one.
_FILLERS: Final = frozenset(
    "license licence licenses licences agreement version v the of terms use community public international universal"
    " model ai and code data weights 라이선스 라이센스 이용약관 약관 국제 및 버전 이용 조건 커뮤니티"
    " or 또는 혹은".split()
)


class _Entry(BaseModel):
    """A part of the table: frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Condition(_Entry):
    """A condition under which a use is allowed."""

    kind: Literal[
        "monthly_users", "no_competing_product", "own_service", "education", "no_competing_models", "derivative",
        "named", "unchanged",
    ]  # fmt: skip
    count: int = 0
    """Number of users, of `monthly_users`."""


class Rule(_Entry):
    """What a document says about a use."""

    status: Literal["allowed", "conditional", "forbidden"]
    section: str
    conditions: tuple[Condition, ...] = ()
    except_for: tuple[str, ...] = ()
    """Licences of the base for which a prohibition does not hold."""


class Uses(_Entry):
    """Rules by use; a use without a rule is unknown."""

    any: Rule | None = None
    research: Rule | None = None
    non_commercial: Rule | None = Field(default=None, alias="non-commercial")
    commercial: Rule | None = None

    def get(self, use: Use) -> Rule | None:
        """Return the rule of a use, else that of all uses."""
        own: Rule | None = getattr(self, use.replace("-", "_"))
        return own or self.any


class NamePrefix(_Entry):
    """What the name of a derived model must begin with."""

    text: str
    section: str
    by_outputs: bool
    """The duty also holds for a model that was trained on outputs."""


class Duty(_Entry):
    """What must be done when a derived model is passed on."""

    kind: Literal["attribution", "copy", "changes", "notices", "notice", "display", "policy", "share_alike"]
    section: str
    text: str = ""


class Document(_Entry):
    """The text from which the rules of an entry are."""

    title: str
    version: str
    url: str
    read: Literal["full", "excerpts"]
    copied_from: str = Field(alias="copy")
    """Where the text was read; empty: at `url`."""
    read_on: date


class Licence(_Entry):
    """One licence with its rules."""

    id: str
    name: str
    licensor: str
    spellings: tuple[str, ...]
    document: Document
    uses: Uses
    outputs: Uses | None = None
    """Rules for training another model on answers of a model under this licence."""
    name_prefix: NamePrefix | None = None
    duties: tuple[Duty, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundLicences:
    """The licences that a text names."""

    licences: tuple[Licence, ...]
    is_complete: bool
    """Each word of the text belongs to one of the licences."""


@cache
def read_table() -> tuple[Licence, ...]:
    """Return the licences of the table."""
    content = yaml.safe_load(_TABLE.read_text("utf-8"))
    return tuple(Licence.model_validate(entry) for entry in content["licences"])


def find_licences(text: str) -> FoundLicences:
    """Return the licences that a text names, such as "CC BY-NC 4.0" or "Apache-2.0 (code), CC-BY-4.0 (data)".

    Words that belong to no licence make the result incomplete: "MIT with restrictions" is not known to be MIT.
    """
    tokens = _split_tokens(text)
    found: dict[str, Licence] = {}
    is_complete = True
    position = 0
    while position < len(tokens):
        longest = _find_longest(tokens, position)
        if longest is None:
            is_complete = False
            position += 1
        else:
            length, licence = longest
            found[licence.id] = licence
            position += length
    return FoundLicences(tuple(found.values()), is_complete and bool(found))


def normalize_name(name: str) -> str:
    """Return the letters and digits of a model's name, in lower case: "HyperCLOVA X" and "hyperclova-x" are equal."""
    return "".join(character for character in name.lower() if character.isalnum())


def _find_longest(tokens: tuple[str, ...], position: int) -> tuple[int, Licence] | None:
    """Return the longest spelling at a position, with the number of its tokens."""
    candidates = [
        (len(spelling), licence)
        for spelling, licence in _list_spellings()
        if tokens[position : position + len(spelling)] == spelling
    ]
    return max(candidates, key=lambda candidate: candidate[0], default=None)


@cache
def _list_spellings() -> tuple[tuple[tuple[str, ...], Licence], ...]:
    """Return the spellings of each licence; a title that several share, as the types of KOGL do, names none of them."""
    titles = Counter(licence.document.title for licence in read_table())
    return tuple(
        (_split_tokens(spelling), licence)
        for licence in read_table()
        for spelling in (*licence.spellings, licence.name, *_list_titles(licence))
        if titles[licence.document.title] < 2 or spelling not in _list_titles(licence)
    )


def _list_titles(licence: Licence) -> tuple[str, ...]:
    """Return the title of the document, also with its version."""
    return licence.document.title, f"{licence.document.title} {licence.document.version}"


@cache
def _list_addresses() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return a pattern for the address of each document, with the name of its licence; a shared one names none."""
    addresses = Counter(licence.document.url for licence in read_table())
    return tuple(
        (_compile_address(licence.document.url), f" {licence.name} ".lower())
        for licence in read_table()
        if addresses[licence.document.url] < 2
    )


def _compile_address(url: str) -> re.Pattern[str]:
    path = url.lower().removeprefix("https://").removeprefix("www.")
    return re.compile(rf"(?:https?://)?(?:www\.)?{re.escape(path)}(?:\.(?:html|txt))?/?(?![\w/-])")


def _name_cc_licence(address: re.Match[str]) -> str:
    return f" cc {address[1].replace('zero', '0')} {address[2]} "


def _split_tokens(text: str) -> tuple[str, ...]:
    """Return the words and numbers of a text that distinguish licences."""
    text = _CC_ADDRESS.sub(_name_cc_licence, text.lower())
    for address, name in _list_addresses():
        text = address.sub(name, text)
    text = _NAMED_ADDRESS.sub(lambda address: f" {address[1] or ''} {address[2]} ", text)
    text = unicodedata.normalize("NFKC", _ADDRESS.sub(" ", text))
    text = re.sub(r"[-_/]", " ", text)
    for name, short in _SYNONYMS:
        text = text.replace(name, f" {short} ")
    return tuple(token for token in _TOKEN.findall(text) if token not in _FILLERS)
