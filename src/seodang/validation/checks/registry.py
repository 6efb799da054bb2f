"""Registry of the rules on a row, in the order in which reports list violations."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from seodang.validation.checks import (
    answers,
    arithmetic,
    capabilities,
    cross_row,
    encoding,
    escapes,
    external_content,
    language,
    length,
    marks,
    markup,
    missing_input,
    pii,
    placeholders,
    preference,
    spreadsheet,
    structure,
    truncation,
)
from seodang.validation.checks.row_view import Check, Metric, Repairer
from seodang.validation.checks.rule import Rule

REGISTRY: Final[tuple[Rule, ...]] = (
    *(*structure.RULES, *preference.RULES, *marks.RULES, *length.RULES, *encoding.RULES, *escapes.RULES, *markup.RULES),
    *(*placeholders.RULES, *spreadsheet.RULES, *pii.RULES),
    *(
        *answers.RULES,
        *truncation.RULES,
        *language.RULES,
        *missing_input.RULES,
        *external_content.RULES,
        *capabilities.RULES,
        *arithmetic.RULES,
        *cross_row.RULES,
    ),
)

CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        **{
            **structure.CHECKS,
            **preference.CHECKS,
            **marks.CHECKS,
            **encoding.CHECKS,
            **escapes.CHECKS,
            **markup.CHECKS,
        },
        **{**placeholders.CHECKS, **spreadsheet.CHECKS, **pii.CHECKS},
        **{
            **answers.CHECKS,
            **truncation.CHECKS,
            **language.CHECKS,
            **missing_input.CHECKS,
            **external_content.CHECKS,
            **capabilities.CHECKS,
            **arithmetic.CHECKS,
        },
    }
)
METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {**length.METRICS, **truncation.METRICS, **missing_input.METRICS}
)
REPAIRERS: Final[Mapping[str, Repairer]] = MappingProxyType(
    {
        **{**encoding.REPAIRERS, **escapes.REPAIRERS, **markup.REPAIRERS, **placeholders.REPAIRERS},
        **{**pii.REPAIRERS, **truncation.REPAIRERS},
    }
)
