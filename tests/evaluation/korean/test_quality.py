"""Korean quality scores: bounds, answers without Korean, findings with their places, and time."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seodang.evaluation.korean.quality import KOREAN_METRICS, expects_korean, measure_quality
from seodang.evaluation.tasks.samples import EvalSample
from seodang.evaluation.tasks.scoring import compute_answer_metrics
from seodang.metric_registry import FORM_METRICS, LOWER_IS_BETTER, REGISTRY

PIECES = st.sampled_from(
    [
        "나는 ",
        "간다",
        "갑니다",
        "가요",
        ". ",
        "\n",
        "사과을 ",
        "책는",
        '"',
        "`",
        "(",
        ")",
        "- ",
        "# ",
        "$",
        "ㅋㅋ",
        "AI은 ",
        "한",
    ]
)
TEXTS = st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=30).map("".join))
LONG = 100_000


def test_each_score_is_a_registered_metric_of_the_form():
    assert set(KOREAN_METRICS) <= set(REGISTRY)
    assert set(KOREAN_METRICS) <= FORM_METRICS
    assert not set(KOREAN_METRICS) & LOWER_IS_BETTER


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_scores_are_shares_and_findings_are_places_of_the_answer(text):
    quality = measure_quality(text, KOREAN_METRICS)
    assert set(quality.scores) == set(KOREAN_METRICS)
    assert all(0 <= score <= 1 for score in quality.scores.values())
    assert all(0 <= finding.start < finding.end <= len(text) for finding in quality.findings)
    assert quality == measure_quality(text, KOREAN_METRICS)


@pytest.mark.parametrize(
    ("answer", "score"), [("", 0.0), (" \n", 0.0), ("I do not know.", 0.0), ("知りません。", 0.0), ("42", 1.0)]
)
def test_an_answer_without_korean_is_never_perfect_and_a_number_has_no_finding(answer, score):
    assert measure_quality(answer, KOREAN_METRICS).scores == dict.fromkeys(KOREAN_METRICS, score)


def test_each_finding_lowers_its_score_and_says_where_it_is():
    answer = "서울는 한국의 수도입니다. 인구는 많다. 인구가 많은 도시입니다."
    quality = measure_quality(answer, KOREAN_METRICS)
    assert quality.scores == {
        "hangul_share": 1.0,
        "speech_level_consistency": pytest.approx(2 / 3, abs=1e-6),
        "politeness": pytest.approx(2 / 3, abs=1e-6),
        "particle_accuracy": pytest.approx(2 / 3, abs=1e-6),
        "distinct_clauses": 1.0,
    }
    findings = {finding.metric: finding for finding in quality.findings}
    assert (findings["particle_accuracy"].text, findings["particle_accuracy"].detail) == ("서울는", "은")
    assert answer[findings["particle_accuracy"].start : findings["particle_accuracy"].end] == "는"
    assert (findings["politeness"].text, findings["politeness"].detail) == ("인구는 많다.", "haera")


def test_repeated_letters_count():
    answer = "사과는 과일입니다. 배도 과일입니다. 사과는 과일입니다."
    assert measure_quality(answer, ["distinct_clauses"]).scores == {
        "distinct_clauses": pytest.approx(15 / 23, abs=1e-6)
    }


def test_plain_speech_is_consistent_but_not_polite():
    scores = measure_quality("나는 간다. 너도 와.", KOREAN_METRICS).scores
    assert (scores["speech_level_consistency"], scores["politeness"]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("question", "reference", "expected"),
    [
        ("수도는 어디인가요?", "", True),
        ("수도는 어디인가요?", "서울입니다.", True),
        ("'개'를 영어로 옮기세요.", "dog", False),
        ("1 더하기 1은?", "2", False),
        ("Translate: dog", "개", True),
        ("How are you?", "", False),
    ],
)
def test_the_reference_decides_whether_an_item_calls_for_korean(question, reference, expected):
    assert expects_korean(question, reference) is expected


def test_items_that_call_for_no_korean_have_no_score_whatever_the_answer(build_free_spec):
    spec = build_free_spec(metrics=["chrf", "particle_accuracy", "hangul_share"])
    item = EvalSample(id="1", prompts={"bare": "Translate: 개"}, choices=(), reference="dog", language="en")
    assert set(compute_answer_metrics(spec, item, "개은", has_eos=True)) == {"chrf"}
    item = EvalSample(id="1", prompts={"bare": "무엇인가요?"}, choices=(), reference="개", language="ko")
    scores = compute_answer_metrics(spec, item, "", has_eos=True)
    assert (scores["particle_accuracy"], scores["hangul_share"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    "unit",
    [
        "가나다 라마 ",
        "가. ",
        "ㅋ!",
        '"가',
        "(가",
        "`가",
        "$가",
        "- ",
        "가" * 50,
        "a",
        " ",
        "가 나, ",
        "“",
        "가:",
        "ㅋ 가",
        "은(는",
    ],
)
def test_time_grows_with_the_length_and_not_with_its_square(unit):
    text = (unit * (LONG // len(unit)))[:LONG]
    started = time.process_time()
    measure_quality(text, ["hangul_share", "distinct_clauses", "politeness"])
    assert time.process_time() - started < 20  # a quadratic step would take minutes
