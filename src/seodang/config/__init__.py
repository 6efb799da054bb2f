"""The sections of params.yaml: frozen, closed, typed. No default stands in code."""

from __future__ import annotations

from seodang.config.evaluate import EvaluateParams
from seodang.config.expectations import ExpectationsParams
from seodang.config.gate import GateParams, RuleParams, ThresholdParams
from seodang.config.ingest import Format, IngestParams, PrimerParams, SourceParams, TableTemplate
from seodang.config.model import GgufParams, ModelParams, ScratchParams
from seodang.config.package import PackageParams
from seodang.config.prepare import DecontaminationParams, DeduplicationParams, PrepareParams
from seodang.config.prompt import PromptFormat, PromptParams
from seodang.config.section import Section
from seodang.config.train import TrainParams

__all__ = [
    "DecontaminationParams",
    "DeduplicationParams",
    "EvaluateParams",
    "ExpectationsParams",
    "Format",
    "GateParams",
    "GgufParams",
    "IngestParams",
    "ModelParams",
    "PackageParams",
    "Params",
    "PrepareParams",
    "PrimerParams",
    "PromptFormat",
    "PromptParams",
    "RuleParams",
    "ScratchParams",
    "Section",
    "SourceParams",
    "TableTemplate",
    "ThresholdParams",
    "TrainParams",
]


class Params(Section):
    """All of params.yaml."""

    model: ModelParams
    prompt: PromptParams
    ingest: IngestParams
    expectations: ExpectationsParams
    prepare: PrepareParams
    train: TrainParams
    evaluate: EvaluateParams
    gate: GateParams
    package: PackageParams
