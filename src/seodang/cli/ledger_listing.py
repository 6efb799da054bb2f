"""The rows that `seodang registry ledger` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from seodang.config import GateParams
from seodang.gate.judgement import ItemKey, Judgement
from seodang.gate.ledger import compute_next_tail, count_fresh_items
from seodang.gate.levels import is_worn_out
from seodang.i18n import N_, _, ngettext

HEADINGS: Final = (N_("tasks"), N_("items"), N_("candidates"), N_("last (UTC)"), N_("next confidence"), N_("state"))
_MAX_TASKS = 3


def list_ledger_rows(ledger: Sequence[Judgement], gate: GateParams) -> list[tuple[str, ...]]:
    """Return a row per set of items, the newest first.

    Args:
        ledger: Judgements, oldest first.
        gate: Confidence, and number of judgements.
    """
    sets: dict[frozenset[ItemKey], list[Judgement]] = {}
    for judgement in ledger:
        sets[judgement.items] = [*sets.pop(judgement.items, []), judgement]
    return [
        _build_row(last, _count_candidates(last, ledger), compute_next_tail(last, ledger, gate), gate)
        for *_earlier, last in reversed(sets.values())
    ]


def _count_candidates(last: Judgement, ledger: Sequence[Judgement]) -> int:
    """Return how many candidates were judged on these items, or on another set that shares more than 10 % of them."""
    return len({judgement.candidate for judgement in ledger if judgement.covers_items_of(last)})


def _build_row(last: Judgement, candidates: int, tail: float, gate: GateParams) -> tuple[str, ...]:
    return (
        _format_tasks(last),
        str(len(last.items)),
        str(candidates),
        last.created_at[:16].replace("T", " "),
        f"{(1 - 2 * tail) * 100:.4g}%" if tail else "-",
        _describe_state(last.items, tail, gate),
    )


def _format_tasks(judgement: Judgement) -> str:
    names = [task for task, _count in Counter(task for task, _item in judgement.items).most_common()]
    return ", ".join(names[:_MAX_TASKS]) + (" ..." if len(names) > _MAX_TASKS else "")


def _describe_state(items: Collection[ItemKey], tail: float, gate: GateParams) -> str:
    """Return the state of a set; a test is expected to use complete tasks."""
    tasks = {task for task, _item in items}
    count = count_fresh_items([key for key in items if key[0] == task] for task in tasks)
    if not tail:
        return ngettext("used up: replace {count} item", "used up: replace {count} items", count)
    if is_worn_out(tail, gate):
        return ngettext("worn out: replace {count} item", "worn out: replace {count} items", count)
    return _("good")
