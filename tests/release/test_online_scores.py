"""Scores of a running version from its counters."""

from seodang.release.online_scores import ANSWERED, FAST, SCORES, STOPPED, Tally, read_counters
from seodang.release.router import ResponseCounts

METRICS = """
# TYPE vllm:request_success counter
vllm:request_success_total{finished_reason="stop",model_name="a"} 90.0
vllm:request_success_total{finished_reason="length",model_name="a"} 8.0
vllm:request_success_total{finished_reason="abort",model_name="a"} 5.0
# TYPE vllm:e2e_request_latency_seconds histogram
vllm:e2e_request_latency_seconds_bucket{le="0.5",model_name="a"} 40.0
vllm:e2e_request_latency_seconds_bucket{le="1.0",model_name="a"} 70.0
vllm:e2e_request_latency_seconds_bucket{le="+Inf",model_name="a"} 98.0
vllm:e2e_request_latency_seconds_bucket{le="0.5",model_name="b"} 1.0
vllm:e2e_request_latency_seconds_bucket{le="1.0",model_name="b"} 2.0
vllm:e2e_request_latency_seconds_bucket{le="+Inf",model_name="b"} 2.0
"""


def test_counters_are_those_of_all_models_of_a_service():
    counters = read_counters(METRICS, ResponseCounts(answered=95, failed=5), 1.2)
    assert (counters["answered.good"], counters["answered.all"]) == (95, 100)
    assert (counters["fast.good"], counters["fast.all"]) == (72, 100)
    assert (counters["stopped.good"], counters["stopped.all"]) == (90, 98)


def test_a_service_that_does_not_answer_still_has_the_counts_of_the_router():
    counters = read_counters("", ResponseCounts(answered=0, failed=7), 1.0)
    assert counters == {"answered.good": 0, "answered.all": 7}


def test_a_reading_without_metrics_makes_no_restart_of_them():
    tally, router = Tally(), ResponseCounts(answered=0, failed=0)
    for text in (METRICS, "", METRICS):
        tally.add(read_counters(text, router, 1.2))
    assert [tally.get_observations(score).compute_number() for score in SCORES] == [0] * len(SCORES)


def test_forms_and_ratings_are_rates():
    counters = read_counters(
        """
seodang:form_answers_total{model_name="a",valid="true"} 8.0
seodang:form_answers_total{model_name="a",valid="false"} 2.0
seodang:ratings_total{model_name="a",rating="up"} 3.0
seodang:ratings_total{model_name="b",rating="down"} 4.0
""",
        ResponseCounts(0, 0),
        1.0,
    )
    assert (counters["valid.good"], counters["valid.all"]) == (8, 10)
    assert (counters["liked.good"], counters["liked.all"]) == (3, 7)


def test_probes_are_no_answers_to_users():
    text = (
        METRICS
        + """
seodang:probe_success_total{finished_reason="stop",model_name="a"} 1.0
seodang:probe_success_total{finished_reason="length",model_name="a"} 8.0
seodang:probe_latency_seconds_bucket{le="1.0",model_name="a"} 30.0
seodang:probe_latency_seconds_bucket{le="+Inf",model_name="a"} 32.0
"""
    )
    empty = dict.fromkeys(read_counters(text, ResponseCounts(0, 0), 1.0), 0.0)
    tally = Tally()
    for counters in (empty, read_counters(text, ResponseCounts(0, 0), 1.0)):
        tally.add(counters)
    assert tally.get_observations(STOPPED).counts.tolist() == [0, 89]
    assert tally.get_observations(FAST).counts.tolist() == [26, 42]


def test_a_tally_counts_from_its_first_reading_and_survives_a_restart_of_the_server():
    tally = Tally()
    for good, number in ((100, 110), (130, 150), (5, 9)):
        tally.add({"answered.good": good, "answered.all": number})
    observations = tally.get_observations(ANSWERED)
    assert (observations.counts[1], observations.compute_number()) == (35, 49)


def test_a_score_is_never_above_one_though_its_counters_are_read_one_after_the_other():
    tally = Tally()
    tally.add({f"{FAST}.good": 0, f"{FAST}.all": 0})
    tally.add({f"{FAST}.good": 3, f"{FAST}.all": 2})
    assert tally.get_observations(FAST).compute_mean() == 1
    assert tally.get_observations(STOPPED).compute_number() == 0
