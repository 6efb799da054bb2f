"""One rule on a row: what is looked for, why it matters, and what to do about it, in Korean and English."""

from __future__ import annotations

from dataclasses import dataclass, replace

from seodang.config.validate import LimitsParams


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule under an id that stays the same in params.yaml, reports, quarantine and Data Docs."""

    id: str  # the field of ActionsParams with - for _
    field: str  # instruction | input | output, or record where it looks at several fields or at their relation
    reason_ko: str  # what is wrong; may hold {limit}
    reason_en: str
    fix_ko: str  # what to do
    fix_en: str
    repairable: bool = False
    minimum: str | None = None  # field of LimitsParams that bounds the rule's number from below
    maximum: str | None = None  # ... from above

    @property
    def action_field(self) -> str:
        """Return the rule's field in `expectations.actions`."""
        return self.id.replace("-", "_")

    @property
    def numeric(self) -> bool:
        """Return whether the rule bounds a number."""
        return bool(self.minimum or self.maximum)


def get_bound(rule: Rule, limits: LimitsParams) -> float | None:
    """Return the number that bounds the rule; None for a rule without one, or one that is not checked."""
    name = rule.minimum or rule.maximum
    value: float | None = getattr(limits, name) if name else None
    return value


def format_rule(rule: Rule, limits: LimitsParams) -> Rule:
    """Return the rule with its bound written into its texts: 8,000 for a count, 0.25 for a share."""
    value = get_bound(rule, limits)
    limit = "-" if value is None else f"{value:,}"
    texts = {
        name: getattr(rule, name).replace("{limit}", limit) for name in ("reason_ko", "reason_en", "fix_ko", "fix_en")
    }
    return replace(rule, **texts)
