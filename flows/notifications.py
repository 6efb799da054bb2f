"""Send the result of a flow run through Prefect blocks: Slack, e-mail, webhooks."""

from __future__ import annotations

from typing import Any, Final

from prefect import Flow
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.blocks.webhook import Webhook
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging.loggers import flow_run_logger
from prefect.settings import PREFECT_UI_URL
from prefect.utilities.asyncutils import run_coro_as_sync

from seodang.i18n import _

_MAX_TEXT: Final = 1000
_MARKUP: Final = str.maketrans("<>", "‹›")  # Slack takes <!channel> and <url|text> for markup


def notify(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Send name, state and message of a run to the blocks that its parameter `notify` names.

    A block that fails is logged; it does not change the result of the run.
    """
    parameters = flow_run.parameters.get("run") or {}
    names = parameters.get("notify", []) if isinstance(parameters, dict) else getattr(parameters, "notify", [])
    subject, body = format_notification(flow_run.name, state)
    for name in names:
        try:
            _send(Block.load(name), subject, body, flow_run, state)  # type: ignore[arg-type]
        except Exception as error:  # whatever a service or its client raises
            message = _("block {name} got no notification: {kind}", name=name, kind=type(error).__name__)
            flow_run_logger(flow_run, flow).warning(message)


def format_notification(run_name: str, state: State[Any]) -> tuple[str, str]:
    """Return subject and body; text from data cannot become markup."""
    subject = f"{run_name}: {state.name}"
    body = "\n".join(filter(None, (subject, state.message, PREFECT_UI_URL.value())))
    return subject.translate(_MARKUP), body.translate(_MARKUP)[:_MAX_TEXT]


def _send(block: Block, subject: str, body: str, run: FlowRun, state: State[Any]) -> None:
    if isinstance(block, NotificationBlock):
        block.notify(body, subject)  # type: ignore[unused-coroutine]
    elif isinstance(block, Webhook):
        payload = {"run": run.name, "id": str(run.id), "state": state.name, "message": body}
        run_coro_as_sync(block.call(payload))
    else:
        raise TypeError(type(block).__name__)
