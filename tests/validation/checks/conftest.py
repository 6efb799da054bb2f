"""Fixtures of the tests of the rules on rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import pytest

from seodang.config.expectations import LimitsParams
from seodang.validation.checks.registry import REGISTRY
from seodang.validation.checks.row_view import Finding
from seodang.validation.checks.run import examine

_LIMITS = LimitsParams(
    min_instruction_characters=2,
    max_instruction_characters=400,
    max_input_characters=800,
    max_output_characters=1600,
    max_label_characters=30,
    max_tokens=None,
    max_refusal_characters=300,
    max_repeated_ratio=0.5,
    max_loop=5,
    min_other_language_words=4,
    min_article_characters=200,
    max_bare_answer_characters=80,
)
_ALL_RULES = frozenset(rule.id for rule in REGISTRY)


@pytest.fixture(scope="session")
def limits() -> LimitsParams:
    """Bounds of the rules, some of them smaller than the shipped ones."""
    return _LIMITS


@pytest.fixture(scope="session")
def all_rules() -> frozenset[str]:
    """The ids of all rules."""
    return _ALL_RULES


@pytest.fixture(scope="session")
def find_violations() -> Callable[..., Mapping[str, Finding]]:
    """Finds the violations of rules in a row."""

    def find_violations(
        row: Mapping[str, Any], rules: Collection[str] = _ALL_RULES, limits: LimitsParams = _LIMITS
    ) -> Mapping[str, Finding]:
        return examine(dict(row), limits, rules).findings

    return find_violations
