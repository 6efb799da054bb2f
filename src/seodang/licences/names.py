"""Classify the licences of data sources by name: non-commercial, share-alike or unknown. This is no legal advice."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from seodang.licences.table import find_licences

_PURPOSE: Final = r"(?:research|academic|educational|education|evaluation|personal)"
_KOREAN_PURPOSE: Final = r"(?:연구|학술|교육|개인|평가)(?:적|용)?\s?(?:목적|용도)?"
# CC-BY-NC-4.0 and similar names in any spelling, and licences that state it in prose.
_NON_COMMERCIAL: Final = re.compile(
    r"(?<![a-z])nc(?![a-z])|cc[-_ ]?by[-_ ]?nc|non[-\u2010-\u2015_ ]?commercial"
    r"|non[-_ ]?profit (?:use|purposes?|only)|only (?:for )?non[-_ ]?profit|not[-_ ]for[-_ ]profit"
    rf"|{_PURPOSE}[- ]?(?:(?:use|purposes?) )?only|(?<![a-z])(?:only|solely) for {_PURPOSE}|(?:limited|restricted) to {_PURPOSE}"
    r"|(?<![a-z])research[-_ ]licen[cs]e|(?<![a-z])qwen[-_ ]research"
    r"|(?<![a-z])no[- ]commercial(?! (?:restriction|limit))|not?(?: use)? for commercial|not-commercial"
    r"|not be used (?:commercially|for commercial)|prohibits? commercial|(?:without|excluding) commercial"
    r"|commercial (?:use|usage|purposes?) (?:is |are )?(?:forbidden|prohibited|excluded|disallowed|not (?:allowed|permitted))"
    rf"|비상업|비영리|(?<![가-힣])비[- ](?:상업|영리)|연구용|연구 목적|학술용|학술 목적|{_KOREAN_PURPOSE}(?:으로|로)?만"
    rf"|{_KOREAN_PURPOSE}(?:에|으로|로)?\s?(?:한함|한해|한하여|한정|국한)|연구\s?(?:및|[·,/])\s?(?:교육|학술)\s?(?:용|목적)"
    r"|(?:상업|영리|상용)(?:적인|적|용|화)?(?:으로)?\s?(?:(?:이용|사용|활용|목적|용도)(?:으로|의)?\s?){0,2}(?:[은는이가을를의]\s?)?"
    r"(?:금지|금합|금함|금한다|불가|제한|제외|불허|미허용|할 수 없|하지 못|허용 ?안|[x✕✖×❌](?!\w)"
    r"|(?:허용|허락|허가)(?:되|하)지 ?(?:않|아니))(?!\s?(?:[은이도]\s?)?(?:없|아님|아니))"
    r"|非商|非[營営营]利|商[用業业](?:的)?(?:利用|使用)?は?(?:不可|禁止)|禁止商",
    re.IGNORECASE,
)
# Texts that name both kinds of use, such as "commercial and non-commercial use" or "연구용 및 상업용".
_BOTH_USES: Final = re.compile(
    r"(?<![a-z-])(?:commercial|for[- ]profit)(?: use)?(?:,| and| or|/) ?non-? ?(?:commercial|profit)"
    r"|non-? ?(?:commercial|profit)(?: use)?(?:,| and| or|/) ?(?:commercial|for[- ]profit)"
    r"|(?:비상업|비영리|연구|학술)(?:적|용)?(?:\s?(?:이용|사용|목적))?\s?(?:및|또는|과|와|이나|[·/,])\s?(?:상업|영리)(?:적|용)?"
    r"|(?<!비)(?:상업|영리)(?:적|용)?(?:\s?(?:이용|사용|목적))?\s?(?:및|또는|과|와|이나|[·/,])\s?(?:비상업|비영리|연구|학술)(?:적|용)?",
    re.IGNORECASE,
)
_SHARE_ALIKE: Final = re.compile(
    r"(?<![a-z])sa(?![a-z])|cc[-_ ]?by[-_ ]?(?:nc[-_ ]?)?sa|share[- ]?alike|(?<![a-z])(?:[al]?gpl|odbl|cdla-sharing)"
    r"|동일조건",
    re.IGNORECASE,
)
_UNKNOWN: Final = frozenset(
    {
        "",
        "-",
        "?",
        "none",
        "none stated",
        "not stated",
        "unknown",
        "unlicensed",
        "other",
        "tbd",
        "n/a",
        "noassertion",
        "미상",
        "없음",
        "모름",
        "알 수 없음",
    }
)
# Identifiers of the Hugging Face Hub's dataset cards: https://huggingface.co/docs/hub/repositories-licenses
_HUB_LICENCES: Final = frozenset(
    "apache-2.0 mit cc0-1.0 cc-by-2.0 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0"
    " cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0"
    " odc-by odbl pddl gpl-3.0 lgpl-3.0 agpl-3.0 bsd-2-clause bsd-3-clause isc mpl-2.0 unlicense wtfpl gfdl"
    " gemma llama2 llama3 llama3.1 llama3.2 llama3.3".split()
)
_HUB_SPELLINGS: Final = {"cc0": "cc0-1.0", "public domain": "cc0-1.0", "odbl-1.0": "odbl", "odc-by-1.0": "odc-by"}
_HUB_FAMILY: Final = re.compile(r"^(l?a?gpl-3\.0)-(?:only|or-later)$")


@dataclass(frozen=True, slots=True)
class LicenceSummary:
    """Licences with obligations, by kind; each in its original spelling, sorted, without repeats."""

    non_commercial: tuple[str, ...]  # commercial use is not allowed; a model trained on the data inherits that
    share_alike: tuple[str, ...]  # derived work must have the same licence
    unknown: tuple[str, ...]  # the source states no licence; "" counts as unknown


def summarize_licences(licences: Iterable[str]) -> LicenceSummary:
    """Return the non-commercial, share-alike and unknown licences; a licence can be both of the first two.

    Args:
        licences: SPDX names or free text, one for each source: "CC-BY-NC-4.0", "CC BY-NC 4.0 (research only)", "".

    """
    names = sorted({licence.strip() for licence in licences})
    return LicenceSummary(
        non_commercial=_filter_licences(names, _is_non_commercial),
        share_alike=_filter_licences(names, lambda licence: bool(_SHARE_ALIKE.search(licence))),
        unknown=_filter_licences(names, _is_unknown),
    )


def find_hub_licence(licence: str) -> str:
    """Return the licence's identifier on the Hugging Face Hub; `unknown` or `other` if it has none."""
    name = re.sub(r"\s+", "-", licence.strip().lower()).replace("ccby", "cc-by")
    name = _HUB_SPELLINGS.get(name.replace("-", " "), _HUB_SPELLINGS.get(name, _HUB_FAMILY.sub(r"\1", name)))
    if name in _HUB_LICENCES:
        return name
    found = find_licences(licence)
    if found.is_complete and len(found.licences) == 1:
        identifier = found.licences[0].id.replace("llama-", "llama")
        return identifier if identifier in _HUB_LICENCES else "other"
    return "unknown" if _is_unknown(licence) else "other"


def _filter_licences(licences: list[str], predicate: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(licence for licence in licences if predicate(licence))


def _is_non_commercial(licence: str) -> bool:
    rules = [found.uses.get("commercial") for found in find_licences(licence).licences]
    if any(rule is not None and rule.status == "forbidden" for rule in rules):
        return True
    text = unicodedata.normalize("NFKC", licence)
    return bool(_NON_COMMERCIAL.search(_BOTH_USES.sub(_name_commercial, text)))


def _name_commercial(both: re.Match[str]) -> str:
    return "commercial" if both[0].isascii() else "상업적"


def _is_unknown(licence: str) -> bool:
    return licence.strip().lower() in _UNKNOWN
