"""Notifications, with a receiver on this machine in the place of the service."""

import json
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace

import pytest
from flows import notifications
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.blocks.webhook import Webhook
from prefect.states import Completed


@pytest.fixture
def receiver(run_handler):
    """A web server that keeps the bodies it gets."""
    bodies = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

    with run_handler(Receiver) as port:
        yield SimpleNamespace(url=f"http://127.0.0.1:{port}/hook", bodies=bodies)


@pytest.fixture
def blocks(receiver, monkeypatch):
    """Blocks as a Prefect server would return them, by name; any other name is unknown."""
    known = {
        "webhook/ci": Webhook(url=receiver.url),
        "custom-webhook/team": CustomWebhookNotificationBlock(
            name="team", url=receiver.url, json_data={"text": "{{subject}} | {{body}}"}
        ),
    }
    monkeypatch.setattr(notifications.Block, "load", known.__getitem__)
    monkeypatch.setattr(notifications, "flow_run_logger", lambda *_: SimpleNamespace(warning=lambda _message: None))


def run(*names: str) -> SimpleNamespace:
    return SimpleNamespace(name="instruction-tuning tiny-1234567", id="1", parameters={"run": {"notify": list(names)}})


def test_a_webhook_gets_name_state_and_message(blocks, receiver):
    notifications.notify(None, run("webhook/ci"), Completed(name="Rejected", message="accuracy 0.7"))
    (body,) = receiver.bodies
    assert (body["run"], body["state"]) == ("instruction-tuning tiny-1234567", "Rejected")
    assert "accuracy 0.7" in body["message"]


def test_markup_from_data_does_not_reach_a_notification(blocks, receiver):
    notifications.notify(None, run("custom-webhook/team"), Completed(message="<!channel> <https://a.invalid|click>"))
    (body,) = receiver.bodies
    assert "<" not in body["text"]
    assert "‹!channel›" in body["text"]


def test_a_block_that_fails_does_not_keep_the_others_from_their_message(blocks, receiver):
    notifications.notify(None, run("slack-webhook/unknown", "webhook/ci"), Completed())
    assert len(receiver.bodies) == 1


def test_without_blocks_nothing_is_sent(blocks, receiver):
    notifications.notify(None, run(), Completed())
    assert receiver.bodies == []
