"""Each reason of a rejection has words in both languages."""

from __future__ import annotations

import ast
from pathlib import Path

import seodang.synthesis
from seodang.i18n import translate
from seodang.synthesis.reasons import REASONS, describe_reason

ROOM = Path(seodang.synthesis.__file__).parent
RUN = {"bad_request", "no_answer", "not_asked", "unusable_response"}  # of a Failure, which is no rejection of a recipe


def collect_reasons():
    """Return the texts that the room gives as a reason: reason="..." and Rejected("...")."""
    found = set()
    for file in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            values = []
            if isinstance(node, ast.Call):
                values = [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
                if isinstance(node.func, ast.Name) and node.func.id == "Rejected":
                    values += node.args[:1]
            if isinstance(node, ast.Assign) and any(getattr(name, "id", "") == "reason" for name in node.targets):
                values = [node.value]
            parts = [
                part
                for value in values
                for part in ((value.body, value.orelse) if isinstance(value, ast.IfExp) else (value,))
            ]
            found |= {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    return found


def test_each_reason_of_the_code_has_words():
    found = collect_reasons() - RUN
    assert {"not_novel", "cut", "equal_answers", "forbidden_word", "violates_again"} <= found
    assert found <= {*REASONS}


def test_a_rule_of_validate_is_a_reason_and_an_unknown_one_is_shown_as_it_is():
    assert translate("en", describe_reason("refusal")).startswith("the output")
    assert translate("ko", describe_reason("not_novel")) == "지시문이 이미 있는 것과 너무 비슷합니다(ROUGE-L)"
    assert translate("en", describe_reason("made_up")) == "made_up"
