"""A run whose worker is gone ends, and a run that the server has given up neither completes nor promotes.

Prefect lets a finished state follow a crashed one, and a worker that is killed leaves the processes of its runs. So a
run looks after itself: a thread watches its worker and its state, and the flow asks before each step (`check_life`).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import Any, Final
from uuid import UUID

import httpx
from prefect import get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import Abort, TerminationSignal
from prefect.runtime import deployment, flow_run
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Crashed

from seodang.i18n import _

ALIVE_LABEL: Final = "seodang.alive"  # of a run; its value changes as long as its process lives
_LOOK_SECONDS: Final = 2.0  # between looks for the worker
_ASK_EVERY: Final = 5  # looks for one question to the server
_PATIENCE_SECONDS: Final = 30  # for the end of this process; afterwards it is killed
_TIMEOUT_SECONDS: Final = 10.0  # of a question to the server
_ABSENCE_SECONDS: Final = 900.0  # that a run waits for its server


@contextmanager
def watch_life() -> Iterator[None]:
    """End this process when its worker is gone or the server has given its run up; do nothing outside deployments.

    Raises:
        Abort: If the server has given the run up. Prefect then reports no state.
    """
    if deployment.id is None or flow_run.id is None:
        yield
        return
    watcher = _Watcher(UUID(str(flow_run.id)))
    watcher.start()
    try:
        yield
    except TerminationSignal as signal_:
        if watcher.is_given_up:
            raise Abort(_("the server has given this run up")) from signal_
        raise
    finally:
        watcher.is_over.set()


def check_life() -> None:
    """Wait for a server that is away, and go on only if the run is still the living one.

    Call this before what others can see: before a stage, a saved experiment, a promotion, and at the end.

    Raises:
        Abort: If the server has given the run up. Prefect then reports no state.
        httpx.HTTPError: If the server does not come back.
    """
    if flow_run.id is None:
        return
    if (final := _ask_patiently(UUID(str(flow_run.id)))) is not None:
        raise Abort(_("the server has given this run up: {state}", state=final.name))


def _ask_patiently(run: UUID) -> State[Any] | None:
    """Return the final state of a run, if it has had one; wait for a server that is stopped for minutes."""
    deadline = time.monotonic() + _ABSENCE_SECONDS
    is_logged = False
    while True:
        try:
            with _open_client() as client:
                return _end_revived(client, run)
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
        if not is_logged:
            get_run_logger().warning(_("the Prefect server does not answer; the run waits for it"))
            is_logged = True
        time.sleep(_LOOK_SECONDS)


def _end_revived(client: SyncPrefectClient, run: UUID) -> State[Any] | None:
    """Return the final state of a run, if it has had one; one that runs all the same gets it back."""
    states = _read_states(client, run)
    final = _find_final_state(states)
    if final is not None and not max(states, key=lambda state: state.timestamp).is_final():
        client.set_flow_run_state(run, Crashed(message=final.message), force=True)
    return final


@contextmanager
def _open_client() -> Iterator[SyncPrefectClient]:
    """Yield a client whose requests fail at once, or after some seconds, instead of waiting for an absent server."""
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client({"timeout": _TIMEOUT_SECONDS}, sync_client=True) as client,
    ):
        yield client


def _read_states(client: SyncPrefectClient, run: UUID) -> list[State[Any]]:
    return client.read_flow_run_states(run) or [Crashed(message="deleted")]


def _find_final_state(states: Iterable[State[Any]]) -> State[Any] | None:
    """Return the final state that a run has had since it was last scheduled, if any."""
    final = None
    for state in sorted(states, key=lambda state: state.timestamp):
        if state.is_scheduled():  # a retry, which a user may ask for
            final = None
        elif state.is_final():
            final = final or state
    return final


class _Watcher(threading.Thread):
    """Shows signs of life, looks for the worker, and ends the process if need be."""

    def __init__(self, run: UUID) -> None:
        super().__init__(daemon=True)
        self.is_over = threading.Event()
        self.is_given_up = False
        self._run_id = run
        self._worker = os.getppid()
        self._logger = get_run_logger()
        self._context = copy_context()

    def run(self) -> None:
        self._context.run(self._watch)

    def _watch(self) -> None:
        looks = 0
        with _open_client() as client:
            while not self.is_over.wait(_LOOK_SECONDS):
                looks += 1
                if os.getppid() != self._worker:
                    _drop_output()
                    return self._end(_("the worker of this run is gone; the run ends"))
                if looks % _ASK_EVERY == 0:
                    # Whatever a server or a proxy before it answers: without this thread the run counts as dead.
                    with suppress(Exception):
                        self.is_given_up = self._ask(client)
                if self.is_given_up:
                    return self._end(_("the server has given this run up; its process ends"))
        return None

    def _ask(self, client: SyncPrefectClient) -> bool:
        """Show a sign of life; return whether the server has given the run up."""
        if _find_final_state(_read_states(client, self._run_id)) is not None:
            return True  # also a deleted run, which takes no label
        client.update_flow_run_labels(self._run_id, {ALIVE_LABEL: time.time()})
        return False

    def _end(self, reason: str) -> None:
        """End the flow in the main thread, as Prefect does; it reports the crash, if there is a server."""
        self._logger.error(reason)
        # At its exit Prefect waits for the server to take the last logs and events, for as long as there is none. The
        # kernel ends that: no thread of Python's runs by then.
        signal.alarm(_PATIENCE_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)


def _drop_output() -> None:
    """Point stdout and stderr nowhere: the worker read them, and a log line on a closed pipe would end a thread."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
