"""The table of licences: complete entries with their sources, and the search by any spelling."""

from __future__ import annotations

import datetime

import pytest

from seodang.licences.table import USES, Uses, find_licences, read_table

IDS = {licence.id for licence in read_table()}
# Licence -> its verdict on commercial, non-commercial and research use; None: nothing that was read says so.
EXPECTED = {
    "apache-2.0": ("allowed", "allowed", "allowed"),
    "mit": ("allowed", "allowed", "allowed"),
    "cc0-1.0": ("allowed", "allowed", "allowed"),
    "cc-by-4.0": ("allowed", "allowed", "allowed"),
    "cc-by-sa-4.0": ("allowed", "allowed", "allowed"),
    "cc-by-nc-4.0": ("forbidden", "allowed", "allowed"),
    "kogl-1": ("allowed", "allowed", "allowed"),
    "kogl-2": ("forbidden", "allowed", "allowed"),
    "kogl-3": ("conditional", "conditional", "conditional"),
    "kogl-4": ("forbidden", "conditional", "conditional"),
    "gemma": ("allowed", "allowed", "allowed"),
    "llama-3.1": ("conditional", "conditional", "conditional"),
    "llama-3.2": ("conditional", "conditional", "conditional"),
    "llama-3.3": ("conditional", "conditional", "conditional"),
    "llama-3": ("conditional", None, None),
    "llama-2": ("conditional", None, None),
    "hyperclova-x-seed": ("conditional", "conditional", "conditional"),
    "kanana-open": ("conditional", "allowed", "allowed"),
    "upstage-solar": ("allowed", "allowed", "allowed"),
    "exaone-1.2-nc": ("forbidden", "conditional", "conditional"),
    "exaone-1.1-nc": ("forbidden", "forbidden", "allowed"),
    "openai": (None, None, None),
}
# May answers of a model under the licence train another model, for a commercial use? Without an entry it is unknown.
OUTPUTS = {
    "apache-2.0": "allowed",
    "mit": "allowed",
    "gemma": "conditional",
    "llama-3.1": "conditional",
    "llama-3.2": "conditional",
    "llama-3.3": "conditional",
    "llama-3": "forbidden",
    "llama-2": "forbidden",
    "hyperclova-x-seed": "conditional",
    "upstage-solar": "conditional",
    "exaone-1.2-nc": "forbidden",
    "openai": "conditional",
}
PREFIXES = {
    "llama-3.1": "Llama",
    "llama-3.2": "Llama",
    "llama-3.3": "Llama",
    "hyperclova-x-seed": "HyperCLOVA X",
    "kanana-open": "Kanana",
    "upstage-solar": "Solar",
}


def _list_statuses(uses: Uses | None) -> tuple[str | None, ...]:
    rules = [uses.get(use) if uses else None for use in USES]
    return tuple(rule.status if rule else None for rule in rules)


def test_each_entry_has_the_verdicts_that_its_document_states():
    assert {licence.id: _list_statuses(licence.uses) for licence in read_table()} == EXPECTED


def test_the_rule_for_teachers_is_stated_or_unknown():
    stated = {licence.id: licence.outputs.get("commercial") for licence in read_table() if licence.outputs}
    assert {id: rule.status for id, rule in stated.items() if rule} == OUTPUTS


def test_the_licences_that_require_a_name_are_these():
    assert {licence.id: licence.name_prefix.text for licence in read_table() if licence.name_prefix} == PREFIXES


@pytest.mark.parametrize("licence", read_table(), ids=lambda licence: licence.id)
def test_each_entry_says_where_its_rules_were_read(licence):
    document = licence.document
    assert document.title
    assert document.url.startswith("https://")
    assert document.read_on >= datetime.date(2026, 11, 30)
    rules = [rule for uses in (licence.uses, licence.outputs) if uses for use in USES if (rule := uses.get(use))]
    assert all(rule.section for rule in rules)
    assert all(bool(rule.conditions) == (rule.status == "conditional") for rule in rules)
    assert all({*rule.except_for} <= IDS for rule in rules)
    assert all(duty.section for duty in licence.duties)


@pytest.mark.parametrize("licence", read_table(), ids=lambda licence: licence.id)
def test_each_entry_is_found_by_each_of_its_spellings_and_by_no_other_entry(licence):
    for spelling in (*licence.spellings, licence.name, licence.document.title, licence.name.upper()):
        found = find_licences(spelling)
        expected = {other.id for other in read_table() if other.document == licence.document}
        assert {each.id for each in found.licences} <= expected | {licence.id}, spelling
        if licence.document.title != spelling:
            assert [each.id for each in found.licences] == [licence.id], spelling
            assert found.is_complete, spelling


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("CC BY-NC 4.0", ["cc-by-nc-4.0"]),
        ("cc-by-nc-4.0", ["cc-by-nc-4.0"]),
        ("CC 저작자표시-비영리 4.0 국제", ["cc-by-nc-4.0"]),
        ("Creative Commons Attribution 4.0", ["cc-by-4.0"]),
        ("The MIT License", ["mit"]),
        ("Apache License, Version 2.0", ["apache-2.0"]),
        ("아파치 라이선스 2.0", ["apache-2.0"]),
        ("공공누리 제2유형", ["kogl-2"]),
        ("KOGL Type 1", ["kogl-1"]),
        ("Gemma Terms of Use (ai.google.dev/gemma/terms)", ["gemma"]),
        ("Llama 3.1 Community License Agreement", ["llama-3.1"]),
        ("라마 3.1 커뮤니티 라이선스", ["llama-3.1"]),
        ("HyperCLOVAX-SEED", ["hyperclova-x-seed"]),
        ("하이퍼클로바X 시드 라이선스", ["hyperclova-x-seed"]),
        ("https://creativecommons.org/licenses/by-nc/4.0/", ["cc-by-nc-4.0"]),
        ("http://www.creativecommons.org/licenses/by/4.0/deed.ko", ["cc-by-4.0"]),
        ("https://creativecommons.org/licenses/by-sa/4.0/legalcode", ["cc-by-sa-4.0"]),
        ("creativecommons.org/publicdomain/zero/1.0", ["cc0-1.0"]),
        ("https://www.apache.org/licenses/LICENSE-2.0.html", ["apache-2.0"]),
        ("apache.org/licenses/LICENSE-2.0.txt (code)", ["apache-2.0"]),
        ("https://opensource.org/license/mit/", ["mit"]),
        ("https://ai.google.dev/gemma/terms", ["gemma"]),
        ("Apache License, Version 2.0, January 2004", ["apache-2.0"]),
        ("MIT OR Apache-2.0", ["mit", "apache-2.0"]),
        ("공공누리제1유형", ["kogl-1"]),
        ("upstage-solar-license", ["upstage-solar"]),
        ("업스테이지 솔라 라이선스", ["upstage-solar"]),
        ("EXAONE AI Model License Agreement 1.2 - NC", ["exaone-1.2-nc"]),
        ("엑사원 1.1-NC", ["exaone-1.1-nc"]),
        ("Apache-2.0 (code), CC-BY-NC-4.0 (data)", ["apache-2.0", "cc-by-nc-4.0"]),
        ("https://spdx.org/licenses/CC-BY-NC-4.0.html", ["cc-by-nc-4.0"]),
        ("http://www.opensource.org/licenses/mit-license.php", ["mit"]),
        ("https://opensource.org/licenses/Apache-2.0, MIT", ["apache-2.0", "mit"]),
        ("https://www.kogl.or.kr/info/licenseType4.do", ["kogl-4"]),
        ("공공누리 제1유형: 출처표시 (상업적 이용 및 변경 가능)", ["kogl-1"]),
        ("공공누리 제2유형(출처표시+상업적 이용금지)", ["kogl-2"]),
        ("공공누리 4유형 : 출처표시 + 상업적 이용 금지 + 변경 금지", ["kogl-4"]),
    ],
)
def test_a_licence_is_found_in_any_spelling(text, ids):
    found = find_licences(text)
    assert ([licence.id for licence in found.licences], found.is_complete) == (ids, True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unknown",
        "our own terms",
        "modified MIT",
        "gemma 4",
        "CC-BY-NC-SA-4.0",
        "CC-BY-4.0 ND",
        "Llama 5",
        "MIT-like",
        "Apache",
        "Apache License",
        "Apache 1.1",
        "공공누리",
        "공공누리 유형 안내 (Korea Open Government License)",
        "llama-3.1-8b",
        "EXAONE",
        "Solar",
        "https://creativecommons.org/licenses/by-nc-sa/4.0/",
        "https://creativecommons.org/licenses/by/3.0/kr/",
        "https://www.kogl.or.kr/info/license.do",
        "https://www.apache.org/licenses/LICENSE-2.0-changed",
        "https://opensource.org/license/mit-0",
        "https://example.com/terms",
        "MIT?",
        "MIT 非商用",
        "CC BY 4.0 (商用利用不可)",
        "MIT (только некоммерческое использование)",
        "Apache-2.0 ⛔",
        "MIT https://spdx.org/licenses/GPL-3.0.html",
        "https://opensource.org/licenses/MIT-0",
        "공공누리 제1유형 + 변경금지",
    ],
)
def test_another_text_is_not_known_to_be_a_licence_of_the_table(text):
    assert not find_licences(text).is_complete
