"""A rule on a row: what is wrong, why, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from seodang.config.expectations import LimitsParams
from seodang.i18n import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule. Its id is the same in params.yaml, reports, quarantine and Data Docs."""

    id: str  # the field of ActionsParams with - for _
    field: str  # instruction | input | output, or record if it checks several fields or how they relate
    reason: Message  # what is wrong; may hold {limit}
    fix: Message  # what to do; may hold {limit}
    repairable: bool = False
    minimum: str | None = None  # field of LimitsParams that bounds the rule's metric from below
    maximum: str | None = None  # ... from above

    @property
    def action_field(self) -> str:
        """Return the rule's field in `expectations.actions`."""
        return self.id.replace("-", "_")

    @property
    def numeric(self) -> bool:
        """Return whether the rule bounds a number."""
        return bool(self.minimum or self.maximum)

    def to_json(self) -> dict[str, str]:
        """Return reason and fix in both languages, as reports store them."""
        reason, fix = self.reason.to_json(), self.fix.to_json()
        return {"reason_ko": reason["ko"], "reason_en": reason["en"], "fix_ko": fix["ko"], "fix_en": fix["en"]}


def get_bound(rule: Rule, limits: LimitsParams) -> float | None:
    """Return the number that bounds the rule; None if the rule has no bound or the bound is not set."""
    name = rule.minimum or rule.maximum
    value: float | None = getattr(limits, name) if name else None
    return value


def format_rule(rule: Rule, limits: LimitsParams) -> Rule:
    """Return the rule with its bound in its texts: 8,000 for a count, 0.25 for a ratio."""
    value = get_bound(rule, limits)
    if not rule.numeric:
        return rule
    return fill_limit(rule, "-", count=2) if value is None else fill_limit(rule, f"{value:,}", count=value)


def fill_limit(rule: Rule, limit: float | str, *, count: float) -> Rule:
    """Return the rule with a value for {limit} in its texts, and the plural that goes with a count."""
    reason, fix = (replace(message, values={"limit": limit}, count=count) for message in (rule.reason, rule.fix))
    return replace(rule, reason=reason, fix=fix)
