"""How a canary ends, with a router and counters of the test."""

import numpy as np
import pytest

from seodang.canary.decision import ScoreComparison
from seodang.canary.evidence import build_rate
from seodang.canary.pairs import PairCounts
from seodang.config import CanaryParams
from seodang.errors import ReleaseError
from seodang.release.watch import hold_watch, watch_canary

LIMIT = {"margin": 0.01, "tolerance": 0.05}
PARAMS = CanaryParams.model_validate(
    {
        "share": 0.25,
        "alpha": 0.05,
        "max_requests": 1000,
        "max_hours": 1,
        "look_seconds": 0.001,
        "fast_seconds": 1.0,
        "probes": {"per_minute": 0, "file": None, "tasks": None},
        "scores": {"answered": LIMIT, **dict.fromkeys(("fast", "stopped", "valid", "liked", "labelled", "correct"))},
    }
)


class FakeTraffic:
    """Remembers the shares; the candidate is up until it is not."""

    def __init__(self, looks_up=10**6):
        self.shares, self.looks, self.looks_up = [], 0, looks_up

    def set_share(self, share):
        self.shares.append(share)

    def is_up(self, role):
        self.looks += 1
        return self.looks <= self.looks_up


def grow(reference, candidate):
    """Return a reader of counters that grow by (good, all) at each look."""
    steps, looks = {"reference": reference, "candidate": candidate}, {"reference": 0, "candidate": 0}

    def read(role):
        looks[role] += 1
        good, number = steps[role]
        return {"answered.good": good * looks[role], "answered.all": number * looks[role]}

    return read


def test_a_worse_candidate_loses_its_share_before_the_rollback_is_recorded_once():
    traffic, events = FakeTraffic(), []
    end = watch_canary(
        traffic, grow((297, 300), (80, 100)), PARAMS, lambda reason: events.append((reason, traffic.shares[-1]))
    )
    assert end.outcome == "rolled_back"
    ((reason, share),) = events
    assert share == 0.0
    assert reason.startswith("canary: answered 0.990 -> 0.800, -0.190 [")
    assert traffic.shares == [0.25, 0.0]


def test_probes_alone_can_roll_back():
    def compare_probes():
        pairs = PairCounts(lost=np.array(40.0), equal=np.array(60.0), gained=np.array(0.0))
        rates = {"reference": build_rate(100, 100), "candidate": build_rate(60, 100)}
        return [ScoreComparison(name="correct:topic", **rates, pairs=pairs, **LIMIT)]

    reasons = []
    end = watch_canary(
        FakeTraffic(), grow((297, 300), (99, 100)), PARAMS, reasons.append, compare_probes=compare_probes
    )
    assert end.outcome == "rolled_back"
    assert reasons[0].startswith("canary: correct:topic 1.000 -> 0.600, -0.400 [")


def test_an_equal_candidate_gets_all_requests():
    traffic = FakeTraffic()
    end = watch_canary(traffic, grow((297, 300), (99, 100)), PARAMS, pytest.fail)
    assert (end.outcome, traffic.shares) == ("kept", [0.25, 1.0])


def test_without_a_verdict_the_old_version_answers_everything():
    traffic = FakeTraffic()
    end = watch_canary(traffic, grow((150, 300), (48, 100)), PARAMS, pytest.fail)
    assert (end.outcome, traffic.shares) == ("undecided", [0.25, 0.0])


def test_a_canary_of_a_service_without_requests_ends():
    params = PARAMS.model_copy(update={"max_hours": 1e-9})
    end = watch_canary(FakeTraffic(), grow((1, 1), (0, 0)), params, pytest.fail)
    assert (end.outcome, end.reason) == ("undecided", "canary: undecided after 0 requests")


def test_a_candidate_that_is_down_is_rolled_back_without_any_request():
    traffic, reasons = FakeTraffic(looks_up=2), []
    end = watch_canary(traffic, grow((1, 1), (0, 0)), PARAMS, reasons.append)
    assert (end.outcome, reasons) == ("rolled_back", ["canary: its health checks fail"])


def test_an_interrupted_watch_gives_everything_back_to_the_old_version():
    traffic = FakeTraffic()

    def interrupt(_requests, _evidence):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch_canary(traffic, grow((1, 1), (1, 1)), PARAMS, pytest.fail, interrupt)
    assert traffic.shares == [0.25, 0.0]


def test_two_watches_of_a_router_are_refused(tmp_path):
    with hold_watch(tmp_path), pytest.raises(ReleaseError, match="another seodang canary watch"), hold_watch(tmp_path):
        pytest.fail("the second one began")
