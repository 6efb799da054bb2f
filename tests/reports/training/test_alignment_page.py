"""The page of preference tuning: figures beside the bounds of the gate, safe with any text, needs no network."""

import re

import pytest
from tests.fixtures.align_report import DRIFT, PAIRS, REPORT, REWARDS, estimate
from tests.fixtures.gate import build_bounds

from seodang.errors import ArtifactError
from seodang.reports.training.alignment import build_page_data
from seodang.reports.training.alignment_render import render_alignment_page

CURVES = {"train_loss": [(5, 0.7), (10, 0.5)], "reward": [(5, 0.2), (10, 0.4)], "reward_margin": [(20, 0.3)]}


def page(report=REPORT, bounds=None, **changes):
    return render_alignment_page(build_page_data({**report, **changes}, bounds or build_bounds(), CURVES))


def text_of(html):
    """Return the text of a page in both languages, with single spaces."""
    body = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def find_row(html, title):
    """Return the text of the first row of a table whose heading has this title."""
    rows = [text_of(row) for row in re.findall(r"<tr>.*?</tr>", html, flags=re.DOTALL)]
    return next(row for row in rows if row.startswith(title))


def test_each_bounded_figure_stands_beside_its_bounds_and_their_outcome():
    html = page()
    gained = find_row(html, "share of held-out pairs whose preferred answer gained more")
    assert "89.4% [81.0%, 94.3%]" in gained
    assert "more than 0.5 required" in gained
    assert " met " in gained
    drift = find_row(html, "KL divergence from the tuned model per token")
    assert "0.358 [0.291, 0.444]" in drift
    assert "at most 0.1 allowed" in drift
    assert " not met " in drift
    assert "A bound of the gate is not met" in text_of(html)


def test_the_bounded_accuracy_of_orpo_is_a_percentage():
    row = find_row(page(method="orpo"), "share of held-out pairs whose preferred answer is likelier")
    assert "72.9% [62.0%, 81.0%]" in row


@pytest.mark.parametrize(
    ("drift", "heading"),
    [
        (estimate(0.03, 0.02, 0.04), "All bounds of the gate are met"),
        (estimate(0.09, 0.06, 0.12), "The bounds of the gate are undecided"),
    ],
)
def test_the_heading_says_what_the_bounds_decide(drift, heading):
    assert heading in text_of(page(drift={**DRIFT, "kl_per_token": drift}))


def test_figures_before_and_after_have_their_intervals_and_changes_a_sign():
    html = page()
    assert "71.8% [61.0%, 80.0%]" in find_row(html, "better answer likelier")
    assert "72.9% [62.0%, 81.0%]" in find_row(html, "better answer likelier")
    assert "+1.30 [+0.90, +1.80]" in find_row(html, "log-probability of the better answer")
    assert "−4.00 [−5.00, −3.00]" in find_row(html, "log-probability of the worse answer")
    assert "31 of 60" in text_of(html)


def test_too_few_held_out_pairs_are_named_in_both_languages():
    text = text_of(page(bounds=build_bounds(minimum_pairs=100)))
    assert "The bounds of the gate are undecided" in text
    assert "85 held-out pairs" in text
    assert "남겨 둔 쌍 85개" in text


def test_a_run_without_held_out_pairs_has_a_page_too():
    assert "0 held-out pairs" in text_of(page(pairs=None, answers=None, drift=None, samples=[]))


def test_a_reward_model_is_shown_with_its_accuracy_and_length_bias_before_the_rewards():
    part = {"pairs": 40, "accuracy": estimate(0.9, 0.8, 0.95)}
    model = {
        "accuracy": estimate(0.976, 0.92, 0.99),
        "margin": estimate(1.8, 1.6, 2.0),
        "better_is_longer": part,
        "better_is_shorter": part,
        "length_correlation": estimate(-0.49, -0.6, -0.4),
    }
    rewards = {
        name: REWARDS[name] for name in ("prompts", "reward", "ended", "kl_per_token", "length_ratio", "samples")
    }
    html = page(method="grpo", reward_model=model, rewards=rewards)
    assert "97.6% [92.0%, 99.0%]" in find_row(html, "reward model: better answer preferred")
    assert "-0.490 [-0.600, -0.400]" in find_row(html, "reward model: correlation with length").replace("−", "-")
    assert "rated by the reward model" in text_of(html)
    assert "closed questions" not in text_of(html)
    assert find_row(html, "reward ")


def test_rewards_are_shown_with_each_kind_of_constraint():
    html = page(method="grpo", rewards=REWARDS)
    assert "48.3% [42.0%, 55.0%]" in find_row(html, "constraints met")
    assert "−16.8% [−22.0%, −10.0%]" in find_row(html, "exact answers to closed questions")
    assert "prompts with all constraints met" not in html
    kind = find_row(html, "punctuation:no_comma")
    assert "75.0%" in kind
    assert "95.0%" in kind
    assert "쉼표 없이 답하세요" in html


def test_without_rewards_no_section_says_so():
    assert "Kinds of constraints" not in page()


def test_the_sections_are_numbered_without_a_gap():
    for html, last in ((page(), 6), (page(rewards=REWARDS), 7)):
        assert re.findall(r"<h2><b>(\d)</b>", html) == [str(number + 1) for number in range(last)]


def test_curves_are_drawn_and_a_single_value_is_not():
    titles = re.findall(r'<h3><span lang="en">([^<]+)</span>', page())
    assert titles[:2] == ["Training loss", "Reward"]
    assert "Reward margin" not in titles


def test_answers_stand_side_by_side():
    text = text_of(page())
    assert (
        "창문 좀 열어 주세요 tuned model 튜닝한 모델 긍정 aligned model 정렬한 모델 네 better answer of the pair"
        in text
    )


def test_texts_of_the_data_are_never_markup():
    bad = {
        "prompt": "<script>alert(1)</script>",
        "tuned": '"><b onclick=x>',
        "aligned": "",
        "chosen": "",
        "rejected": "",
    }
    html = page(
        samples=[bad],
        device="<i>cpu</i>",
        rewards={
            **REWARDS,
            "samples": [bad],
            "by_constraint": {"<u>kind</u>": {"constraints": 1, "tuned": 0, "aligned": 1}},
        },
    )
    assert not re.search(r"<script|<b onclick|<i>cpu|<u>kind", html)


def test_the_page_needs_nothing_from_elsewhere():
    html = page(rewards=REWARDS)
    assert not re.search(r"<(script|link|img|iframe)|@import|url\(|src=|href=", html)
    assert "default-src 'none'" in html


def test_a_report_without_a_figure_names_it_and_the_stage():
    with pytest.raises(ArtifactError, match=r"chosen_change.*dvc repro align"):
        page(pairs={name: value for name, value in PAIRS.items() if name != "chosen_change"})


def test_rewards_are_bounded_in_place_of_pairs():
    html = page(method="grpo", rewards=REWARDS)
    assert "+0.040 [+0.010, +0.070]" in find_row(html, "change of the mean reward on held-out prompts")
    assert "share of held-out pairs whose preferred answer gained more" not in html
    few = text_of(page(method="grpo", rewards=REWARDS, bounds=build_bounds(minimum_prompts=1000)))
    assert "424 held-out prompts" in few
