import re

import pytest
from flows import reports

VALIDATED = {"schema": 1, "rows": 12, "accepted": 10, "quarantined": 2, "by_rule": {"blank_output": 2}}
PREPARED = {
    "splits": {"train": 8, "test": 2},
    "languages": {"train": {"ko": 5, "en": 3}},
    "left_out": {"leak": 1, "cap": 0},
}
VERDICT = {
    "schema": 1,
    "verdict": "reject",
    "reasons": [
        {"passed": True, "ko": "문항은 120개입니다.", "en": "120 items were compared."},
        {"passed": False, "ko": "정확도는 0.700입니다.", "en": "The accuracy is 0.700."},
    ],
    "results": [{"against": "few_shot", "difference": 0.1234, "low": -0.01, "high": 0.25}],
    "score": 0.7,
    "adapter_sha256": "ab" * 32,
}
DVC_LINES = [
    "Running stage 'train':",
    "> seodang stage train",
    "seodang: params.yaml cannot be used:",
    "  train.rank: is missing",
]
DVC_ERROR = "ERROR: failed to reproduce 'train': failed to run: seodang stage train, exited with 2"


def test_data_report_counts_rows_and_rules():
    text = reports.render_data_report(VALIDATED, None)
    for part in (
        "# Data report",
        "| received | 12 |",
        "| quarantined | 2 |",
        "| blank_output | 2 |",
    ):
        assert part in text


def test_data_report_has_no_splits_before_they_are_made():
    assert "Splits" not in reports.render_data_report(VALIDATED, None)
    text = reports.render_data_report(VALIDATED, PREPARED)
    assert "| left out: leaks | 1 | – |" in text
    assert "left out: cap" not in text
    assert "| train | 8 | ko 5, en 3 |" in reports.render_data_report(VALIDATED, PREPARED)


def test_every_report_can_be_empty():
    assert "| accepted | – |" in reports.render_data_report({}, {})
    assert "–" in reports.render_score_summary({})
    assert "None" in reports.render_verdict_report({})


def test_score_summary_has_the_best_prompts_of_the_base_and_the_candidate():
    names = ("zero_shot/plain", "zero_shot/chat", "few_shot/plain/1", "champion", "tuned")
    text = reports.render_score_summary(
        {
            "best": {"zero_shot": "zero_shot/chat", "few_shot": "few_shot/plain/1"},
            "variants": [{"name": name, "accuracy": 0.5} for name in names],
        }
    )
    assert [line.split()[1] for line in text.splitlines()[4:]] == [
        "zero_shot/chat",
        "few_shot/plain/1",
        "champion",
        "tuned",
    ]


def test_score_summary_leaves_out_nested_tables():
    text = reports.render_score_summary(
        {"variants": [{"name": "tuned", "accuracy": 0.95, "languages": {"ko": {"accuracy": 0.9}}}]}
    )
    assert "| model | accuracy |" in text
    assert "| tuned | 0.950 |" in text
    assert "languages" not in text


def test_verdict_report_gives_reasons_and_numbers_without_checksums():
    text = reports.render_verdict_report(VERDICT)
    for part in (
        "# Verdict: reject",
        "- **not met**: The accuracy is 0.700.",
        "| few_shot | 0.123 | -0.010 | 0.250 |",
        "| score | 0.700 |",
    ):
        assert part in text
    assert "sha256" not in text


def test_the_comparisons_of_a_verdict_fit_on_a_screen():
    result = {**VERDICT["results"][0], "independent_groups": 9, "judgement": 1, "p_exact": 0.1, "obstacle": None}
    text = reports.render_verdict_report({**VERDICT, "results": [result], "judgement": "ab" * 32})
    assert "| against | difference | lower bound | upper bound |" in text
    assert "judgement" not in text


def test_a_reason_that_only_informs_is_a_note():
    reason = {"passed": True, "is_information": True, "en": "accuracy b is clearly worse"}
    text = reports.render_verdict_report({**VERDICT, "reasons": [reason]})
    assert "- **note**: accuracy b is clearly worse" in text


def test_verdict_report_shows_numbers_of_a_separate_section():
    assert "| interval | 0.010 … 0.200 |" in reports.render_verdict_report(
        {"verdict": "promote", "numbers": {"interval": [0.01, 0.2]}}
    )


def test_rejection_names_only_the_reasons_that_were_not_met():
    text = reports.format_rejection(VERDICT)
    assert "The accuracy is 0.700." in text
    assert "120" not in text


def test_failure_is_the_message_meant_for_the_user():
    lines = reports.format_failure("train", [*DVC_LINES, DVC_ERROR]).splitlines()
    assert lines == ["stage train failed", *DVC_LINES[2:]]


def test_failure_without_such_a_message_is_the_last_lines():
    lines = reports.format_failure("train", [str(number) for number in range(99)]).splitlines()
    assert lines[1:] == [str(number) for number in range(89, 99)]


def test_stage_exit_code_is_the_commands_not_dvcs():
    assert reports.find_stage_exit_code([*DVC_LINES, DVC_ERROR]) == 2
    assert reports.find_stage_exit_code([DVC_ERROR.replace("with 2", "with -9")]) == -9
    assert reports.find_stage_exit_code(["ERROR: Stage 'x' not found inside 'dvc.yaml' file"]) is None


def test_a_cell_cannot_break_its_table():
    assert reports.render_table(("a", "b"), [("x|y", "1\n2")]).splitlines()[-1] == r"| x\|y | 1 2 |"


def test_values_are_shown_as_people_read_them():
    assert [
        reports.format_value(value) for value in (None, True, 7, 0.12345, 0.0, 2e-5, [0.1, 0.2], ["a", "b", "c"], [])
    ] == [
        "–",
        "yes",
        7,
        "0.123",
        "0.000",
        "2.0e-05",
        "0.100 … 0.200",
        "a, b, c",
        "–",
    ]


@pytest.mark.parametrize(("language", "letters"), [("ko", "[가-힣]"), ("en", "[A-Za-z]")])
def test_every_heading_is_in_the_language_of_the_terminal(language, letters, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", language)
    text = "\n".join([reports.render_data_report(VALIDATED, PREPARED), reports.render_verdict_report(VERDICT)])
    headings = [line for line in text.splitlines() if line.startswith("#") and "Data Docs" not in line]
    assert len(headings) == 9
    assert all(re.search(letters, line) for line in headings)


def test_a_verdict_is_published_in_korean(monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    text = reports.render_verdict_report(VERDICT)
    assert "# 판정: 반려" in text
    assert "정확도는 0.700입니다." in text
    assert "The accuracy" not in text


def test_a_verdict_with_two_candidates_names_the_one_that_it_is_about(monkeypatch):
    verdict = {**VERDICT, "candidate": "aligned", "candidates": {"tuned": VERDICT, "aligned": VERDICT}}
    text = reports.render_verdict_report(verdict)
    assert "# Verdict on the aligned model: reject" in text
    assert "| candidate score |" not in text
    monkeypatch.setenv("SEODANG_LANG", "ko")
    assert "정렬한 모델" in reports.render_verdict_report(verdict)


@pytest.mark.parametrize(("verdict", "name"), [("reject", "Rejected"), ("inconclusive", "Inconclusive")])
def test_the_state_of_a_run_that_is_not_promoted_has_the_name_of_its_verdict(verdict, name):
    assert reports.get_state_name({"verdict": verdict}) == name
