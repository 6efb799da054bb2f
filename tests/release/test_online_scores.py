"""Scores of a running version from its counters."""

from seodang.release.online_scores import ANSWERED, FAST, STOPPED, Tally, read_counters
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
    assert counters["answered.all"] == 7
    assert counters["fast.all"] == counters["stopped.all"] == 0


def test_a_tally_counts_from_its_first_reading_and_survives_a_restart_of_the_server():
    tally = Tally()
    for good, number in ((100, 110), (130, 150), (5, 9)):
        tally.add({"answered.good": good, "answered.all": number})
    observations = tally.get_observations(ANSWERED)
    assert (observations.counts[1], observations.compute_number()) == (35, 49)


def test_a_score_is_never_above_one_though_its_counters_are_read_one_after_the_other():
    tally = Tally()
    tally.add({})
    tally.add({f"{FAST}.good": 3, f"{FAST}.all": 2})
    assert tally.get_observations(FAST).compute_mean() == 1
    assert tally.get_observations(STOPPED).compute_number() == 0
