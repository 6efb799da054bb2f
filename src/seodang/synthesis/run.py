"""Run a recipe: replay the journal, ask what is missing, write what came of it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Final

from seodang.config.recipe import GenerateParams
from seodang.synthesis.budget import NO_EXCESS, NO_TOKENS, Excess, Tokens, compute_cost
from seodang.synthesis.calls import Call, Failure, Outcome, Recipe
from seodang.synthesis.dispatcher import Dispatcher, EndReason
from seodang.synthesis.journal import JOURNAL_NAME, Journal, hold_journal
from seodang.synthesis.teacher import Teacher

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is."""

    answered: int
    failed: int
    total: int
    """Calls of the recipe at most."""
    tokens: Tokens
    cost: Decimal

    @property
    def done(self) -> int:
        """Calls with an outcome."""
        return self.answered + self.failed


@dataclass(slots=True, kw_only=True)
class RunState:
    """What a run asked, and how it ended."""

    calls: dict[str, Call] = field(default_factory=dict)
    """By key, in the order of the recipe."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    end: EndReason | None = None
    """Why the run ended before the last call; None: it did not."""
    signal: int | None = None
    """That stopped the run."""
    replayed: int = 0
    """Calls that the journal had before."""
    open_before: int = 0
    """Calls that earlier runs sent and got no answer to; they may have been paid for."""
    spent: Tokens = NO_TOKENS
    """Over all runs, at most."""
    excess: Excess = NO_EXCESS
    """Calls of all runs that used more tokens than were reserved for them."""
    is_budget_exceeded: bool = False
    refused_fields: frozenset[str] = frozenset()
    """Optional fields of a request that the teacher does not support."""


def run_recipe(
    recipe: Recipe,
    params: GenerateParams,
    folder: Path,
    key: str,
    observe: Callable[[Progress], None],
    *,
    retry_failed: bool = False,
) -> RunState:
    """Ask all calls of a recipe; the journal in the folder has those of earlier runs.

    Ctrl-C, SIGTERM and SIGHUP stop it: it sends no further call and waits for the replies in flight. The second signal
    ends it at once.

    Args:
        recipe: Takes the outcomes; its `finish` has the result.
        params: Of the recipe file.
        folder: Of the output, with the journal.
        key: Of the teacher's API; "" for none.
        observe: Gets the progress after each outcome.
        retry_failed: Ask the calls again that have no answer in the journal.

    Raises:
        WorkspaceError: If another process runs a recipe with this folder.
        ArtifactError: If the journal is damaged.
        TeacherError: If the teacher refuses every call, or does not answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with hold_journal(folder):
        return asyncio.run(_run(recipe, params, folder, key, observe, retry_failed))


async def _run(
    recipe: Recipe,
    params: GenerateParams,
    folder: Path,
    key: str,
    observe: Callable[[Progress], None],
    retry_failed: bool,
) -> RunState:
    journal = Journal(folder / JOURNAL_NAME)
    state, stop, total = RunState(), asyncio.Event(), recipe.estimate().calls
    if retry_failed:
        journal.forget_failures()
    state.open_before = journal.state.count_open()
    limits = params.limits

    def report() -> None:
        spent = dispatcher.budget.spent
        cost = compute_cost(spent, params.prices)
        observe(Progress(answered=dispatcher.answered, failed=dispatcher.failed, total=total, tokens=spent, cost=cost))

    try:
        async with Teacher(params.teacher, key, limits.timeout_seconds, limits.concurrency) as teacher:
            dispatcher = Dispatcher(params, journal, teacher, stop=stop, report=report)
            with _stop_on_signals(stop, state):
                await _ask_rounds(recipe, dispatcher, state)
            state.refused_fields = frozenset(teacher.refused_fields)
    finally:
        await journal.close()
    state.spent, state.replayed = dispatcher.budget.spent, dispatcher.replayed
    state.excess, state.is_budget_exceeded = journal.state.excess, dispatcher.budget.is_exceeded()
    return state


async def _ask_rounds(recipe: Recipe, dispatcher: Dispatcher, state: RunState) -> None:
    while calls := recipe.name_calls():
        state.calls.update({call.key: call for call in calls})
        outcomes = await dispatcher.ask(calls)
        state.outcomes.update({outcome.key: outcome for outcome in outcomes})
        is_complete = not any(isinstance(each, Failure) and each.reason == "not_asked" for each in outcomes)
        state.end = None if is_complete else dispatcher.end_reason
        recipe.take(outcomes)
        if state.end is not None:
            return
    await dispatcher.finish()


@contextmanager
def _stop_on_signals(stop: asyncio.Event, state: RunState) -> Iterator[None]:
    """Let the first signal stop the run, and the second one do what it did before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    loop = asyncio.get_running_loop()

    def handle(number: int, _frame: FrameType | None) -> None:
        state.signal = number
        for each, handler in handlers.items():
            signal.signal(each, handler)
        loop.call_soon_threadsafe(stop.set)

    for number, handler in handlers.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
