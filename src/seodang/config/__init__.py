"""The sections of params.yaml: frozen, closed, typed. No default stands in code."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import model_validator

from seodang.config.align import AlignBoundParams, AlignParams
from seodang.config.canary import CanaryParams, ScoreLimitParams
from seodang.config.evaluate import EvaluateParams
from seodang.config.expectations import ExpectationsParams
from seodang.config.export import ExportParams, GgufExportParams
from seodang.config.gate import (
    DefaultRuleParams,
    DefaultThresholdParams,
    GateParams,
    RuleParams,
    ScoreRulesParams,
    ThresholdParams,
)
from seodang.config.ingest import Format, IngestParams, PrimerParams, SourceParams, TableTemplate
from seodang.config.model import EpisodeParams, GgufParams, ModelParams, ScratchParams
from seodang.config.package import PackageParams
from seodang.config.prepare import DecontaminationParams, DeduplicationParams, PrepareParams
from seodang.config.prompt import PromptFormat, PromptParams
from seodang.config.release import ReleaseParams
from seodang.config.section import Section
from seodang.config.train import TrainParams
from seodang.i18n import _

__all__ = [
    "AlignBoundParams",
    "AlignParams",
    "CanaryParams",
    "DecontaminationParams",
    "DeduplicationParams",
    "DefaultRuleParams",
    "DefaultThresholdParams",
    "EpisodeParams",
    "EvaluateParams",
    "ExpectationsParams",
    "ExportParams",
    "Format",
    "GateParams",
    "GgufExportParams",
    "GgufParams",
    "IngestParams",
    "ModelParams",
    "PackageParams",
    "Params",
    "PrepareParams",
    "PrimerParams",
    "PromptFormat",
    "PromptParams",
    "ReleaseParams",
    "RuleParams",
    "ScoreLimitParams",
    "ScoreRulesParams",
    "ScratchParams",
    "Section",
    "SourceParams",
    "TableTemplate",
    "ThresholdParams",
    "TrainParams",
]


class Params(Section):
    """All of params.yaml."""

    OPTIONAL_SECTIONS: ClassVar = frozenset({"canary", "export", "release"})
    """Sections that no stage reads: DVC does not look for them, and params.yaml may leave them out."""

    model: ModelParams
    prompt: PromptParams
    ingest: IngestParams
    expectations: ExpectationsParams
    prepare: PrepareParams
    train: TrainParams
    align: AlignParams
    evaluate: EvaluateParams
    gate: GateParams
    package: PackageParams
    export: ExportParams
    canary: CanaryParams
    release: ReleaseParams

    @model_validator(mode="after")
    def _check_token_limit(self) -> Self:
        maximum, max_length = self.expectations.limits.max_tokens, self.train.max_length
        if maximum is not None and maximum > max_length:
            raise ValueError(
                _(
                    "expectations.limits.max_tokens {maximum} is above train.max_length {max_length}, so training would "
                    "leave out records that were accepted; remove max_tokens, or set it to at most {max_length}",
                    maximum=maximum,
                    max_length=max_length,
                )
            )
        return self

    @model_validator(mode="after")
    def _check_alignment(self) -> Self:
        if self.align.method != "none" and self.train.method == "full":
            raise ValueError(
                _(
                    "align.method {method} needs an adapter, and train.method full trains none; use lora, rslora, dora or"
                    " qlora, or set align.method: none",
                    method=self.align.method,
                )
            )
        return self
