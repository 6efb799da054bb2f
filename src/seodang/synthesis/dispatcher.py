"""Ask many calls at a time: within budget and limits, with retries, each step journaled."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from seodang.config.recipe import GenerateParams
from seodang.errors import SeodangError
from seodang.i18n import _
from seodang.synthesis.budget import NO_TOKENS, Budget, Tokens, exceeds, subtract_tokens
from seodang.synthesis.calls import Call, Failure, Outcome, Refusal, Reply
from seodang.synthesis.journal import Journal, is_paid
from seodang.synthesis.pace import Pace, PacedCall, compute_backoff
from seodang.synthesis.responses import AllCallsRefused, CallRefused, TemporaryError
from seodang.synthesis.teacher import Teacher
from seodang.synthesis.teacher_errors import build_refused, build_unreachable, describe_excess, describe_failures

logger = logging.getLogger(__name__)

_BYTES_PER_TOKEN: Final = 3  # of a prompt, for the limit of tokens per minute; the budget counts each byte
_BACKOFF_SECONDS = 1.0  # before the second attempt; doubles with each further one
_MAX_WAIT_SECONDS: Final = 600.0  # that an endpoint may ask for with Retry-After

EndReason = Literal["budget", "stopped"]


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A call that may be sent: what is reserved for it, and what counts in the limits per minute."""

    bound: Tokens
    credit: Tokens  # what counted for an earlier attempt that the endpoint bills with this one
    paced: PacedCall


class Dispatcher:
    """The calls of one run. It ends early when the budget or the user says so, or the teacher refuses."""

    def __init__(
        self,
        params: GenerateParams,
        journal: Journal,
        teacher: Teacher,
        *,
        stop: asyncio.Event,
        report: Callable[[], None],
    ) -> None:
        """Prepare to ask.

        Args:
            params: Limits, budget and prices.
            journal: Has the outcomes of earlier runs, and gets those of this one.
            teacher: Is asked.
            stop: When it is set, no further call is sent. The end of the budget and an error of the teacher set it too.
            report: Called after each outcome.
        """
        self._params = params
        self._journal = journal
        self._teacher = teacher
        self._stop = stop
        self._report = report
        self.budget = Budget(
            params.budget, params.prices, journal.state.sum_spent(is_idempotent=params.teacher.is_idempotent)
        )
        self._pace = Pace(params.limits.requests_per_minute, params.limits.tokens_per_minute)
        self._settled = asyncio.Condition()
        self._in_flight = 0
        self._failures: list[Failure] = []  # since the last answer; they count when another call is answered
        self._error: SeodangError | None = None
        self._has_warned = self._has_warned_of_excess = False
        self.is_over_budget = False
        self.replayed = 0
        """Calls that the journal had."""
        self.answered = 0
        """Calls with an answer, replayed ones included."""
        self.failed = 0
        """Calls of this run without an answer."""

    @property
    def end_reason(self) -> EndReason | None:
        """Why not every call was asked; None: each was."""
        return "budget" if self.is_over_budget else "stopped" if self._stop.is_set() else None

    async def ask(self, calls: Sequence[Call]) -> list[Outcome]:
        """Return the outcome of each call; those that the journal has are not asked again.

        Raises:
            TeacherUnreachable: If many calls in a row have no answer.
            TeacherError: If the teacher refuses every call.
        """
        outcomes = self._journal.state.outcomes
        missing = {call.key: call for call in calls if call.key not in outcomes}
        self.replayed += sum(call.key in outcomes for call in calls)
        for call in calls:
            if is_paid(outcome := outcomes.get(call.key)):
                self.answered += 1
                self.budget.learn(call, Tokens(outcome.prompt_tokens, outcome.completion_tokens))
        queue = iter(missing.values())
        try:
            async with asyncio.TaskGroup() as group:
                for _worker in range(min(self._params.limits.concurrency, len(missing))):
                    group.create_task(self._work(queue))
        except ExceptionGroup as group_error:  # a disk that is full
            raise group_error.exceptions[0] from None
        if self._failures and not self.answered and self.end_reason is None:
            self._end(describe_failures(self._failures))
        if self._error is not None:
            raise self._error
        failures = {} if self.end_reason else {failure.key: failure for failure in self._failures}
        known = {**outcomes, **failures}
        return [known.get(call.key) or Failure(key=call.key, reason="not_asked", detail="") for call in calls]

    async def finish(self) -> None:
        """Let the last failures count: there is no other call that the teacher could answer."""
        await self._journal_failures()

    async def _work(self, queue: Iterator[Call]) -> None:
        for call in queue:
            outcome = await self._ask_until_answered(call)
            if outcome is not None:
                self._take(outcome)
            if self._stop.is_set():
                return

    async def _ask_until_answered(self, call: Call) -> Reply | Refusal | Failure | None:
        """Return the outcome of a call after as many attempts as it takes; None if it is not asked to the end."""
        for attempt in range(self._params.limits.attempts):
            if (admitted := await self._admit(call)) is None:
                return None
            try:
                return await self._attempt(call, admitted)
            except CallRefused as error:
                return Failure(key=call.key, reason="bad_request", detail=str(error))
            except AllCallsRefused as error:
                self._end(build_refused(str(error)))
                return None
            except TemporaryError as error:
                last = error
                self._warn_once(str(error))
            if last.wait is not None and last.wait > _MAX_WAIT_SECONDS:
                self._end(build_unreachable(str(last)))
                return None
            if last.wait is not None:
                self._pace.pause(last.wait)
            if attempt + 1 < self._params.limits.attempts:  # an endpoint may ask to wait 0 seconds
                await self._sleep(compute_backoff(call.key, attempt, _BACKOFF_SECONDS))
        return Failure(key=call.key, reason=last.reason, detail=str(last))

    async def _attempt(self, call: Call, admitted: _Admitted) -> Reply | Refusal:
        """Send a call once; the journal has it before, and its end after.

        Raises:
            TemporaryError, CallRefused, AllCallsRefused: As Teacher.ask.
        """
        bound, actual = admitted.bound, admitted.bound
        start = time.monotonic()
        try:
            tokens = {"prompt_tokens": bound.prompt, "completion_tokens": bound.reply}
            await self._journal.append({"event": "asked", "key": call.key, **tokens})
            outcome = await self._teacher.ask(call, bound)
            await self._journal_failures()  # before the reply: calls of later rounds depend on them
            await self._journal.append_outcome(outcome, time.monotonic() - start)
            actual = Tokens(outcome.prompt_tokens, outcome.completion_tokens)
            admitted.paced.tokens = actual.total
            self.budget.learn(call, actual)
            self._warn_of_excess(bound, actual)
            return outcome
        except (TemporaryError, CallRefused, AllCallsRefused) as error:
            if not isinstance(error, TemporaryError) or error.is_unpaid:
                await self._journal.append({"event": "unpaid", "key": call.key})
                actual = admitted.credit
            raise
        finally:
            self.budget.settle(bound, actual)
            self._in_flight -= 1
            async with self._settled:
                self._settled.notify_all()

    async def _admit(self, call: Call) -> _Admitted | None:
        """Wait until budget and limits allow a call; None if the run ends before."""
        while not self._stop.is_set():
            bound = self.budget.bound(call)
            pace_tokens = bound.prompt // _BYTES_PER_TOKEN + bound.reply
            credit = self._find_credit(call.key)
            if not self.budget.fits(subtract_tokens(bound, credit)):
                await self._wait_for_budget()
            elif (wait := self._pace.compute_wait(pace_tokens)) > 0:
                await self._sleep(wait)
            else:
                self.budget.reserve(bound, credit)
                self._in_flight += 1
                return _Admitted(bound, credit, self._pace.begin(pace_tokens))
        return None

    async def _wait_for_budget(self) -> None:
        """Wait for a call in flight, which may cost less than reserved; without one the budget is used up."""
        if not self._in_flight:
            self.is_over_budget = True
            self._stop.set()
            return
        async with self._settled:
            await self._settled.wait()

    def _find_credit(self, key: str) -> Tokens:
        """Return what counts as spent for an earlier attempt without an answer, if it is billed with this one."""
        earlier = self._journal.state.list_open(key)
        return earlier[-1] if earlier and self._params.teacher.is_idempotent else NO_TOKENS

    def _take(self, outcome: Outcome) -> None:
        """Count an outcome; failures count when another call is answered, because then the teacher works."""
        if isinstance(outcome, Failure):
            self._failures.append(outcome)
            self.failed += 1
            if len(self._failures) >= self._params.limits.failures_in_a_row:
                self._end(describe_failures(self._failures))
        else:
            self.answered += 1
        self._report()

    async def _journal_failures(self) -> None:
        failures, self._failures = self._failures, []
        for failure in failures:
            await self._journal.append_outcome(failure)

    def _warn_once(self, reason: str) -> None:
        """Say why a run is slow at its beginning; later errors are counted, and shown by the progress."""
        if not self._has_warned:
            logger.warning(_("the teacher does not answer a call ({reason}); trying again", reason=reason))
        self._has_warned = True

    def _warn_of_excess(self, bound: Tokens, actual: Tokens) -> None:
        if exceeds(actual, bound) and not self._has_warned_of_excess:
            self._has_warned_of_excess = True
            logger.warning(describe_excess(bound, actual))

    def _end(self, error: SeodangError) -> None:
        self._error = self._error or error
        self._stop.set()

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but not longer than the run lasts."""
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return
