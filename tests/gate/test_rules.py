"""Kinds of rules, the reasons of a verdict, and the labels in both languages."""

import json
from typing import get_args

import pytest
from tests.constants import ROOT

from seodang.config import DefaultRuleParams, RuleParams
from seodang.errors import GateRejected
from seodang.gate.messages import build_missing_reference_reason, build_rule_reason
from seodang.gate.rules import RULE_KINDS, RuleResult, TestName, describe_subject
from seodang.gate.verdict import OUTCOME_LABELS, VERDICT_LABELS, require_promotion
from seodang.i18n import translate


def make_result(**changes):
    fields = {
        "rule": 0,
        "against": "few_shot",
        "test": "superiority",
        "metric": "accuracy",
        "tasks": (),
        "group": "ko",
        "margin": 0.05,
        "items": 42,
        "independent_groups": 42,
        "confidence": 0.95,
        "candidate": 0.9,
        "reference": 0.5,
        "difference": 0.4,
        "low": 0.31,
        "high": 0.49,
        "p": 0.00005,
        "p_exact": None,
        "p_holm": 0.00005,
        "required_items": None,
        "judgement": 1,
        "p_inherited": None,
        "obstacle": None,
        "passed": True,
    }
    return RuleResult(**{**fields, **changes})


@pytest.mark.parametrize("name", RULE_KINDS)
def test_a_kind_of_rule_is_complete(name):
    missing = [f"{page}: `{name}`" for page in ("gate.md", "gate.ko.md") if f"`{name}`" not in read_page(page)]
    if name not in get_args(TestName):
        missing.append("a name in TestName")
    missing += [
        f"a name in {params.__name__}.test"
        for params in (RuleParams, DefaultRuleParams)
        if name not in get_args(params.model_fields["test"].annotation)
    ]
    kind = RULE_KINDS[name]
    missing += [
        "a Korean text in locale/ko/gate.po"
        for message in (kind.describe_requirement(0.05), kind.describe_short(0.05))
        if translate("ko", message) == translate("en", message)
    ]
    assert missing == []


def read_page(name):
    return (ROOT / "docs" / name).read_text("utf-8")


def test_the_margin_raises_the_bound_of_superiority_and_lowers_that_of_non_inferiority():
    assert RULE_KINDS["superiority"].compute_bound(0.05) == 0.05
    assert RULE_KINDS["non_inferiority"].compute_bound(0.05) == -0.05
    assert make_result(test="non_inferiority").bound == -0.05


def test_an_interval_that_ends_at_the_bound_violates_superiority_only():
    assert RULE_KINDS["superiority"].is_violated(0.0, 0.0)
    assert not RULE_KINDS["non_inferiority"].is_violated(0.0, 0.0)
    assert RULE_KINDS["non_inferiority"].is_violated(-0.1, 0.0)


@pytest.mark.parametrize(
    ("changes", "english", "korean"),
    [
        (
            {},
            "accuracy [ko] met: few_shot 0.5000 → candidate 0.9000, difference +0.4000, 95% interval [+0.3100, +0.4900], "
            "p < 0.0001, 42 items (must be better by more than 0.05)",
            "accuracy [ko] 충족: few_shot 0.5000 → 후보 0.9000, 차이 +0.4000, 95% 신뢰구간 [+0.3100, +0.4900], "
            "p < 0.0001, 문항 42개(0.05 넘게 나아야 함)",
        ),
        (
            {"passed": None, "required_items": 300, "group": "", "low": None, "high": None, "p": 0.5},
            "accuracy undecided: few_shot 0.5000 → candidate 0.9000, difference +0.4000, 95% interval none, "
            "p 0.5000, 42 items (must be better by more than 0.05). About 300 items would decide the rule",
            "accuracy 판단 보류: few_shot 0.5000 → 후보 0.9000, 차이 +0.4000, 95% 신뢰구간 없음, "
            "p 0.5000, 문항 42개(0.05 넘게 나아야 함). 문항이 약 300개면 규칙을 판정할 수 있습니다",
        ),
    ],
)
def test_a_reason_states_the_numbers_in_both_languages(changes, english, korean):
    reason = build_rule_reason(make_result(**changes), minimum_items=20)
    assert (reason.en, reason.ko) == (english, korean)


@pytest.mark.parametrize(
    ("tasks", "group", "subject"),
    [
        ((), "", "loss"),
        (("retention",), "en", "loss retention [en]"),
        (("copa",), "copa", "loss [copa]"),
        (("a", "b"), "ko", "loss [ko]"),
    ],
)
def test_a_rule_about_one_task_names_it(tasks, group, subject):
    assert describe_subject("loss", tasks, group) == subject


def test_too_few_items_are_named_with_their_minimum():
    reason = build_rule_reason(make_result(passed=None, required_items=50), minimum_items=50)
    assert reason.en.endswith("About 50 items would decide the rule (gate.minimum_items is 50)")


def test_a_difference_at_the_bound_needs_no_number_of_items():
    reason = build_rule_reason(make_result(passed=None), minimum_items=20)
    assert reason.en.endswith("The difference is so close to the bound that more items do not decide the rule")


def test_a_missing_champion_is_a_met_reason():
    reason = build_missing_reference_reason("champion")
    assert (reason.passed, reason.ko) == (True, "비교할 챔피언 없음: 이와 비교하는 규칙은 적용하지 않습니다")


def test_every_verdict_and_outcome_has_one_korean_label():
    assert [translate("ko", label) for label in VERDICT_LABELS.values()] == ["승격", "반려", "보류"]
    assert [translate("ko", label) for label in OUTCOME_LABELS.values()] == ["충족", "미달", "판단 보류"]


@pytest.mark.parametrize(("language", "parts"), [("en", ("reject", "worse")), ("ko", ("반려", "나쁨"))])
def test_a_model_that_is_not_promoted_is_refused_with_the_reasons_in_the_users_language(
    tmp_path, monkeypatch, language, parts
):
    monkeypatch.setenv("SEODANG_LANG", language)
    path = tmp_path / "verdict.json"
    reasons = [{"passed": False, "ko": "나쁨", "en": "worse"}, {"passed": True, "ko": "좋음", "en": "good"}]
    path.write_text(json.dumps({"schema": 1, "verdict": "reject", "reasons": reasons}), "utf-8")
    with pytest.raises(GateRejected) as error:
        require_promotion(path, GateRejected, "nothing is packaged")
    assert all(part in str(error.value) for part in parts)
    assert "good" not in str(error.value)
