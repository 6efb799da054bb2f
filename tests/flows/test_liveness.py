"""What a run takes for its end, and the limits of the automation. The kills themselves are in test_dead_runs.py."""

import logging
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from flows import liveness
from flows.automations import build_automation
from flows.liveness import _find_final_state
from flows.settings import SERVER, START_SECONDS
from prefect.states import Cancelled, Completed, Crashed, Pending, Running, Scheduled
from tests.constants import ROOT

START = datetime(2026, 1, 1, tzinfo=UTC)
_LEASE_SECONDS = 300  # of Prefect, on a slot


def date_states(*states):
    for number, state in enumerate(states):
        state.timestamp = START + timedelta(seconds=number)
    return states


@pytest.mark.parametrize(
    ("states", "final"),
    [
        ((Scheduled, Pending, Running), None),
        ((Scheduled, Pending, Running, Crashed), "Crashed"),
        ((Scheduled, Pending, Crashed, Running), "Crashed"),  # a run that did not know that it had crashed
        ((Scheduled, Running, Crashed, Completed), "Crashed"),
        ((Scheduled, Running, Cancelled), "Cancelled"),
        ((Scheduled, Running, Crashed, Scheduled, Pending, Running), None),  # a retry that a user asked for
    ],
)
def test_a_run_has_ended_with_its_first_final_state_since_it_was_scheduled(states, final):
    found = _find_final_state(date_states(*(make() for make in states)))
    assert (found and found.name) == final


def test_a_run_that_never_started_is_crashed_before_its_lease_on_a_slot_expires():
    assert START_SECONDS < _LEASE_SECONDS


def test_the_automation_concerns_only_runs_of_the_projects_deployments():
    trigger = build_automation(START_SECONDS).trigger
    assert trigger.match_related.model_dump() == {
        "prefect.resource.role": "tag",
        "prefect.resource.id": "prefect.tag.seodang",
    }
    assert trigger.for_each == {"prefect.resource.id"}


@pytest.mark.parametrize("page", ["prefect.md", "prefect.ko.md"])
def test_the_settings_of_a_server_stand_in_the_documentation(page):
    text = (ROOT / "docs" / page).read_text("utf-8")
    for name, value in SERVER.items():
        assert f"$ export {name}={value}\n" in text


@pytest.fixture
def watcher(monkeypatch):
    """A watcher that looks without a pause, asks at each look, and notes why it would end the process."""
    monkeypatch.setattr(liveness, "get_run_logger", logging.getLogger)
    monkeypatch.setattr(liveness, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(liveness, "_ASK_EVERY", 1)
    watcher, reasons = liveness._Watcher(uuid4()), []
    monkeypatch.setattr(watcher, "_end", reasons.append)
    return watcher, reasons


def test_a_run_that_was_deleted_is_given_up_without_a_sign_of_life(watcher, monkeypatch):
    client = SimpleNamespace(read_flow_run_states=lambda _run: [], update_flow_run_labels=pytest.fail)
    monkeypatch.setattr(liveness, "_open_client", lambda: nullcontext(client))
    watcher[0]._watch()
    assert len(watcher[1]) == 1


def test_an_answer_that_is_none_of_prefects_does_not_end_the_signs_of_life(watcher, monkeypatch):
    answers = iter([ValueError("a page of a proxy"), date_states(Running()), date_states(Running(), Crashed())])
    labels = []

    def read(_run):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    client = SimpleNamespace(read_flow_run_states=read, update_flow_run_labels=lambda *words: labels.append(words))
    monkeypatch.setattr(liveness, "_open_client", lambda: nullcontext(client))
    watcher[0]._watch()
    assert (len(labels), len(watcher[1])) == (1, 1)
