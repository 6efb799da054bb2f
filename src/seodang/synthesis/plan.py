"""What a run will ask, cost and take, before it runs. Pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from seodang.config.recipe import GenerateParams
from seodang.synthesis.budget import PROMPT_OVERHEAD, Tokens, compute_cost, sum_tokens
from seodang.synthesis.calls import Call, Estimate, Recipe
from seodang.synthesis.journal import JournalState
from seodang.synthesis.recipe_calls import sum_estimate

BYTES_PER_TOKEN: Final = 3  # of prompts, before replies show the true ratio
TOKENS_PER_SECOND: Final = 50  # of one reply, before replies show the true speed


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Estimates of the calls that are left, and what is spent already."""

    calls: int
    """Of the recipe, at most."""
    replayed: int
    """Of these, calls that the journal has."""
    expected: Tokens
    """Of the calls that are left: with the ratios of the replies so far; without replies, of replies at most."""
    most: Tokens
    """Of the calls that are left, at most."""
    spent: Tokens
    seconds: float
    """Of the calls that are left, as expected."""
    is_measured: bool
    """The estimates use the replies in the journal."""
    expected_cost: Decimal
    most_cost: Decimal
    spent_cost: Decimal
    fits_budget: bool
    """The budget is enough even if each call costs as much as it can."""


def plan_run(recipe: Recipe, params: GenerateParams, state: JournalState) -> Plan:
    """Return the plan of a run.

    Args:
        recipe: Fresh; the outcomes in the journal are replayed with it.
        params: Of the recipe file.
        state: What the journal says.
    """
    estimate = recipe.estimate()
    done, is_complete = _replay(recipe, state)
    left = 0 if is_complete else max(estimate.calls - done.calls, 0)
    share = left / estimate.calls if estimate.calls else 0.0
    average = _bound(round(estimate.prompt_bytes * share), round(estimate.completion_tokens * share), left)
    expected = _expect(average, state)
    # Later rounds may have longer calls than those that are done, and a teacher may count more than a call can use.
    rest = estimate if left else done
    bound = _bound(rest.prompt_bytes - done.prompt_bytes, rest.completion_tokens - done.completion_tokens, left)
    most = Tokens(*map(max, average, bound, expected))
    spent = state.sum_spent(is_idempotent=params.teacher.is_idempotent)
    spent_cost, most_cost = compute_cost(spent, params.prices), compute_cost(most, params.prices)
    tokens, money = params.budget.tokens, params.budget.money
    return Plan(
        calls=estimate.calls,
        replayed=done.calls,
        expected=expected,
        most=most,
        spent=spent,
        seconds=_estimate_seconds(left, expected, params, state),
        is_measured=bool(state.seconds),
        expected_cost=compute_cost(expected, params.prices),
        most_cost=most_cost,
        spent_cost=spent_cost,
        fits_budget=(tokens is None or sum_tokens([spent, most]).total <= tokens)
        and (money is None or spent_cost + most_cost <= Decimal(str(money))),
    )


def _replay(recipe: Recipe, state: JournalState) -> tuple[Estimate, bool]:
    """Return the calls that the journal has, up to the round in which one is missing, and whether none is missing."""
    done: list[Call] = []
    while calls := recipe.name_calls():
        found = [call for call in calls if call.key in state.outcomes]
        done += found
        if len(found) < len(calls):
            return sum_estimate(done), False
        recipe.take([state.outcomes[call.key] for call in calls])
    return sum_estimate(done), True


def _bound(prompt_bytes: int, reply_tokens: int, calls: int) -> Tokens:
    """Return the most tokens that some calls can cost."""
    return Tokens(prompt_bytes + PROMPT_OVERHEAD * calls, reply_tokens)


def _expect(most: Tokens, state: JournalState) -> Tokens:
    """Return the expected tokens of the calls that are left."""
    if not state.seconds:
        return Tokens(most.prompt // BYTES_PER_TOKEN, most.reply)
    used = state.sum_usage()
    ratios = (used.prompt / max(state.bounds.prompt, 1), used.reply / max(state.bounds.reply, 1))
    return Tokens(round(most.prompt * ratios[0]), round(most.reply * ratios[1]))


def _estimate_seconds(left: int, expected: Tokens, params: GenerateParams, state: JournalState) -> float:
    limits = params.limits
    one = statistics.fmean(state.seconds) if state.seconds else expected.reply / max(left, 1) / TOKENS_PER_SECOND
    seconds = [one * left / limits.concurrency]
    if limits.requests_per_minute is not None:
        seconds.append(60.0 * left / limits.requests_per_minute)
    if limits.tokens_per_minute is not None:
        seconds.append(60.0 * expected.total / limits.tokens_per_minute)
    return max(seconds)
