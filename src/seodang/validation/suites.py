"""Create the expectations of Great Expectations for rules, fields and metrics of the data set."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from seodang.config import ExpectationsParams
from seodang.i18n import LANGUAGES, Message
from seodang.ingest.rows import TEXTS
from seodang.validation.checks.markup import PROMPT_MARKER
from seodang.validation.checks.rule import Rule, format_rule, get_bound
from seodang.validation.dataset_checks import DatasetMetric, format_dataset_rule, get_dataset_action

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

_SEVERITIES: Final = {"reject": "critical", "repair": "info", "warn": "warning"}
_SEVERITY_ORDER: Final = ("critical", "warning", "info")


def create_rule_expectation(rule: Rule, expectations: ExpectationsParams) -> Expectation:
    """Return the expectation on the column of a rule: no findings, or metrics within the bound."""
    import great_expectations.expectations as gxe

    from seodang.validation.custom_expectations import ExpectColumnValuesToBeFreeOfFindings

    limit = get_bound(rule, expectations.limits)
    arguments = _describe_rule(format_rule(rule, expectations.limits), getattr(expectations.actions, rule.action_field))
    if rule.numeric:
        bounds = {"min_value": limit} if rule.minimum else {"max_value": limit}
        return gxe.ExpectColumnValuesToBeBetween(column=rule.id, **bounds, **arguments)
    return ExpectColumnValuesToBeFreeOfFindings(column=rule.id, **arguments)


def create_dataset_expectation(metric: DatasetMetric, expectations: ExpectationsParams) -> Expectation:
    """Return the expectation on a metric of the data set."""
    import great_expectations.expectations as gxe

    column = format_column(metric)
    action = get_dataset_action(metric.rule, expectations.dataset)
    arguments = _describe_rule(format_dataset_rule(metric), action, column)
    if metric.rule.minimum:
        return gxe.ExpectColumnMinToBeBetween(column=column, min_value=metric.bound, **arguments)
    return gxe.ExpectColumnMaxToBeBetween(column=column, max_value=metric.bound, **arguments)


def create_field_expectations(rules: Sequence[Rule], expectations: ExpectationsParams) -> list[Expectation]:
    """Return built-in expectations on instruction, input and output that correspond to rules in use.

    They show the simple rules in the form that users of Great Expectations know. A value that is not text is null.
    """
    active = {rule.id: rule for rule in rules}
    return [expectation for field in TEXTS for expectation in _iter_field_expectations(field, active, expectations)]


def _iter_field_expectations(
    field: str, active: dict[str, Rule], expectations: ExpectationsParams
) -> Iterator[Expectation]:
    import great_expectations.expectations as gxe

    def describe(*ids: str) -> dict[str, Any] | None:
        """Return the arguments of an expectation that corresponds to these rules; None if all of them are off."""
        used = [id for id in ids if id in active]
        actions = {_SEVERITIES[getattr(expectations.actions, active[id].action_field)] for id in used}
        severity = min(actions, key=_SEVERITY_ORDER.index, default=None)
        return {"column": field, "severity": severity, "meta": {"rule": ", ".join(used)}} if used else None

    if arguments := describe(f"{field}-missing", f"{field}-not-text"):
        yield gxe.ExpectColumnValuesToNotBeNull(**arguments)
    if arguments := describe(f"{field}-blank"):
        yield gxe.ExpectColumnValuesToMatchRegex(regex=r"\S", **arguments)
    if arguments := describe(short := f"{field}-too-short", long := f"{field}-too-long"):
        minimum, maximum = (
            get_bound(active[id], expectations.limits) if id in active else None for id in (short, long)
        )
        yield gxe.ExpectColumnValueLengthsToBeBetween(min_value=minimum, max_value=maximum, **arguments)
    if arguments := describe("prompt-marker"):
        yield gxe.ExpectColumnValuesToNotMatchRegex(regex=PROMPT_MARKER, **arguments)


def format_column(metric: DatasetMetric) -> str:
    """Return the column of a metric of the data set."""
    return f"{metric.rule.id}: {html.escape(metric.scope)}"


def _describe_rule(rule: Rule, action: str, id: str | None = None) -> dict[str, Any]:
    texts = (Message("Problem: {reason}", {"reason": rule.reason}), Message("Fix: {fix}", {"fix": rule.fix}))
    description = f"<strong>{id or rule.id}</strong> ({action})" + "".join(
        f'<span lang="{language}"><br>{"<br>".join(html.escape(text.translate(language)) for text in texts)}</span>'
        for language in LANGUAGES
    )
    return {
        "description": description,
        "severity": _SEVERITIES[action],
        "meta": {"rule": id or rule.id, "action": action},
    }
