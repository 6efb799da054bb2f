from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from seodang.synthesis.pace import Pace


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@given(
    calls=st.lists(st.tuples(st.floats(0, 30), st.integers(1, 900)), min_size=1, max_size=60),
    requests=st.integers(1, 10),
    tokens=st.integers(100, 1500),
)
def test_no_minute_has_more_requests_or_tokens_than_allowed(calls, requests, tokens):
    clock = Clock()
    pace = Pace(requests, tokens, clock)
    begun = deque()
    for gap, size in calls:
        clock.now += gap
        clock.now += pace.compute_wait(size) + 1e-6
        assert pace.compute_wait(size) == 0
        pace.begin(size)
        begun.append((clock.now, size))
        window = [each for time, each in begun if time > clock.now - 60]
        assert len(window) <= requests
        assert sum(window) <= tokens or len(window) == 1  # a call beyond the limit is alone


def test_a_call_that_used_fewer_tokens_than_expected_leaves_room():
    clock = Clock()
    pace = Pace(None, 1000, clock)
    call = pace.begin(900)
    assert pace.compute_wait(200) == 60
    call.tokens = 300
    assert pace.compute_wait(200) == 0


def test_a_pause_holds_every_call_and_a_shorter_one_does_not_end_it():
    clock = Clock()
    pace = Pace(None, None, clock)
    pace.pause(20)
    pace.pause(5)
    assert pace.compute_wait(1) == 20
    clock.now += 20
    assert pace.compute_wait(1) == 0
