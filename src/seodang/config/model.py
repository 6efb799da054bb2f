"""Section `model`: the base model and its source."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from seodang.config.section import Name, Ratio, Section, Sha256
from seodang.i18n import _

_COMMIT = re.compile(r"[0-9a-f]{40}")


class OptimizationParams(Section):
    """How long and how fast a stage of the pretraining learns."""

    steps: PositiveInt
    batch_size: PositiveInt
    """Sequences per optimizer step."""
    sequence_length: PositiveInt
    """Tokens per sequence."""
    muon_learning_rate: PositiveFloat
    """Peak learning rate of Muon, for the matrices."""
    adamw_learning_rate: PositiveFloat
    """Peak learning rate of AdamW, for embeddings and norms."""
    warmup_steps: NonNegativeInt
    """Optimizer steps."""
    decay_ratio: Ratio
    """Share of the optimizer steps, at the end, over which the learning rates fall to 0."""


class EpisodeParams(OptimizationParams):
    """How the primer base learns to read few-shot examples: the second stage of its pretraining."""

    reviews: str | None
    """File of NSMC with a column `rating`: Korean reviews by their rating. Null: no episodes about them."""
    valences: str | None
    """vader_lexicon.txt of VADER: English sentences by their words. Null: no episodes about them."""
    wordnet: str | None
    """Folder of WordNet's database files: English nouns by their kind. Null: no episodes about them."""
    running_text_ratio: Ratio
    """Share of the sequences of a batch that are running text, as in the first stage."""
    first_stage_weight: Ratio
    """Share of the first stage's weights in the average with those of the second stage, so that its skills stay."""


class ScratchParams(OptimizationParams):
    """How the primer base is pretrained; used when model.source is scratch."""

    texts: list[str]
    """Text files with one document per line, besides the text of the primer; of .tsv and .csv a column is read."""
    text_limit: PositiveInt
    """Lines that are read from each file."""
    vocab_size: PositiveInt
    hidden_size: PositiveInt
    num_layers: PositiveInt
    num_heads: PositiveInt
    intermediate_size: PositiveInt
    context_length: PositiveInt
    """Tokens."""
    seed: NonNegativeInt
    compile: bool
    """Compile the layers (torch.compile): about a third less time per step; needs a C++ compiler."""
    practice_records: PositiveInt
    """Question-and-answer records per epoch, of task families that are never scored."""
    unlabelled_inputs: PositiveInt
    """Inputs per epoch of the scored task families, without an answer."""
    episodes: EpisodeParams | None
    """The second stage; null: none."""


class GgufParams(Section):
    """A model that a Python package ships as a GGUF file."""

    package: str
    """Importable package that contains the file."""
    version: str
    file: str
    sha256: Sha256
    licence: str
    """Shown to the user when the model is converted."""


class ModelParams(Section):
    """The base model and its source."""

    name: Name
    source: Literal["bundled", "scratch", "path", "hub", "gguf-package"]
    path: str | None
    """Folder of the checkpoint; bundled and path."""
    sha256: Sha256 | None
    """Of the weights; required for bundled, optional for path and hub. Of several files:
    sha256sum model-*-of-*.safetensors | sha256sum."""
    hub: str | None
    """owner/name on the hub; hub."""
    revision: str | None
    """Commit hash, 40 hex digits; hub. Branches and tags move, so they are refused."""
    trust_remote_code: str | None
    """The value of hub (or path), to run the Python files of that model; null: none is fetched, copied or run."""
    gguf: GgufParams | None
    licence: str
    scratch: ScratchParams | None

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        needed = {
            "bundled": ("path", "sha256"),
            "path": ("path",),
            "hub": ("hub", "revision"),
            "gguf-package": ("gguf",),
            "scratch": ("scratch",),
        }[self.source]
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(_("source {source!r} needs {names}", source=self.source, names=", ".join(missing)))
        return self

    @model_validator(mode="after")
    def _check_revision(self) -> Self:
        if self.source == "hub" and self.revision is not None and not _COMMIT.fullmatch(self.revision):
            raise ValueError(
                _(
                    "revision {revision!r} is not a commit hash (40 hex digits): branches and tags move. This prints the "
                    "hash of the main branch: {command}",
                    revision=self.revision,
                    command=f"python -c \"import huggingface_hub; print(huggingface_hub.model_info('{self.hub}').sha)\"",
                )
            )
        return self

    @model_validator(mode="after")
    def _check_trust_remote_code(self) -> Self:
        location = {"hub": self.hub, "path": self.path}.get(self.source)
        if self.trust_remote_code is not None and self.trust_remote_code != location:
            given = self.trust_remote_code
            if location:
                raise ValueError(
                    _(
                        "trust_remote_code is {given!r}, but it must be {location!r}, the model whose code you have read",
                        given=given,
                        location=location,
                    )
                )
            raise ValueError(
                _(
                    "trust_remote_code is {given!r}, but source {source!r} has no code; set it to null",
                    given=given,
                    source=self.source,
                )
            )
        return self
