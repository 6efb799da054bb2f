"""The registry, params.yaml and the documentation list the same rules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from seodang.config.expectations import ActionsParams, LimitsParams, RepairableAction
from seodang.validation.checks.registry import CHECKS, METRICS, REGISTRY, REPAIRERS
from seodang.validation.checks.rule import fill_limit, format_rule, get_bound

DOCUMENT = (Path(__file__).parents[3] / "docs" / "data-quality.md").read_text("utf-8")
RULES_BY_ID = {rule.id: rule for rule in REGISTRY}
CROSS_ROW = {
    *("duplicate", "contradiction", "several-answers", "pair-both-orders", "label-conflict"),
    "too-many-tokens",
}
REPAIRABLE = get_args(get_args(RepairableAction)[0])


def test_each_rule_has_an_action_and_each_action_a_rule():
    assert [rule.action_field for rule in REGISTRY] == list(ActionsParams.model_fields)
    assert len(RULES_BY_ID) == len(REGISTRY)


def test_params_allow_repair_for_exactly_the_repairable_rules():
    allowed = {name for name, field in ActionsParams.model_fields.items() if "repair" in _list_choices(field)}
    assert allowed == {rule.action_field for rule in REGISTRY if rule.repairable}
    assert {rule.id for rule in REGISTRY if rule.repairable} == {*REPAIRERS, "too-many-tokens"}


def _list_choices(field):
    return get_args(field.annotation) or get_args(get_args(field.annotation)[0])


def test_each_rule_checks_single_rows_or_compares_rows():
    assert {*CHECKS, *METRICS} | CROSS_ROW == set(RULES_BY_ID)
    assert not set(CHECKS) & set(METRICS)
    assert {rule.id for rule in REGISTRY if rule.numeric} == {*METRICS, "too-many-tokens"}


def test_each_bound_is_a_field_of_the_limits():
    for rule in REGISTRY:
        assert {rule.minimum, rule.maximum} - {None} <= set(LimitsParams.model_fields)
        assert not (rule.minimum and rule.maximum)


def test_texts_are_in_both_languages_and_contain_their_bound(limits):
    for rule in REGISTRY:
        texts = format_rule(rule, limits).to_json()
        for name, text in texts.items():
            assert bool(re.search("[가-힣]", text)) == name.endswith("_ko")
            assert text
        assert "{limit}" not in "".join(texts.values())
    assert str(format_rule(RULES_BY_ID["output-too-long"], limits).reason) == "output is longer than 1,600 characters"
    assert str(format_rule(RULES_BY_ID["repetition"], limits).reason).endswith("above 0.5")
    assert get_bound(RULES_BY_ID["too-many-tokens"], limits) is None


def test_a_reason_is_korean_where_the_terminal_is(monkeypatch, limits):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    assert str(format_rule(RULES_BY_ID["output-too-long"], limits).reason) == "답(output)이 1,600자보다 깁니다"


def test_a_bound_of_one_takes_the_singular():
    rule = fill_limit(RULES_BY_ID["instruction-too-short"], "1", count=1)
    assert str(rule.reason) == "instruction is shorter than 1 character"


def test_off_may_be_written_without_quotes_in_yaml(build_expectations):
    actions = {**build_expectations().actions.model_dump(), "truncated": False}
    assert ActionsParams.model_validate(actions).truncated == "off"


def test_the_documentation_has_one_line_for_each_rule_with_its_default_and_its_bound(build_expectations):
    section = DOCUMENT.split("## All rules")[1].split("\n## ")[0]
    expected = []
    for rule in REGISTRY:
        limit = f"`{rule.minimum or rule.maximum}`" if rule.numeric else ""
        english, korean = (
            (fill_limit(rule, bound, count=2) if rule.numeric else rule).reason.translate(language)
            for language, bound in (("en", "the bound"), ("ko", "정한 값"))
        )
        expected.append(
            f"| `{rule.id}` | {getattr(build_expectations().actions, rule.action_field)} | {limit} | {english} | {korean} |"
        )
    assert [line for line in section.splitlines() if line.startswith("| `")] == expected
