"""Artifacts about preference tuning: figures beside their bounds, and both verdicts; texts of data are no markup."""

import shutil

import pytest
from flows import publishing
from flows.alignment_reports import render_alignment, render_candidates
from flows.stages import TASKS
from tests.constants import ROOT
from tests.fixtures.align_report import REPORT, REWARDS, THUMB_REPORT
from tests.fixtures.gate import build_bounds

from seodang.io.jsonl import write_json
from seodang.paths import Paths
from seodang.reports.training.alignment import build_page_data

REASON = {"passed": False, "ko": "KL이 너무 큽니다 <b>", "en": "KL is too large <b>"}
VERDICT = {
    "verdict": "promote",
    "candidate": "tuned",
    "candidates": {
        "tuned": {"verdict": "promote", "reasons": [{"passed": True, "ko": "낫습니다", "en": "it is better"}]},
        "aligned": {"verdict": "reject", "reasons": [REASON]},
    },
}


def render(report=REPORT, **bounds):
    return render_alignment(build_page_data(report, build_bounds(**bounds), {}))


def test_figures_stand_beside_their_bounds_and_outcomes():
    text = render()
    assert "# Preference tuning: dpo" in text
    assert (
        "| KL divergence from the tuned model per token | 0.358 (0.291 … 0.444) | at most 0.1 allowed | not met |"
        in text
    )
    assert "| better answer likelier | 0.718 (0.610 … 0.800) | 0.729 (0.620 … 0.810) | 0.011 (-0.020 … 0.040) |" in text
    assert "Rewards" not in text


def test_rewards_have_a_table_of_their_own():
    text = render({**REPORT, "method": "grpo", "rewards": REWARDS})
    assert "| constraints met | 0.483 (0.420 … 0.550) | 0.498 (0.430 … 0.560) | 0.015 (-0.020 … 0.050) |" in text


def test_thumbs_have_a_table_of_their_own():
    text = render(THUMB_REPORT)
    assert "## Held-out thumbs" in text
    assert "| good answer gained more than a bad one (implicit reward) | – | – | 0.894 (0.810 … 0.943) |" in text
    assert "Held-out pairs" not in text


def test_too_few_pairs_are_the_reason_in_place_of_the_bounds():
    assert "- **undecided**: preferences undecided: 85 held-out pairs" in render(minimum_pairs=100)


def test_everything_is_in_the_language_of_the_terminal(monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    text = render({**REPORT, "rewards": REWARDS})
    assert "# 선호 튜닝: dpo" in text
    assert "Rewards" not in text
    assert "KL이 너무 큽니다" in render_candidates(VERDICT)


def test_both_verdicts_are_listed_with_the_reasons_about_the_other_candidate():
    text = render_candidates(VERDICT)
    assert "| tuned model | promote |" in text
    assert "| aligned model | reject |" in text
    assert "Reasons of the verdict on the aligned model" in text
    assert "- **not met**: KL is too large &lt;b&gt;" in text
    assert "it is better" not in text


def test_a_verdict_with_one_candidate_gets_nothing_more():
    assert render_candidates({"verdict": "promote"}) == ""


@pytest.fixture
def published(monkeypatch):
    """Keys of the artifacts that are created."""
    keys = []
    monkeypatch.setattr(publishing, "create_markdown_artifact", lambda _text, key: keys.append(key))
    return keys


def test_a_switched_off_stage_publishes_nothing(tmp_path, published):
    paths = Paths(tmp_path)
    write_json(paths.align_report, {"method": "none"})
    publishing.publish_alignment(paths)
    assert published == []
    assert "align" in TASKS


def test_preference_tuning_is_published(tmp_path, published):
    paths = Paths(tmp_path)
    shutil.copy(ROOT / "params.yaml", paths.params)
    write_json(paths.align_report, REPORT)
    publishing.publish_alignment(paths)
    assert published == ["preference-tuning"]
