"""Runs against a real teacher that gives good, broken, slow and refused answers."""

import errno
import json
import random
import time

import pytest
from tests.synthesis.scripted_recipe import ScriptedRecipe
from tests.synthesis.teacher_server import Answer

from seodang.errors import ArtifactError, TeacherError, TeacherUnreachable, WorkspaceError
from seodang.synthesis.calls import Failure, Refusal, Reply
from seodang.synthesis.journal import JOURNAL_NAME, Journal, hold_journal, read_journal
from seodang.synthesis.run import run_recipe
from seodang.synthesis.teacher import Teacher


@pytest.fixture
def run(tmp_path, make_params):
    """Runs a recipe and returns it with the state of the run."""

    def run(calls=6, rounds=1, *, schema=None, retry_failed=False, key="", seen=None, **changes):
        recipe = ScriptedRecipe(calls, rounds, schema)
        observe = (lambda progress: None) if seen is None else seen.append
        state = run_recipe(recipe, make_params(**changes), tmp_path, key, observe, retry_failed=retry_failed)
        return recipe, state

    return run


def number_of(body):
    return int(body["messages"][0]["content"].rsplit(" ", 1)[1])


def test_the_outcomes_come_in_the_order_of_the_calls_whichever_reply_is_first(teacher, run):
    teacher.script = lambda body, attempt: Answer(text=f"ok {number_of(body)}", delay=0.05 * (5 - number_of(body)))
    recipe, _state = run(6)
    assert [reply.text for reply in recipe.taken] == [f"ok {number}" for number in range(6)]
    assert teacher.most_at_a_time == 4  # limits.concurrency


def test_a_second_run_replays_the_journal_and_asks_nothing(teacher, run):
    first, _ = run(4, rounds=3)
    second, state = run(4, rounds=3)
    assert second.taken == first.taken
    assert len(first.taken) == len(teacher.bodies) == state.replayed == 12
    assert state.spent.total == teacher.billed_tokens


@pytest.mark.parametrize(
    "broken",
    [
        Answer(status=429),
        Answer(status=503, headers={"Retry-After": "0"}),
        Answer(status=500, raw=b"<html>"),
        Answer(raw=b'{"choices": [{"mess'),
        Answer(raw=b'{"choices": [], "usage": {"prompt_tokens": 3}}'),
        Answer(raw=b"[]"),
        Answer(raw=b"[" * 100_000),
        Answer(raw=b"\xff\xfe not JSON"),
        Answer(is_dropped=True),
    ],
    ids=["429", "503", "500", "cut", "empty choices", "no object", "nested", "no JSON", "dropped"],
)
def test_an_error_that_a_retry_can_cure_is_retried_and_no_call_fails(teacher, run, broken):
    teacher.script = lambda body, attempt: broken if attempt == 0 and number_of(body) % 2 else Answer()
    recipe, state = run(6)
    assert all(isinstance(reply, Reply) for reply in recipe.taken)
    assert len(teacher.bodies) == 9
    assert state.spent.total >= teacher.billed_tokens  # a broken answer may have been billed, and counts


def test_a_call_that_never_gets_an_answer_fails_and_the_others_are_kept(teacher, run, read_jsonl, tmp_path):
    answers = {
        1: Answer(status=500),
        3: Answer(raw=b"{}"),
        4: Answer(status=400, raw=b'{"error": {"message": "too long"}}'),
    }
    teacher.script = lambda body, attempt: answers.get(number_of(body), Answer())
    recipe, _ = run(6, limits={"concurrency": 1})
    failures = {number: each for number, each in enumerate(recipe.taken) if isinstance(each, Failure)}
    assert {number: failure.reason for number, failure in failures.items()} == {
        1: "no_answer",
        3: "unusable_response",
        4: "bad_request",
    }
    assert "too long" in failures[4].detail
    assert len(teacher.bodies) == 3 + 3 + 3 + 1  # three good ones, two with three attempts, one that is refused at once
    assert sum(row.get("event") == "failure" for row in read_jsonl(tmp_path / JOURNAL_NAME)) == 3


def test_failed_calls_are_asked_again_only_when_the_user_says_so(teacher, run):
    teacher.script = lambda body, attempt: Answer(status=500) if number_of(body) == 2 else Answer()
    run(4)
    teacher.script = lambda body, attempt: Answer()
    recipe, _ = run(4)
    assert isinstance(recipe.taken[2], Failure)
    recipe, _ = run(4, retry_failed=True)
    assert all(isinstance(reply, Reply) for reply in recipe.taken)
    assert teacher.billed.total() == 4


def test_a_teacher_that_answers_nothing_stops_the_run_and_leaves_no_failure_behind(teacher, run):
    teacher.script = lambda body, attempt: Answer(status=503)
    with pytest.raises(TeacherUnreachable, match="HTTP 503"):
        run(20)
    assert len(teacher.bodies) < 20 * 3
    teacher.script = lambda body, attempt: Answer()
    recipe, _ = run(20)
    assert all(isinstance(reply, Reply) for reply in recipe.taken)


def test_an_outage_stops_a_run_whose_rounds_are_smaller_than_the_failures_that_stop_it(teacher, run):
    teacher.script = lambda body, attempt: Answer() if len(teacher.bodies) <= 2 else Answer(status=503)
    with pytest.raises(TeacherUnreachable, match="HTTP 503"):
        run(2, rounds=9, limits={"failures_in_a_row": 5, "concurrency": 1})
    assert len(teacher.bodies) == 2 + 5 * 3
    teacher.script = lambda body, attempt: Answer()
    recipe, state = run(2, rounds=9, limits={"failures_in_a_row": 5})
    assert state.replayed == 2
    assert all(isinstance(outcome, Reply) for outcome in recipe.taken)


def test_a_failure_in_a_round_counts_when_a_later_round_is_answered_and_at_the_end(teacher, run, read_jsonl, tmp_path):
    failing = {1, 17}
    teacher.script = lambda body, attempt: Answer(status=400) if len(teacher.bodies) - 1 in failing else Answer()
    recipe, _ = run(2, rounds=9, limits={"concurrency": 1})
    assert [isinstance(outcome, Failure) for outcome in recipe.taken] == [number in failing for number in range(18)]
    events = [
        row.get("event") for row in read_jsonl(tmp_path / JOURNAL_NAME) if row.get("event") not in ("asked", "unpaid")
    ]
    assert [number for number, event in enumerate(events) if event == "failure"] == [2, 18]  # after the header
    again, state = run(2, rounds=9)
    assert (again.taken, state.replayed) == (recipe.taken, 18)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, {"message": "Incorrect API key provided: sk-secret"}),
        (404, {"message": "model not found"}),
        (402, {"message": "no credit"}),
        (429, {"message": "quota", "code": "insufficient_quota"}),
        (301, {"message": "moved"}),
    ],
)
def test_a_teacher_that_refuses_every_call_stops_the_run_at_once_and_the_key_is_not_shown(teacher, run, status, error):
    teacher.script = lambda body, attempt: Answer(status=status, raw=json.dumps({"error": error}).encode())
    with pytest.raises(TeacherError) as caught:
        run(50, key="sk-secret")
    assert not isinstance(caught.value, TeacherUnreachable)
    assert f"HTTP {status}" in str(caught.value)
    assert "sk-secret" not in str(caught.value)
    assert len(teacher.bodies) <= 4


def test_retry_after_holds_all_calls_back(teacher, run):
    teacher.script = lambda body, attempt: (
        Answer(status=429, headers={"Retry-After": "1"}) if len(teacher.bodies) == 1 else Answer()
    )
    run(5, limits={"concurrency": 1})
    assert teacher.times[1] - teacher.times[0] > 0.95
    assert teacher.times[-1] - teacher.times[1] < 0.9


def test_an_endpoint_that_asks_to_wait_0_seconds_is_still_left_alone_for_a_while(teacher, run, monkeypatch):
    monkeypatch.setattr("seodang.synthesis.dispatcher._BACKOFF_SECONDS", 0.3)
    teacher.script = lambda body, attempt: Answer(status=429, headers={"Retry-After": "0"}) if not attempt else Answer()
    run(1)
    assert teacher.times[1] - teacher.times[0] > 0.14  # half of the backoff at least


def test_an_address_that_no_request_can_have_ends_the_run_with_advice(run):
    with pytest.raises(TeacherError, match=r"check teacher\.url"):
        run(3, teacher={"url": f"http://{'a' * 70}한.kr/v1"})


def test_an_endpoint_that_asks_to_wait_for_hours_ends_the_run_instead(teacher, run):
    teacher.script = lambda body, attempt: Answer(status=429, headers={"Retry-After": "7200"})
    start = time.monotonic()
    with pytest.raises(TeacherUnreachable):
        run(3)
    assert time.monotonic() - start < 2


def test_a_slow_answer_is_given_up_and_counts_as_paid(teacher, run):
    teacher.script = lambda body, attempt: Answer(delay=1.0) if attempt == 0 and number_of(body) == 0 else Answer()
    recipe, state = run(2, limits={"timeout_seconds": 0.3})
    assert all(isinstance(reply, Reply) for reply in recipe.taken)
    assert state.spent.total > sum(reply.prompt_tokens + reply.completion_tokens for reply in recipe.taken)


def test_refusals_are_outcomes_with_their_reason(teacher, run):
    filtered = b'{"error": {"message": "filtered", "code": "content_filter"}}'
    answers = [
        Answer(text=None, refusal="I cannot help with that."),
        Answer(text="half", finish_reason="content_filter"),
        Answer(status=400, raw=filtered),
    ]
    teacher.script = lambda body, attempt: answers[number_of(body)]
    recipe, _ = run(3)
    assert all(isinstance(outcome, Refusal) for outcome in recipe.taken)
    assert [outcome.reason for outcome in recipe.taken] == ["refusal", "content_filter", "content_filter"]
    assert recipe.taken[0].text == "I cannot help with that."


def test_a_call_carries_its_key_seed_schema_and_the_api_key(teacher, run):
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    recipe, _ = run(1, schema=schema, key="sk-secret")
    body, headers = teacher.bodies[0], teacher.headers[0]
    assert headers["idempotency-key"] == recipe.taken[0].key
    assert headers["authorization"] == "Bearer sk-secret"
    assert body["response_format"]["json_schema"]["schema"] == schema
    assert (body["seed"], body["max_tokens"], body["temperature"], body["model"]) == (7, 10, 0.5, "scripted")


def test_no_file_of_a_run_has_the_key(teacher, run, tmp_path):
    teacher.script = lambda body, attempt: Answer(status=400, raw=b"bad key sk-secret") if number_of(body) else Answer()
    recipe, _ = run(2, key="sk-secret")
    assert recipe.taken[1].detail == "HTTP 400: bad key ***"
    files = [file for file in tmp_path.iterdir() if file.is_file()]
    assert files
    assert all("sk-secret" not in file.read_text("utf-8") for file in files)


@pytest.mark.parametrize(
    ("error", "missing", "present"),
    [
        ({"param": "response_format", "message": "no"}, "response_format", None),
        ({"message": "response_format json_schema is not supported"}, "response_format", None),
        ({"param": "seed", "message": "unknown"}, "seed", None),
        (
            {"param": "max_tokens", "message": "Use 'max_completion_tokens' instead."},
            "max_tokens",
            "max_completion_tokens",
        ),
    ],
)
def test_a_field_that_the_endpoint_does_not_support_is_left_out(teacher, run, error, missing, present):
    teacher.script = lambda body, attempt: (
        Answer(status=400, raw=json.dumps({"error": error}).encode()) if missing in body else Answer()
    )
    recipe, state = run(6, schema={"type": "object"}, limits={"concurrency": 1})
    assert all(isinstance(reply, Reply) for reply in recipe.taken)
    assert state.refused_fields == {missing}
    assert len(teacher.bodies) == 7
    assert present is None or teacher.bodies[-1][present] == 10


def test_a_reply_without_usage_counts_with_its_upper_bound(teacher, run):
    teacher.script = lambda body, attempt: Answer(has_usage=False)
    recipe, state = run(1)
    assert recipe.taken[0].completion_tokens == 10
    assert state.spent.total >= teacher.billed_tokens


@pytest.mark.parametrize("concurrency", [1, 8])
def test_the_budget_is_never_exceeded_and_what_is_paid_for_is_kept(teacher, run, concurrency):
    teacher.delay = 0.01
    recipe, state = run(60, budget={"tokens": 600}, limits={"concurrency": concurrency})
    assert state.end == "budget"
    assert teacher.billed_tokens <= state.spent.total <= 600
    replies = [outcome for outcome in recipe.taken if isinstance(outcome, Reply)]
    assert len(replies) == teacher.billed.total() > 10
    assert {outcome.reason for outcome in recipe.taken if isinstance(outcome, Failure)} == {"not_asked"}
    recipe, state = run(60, budget={"tokens": 10_000}, limits={"concurrency": concurrency})
    assert state.end is None
    assert teacher.billed.total() == len(recipe.taken) == 60


def test_usage_beyond_what_is_reserved_is_said_once_and_later_calls_reserve_as_much(teacher, run, caplog):
    teacher.script = lambda body, attempt: Answer(reply_tokens=400)  # hidden reasoning; max_tokens is 10
    _, state = run(60, budget={"tokens": 2000}, limits={"concurrency": 1})
    assert (state.end, state.excess.calls, state.is_budget_exceeded) == ("budget", 1, False)
    assert teacher.billed_tokens == state.spent.total <= 2000
    assert teacher.billed.total() == 4  # the next one is known to need more than is left
    warnings = [record.getMessage() for record in caplog.records if "than were reserved" in record.getMessage()]
    assert len(warnings) == 1
    assert "reply 400 of 10" in warnings[0]
    _, again = run(60, budget={"tokens": 2500}, limits={"concurrency": 4})
    assert (again.excess, again.is_budget_exceeded) == (state.excess, False)
    assert teacher.billed.total() == 5


def test_calls_in_flight_that_exceed_the_budget_end_the_run_and_it_says_so(teacher, run):
    teacher.script = lambda body, attempt: Answer(reply_tokens=400, delay=0.02)
    _, state = run(60, budget={"tokens": 600}, limits={"concurrency": 4})
    assert (state.end, state.is_budget_exceeded) == ("budget", True)
    assert state.excess.calls == teacher.billed.total() == 4
    assert state.spent.total == teacher.billed_tokens > 600
    assert state.excess.reserved.reply == 40
    assert state.excess.used.reply == 1600


def test_money_is_a_budget_too(teacher, run):
    prices = {"currency": "USD", "prompt": 1.0, "reply": 10.0}
    _, state = run(60, prices=prices, budget={"tokens": None, "money": 0.002}, limits={"concurrency": 2})
    assert state.end == "budget"
    assert (state.spent.prompt * 1.0 + state.spent.reply * 10.0) / 1e6 <= 0.002


def test_lost_connections_count_in_the_budget_unless_the_endpoint_bills_a_key_once(teacher, run):
    teacher.script = lambda body, attempt: Answer(is_dropped=attempt == 0)
    _, state = run(3)
    assert teacher.billed.total() == 6
    assert state.spent.total >= teacher.billed_tokens


def test_an_idempotent_endpoint_is_paid_once_for_a_call_that_comes_twice(teacher, run):
    teacher.is_idempotent = True
    teacher.script = lambda body, attempt: Answer(is_dropped=attempt == 0)
    _, state = run(3)
    assert teacher.billed.total() == 3
    assert state.spent.total == teacher.billed_tokens
    _, again = run(3)
    assert again.spent == state.spent


@pytest.mark.parametrize("last", [Answer(), Answer(status=400)], ids=["answered", "refused"])
def test_an_attempt_that_cost_nothing_does_not_take_back_what_the_one_before_may_have_cost(
    teacher, run, tmp_path, last
):
    teacher.is_idempotent = True
    attempts = [Answer(is_dropped=True), Answer(status=429), Answer(status=503), last]
    teacher.script = lambda body, attempt: Answer() if number_of(body) else attempts[attempt]
    _, state = run(2, limits={"attempts": 4, "concurrency": 1})
    assert teacher.billed_tokens <= state.spent.total
    assert state.spent == read_journal(tmp_path / JOURNAL_NAME)[0].sum_spent(is_idempotent=True)


def test_requests_per_minute_are_kept(teacher, run, monkeypatch):
    monkeypatch.setattr("seodang.synthesis.pace._WINDOW_SECONDS", 0.5)
    run(9, limits={"requests_per_minute": 4, "concurrency": 8})
    times = sorted(teacher.times)
    assert all(later - earlier > 0.4 for earlier, later in zip(times, times[4:], strict=False))


def test_a_cut_last_line_of_the_journal_is_dropped_and_the_call_is_asked_again(teacher, run, tmp_path):
    run(3, limits={"concurrency": 1})
    journal = tmp_path / JOURNAL_NAME
    journal.write_bytes(journal.read_bytes()[:-9])
    recipe, state = run(3, limits={"concurrency": 1})
    assert (state.replayed, state.open_before) == (2, 1)
    assert teacher.billed.total() == 4
    assert state.spent.total >= teacher.billed_tokens
    assert len(recipe.taken) == 3


@pytest.mark.parametrize("damage", [b"{}\n", b"nonsense\n", b'{"event": "reply", "key": "a"}\n'])
def test_a_damaged_line_within_the_journal_is_an_error_with_its_number(teacher, run, tmp_path, damage):
    run(2)
    journal = tmp_path / JOURNAL_NAME
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], damage, *lines[2:]]))
    with pytest.raises(ArtifactError, match="line 3"):
        run(2)
    assert len(teacher.bodies) == 2


def test_a_damaged_last_line_that_has_its_end_is_an_error_because_it_may_hold_a_paid_reply(teacher, run, tmp_path):
    run(2)
    journal = tmp_path / JOURNAL_NAME
    content = journal.read_bytes()
    journal.write_bytes(content[:-9] + b"\xff" + content[-8:])
    with pytest.raises(ArtifactError, match="line 5"):
        run(2)
    assert len(teacher.bodies) == 2


def test_another_file_is_not_taken_for_a_journal(run, tmp_path):
    (tmp_path / JOURNAL_NAME).write_text('{"instruction": "mine"}\n', "utf-8")
    with pytest.raises(ArtifactError, match="line 1"):
        run(2)
    assert (tmp_path / JOURNAL_NAME).read_text("utf-8") == '{"instruction": "mine"}\n'


def test_a_second_process_on_the_same_journal_is_refused(teacher, run, tmp_path):
    with hold_journal(tmp_path), pytest.raises(WorkspaceError, match="two runs would pay"):
        run(2)
    assert teacher.bodies == []


def test_progress_counts_up_to_the_total(run):
    seen = []
    run(5, seen=seen)
    assert [progress.done for progress in seen] == [1, 2, 3, 4, 5]
    assert {progress.total for progress in seen} == {5}


@pytest.mark.parametrize("is_idempotent", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_goes_wrong_the_teacher_bills_no_more_than_counts_and_no_more_than_the_budget(
    teacher, run, is_idempotent, seed
):
    teacher.is_idempotent = is_idempotent
    numbers, troubles = (
        random.Random(seed),
        [
            Answer(is_dropped=True),
            Answer(raw=b"{"),
            Answer(status=500),
            Answer(status=400),
            Answer(delay=1.4),
            Answer(has_usage=False),
            Answer(text=None, refusal="no"),
            Answer(status=429, headers={"Retry-After": "0"}),
        ],
    )
    teacher.script = lambda body, attempt: numbers.choice(troubles) if numbers.random() < 0.4 else Answer()
    limits = {"concurrency": 8, "timeout_seconds": 1.0, "failures_in_a_row": 100}
    recipe, state = run(40, budget={"tokens": 2000}, limits=limits)
    time.sleep(1.5)  # the teacher completes what was given up
    assert teacher.billed_tokens <= state.spent.total <= 2000
    assert len(recipe.taken) == 40
    recipe, state = run(40, budget={"tokens": 100_000}, limits=limits)
    time.sleep(1.5)
    assert teacher.billed_tokens <= state.spent.total
    assert state.end is None
    assert not any(isinstance(each, Failure) and each.reason == "not_asked" for each in recipe.taken)


def test_a_full_disk_ends_the_run_with_the_error_of_the_system(teacher, run, monkeypatch):
    def fail(self, rows):
        if any(row.get("event") == "reply" for row in rows):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, rows)

    write = Journal._write
    with monkeypatch.context() as full:
        full.setattr(Journal, "_write", fail)
        with pytest.raises(OSError, match="No space left"):
            run(5)
    recipe, state = run(5)
    assert all(isinstance(reply, Reply) for reply in recipe.taken)
    assert state.spent.total >= teacher.billed_tokens


@pytest.mark.parametrize(
    ("url", "key", "warns"),
    [
        ("http://10.0.0.5:8000/v1", "sk-secret", True),
        ("http://10.0.0.5:8000/v1", "", False),
        ("https://10.0.0.5:8000/v1", "sk-secret", False),
        ("http://localhost:8000/v1", "sk-secret", False),
    ],
)
def test_a_key_that_leaves_the_machine_unencrypted_is_a_warning(make_params, caplog, url, key, warns):
    Teacher(make_params(teacher={"url": url}).teacher, key, 1.0, 1)
    assert ("unencrypted" in caplog.text) == warns
    assert "sk-secret" not in caplog.text


def test_a_proxy_is_not_asked_for_a_teacher_on_this_machine(teacher, run, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    recipe, _ = run(1)
    assert isinstance(recipe.taken[0], Reply)
