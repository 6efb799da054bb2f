"""Plan and end of `seodang generate` for the terminal, at most 100 columns wide."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from seodang.cli.plan_format import format_duration, format_row
from seodang.i18n import _, ngettext

if TYPE_CHECKING:
    from seodang.config.recipe import GenerateParams, PriceParams
    from seodang.synthesis.calls import Generated
    from seodang.synthesis.output import CallCounts
    from seodang.synthesis.plan import Plan
    from seodang.synthesis.run import RunState

_MAX_REASONS: Final = 8  # of rejections, the most frequent ones


def format_money(amount: Decimal, prices: PriceParams | None) -> str:
    """Return an amount with its currency; "" where the teacher costs nothing."""
    return "" if prices is None else f"{amount:.4f} {prices.currency}"


def format_plan(plan: Plan, params: GenerateParams) -> list[str]:
    """Return the lines of a plan."""
    replayed = [_("in the journal: {count}", count=f"{plan.replayed:,}")] if plan.replayed else []
    lines = [
        *format_row(_("teacher"), params.teacher.model, params.teacher.url),
        *format_row(_("calls, at most"), f"{plan.calls:,}", *replayed),
        *format_row(
            _("tokens of prompts"), f"{plan.expected.prompt:,}", _("at most {count}", count=f"{plan.most.prompt:,}")
        ),
        *format_row(
            _("tokens of replies"), f"{plan.expected.reply:,}", _("at most {count}", count=f"{plan.most.reply:,}")
        ),
        *_format_cost(plan, params),
        *format_row(_("budget"), *_describe_budget(params)),
        *format_row(_("time"), format_duration(plan.seconds), _describe_time(plan, params)),
    ]
    return [*lines, "", *_list_plan_notes(plan)]


def _format_cost(plan: Plan, params: GenerateParams) -> list[str]:
    prices = params.prices
    if prices is None:
        return format_row(_("cost"), "0")
    most = _("at most {amount}", amount=format_money(plan.most_cost, prices))
    lines = format_row(_("cost"), format_money(plan.expected_cost, prices), most)
    if plan.spent.total:
        note = _("tokens {tokens}", tokens=f"{plan.spent.total:,}")
        lines += format_row(_("spent so far"), format_money(plan.spent_cost, prices), note)
    return lines


def _describe_budget(params: GenerateParams) -> list[str]:
    budget = params.budget
    tokens = [_("tokens {tokens}", tokens=f"{budget.tokens:,}")] if budget.tokens is not None else []
    money = [format_money(Decimal(str(budget.money)), params.prices)] if budget.money is not None else []
    return money + tokens


def _describe_time(plan: Plan, params: GenerateParams) -> str:
    calls = _("calls at a time: {count}", count=params.limits.concurrency)
    if plan.is_measured:
        return _("{calls}; as fast as the replies so far", calls=calls)
    from seodang.synthesis.plan import TOKENS_PER_SECOND

    return _("{calls}; if a reply has {speed} tokens/s", calls=calls, speed=TOKENS_PER_SECOND)


def _list_plan_notes(plan: Plan) -> list[str]:
    notes = []
    if not plan.is_measured:
        notes.append(_("Without replies yet, each reply counts with its maximum length."))
    if not plan.fits_budget:
        notes.append(
            _("The budget may end before the last call; the run then writes what it has, and ends with exit code 5.")
        )
    return notes


def format_stop(state: RunState, params: GenerateParams) -> list[str]:
    """Return the lines about a run that a signal stopped."""
    from seodang.synthesis.journal import is_paid

    answered = sum(map(is_paid, state.outcomes.values()))
    text = ngettext(
        "stopped; {count} reply is in the journal: run the same command again, which pays for no reply twice",
        "stopped; {count} replies are in the journal: run the same command again, which pays for no reply twice",
        answered,
    )
    return [text, *_describe_spent(state, params)]


def format_end(counts: CallCounts, generated: Generated, state: RunState, params: GenerateParams) -> list[str]:
    """Return the lines about a run that asked all it could: where each call and each row ended."""
    lines = [
        _(
            "calls asked {asked} = kept {kept} + rejected {rejected} + failed {failed}",
            asked=f"{counts.asked:,}",
            kept=f"{counts.kept:,}",
            rejected=f"{counts.rejected:,}",
            failed=f"{counts.failed:,}",
        ),
        _("rows kept {kept}, rejected {rejected}", kept=f"{len(generated.rows):,}", rejected=_count_reasons(generated)),
        *_describe_novelty(generated),
        *_describe_spent(state, params),
    ]
    if state.open_before:
        lines.append(
            ngettext(
                "{count} call of earlier runs got no answer; it may have been paid for and counts in the budget",
                "{count} calls of earlier runs got no answer; they may have been paid for and count in the budget",
                state.open_before,
            )
        )
    if counts.failed:
        lines.append(_("ask the failed calls again: add --retry-failed"))
    if state.end == "budget":
        lines.append(
            ngettext(
                "the budget is used up: {count} call was not asked; raise `budget` in the recipe file and run the same "
                "command again, which pays for no reply twice",
                "the budget is used up: {count} calls were not asked; raise `budget` in the recipe file and run the same "
                "command again, which pays for no reply twice",
                counts.not_asked,
            )
        )
    return [*lines, _("written: {file}", file=f"{params.output}/records.jsonl")]


def _describe_novelty(generated: Generated) -> list[str]:
    """Return a line about the novelty of new tasks; none for a recipe that makes none."""
    novelty = generated.figures.get("novelty")
    if not novelty or not novelty["judged"]:
        return []
    median = novelty["median_to_seeds"]
    return [
        _(
            "new tasks {kept} of {judged} (ROUGE-L below {bound}); median with the seed tasks {median}",
            kept=f"{novelty['kept']:,}",
            judged=f"{novelty['judged']:,}",
            bound=novelty["max_rouge_l"],
            median="–" if median is None else f"{median:.2f}",
        )
    ]


def _count_reasons(generated: Generated) -> str:
    from collections import Counter

    reasons = Counter(rejection.reason for rejection in generated.rejections)
    if not reasons:
        return "0"
    parts = [f"{reason} {count:,}" for reason, count in reasons.most_common(_MAX_REASONS)]
    return f"{len(generated.rejections):,} ({', '.join(parts)})"


def _describe_spent(state: RunState, params: GenerateParams) -> list[str]:
    from seodang.synthesis.budget import compute_cost

    spent = _(
        "spent over all runs: tokens {tokens} (prompts {prompt}, replies {reply})",
        tokens=f"{state.spent.total:,}",
        prompt=f"{state.spent.prompt:,}",
        reply=f"{state.spent.reply:,}",
    )
    money = format_money(compute_cost(state.spent, params.prices), params.prices)
    return [f"{spent}, {money}" if money else spent, *_describe_excess(state, params)]


def _describe_excess(state: RunState, params: GenerateParams) -> list[str]:
    """Return the lines about calls that used more than was reserved for them, and about a budget that they exceeded."""
    if not state.excess.calls:
        return []
    text = ngettext(
        "{count} call used more tokens than were reserved for it: {used}, reserved {reserved}",
        "{count} calls used more tokens than were reserved for them: {used}, reserved {reserved}",
        state.excess.calls,
        used=f"{state.excess.used.total:,}",
        reserved=f"{state.excess.reserved.total:,}",
    )
    if not state.is_budget_exceeded:
        return [text]
    exceeded = _(
        "the budget ({budget}) is exceeded: switch reasoning off at the teacher, or lower limits.concurrency; to "
        "continue, raise `budget`",
        budget=", ".join(_describe_budget(params)),
    )
    return [text, exceeded]
