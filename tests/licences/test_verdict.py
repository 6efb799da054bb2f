"""The licence verdict: the strictest of base, sources and teachers decides, and unknown is never allowed."""

from __future__ import annotations

import pytest

from seodang.licences.table import read_table
from seodang.licences.verdict import Part, judge_licences, list_notices, list_parts, serialize_verdict

OWN = {"name": "own", "licence": "Apache-2.0"}
KOALPACA = {"name": "koalpaca", "licence": "CC-BY-NC-4.0", "teachers": ["OpenAI Terms of Use"]}


def judge(use, base="Apache-2.0", *sources):
    return judge_licences(use, list_parts(base, sources))


def list_alternatives(verdict):
    return [str(message) for message in verdict.instead]


@pytest.mark.parametrize("licence", read_table(), ids=lambda licence: licence.id)
@pytest.mark.parametrize("use", ["commercial", "non-commercial", "research"])
def test_a_base_is_judged_by_its_entry(licence, use):
    rule = licence.uses.get(use)
    assert judge(use, licence.name).status == (rule.status if rule else "unknown")


def test_one_forbidden_source_forbids_the_use_and_the_advice_names_it():
    verdict = judge("commercial", "Gemma Terms of Use", OWN, KOALPACA)
    assert verdict.status == "forbidden"
    [finding] = [finding for finding in verdict.findings if finding.status == "forbidden"]
    assert (finding.part.name, finding.section) == ("koalpaca", "2(a)(1), 1(i)")
    assert str(finding.text) == (
        "source koalpaca under CC-BY-NC-4.0: commercial use is forbidden (Creative Commons Attribution-NonCommercial "
        "4.0 International (4.0), section 2(a)(1), 1(i))"
    )
    assert list_alternatives(verdict)[:3] == [
        "commercial use without the source koalpaca",
        "non-commercial use (package.intended_use: non-commercial)",
        "research use (package.intended_use: research)",
    ]


def test_the_advice_is_enough():
    assert judge("commercial", "Gemma Terms of Use", OWN).status == "allowed"
    assert judge("non-commercial", "Gemma Terms of Use", OWN, KOALPACA).status == "conditional"
    assert judge("research", "Gemma Terms of Use", OWN, KOALPACA).status == "conditional"


def test_a_forbidding_base_asks_for_another_base_and_offers_the_uses_that_it_allows():
    verdict = judge("commercial", "EXAONE AI Model License Agreement 1.1 - NC", OWN)
    assert list_alternatives(verdict) == [
        "commercial use with another base model",
        "research use (package.intended_use: research)",
        "a licence for this use from those who hold the rights",
    ]
    both = judge("commercial", "EXAONE 1.2 - NC", KOALPACA, {**KOALPACA, "name": "alpaca"})
    assert (
        list_alternatives(both)[0] == "commercial use without the sources koalpaca, alpaca and with another base model"
    )


@pytest.mark.parametrize("licence", ["", "unknown", "our own terms", "AI Hub", "모름"])
def test_an_unknown_licence_is_never_allowed_and_never_refused(licence):
    verdict = judge("research", "Apache-2.0", {"name": "own", "licence": licence})
    assert verdict.status == "unknown"
    assert "is not known to be allowed" in str(verdict.findings[-1].text)


@pytest.mark.parametrize("licence", ["CC-BY-NC-SA-4.0", "research only", "비상업적 이용만", "연구용"])
def test_a_name_that_forbids_commercial_use_is_believed(licence):
    assert judge("commercial", "MIT", {"name": "own", "licence": licence}).status == "forbidden"
    assert judge("non-commercial", "MIT", {"name": "own", "licence": licence}).status == "unknown"


@pytest.mark.parametrize(
    ("licence", "status"),
    [
        ("Apache-2.0 (code), CC-BY-NC-4.0 (data)", "forbidden"),
        ("Apache-2.0, our own terms", "unknown"),
        ("MIT and Apache-2.0", "allowed"),
        ("MIT, Llama 3.1", "conditional"),
    ],
)
def test_of_several_licences_the_strictest_decides(licence, status):
    assert judge("commercial", "MIT", {"name": "own", "licence": licence}).status == status


@pytest.mark.parametrize(
    ("teacher", "base", "status"),
    [
        ("OpenAI Terms of Use", "MIT", "conditional"),
        ("Llama 3 Community License", "MIT", "forbidden"),
        ("Meta Llama 3 Community License", "Meta Llama 3 Community License", "conditional"),
        ("Llama 3.1 Community License", "MIT", "conditional"),
        ("EXAONE 1.2 - NC", "MIT", "forbidden"),
        ("EXAONE 1.1 - NC", "MIT", "unknown"),
        ("Apache-2.0", "MIT", "allowed"),
        ("gpt-4", "MIT", "unknown"),
    ],
)
def test_the_teacher_of_synthetic_data_has_rules_of_its_own(teacher, base, status):
    source = {"name": "synthetic", "licence": "MIT", "teachers": [teacher]}
    assert judge("commercial", base, source).status == status


def test_without_a_declared_use_there_is_no_verdict_but_there_are_duties():
    verdict = judge(None, "Gemma Terms of Use", KOALPACA)
    assert (verdict.status, verdict.findings, verdict.instead) == (None, [], [])
    assert any("prohibited_use_policy" in str(duty) for duty in verdict.duties)


def test_the_report_has_each_rule_with_its_document_in_both_languages():
    report = serialize_verdict(judge("commercial", "Gemma Terms of Use", KOALPACA))
    assert (report["use"], report["status"]) == ("commercial", "forbidden")
    base, source, teacher = report["findings"]
    assert base["document"]["url"] == "https://ai.google.dev/gemma/terms"
    assert source["document"]["read"] == "full"
    assert source["ko"].startswith("소스 koalpaca(CC-BY-NC-4.0): 상업적 이용이 금지됩니다")
    assert teacher["part"] == "teacher"
    assert report["instead"][0] == {
        "en": "commercial use without the source koalpaca",
        "ko": "소스 koalpaca를 뺀 상업적 이용",
    }


def test_the_required_notices_are_listed_word_by_word():
    parts = [Part("base", "base", "Llama 3.1 Community License"), Part("source", "own", "MIT")]
    assert list_notices(parts) == [
        "Llama 3.1 is licensed under the Llama 3.1 Community License, Copyright © Meta Platforms, Inc. All Rights Reserved."
    ]


def test_a_narrower_use_with_an_unknown_licence_is_offered_as_what_no_known_rule_forbids():
    verdict = judge("commercial", "MIT", KOALPACA, {"name": "own", "licence": "unknown"})
    assert list_alternatives(verdict)[1:3] == [
        "non-commercial use, which no known rule forbids (package.intended_use: non-commercial)",
        "research use, which no known rule forbids (package.intended_use: research)",
    ]
