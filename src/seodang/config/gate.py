"""Section `gate`: when a tuned model is promoted. A rules file of `seodang gate` has the same keys."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from seodang.config.section import Section
from seodang.i18n import _
from seodang.metric_registry import BASELINE_METRICS, REGISTRY, TWO_SIDED_METRICS, get_direction, get_range


def _check_metric(name: str) -> str:
    if name not in REGISTRY:
        raise ValueError(_("unknown metric; expected one of: {metrics}", metrics=", ".join(REGISTRY)))
    return name


Reference = Literal["base", "champion", "baseline"]
"""base: its best prompts on these items; champion: the model that is live now; baseline: answers that do not depend on
the question, which are the most frequent label, and the model's own answers with the references of other items."""


def _check_baseline(against: Reference, metric: str) -> None:
    if against == "baseline" and metric not in BASELINE_METRICS:
        raise ValueError(
            _(
                "{metric} has no baseline; a rule against the baseline is about one of: {metrics}",
                metric=metric,
                metrics=", ".join(BASELINE_METRICS),
            )
        )


KnownMetric = Annotated[str, AfterValidator(_check_metric)]


class RuleParams(Section):
    """A comparison that the tuned model must pass."""

    against: Reference
    """What the model is compared with. Score files hold a champion only."""
    test: Literal["superiority", "non_inferiority"]
    """superiority: better by more than the margin; non_inferiority: worse by no more than the margin."""
    metric: str
    higher_is_better: bool | None
    """null: as the metric itself; needed for a metric whose direction is not known, such as a custom one."""
    margin: NonNegativeFloat
    """In the unit of the metric."""
    tasks: list[str]
    """[]: all tasks of the test split; task files count only where they are named."""
    group_by: Literal["all", "language", "task"]
    """all: one test over all items; language | task: one test each."""
    groups: list[str]
    """Languages or tasks that must have items, or the rule is undecided; []: en and ko, or the named tasks."""

    @model_validator(mode="after")
    def _check_direction(self) -> Self:
        _check_baseline(self.against, self.metric)
        known = get_direction(self.metric)
        if known is None and self.higher_is_better is None:
            raise ValueError(
                _(
                    "whether more {metric} is better is not known; write higher_is_better: true or false",
                    metric=self.metric,
                )
            )
        if known is not None and self.higher_is_better not in (None, known):
            raise ValueError(
                _(
                    "higher_is_better: {value} contradicts the metric {metric}; remove higher_is_better",
                    value=str(self.higher_is_better).lower(),
                    metric=self.metric,
                )
            )
        return self

    @model_validator(mode="after")
    def _check_margin(self) -> Self:
        low, high = get_range(self.metric)
        if self.margin and self.margin >= high - low:
            raise ValueError(
                _(
                    "margin {margin:g} is as large as the range of {metric}, which is from {low:g} to {high:g}, and so no "
                    "difference exceeds it; give it in the unit of the metric",
                    margin=self.margin,
                    metric=self.metric,
                    low=low,
                    high=high,
                )
            )
        return self

    @model_validator(mode="after")
    def _check_groups(self) -> Self:
        if self.groups and self.group_by == "all":
            raise ValueError(_("groups needs group_by: language or group_by: task"))
        return self

    @property
    def sign(self) -> float:
        """Return 1.0 if more is better, else -1.0."""
        is_higher_better = get_direction(self.metric) if self.higher_is_better is None else self.higher_is_better
        return 1.0 if is_higher_better else -1.0


class ThresholdParams(Section):
    """A bound of the candidate's mean, independent of other models. The interval of the mean must lie within it."""

    metric: str
    minimum: float | None
    """Of a metric that is better the higher it is."""
    maximum: float | None
    """Of a metric that is better the lower it is, such as loss."""
    tasks: list[str]
    """[]: all tasks of the test split; task files count only where they are named."""

    @model_validator(mode="after")
    def _check_bound(self) -> Self:
        if (self.minimum is None) == (self.maximum is None):
            raise ValueError(_("give either minimum or maximum"))
        known = get_direction(self.metric)
        if self.minimum is not None and known is False:
            raise ValueError(
                _("{metric} is better the lower it is; write maximum in place of minimum", metric=self.metric)
            )
        if self.maximum is not None and known and self.metric not in TWO_SIDED_METRICS:
            raise ValueError(
                _("{metric} is better the higher it is; write minimum in place of maximum", metric=self.metric)
            )
        low, high = get_range(self.metric)
        bound = self.minimum if self.minimum is not None else self.maximum
        assert bound is not None  # the first check of this function
        if not low <= bound <= high:  # every score meets it, or none can
            raise ValueError(
                _(
                    "{bound:g} lies outside the range of {metric}, which is from {low:g} to {high:g}",
                    metric=self.metric,
                    low=low,
                    high=high,
                    bound=bound,
                )
            )
        return self


TaskSelection = Literal["choice", "generate", "any"]
"""Kinds of tasks that a default rule is for: with labels, with free answers, or both."""


class DefaultRuleParams(Section):
    """A rule of the trained tasks that no other rule looks at."""

    kind: TaskSelection
    against: Reference
    test: Literal["superiority", "non_inferiority"]
    metric: KnownMetric
    margin: NonNegativeFloat

    @model_validator(mode="after")
    def _check_reference(self) -> Self:
        _check_baseline(self.against, self.metric)
        return self

    def for_tasks(self, tasks: list[str], *, one_test_per_task: bool) -> RuleParams:
        """Return the rule of these tasks: one test each, or one test of all their items."""
        return RuleParams(
            against=self.against,
            test=self.test,
            metric=self.metric,
            higher_is_better=None,
            margin=self.margin,
            tasks=tasks,
            group_by="task" if one_test_per_task else "all",
            groups=[],
        )


class DefaultThresholdParams(Section):
    """A threshold of the trained tasks that no other rule looks at."""

    kind: TaskSelection
    metric: KnownMetric
    minimum: float | None
    maximum: float | None

    def for_tasks(self, tasks: list[str]) -> ThresholdParams:
        """Return the threshold of the mean over these tasks."""
        return ThresholdParams(metric=self.metric, minimum=self.minimum, maximum=self.maximum, tasks=tasks)

    @model_validator(mode="after")
    def _check_bound(self) -> Self:
        self.for_tasks([])
        return self


class GateParams(Section):
    """When a tuned model is promoted."""

    seed: NonNegativeInt
    resamples: Annotated[int, Field(ge=1000, le=1_000_000)]
    confidence: Annotated[float, Field(gt=0.5, le=0.999)]
    """Of the intervals; 1 - confidence bounds the probability that a superiority rule passes an equal model."""
    power: Annotated[float, Field(gt=0.5, lt=1)]
    """Statistical power used to estimate how many items would settle an inconclusive test."""
    judgements: Annotated[int, Field(ge=2, le=100_000)]
    """Judgements on the same items that share the error budget 1 - confidence; after them, fresh items are needed."""
    minimum_items: PositiveInt
    """Minimum number of items of each test."""
    rules: list[RuleParams]
    thresholds: list[ThresholdParams]
    default_rules: list[DefaultRuleParams]
    """Of each trained task whose answers no rule and no threshold looks at."""
    default_thresholds: list[DefaultThresholdParams]
    changed_items: Literal["exclude", "include"]
    """exclude: rules against champions leave out the test items whose reference answer changed since the promotion."""
    unjudged_tasks: list[str]
    """Trained tasks that no rule and no threshold needs to look at."""

    @model_validator(mode="after")
    def _check_directions(self) -> Self:
        for metric in {rule.metric for rule in self.rules}:
            if len({rule.sign for rule in self.rules if rule.metric == metric}) > 1:
                raise ValueError(
                    _("two rules contradict each other about higher_is_better of the metric {metric}", metric=metric)
                )
        return self

    @model_validator(mode="after")
    def _check_superiority_rule(self) -> Self:
        rules: list[RuleParams | DefaultRuleParams] = [*self.rules, *self.default_rules]
        if not any(rule.test == "superiority" and rule.against != "baseline" for rule in rules):
            raise ValueError(
                _("no rule tests superiority, so an equal model would be promoted; give one rule `test: superiority`")
            )
        return self


class ScoreRulesParams(GateParams):
    """A rules file of `seodang gate`: the section `gate`, and what only score files can have."""

    minimum_judge_kappa: Annotated[float, Field(gt=0, lt=1)] | None
    """Lower end of the interval of kappa that the judge's calibration must reach; null: no calibration is needed."""
