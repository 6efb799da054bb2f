"""The licence verdict in the gate: a forbidden use rejects a candidate whose scores would promote it."""

from __future__ import annotations

from functools import partial

import pytest
from tests.fixtures.gate import build_gate

from seodang.gate.decision import decide
from seodang.gate.licences import build_licence_reasons
from seodang.gate.pairing import pair_scores
from seodang.gate.scores import Score, ScoreKey
from seodang.licences.verdict import judge_licences, list_parts, serialize_verdict
from seodang.registry.ledger.recording import decide_and_record, read_ledger

gate = partial(build_gate, minimum_items=50)


def scores(right):
    return {
        ScoreKey("sentiment", f"{number:04}", "accuracy"): Score("ko", float(number < right)) for number in range(200)
    }


COMPARISONS = {"base": [("few_shot", pair_scores(scores(190), scores(80), "few_shot"))]}


def build_reasons(use, licence):
    sources = [{"name": "own", "licence": licence}]
    return build_licence_reasons(serialize_verdict(judge_licences(use, list_parts("Apache-2.0", sources))))


def test_a_forbidden_use_rejects_a_better_model():
    found = decide(COMPARISONS, gate(), further_reasons=build_reasons("commercial", "CC-BY-NC-4.0"))
    assert found.verdict == "reject"
    assert found.reasons[-1].passed is False
    assert found.reasons[-1].ko.startswith("소스 own(CC-BY-NC-4.0): 상업적 이용이 금지됩니다")


@pytest.mark.parametrize("licence", ["unknown", "HyperCLOVA X SEED"])
def test_an_unknown_licence_and_a_condition_are_notes(licence):
    found = decide(COMPARISONS, gate(), further_reasons=build_reasons("commercial", licence))
    assert found.verdict == "promote"
    assert found.reasons[-1].is_information


@pytest.mark.parametrize(("use", "licence"), [("commercial", "MIT"), (None, "CC-BY-NC-4.0")])
def test_what_is_allowed_or_not_declared_has_no_reason(use, licence):
    assert build_reasons(use, licence) == []


def test_a_verdict_of_an_older_run_without_licences_has_no_reason():
    assert build_licence_reasons({}) == []


def test_the_ledger_has_the_rejection_by_the_licence(tmp_path):
    decide_and_record(tmp_path, COMPARISONS, gate(), further_reasons=build_reasons("commercial", "CC-BY-NC-4.0"))
    assert [judgement.verdict for judgement in read_ledger(tmp_path)] == ["reject"]
