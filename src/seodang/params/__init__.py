"""The sections of params.yaml: frozen, closed, typed. No default stands in code."""

from __future__ import annotations

from seodang.params.expectations import ExpectationsParams
from seodang.params.gate import FloorParams, GateParams, RuleParams
from seodang.params.model import GgufParams, ModelParams, PackageParams, PromptFormat, PromptParams, ScratchParams
from seodang.params.prepare import DuplicatesParams, LeaksParams, PrepareParams
from seodang.params.section import Section
from seodang.params.sources import Format, IngestParams, PrimerParams, SourceParams, TableTemplate
from seodang.params.training import EvaluateParams, TrainParams

__all__ = [
    "DuplicatesParams",
    "EvaluateParams",
    "ExpectationsParams",
    "FloorParams",
    "Format",
    "GateParams",
    "GgufParams",
    "IngestParams",
    "LeaksParams",
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
