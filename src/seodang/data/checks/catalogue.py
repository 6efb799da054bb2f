"""All rules on a row, in the order in which a row's faults are told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from seodang.data.checks import abilities, answers, calculation, encoding, endings, inputs, languages, lengths, markup, others, personal, placeholders, structure, unseen
from seodang.data.checks.rule import Rule
from seodang.data.checks.view import Check, Measure, Mend

CATALOGUE: Final[tuple[Rule, ...]] = (
    *(*structure.RULES, *lengths.RULES, *encoding.RULES, *markup.RULES, *placeholders.RULES, *personal.RULES),
    *(*answers.RULES, *endings.RULES, *languages.RULES, *inputs.RULES, *unseen.RULES, *abilities.RULES, *calculation.RULES, *others.RULES),
)
by_id: Final[Mapping[str, Rule]] = MappingProxyType({rule.id: rule for rule in CATALOGUE})

CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        **{**structure.CHECKS, **encoding.CHECKS, **markup.CHECKS, **placeholders.CHECKS, **personal.CHECKS},
        **{**answers.CHECKS, **endings.CHECKS, **languages.CHECKS, **inputs.CHECKS, **unseen.CHECKS, **abilities.CHECKS, **calculation.CHECKS},
    }
)
MEASURES: Final[Mapping[str, Measure]] = MappingProxyType({**lengths.MEASURES, **endings.MEASURES, **inputs.MEASURES})
MENDS: Final[Mapping[str, Mend]] = MappingProxyType({**encoding.MENDS, **markup.MENDS, **placeholders.MENDS, **personal.MENDS, **endings.MENDS})
