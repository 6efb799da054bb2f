"""Which licences bind what is made from the data."""

from __future__ import annotations

import pytest

from seodang.licences import find_hub_licence, summarize_licences


@pytest.mark.parametrize(
    "licence",
    [
        "CC-BY-NC-4.0",
        "CC BY-NC 4.0 (research only)",
        "cc-by-nc-sa-4.0",
        "Research only",
        "non-commercial",
        "Noncommercial use",
        "for research purposes only",
        "비상업적 이용만",
        "ＣＣ－ＢＹ－ＮＣ－４．０",
        "non\u2011commercial",
        "non_commercial",
        "no commercial use",
        "not for commercial use",
        "Commercial use is forbidden",
        "commercial usage not permitted",
        "상업적 이용 금지",
        "상업적 이용은 금지",
        "상업적 사용 불가",
        "상업적 이용을 금합니다",
        "상업적으로 사용할 수 없음",
        "상업용 사용 금지",
        "영리 목적 사용 금지",
        "영리목적 이용 불가",
        "학술 목적",
        "교육 목적으로만",
        "개인적 용도로만 사용",
        "personal use only",
        "evaluation purposes only",
        "solely for academic use",
        "limited to research",
        "may not be used commercially",
        "commercial and non-commercial use prohibited",
        "CCBYNC4.0",
        "ccbync",
        "EXAONE 1.2",
        "공공누리 2유형",
        "상업적 이용은 허용되지 않습니다",
        "상업적인 이용 허용 안 함",
        "영리 목적의 이용을 금합니다",
        "상업적 사용 X",
        "영리목적 제외",
        "상용 불가",
        "비 상업적 이용",
        "교육 목적에 한함",
        "연구 및 교육용",
        "not-for-profit",
        "non-profit only",
        "research and education only",
        "You may not use it for commercial purposes; restricted to research",
        "Qwen RESEARCH LICENSE AGREEMENT",
        "qwen-research",
        "MIT 商用禁止",
        "https://creativecommons.org/licenses/by-nc/4.0/",
    ],
)
def test_non_commercial_licences_are_known_in_any_spelling(licence):
    assert summarize_licences([licence]).non_commercial == (licence,)


@pytest.mark.parametrize(
    "licence",
    [
        "Apache-2.0",
        "MIT",
        "CC-BY-4.0",
        "CC0-1.0",
        "NCSA",
        "INC terms",
        "commercial use allowed",
        "Gemma",
        "상업적 이용 가능",
        "금지 없음",
        "상업적 이용 제한 없음",
        "상업적 이용에 제한이 없음",
        "상업적 이용 제한 아님",
        "상업 및 비상업 이용 가능",
        "연구용 및 상업용 모두 가능",
        "비상업적·상업적 이용 가능",
        "commercial and non-commercial use",
        "non-commercial or commercial use allowed",
        "no commercial restrictions",
        "연구자만의 것이 아님",
        "상업적 이용 제외 없음",
        "상용 이용 가능",
        "준비 상업",
        "상업용 X86",
        "for-profit and non-profit use",
        "nonprofit foundation",
        "openai",
    ],
)
def test_other_licences_are_not(licence):
    assert summarize_licences([licence]).non_commercial == ()


def test_a_licence_can_be_both_non_commercial_and_share_alike():
    summary = summarize_licences(["CC-BY-NC-SA-4.0", "CC-BY-SA-3.0", "GPL-3.0-only", "MIT", "MIT"])
    assert summary.non_commercial == ("CC-BY-NC-SA-4.0",)
    assert summary.share_alike == ("CC-BY-NC-SA-4.0", "CC-BY-SA-3.0", "GPL-3.0-only")


def test_nothing_said_is_unknown():
    assert summarize_licences(["", "  ", "unknown", "None stated", "없음", "MIT"]).unknown == (
        "",
        "None stated",
        "unknown",
        "없음",
    )


@pytest.mark.parametrize(
    ("licence", "identifier"),
    [
        ("Apache-2.0", "apache-2.0"),
        ("CC BY-NC 4.0", "cc-by-nc-4.0"),
        ("CC0", "cc0-1.0"),
        ("LGPL-3.0-or-later", "lgpl-3.0"),
        ("", "unknown"),
        ("our own terms", "other"),
        ("Apache License 2.0", "apache-2.0"),
        ("https://opensource.org/licenses/MIT", "mit"),
        ("Gemma Terms of Use", "gemma"),
        ("Llama 3.1 Community License", "llama3.1"),
        ("Llama 3.1 Community License, in parts", "other"),
        ("MIT AND Apache-2.0", "other"),
        ("공공누리 제1유형", "other"),
    ],
)
def test_the_hub_has_names_of_its_own(licence, identifier):
    assert find_hub_licence(licence) == identifier
