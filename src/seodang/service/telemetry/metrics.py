"""The service's metrics for Prometheus, under vLLM's names where vLLM has one: dashboards and autoscalers know them.

Label values are names of served models, codes and finish reasons of this code, never a text of a request.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as format_registry
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"  # of prometheus_client; BentoML sets it for its workers
_MODEL: Final = ("model_name",)
_ANSWER_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_TOKEN_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_TOKENS: Final = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
_ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128)


class BulkHistogram(Histogram):
    """A histogram that takes many values at once: one by one they would cost 5 to 11 microseconds per token."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Observe values."""
        self._sum.inc(sum(amounts))
        for index, count in Counts(bisect_left(self._upper_bounds, amount) for amount in amounts).items():
            self._buckets[index].inc(count)


@dataclass(frozen=True, slots=True)
class Metrics:
    """All metrics; each answer of a request counts, so one with `n: 2` counts twice."""

    running: Gauge
    waiting: Gauge
    cache_usage: Gauge
    first_token_seconds: Histogram
    inter_token_seconds: BulkHistogram
    output_token_seconds: Histogram
    answer_seconds: Histogram
    queue_seconds: Histogram
    prompt_tokens: Counter
    generation_tokens: Counter
    request_prompt_tokens: Histogram
    request_generation_tokens: Histogram
    prefix_queries: Counter
    prefix_hits: Counter
    answers: Counter
    batch_requests: Histogram
    stall_seconds: Gauge
    errors: Counter
    form_answers: Counter
    ratings: Counter
    probe_answers: Counter
    probe_seconds: Histogram
    model_info: Gauge


@lru_cache(maxsize=1)
def get_metrics() -> Metrics:
    """Return the metrics of this process; the first call registers them."""
    return Metrics(
        running=_gauge("vllm:num_requests_running", "Requests that are computed now."),
        waiting=_gauge("vllm:num_requests_waiting", "Requests that wait."),
        cache_usage=_gauge("vllm:kv_cache_usage_perc", "Part of the key-value cache that is in use, 0 to 1."),
        first_token_seconds=_histogram("vllm:time_to_first_token_seconds", "Time to first token.", _ANSWER_SECONDS),
        inter_token_seconds=_histogram("vllm:inter_token_latency_seconds", "Time between two tokens.", _TOKEN_SECONDS),
        output_token_seconds=_histogram(
            "vllm:request_time_per_output_token_seconds", "Mean time per token after the first one.", _TOKEN_SECONDS
        ),
        answer_seconds=_histogram("vllm:e2e_request_latency_seconds", "Time to the last token.", _ANSWER_SECONDS),
        queue_seconds=_histogram("vllm:request_queue_time_seconds", "Time in the queue.", _ANSWER_SECONDS),
        prompt_tokens=_counter("vllm:prompt_tokens", "Tokens of prompts."),
        generation_tokens=_counter("vllm:generation_tokens", "Generated tokens."),
        request_prompt_tokens=_histogram("vllm:request_prompt_tokens", "Tokens of a prompt.", _TOKENS),
        request_generation_tokens=_histogram("vllm:request_generation_tokens", "Tokens of an answer.", _TOKENS),
        prefix_queries=_counter("vllm:prefix_cache_queries", "Tokens that were looked up in the prefix cache."),
        prefix_hits=_counter("vllm:prefix_cache_hits", "Tokens that the prefix cache had."),
        answers=_counter("vllm:request_success", "Finished requests.", (*_MODEL, "finished_reason")),
        batch_requests=_histogram("seodang:batch_requests", "Requests that one step computes.", _ROWS),
        stall_seconds=_gauge("seodang:stall_seconds", "Time since the engine's last progress.", mode="livemax"),
        errors=_counter("seodang:request_errors", "Answers that are errors.", ("status", "code")),
        form_answers=_counter("seodang:form_answers", "Answers with a form of their request.", (*_MODEL, "valid")),
        ratings=_counter("seodang:ratings", "Ratings of answers.", (*_MODEL, "rating")),
        probe_answers=_counter("seodang:probe_success", "Finished probes of a canary.", (*_MODEL, "finished_reason")),
        probe_seconds=_histogram("seodang:probe_latency_seconds", "Time of a probe's answer.", _ANSWER_SECONDS),
        model_info=_gauge("seodang:model_info", "1 for each served model.", (*_MODEL, "version", "parent"), "livemax"),
    )


def count_error(status: int, code: str | None) -> None:
    """Count an answer that is an error.

    Args:
        status: Of HTTP.
        code: A constant of this service, never a text of a request.
    """
    get_metrics().errors.labels(str(status), code or "").inc()


def format_metrics() -> bytes:
    """Return the metrics of all processes of the service, in the text format of Prometheus."""
    if _MULTIPROCESS not in os.environ:
        return format_registry(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return format_registry(registry)


def _gauge(name: str, help: str, labels: tuple[str, ...] = _MODEL, mode: str = "livesum") -> Gauge:
    return Gauge(name, help, labels, multiprocess_mode=mode)  # type: ignore[arg-type]


def _counter(name: str, help: str, labels: tuple[str, ...] = _MODEL) -> Counter:
    return Counter(name, help, labels)


def _histogram(name: str, help: str, buckets: tuple[float, ...]) -> BulkHistogram:
    return BulkHistogram(name, help, _MODEL, buckets=buckets)
