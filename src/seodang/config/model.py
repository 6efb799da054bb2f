"""Sections `model`, `prompt` and `package`: which base model, how it is asked, how it is served."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from seodang.config.section import Name, Ratio, Section, Sha256

_COMMIT = re.compile(r"[0-9a-f]{40}")


class ScratchParams(Section):
    """How the primer base is trained from scratch; read when model.source is scratch."""

    texts: list[str]
    """Files of running text, one document a line, besides the primer's own text; .tsv and .csv give a column's text."""
    text_limit: PositiveInt
    """Lines read from each file."""
    vocab_size: PositiveInt
    hidden_size: PositiveInt
    num_layers: PositiveInt
    num_heads: PositiveInt
    intermediate_size: PositiveInt
    context_length: PositiveInt
    """Tokens."""
    seed: int
    steps: PositiveInt
    batch_size: PositiveInt
    """Sequences an update."""
    sequence_length: PositiveInt
    """Tokens a sequence."""
    muon_learning_rate: PositiveFloat
    """Peak learning rate of Muon, for the matrices."""
    adamw_learning_rate: PositiveFloat
    """Peak learning rate of AdamW, for embeddings and norms."""
    warmup_steps: NonNegativeInt
    """Updates."""
    decay_ratio: Ratio
    """Share of the updates, at the end, over which the rates fall to 0."""
    compile: bool
    """Compile the layers (torch.compile): about a third less time a step; needs a C++ compiler."""
    practice_records: PositiveInt
    """Question-and-answer records of families that are never scored, a pass."""
    unlabelled_inputs: PositiveInt
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
    """Of the weights; bundled, and path or hub where they are pinned. Of several files: sha256sum model-*-of-*.safetensors | sha256sum."""
    hub: str | None
    """owner/name on the hub; hub."""
    revision: str | None
    """Commit hash, 40 hex digits; hub. Branches and tags move, so none is taken."""
    trust_remote_code: str | None
    """The value of hub (or path) itself, to run the Python files that lie there; null: none is fetched, copied or run."""
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
            raise ValueError(f"source {self.source!r} needs {' and '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _check_revision(self) -> Self:
        if self.source == "hub" and self.revision is not None and not _COMMIT.fullmatch(self.revision):
            raise ValueError(
                f"revision {self.revision!r} is no commit hash (40 hex digits): branches and tags move. This prints the one of the main branch: "
                f"python -c \"import huggingface_hub; print(huggingface_hub.model_info('{self.hub}').sha)\""
            )
        return self

    @model_validator(mode="after")
    def _check_trust_remote_code(self) -> Self:
        location = {"hub": self.hub, "path": self.path}.get(self.source)
        if self.trust_remote_code is not None and self.trust_remote_code != location:
            wanted = (
                f"it must be {location!r}, the model whose code you have read"
                if location
                else f"source {self.source!r} has no code of its own; set it to null"
            )
            raise ValueError(f"trust_remote_code is {self.trust_remote_code!r}, but {wanted}")
        return self
