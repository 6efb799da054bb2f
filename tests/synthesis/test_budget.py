from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seodang.config.recipe import BudgetParams, PriceParams
from seodang.synthesis.budget import NO_TOKENS, Budget, Tokens, bound_tokens, compute_cost
from seodang.synthesis.calls import Message, make_call

PRICES = PriceParams(currency="USD", prompt=0.1, reply=0.3)
COUNTS = st.tuples(st.integers(0, 400), st.integers(0, 400)).map(lambda pair: Tokens(*pair))


@given(calls=st.lists(st.tuples(COUNTS, st.floats(0, 1)), max_size=40), in_flight=st.integers(1, 8))
def test_whatever_calls_come_neither_tokens_nor_money_exceed_the_budget(calls, in_flight):
    budget = Budget(BudgetParams(tokens=2000, money=0.0003), PRICES, NO_TOKENS)
    running = []
    for bound, share in calls:
        if budget.fits(bound):
            budget.reserve(bound)
            running.append((bound, Tokens(round(bound.prompt * share), round(bound.reply * share))))
        if len(running) >= in_flight:
            budget.settle(*running.pop(0))
        assert budget.spent.total + budget.reserved.total <= 2000
        assert compute_cost(budget.spent, PRICES) <= Decimal("0.0003")
    for pair in running:
        budget.settle(*pair)
    assert budget.reserved == NO_TOKENS
    assert budget.spent.total <= 2000


def test_a_call_that_uses_the_last_token_fits_and_one_more_does_not():
    budget = Budget(BudgetParams(tokens=100, money=None), None, Tokens(50, 20))
    assert budget.fits(Tokens(20, 10))
    assert not budget.fits(Tokens(20, 11))


def test_money_is_exact():
    assert compute_cost(Tokens(1_000_000, 2_000_000), PRICES) == Decimal("0.7")
    budget = Budget(BudgetParams(tokens=None, money=0.7), PRICES, NO_TOKENS)
    assert budget.fits(Tokens(1_000_000, 2_000_000))
    assert not budget.fits(Tokens(1_000_001, 2_000_000))


@pytest.mark.parametrize("text", ["가나다", "abc", "🙂"])
def test_the_bound_of_a_prompt_is_at_least_its_bytes_and_that_of_a_schema_too(text):
    def bound(schema):
        messages = [Message(role="user", content=text)]
        return bound_tokens(make_call(model="m", messages=messages, max_tokens=7, temperature=0, schema=schema))

    assert bound(None).prompt >= len(text.encode())
    assert bound({"type": "object"}).prompt >= bound(None).prompt + len('{"type": "object"}')
    assert bound(None).reply == 7
