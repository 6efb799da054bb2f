"""The sections of params.yaml: frozen, closed, typed. No default stands in code."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from seodang.records import Language, Role

PromptFormat = Literal["alpaca", "koalpaca", "chat", "plain"]
Share = Annotated[float, Field(ge=0, lt=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Section(BaseModel):
    """A part of params.yaml: unknown keys are faults, nothing changes after parsing."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ScratchParams(Section):
    """How the primer base is trained from scratch; read when model.source is scratch."""

    texts: list[str]
    """Files of running text, one document a line, besides the primer's own text; .tsv and .csv give a column's text."""
    text_limit: PositiveInt
    """Lines read from each file."""
    vocabulary: PositiveInt
    hidden: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    feed_forward: PositiveInt
    context: PositiveInt
    """Tokens."""
    seed: int
    updates: PositiveInt
    batch: PositiveInt
    """Sequences an update."""
    sequence: PositiveInt
    """Tokens a sequence."""
    matrix_rate: PositiveFloat
    """Peak learning rate of Muon, for the matrices."""
    embedding_rate: PositiveFloat
    """Peak learning rate of AdamW, for embeddings and norms."""
    warmup: NonNegativeInt
    """Updates."""
    decay_share: Share
    """Share of the updates, at the end, over which the rates fall to 0."""
    compile: bool
    """Compile the layers (torch.compile): about a third less time a step; needs a C++ compiler."""
    practice: PositiveInt
    """Question-and-answer records of families that are never scored, a pass."""
    unlabelled: PositiveInt
    """Inputs of the scored families, without any answer, a pass."""


class GgufParams(Section):
    """A model that Python packages carry as a GGUF file."""

    package: str
    """Importable package whose data holds the file."""
    version: str
    file: str
    sha256: Sha256
    licence: str
    """Shown to the user when the model is unpacked."""


class ModelParams(Section):
    """Which base model, and from where."""

    name: Name
    source: Literal["bundled", "scratch", "path", "hub", "gguf-package"]
    path: str | None
    """Folder of the checkpoint; bundled and path."""
    sha256: Sha256 | None
    """Of model.safetensors; bundled, and path where it is pinned."""
    hub: str | None
    """owner/name on the hub; hub."""
    revision: str | None
    """Commit hash; hub."""
    gguf: GgufParams | None
    licence: str
    scratch: ScratchParams | None

    @model_validator(mode="after")
    def _source_has_what_it_needs(self) -> Self:
        needed = {
            "bundled": ("path", "sha256"),
            "path": ("path",),
            "hub": ("hub", "revision"),
            "gguf-package": ("gguf",),
            "scratch": ("scratch",),
        }[self.source]
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"source {self.source!r} needs {' and '.join(missing)}")
        return self


class PromptParams(Section):
    """How a request is rendered, in training, evaluation and serving alike."""

    format: PromptFormat


class PrimerParams(Section):
    """How many records the bundled generator makes."""

    seed: int
    sentiment_per_language: NonNegativeInt
    classification_per_language: NonNegativeInt
    """Of each other family with a closed label set."""
    open_per_language: NonNegativeInt
    """Of each family with open answers; a family with fewer different items gives what it has."""


class TableTemplate(Section):
    """Turns the rows of a labelled table into instruction records."""

    text_column: str
    label_column: str
    labels: dict[str, str]
    """Cell of the label column -> answer."""
    instructions: Annotated[list[str], Field(min_length=1)]
    """Wordings, taken in turn by the row's hash; {text} stands for the text, else it becomes the input."""


class SourceParams(Section):
    """One source of records."""

    name: Name
    kind: Literal["primer", "file"]
    path: str | None
    """File or glob, from the project's folder; kind file."""
    format: Literal["auto", "alpaca", "koalpaca", "table"]
    table: TableTemplate | None
    """Needed by format table."""
    language: Language | None
    """None: told from each record's text."""
    task: str | None
    """None: the records' own, else the source's name."""
    cluster: str | None
    limit: PositiveInt | None
    """Rows taken, chosen by a hash of the row; None for all."""
    role: Role
    """any: split by hash; train: never scored; test: never trained on."""
    licence: str

    @model_validator(mode="after")
    def _kind_has_what_it_needs(self) -> Self:
        if self.kind == "file" and self.path is None:
            raise ValueError("kind 'file' needs path")
        if self.format == "table" and self.table is None:
            raise ValueError("format 'table' needs table")
        return self


class IngestParams(Section):
    """Where records come from."""

    sources: Annotated[list[SourceParams], Field(min_length=1)]
    primer: PrimerParams
    max_field_characters: PositiveInt
    """A field longer than this is replaced by its head in messages, and its record is quarantined."""


class ExpectationsParams(Section):
    """Thresholds of the Great Expectations suite."""

    min_instruction_characters: PositiveInt
    max_instruction_characters: PositiveInt
    max_input_characters: PositiveInt
    max_output_characters: PositiveInt
    max_quarantined_share: Share
    """The run stops when more than this share of the rows is quarantined."""
    min_accepted: PositiveInt
    """The run stops with fewer accepted records."""


class PrepareParams(Section):
    """Splits."""

    seed: int
    validation_share: Share
    test_share: Share
    held_out_clusters: list[str]
    """Clusters of which nothing is trained on."""
    test_only_tasks: list[str]
    """Tasks that are scored only."""


class TrainParams(Section):
    """LoRA (Hu et al. 2021) and the optimiser."""

    seed: int
    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["fp32", "bf16"]
    rank: PositiveInt
    alpha: PositiveInt
    """The adapter's output is scaled by alpha / rank."""
    dropout: Share
    targets: Annotated[list[str], Field(min_length=1)]
    """Names of the linear layers that get an adapter; ["all-linear"] for all."""
    learning_rate: PositiveFloat
    schedule: Literal["linear", "cosine", "constant"]
    warmup_share: Share
    epochs: PositiveFloat
    batch_size: PositiveInt
    """Records a step and device."""
    accumulation: PositiveInt
    """Steps an update."""
    max_length: PositiveInt
    """Tokens of prompt and answer; a longer record is left out and counted, never cut."""
    max_grad_norm: PositiveFloat
    weight_decay: Annotated[float, Field(ge=0)]
    log_every: PositiveInt
    """Updates."""


class EvaluateParams(Section):
    """What is asked of every model."""

    seed: int
    items_per_task: PositiveInt
    """Test items of each task and language at the most, chosen by hash."""
    shots: NonNegativeInt
    """Exemplars of the few-shot prompt, from the training split."""
    base_formats: Annotated[list[PromptFormat], Field(min_length=1)]
    """Prompt formats tried with the base; it is judged by its best."""
    batch_tokens: PositiveInt
    """Padded tokens of one forward pass."""
    max_new_tokens: PositiveInt
    generated_per_task: PositiveInt
    """Items of each task and language that are also answered freely, by greedy generation."""


class GateParams(Section):
    """When a tuned model is good enough."""

    seed: int
    resamples: PositiveInt
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    metric: Literal["accuracy", "exact", "chrf"]
    """accuracy: over the items with a closed label set; exact (0 to 1) and chrf (0 to 100): over free answers."""
    tasks: list[str]
    """Tasks of the test split that decide; [] for all that have the metric."""
    minimum_score: Annotated[float, Field(ge=0, le=100)]
    """The tuned model's mean of the metric."""
    minimum_margin: Annotated[float, Field(ge=0, lt=100)]
    """The interval of tuned minus base must lie above this."""
    minimum_items: PositiveInt
    minimum_stop_rate: Annotated[float, Field(ge=0, le=1)]
    """Share of free answers that end by themselves."""


class PackageParams(Section):
    """The served model."""

    name: Name
    """In the BentoML model store."""
    parity_prompts: PositiveInt
    parity_tokens: PositiveInt
    """Greedy tokens compared for each prompt."""
    max_new_tokens: PositiveInt
    """Upper bound that a request may ask for."""


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
