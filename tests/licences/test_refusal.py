"""A refusal names the rule, its document and what would be allowed, in the user's language."""

from __future__ import annotations

import pytest

from seodang.errors import LicenceRefused
from seodang.licences.refusal import require_permission
from seodang.licences.verdict import list_parts

KOALPACA = {"name": "koalpaca", "licence": "CC-BY-NC-4.0"}


def test_a_forbidden_use_is_refused_with_the_rule_and_the_alternatives():
    with pytest.raises(LicenceRefused) as caught:
        require_permission("commercial", "seodang", list_parts("MIT", [KOALPACA]), "training does not start")
    assert caught.value.exit_code == 2
    lines = str(caught.value).splitlines()
    assert lines[0] == "licences forbid what the parameters declare, so training does not start:"
    assert lines[1].startswith("  - source koalpaca under CC-BY-NC-4.0: commercial use is forbidden (")
    assert lines[2:4] == ["What would be allowed:", "  - commercial use without the source koalpaca"]
    assert lines[-1] == "This is no legal advice; the rules and their sources: docs/licences.md"


def test_a_name_and_a_use_are_refused_in_one_message():
    with pytest.raises(LicenceRefused) as caught:
        require_permission("commercial", "seodang", list_parts("Llama 3.1", [KOALPACA]), "x")
    assert "package.name: llama-seodang" in str(caught.value)
    assert "source koalpaca" in str(caught.value)


@pytest.mark.parametrize("use", [None, "non-commercial", "research"])
def test_what_is_not_forbidden_passes(use):
    assert require_permission(use, "seodang", list_parts("unknown", [KOALPACA]), "x").use == use


def test_a_korean_reader_gets_a_korean_refusal(monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with pytest.raises(LicenceRefused, match="소스 koalpaca를 뺀 상업적 이용"):
        require_permission("commercial", "seodang", list_parts("MIT", [KOALPACA]), "학습을 시작하지 않습니다")
