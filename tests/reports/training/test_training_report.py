"""The training report: correct values, safe with any text, complete without network, readable at any size."""

import math
import re
from pathlib import Path

import pytest

from seodang.config.profiles import read_starter
from seodang.errors import ArtifactError
from seodang.html.svg import compute_ticks, format_label
from seodang.paths import Paths
from seodang.reports.training import build_report_data, collect_versions, render_report, write_training_report
from seodang.reports.training.charts import build_chart, smooth

ROOT = Path(__file__).resolve().parents[3]
HEALTH = {"max_logit_change": 7.25, "eos_ratio": 0.984, "eos_ratio_before": 0.0312}
SAMPLE = {
    "instruction": "감정은?",
    "input": "영화가 좋았다",
    "expected": "긍정",
    "before": "감정은 감정은",
    "after": "긍정",
}
REPORT = {
    "steps": 40,
    "max_steps": 60,
    "elapsed_seconds": 3725.4,
    "train_loss": 0.9,
    "validation_loss": 0.8123,
    "resume_steps": [20],
    "records": {"train": 2699, "validation": 105},
    "too_long": {"train": 153, "validation": 0},
    "without_answer": {"train": 0, "validation": 2},
    "tokens": 100_000,
    "label_tokens": 10_400,
    "packed": True,
    "computed_ratio": 0.75,
    "trainable_parameters": 245_760,
    "parameters": 4_096_000,
    "device": "cpu",
    "peak_memory_mb": 969,
    "versions": {"torch": "2.13.0"},
    "health": HEALTH,
    "samples": [SAMPLE],
    "input_sha256": {"train": "a" * 64, "validation": "b" * 64},
    "adapter_sha256": "c" * 64,
    "prompt_fingerprint": "d" * 64,
}
CURVES = {
    "train_loss": [(step, 3 / step) for step in range(1, 41)],
    "validation_loss": [(20, 1.5), (30, 0.8), (40, 0.8123)],
    "learning_rate": [(step, 1e-4) for step in range(1, 41)],
    "gradient_norm": [(step, 1.0) for step in range(1, 41)],
    "tokens_per_second": [(step, 2000.0 + step) for step in range(1, 41)],
    "memory_mb": [(step, 900.0) for step in range(1, 41)],
}
SETTINGS = {name: section for name, section in read_starter().items() if name in ("train", "prompt")}


def page(curves: dict = CURVES, **changes: object) -> str:
    return render_report(build_report_data({**REPORT, **changes}, SETTINGS, curves))


def text_of(html: str) -> str:
    """Return the text of a page in both languages, with single spaces."""
    body = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_the_page_shows_the_results_of_the_run():
    text = text_of(page())
    for part in (
        "All checks after training passed",
        "largest change of a logit: 7.25",
        "3% → 98% (minimum 50%)",
        "validation 0.812",
        "40 / 60",
        "1 h 02 m",
        "2,020 tokens/s",
        "969 MB",
        "6.0% 245,760",
        "training ended early",
        "Resumed after optimizer step 20.",
        "0.800",
        "2,699",
        "too long, left out: 153",
        "without an answer, left out: 2",
        "10.4%",
        "computed tokens",
        "75.0%",
        "saved tokens",
        "25.0%",
        "at most 31 tokens of a micro-batch are padding",
        "learning_rate 0.003",
        "target_modules q_proj, v_proj, o_proj, up_proj, down_proj",
        "eval_steps null",
        "torch 2.13.0",
        "감정은 감정은",
    ):
        assert part in text, part


def test_every_parameter_of_the_run_is_listed():
    text = text_of(page())
    for section in SETTINGS.values():
        assert all(f" {name} " in text for name in section)


def test_a_failed_check_is_reported_as_failed():
    html = page(health={**HEALTH, "eos_ratio": 0.1})
    assert "A check after training failed" in html
    assert html.count('<li class="failed">') == 1
    assert "All checks" not in html


def test_the_page_needs_nothing_from_elsewhere():
    html = page()
    assert not re.search(r"<(script|link|img|iframe)|@import|url\(|src=|href=", html)
    assert set(re.findall(r"https?://[^\s\"<]+", html)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in html
    for feature in ("prefers-color-scheme: dark", "@media print", "max-width: 720px"):
        assert feature in html


def test_texts_of_the_data_are_never_markup():
    html = page(
        samples=[{**SAMPLE, "instruction": "<script>alert(1)</script>", "after": '"><b onclick=x>', "before": ""}],
        device="<i>cpu</i>",
    )
    assert "<script" not in html
    assert "<b onclick" not in html
    assert "<i>cpu" not in html
    assert "empty" in text_of(html)


def test_losses_that_are_not_finite_are_not_drawn_but_counted():
    curves = {
        **CURVES,
        "train_loss": [(1, 3.0), (2, math.nan), (3, math.inf), (4, 2.0)],
        "validation_loss": [(4, math.nan)],
    }
    html = page(curves, validation_loss=math.nan)
    assert "train_loss 2, validation_loss 1" in text_of(html)
    assert not re.search(r'="[^"]*\b(nan|inf)\b', html), "no coordinate is nan"


@pytest.mark.parametrize(
    "curves",
    [
        {},
        {"train_loss": [(1, 2.0)], "validation_loss": [(1, 2.0)]},
        {"train_loss": [(step, 0.0) for step in range(1, 50)]},
    ],
)
def test_a_run_with_few_curves_still_has_a_page(curves):
    assert "Training report" in page(curves, steps=1, max_steps=1, samples=[], resume_steps=[])


def test_a_report_without_a_key_names_it():
    with pytest.raises(ArtifactError, match="computed_ratio"):
        build_report_data({key: value for key, value in REPORT.items() if key != "computed_ratio"}, SETTINGS, CURVES)
    with pytest.raises(ArtifactError, match="eos_ratio"):
        build_report_data({**REPORT, "health": {"max_logit_change": 1.0}}, SETTINGS, CURVES)


def test_padded_rows_are_not_called_packed():
    text = text_of(page(packed=False, computed_ratio=1.31))
    assert "rows are padded" in text
    assert "131.0%" in text
    assert "saved tokens" not in text


def test_the_versions_are_those_that_are_installed():
    assert collect_versions()["torch"].startswith("2.")
    assert collect_versions()["python"].startswith("3.")


def test_the_same_data_give_the_same_bytes(tmp_path):
    for _ in range(2):
        write_training_report(Paths(tmp_path), build_report_data(REPORT, SETTINGS, CURVES))
    assert (Paths(tmp_path).training_page / "index.html").read_text("utf-8") == page()


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.3, 2.7, [0, 1, 2, 3]),
        (1.5, 1.9, [1.5, 1.6, 1.7, 1.8, 1.9]),
        (0, 3e-3, [0, 0.001, 0.002, 0.003]),
        (5.0, 5.0, [2, 3, 4, 5, 6, 7, 8]),
        (0, 0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
    ],
)
def test_axes_end_at_round_values(low, high, ticks):
    assert compute_ticks(low, high, from_zero=False) == pytest.approx(ticks)


def test_a_curve_lies_where_its_values_are():
    drawn = build_chart(
        [("main", [(0, 0.0), (50, 1.0), (100, math.nan), (100, 2.0)])],
        [(100, 2.0)],
        size=(162.0, 144.0),
        max_step=100,
        from_zero=True,
    )
    # 46 left, 16 right, 14 top, 30 bottom: 100 x 100 for the curve
    assert drawn.lines == (("main", "M46 114L96 64M146 14"),)
    assert (drawn.dots[0].x, drawn.dots[0].y) == (146.0, 14.0)
    assert drawn.x_ticks[-1] == (146.0, "100")


def test_a_long_curve_keeps_its_peaks():
    points = [(step, 9.0 if step == 4321 else 1.0) for step in range(10_000)]
    drawn = build_chart([("main", points)], [], size=(960.0, 330.0), max_step=10_000)
    assert drawn.lines[0][1].count("L") < 1000
    assert (
        f" {drawn.y_ticks[-1][0] + (drawn.y_ticks[0][0] - drawn.y_ticks[-1][0]) * (1 - 9 / 10):g}" in drawn.lines[0][1]
    )


def test_a_smoothed_line_does_not_lag():
    line = [(step, 100.0 - step) for step in range(100)]
    assert [step for step, _ in smooth(line)] == list(range(100))
    assert [value for _, value in smooth(line)] == pytest.approx([value for _, value in line])
    assert smooth(line[:10]) == [], "a few logs are shown as they are"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.25, "0.25"), (2e-5, "2e-5"), (1500.0, "1500"), (12_000.0, "12k"), (1e-3, "0.001")],
)
def test_values_have_short_names(value, text):
    assert format_label(value) == text


def test_the_page_holds_both_languages_and_a_switch(monkeypatch):
    html = page()
    assert '<span lang="en">Training report</span><span lang="ko">학습 보고서</span>' in html
    assert 'id="language-en"' in html
    assert html.count('lang="en"') == html.count('lang="ko"') + 1  # and the root element
