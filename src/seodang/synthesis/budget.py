"""What the calls cost: an upper bound is reserved before a call, the true cost counts after it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

from seodang.config.recipe import BudgetParams, PriceParams
from seodang.synthesis.calls import Call, measure_call

_TOKENS_PER_MESSAGE: Final = 16  # role and marks of a message in a chat template, at most
_TOKENS_PER_PROMPT: Final = 64  # a default system text that some chat templates add
PROMPT_OVERHEAD: Final = _TOKENS_PER_PROMPT + 2 * _TOKENS_PER_MESSAGE  # of a prompt with two messages
_MILLION: Final = 1_000_000


class Tokens(NamedTuple):
    """Tokens of prompts and of replies."""

    prompt: int
    reply: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt + self.reply


NO_TOKENS: Final = Tokens(0, 0)


def sum_tokens(parts: Iterable[Tokens]) -> Tokens:
    """Return the sum."""
    prompt = reply = 0
    for part in parts:
        prompt, reply = prompt + part.prompt, reply + part.reply
    return Tokens(prompt, reply)


def subtract_tokens(tokens: Tokens, part: Tokens) -> Tokens:
    """Return the difference."""
    return Tokens(tokens.prompt - part.prompt, tokens.reply - part.reply)


def bound_tokens(call: Call) -> Tokens:
    """Return the most tokens that a call can cost: a token has at least one byte.

    A teacher may still count more, such as hidden reasoning beyond `max_tokens`: see Excess.
    """
    prompt = measure_call(call) + _TOKENS_PER_MESSAGE * len(call.messages) + _TOKENS_PER_PROMPT
    return Tokens(prompt, call.max_tokens)


def exceeds(actual: Tokens, bound: Tokens) -> bool:
    """Return whether a call used more tokens of its prompt or of its reply than were reserved for it."""
    return actual.prompt > bound.prompt or actual.reply > bound.reply


class Excess(NamedTuple):
    """Calls that used more tokens than were reserved for them: only these can exceed the budget."""

    calls: int
    reserved: Tokens
    used: Tokens

    def add(self, reserved: Tokens, used: Tokens) -> Excess:
        """Return the sum with one call; the same if it kept to what was reserved."""
        if not exceeds(used, reserved):
            return self
        return Excess(self.calls + 1, sum_tokens([self.reserved, reserved]), sum_tokens([self.used, used]))


NO_EXCESS: Final = Excess(0, NO_TOKENS, NO_TOKENS)


class Budget:
    """Tokens and money that are spent, and those that are reserved for the calls in flight."""

    def __init__(self, limits: BudgetParams, prices: PriceParams | None, spent: Tokens) -> None:
        """Begin with what earlier runs spent."""
        self._limits = limits
        self._prices = prices
        self.spent = spent
        self.reserved = NO_TOKENS
        self._ratios = (1.0, 1.0)  # of the usage to the bound of a call, the highest of prompts and of replies

    def bound(self, call: Call) -> Tokens:
        """Return what to reserve for a call: its bound, raised by the ratio of the calls that used more than theirs."""
        bound = bound_tokens(call)
        return Tokens(math.ceil(bound.prompt * self._ratios[0]), math.ceil(bound.reply * self._ratios[1]))

    def learn(self, call: Call, actual: Tokens) -> None:
        """Take the usage of an answered call; if it is higher than the bound, later calls reserve more."""
        bound = bound_tokens(call)
        prompt, reply = self._ratios
        self._ratios = (
            max(prompt, actual.prompt / max(bound.prompt, 1)),
            max(reply, actual.reply / max(bound.reply, 1)),
        )

    def is_exceeded(self) -> bool:
        """Return whether more is spent than the budget has."""
        return not self._holds(self.spent)

    def fits(self, bound: Tokens) -> bool:
        """Return whether the budget has so many tokens left, and their price."""
        return self._holds(sum_tokens([self.spent, self.reserved, bound]))

    def _holds(self, after: Tokens) -> bool:
        if self._limits.tokens is not None and after.total > self._limits.tokens:
            return False
        return self._limits.money is None or compute_cost(after, self._prices) <= Decimal(str(self._limits.money))

    def reserve(self, bound: Tokens, credit: Tokens = NO_TOKENS) -> None:
        """Reserve tokens for a call.

        Args:
            bound: At most what it can cost.
            credit: What counts as spent for an earlier attempt that an idempotent endpoint bills with this one.
        """
        self.reserved = sum_tokens([self.reserved, bound])
        self.spent = subtract_tokens(self.spent, credit)

    def settle(self, bound: Tokens, actual: Tokens) -> None:
        """Count what a call cost in place of what was reserved for it."""
        self.reserved = subtract_tokens(self.reserved, bound)
        self.spent = sum_tokens([self.spent, actual])


def compute_cost(tokens: Tokens, prices: PriceParams | None) -> Decimal:
    """Return the price of tokens; 0 where the teacher costs nothing."""
    if prices is None:
        return Decimal(0)
    price = Decimal(str(prices.prompt)) * tokens.prompt + Decimal(str(prices.reply)) * tokens.reply
    return price / _MILLION
