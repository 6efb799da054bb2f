"""Read and write a packaged model: weights, tokenizer and the manifest `seodang.json`.

The manifest holds the prompt format with its fingerprint, the end token and the
lineage of the weights. Packaging writes it, and the service reads it; no other
file or setting describes the model.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from seodang.config import PromptParams
from seodang.config.section import Sha256
from seodang.config.validation_errors import format_validation_errors
from seodang.errors import ModelError
from seodang.i18n import _
from seodang.io.atomic import write_atomically
from seodang.io.file_digests import compute_known_sha256
from seodang.models.chat_templates import reads_clock
from seodang.models.loading import load_model
from seodang.prompting import compute_fingerprint

MANIFEST_NAME = "seodang.json"
_VERSION_DIGITS = 12
_CONTENT_NAME = re.compile(r"[^/]*\.safetensors|tokenizer[^/]*")


class Manifest(BaseModel):
    """Manifest of a packaged model: its prompt format and its lineage."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Literal[1]
    """Version of this file's layout."""
    prompt: PromptParams
    fingerprint: Sha256
    """Fingerprint of the prompt renderer that the model was tuned with."""
    end_id: Annotated[int, Field(ge=0)]
    """Token that ends an answer."""
    max_new_tokens: PositiveInt
    """Maximum that a request may set."""
    frequency_penalty: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Of the evaluation, and of free answers by default."""
    lineage: dict[str, Any]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a model folder; Korean text stays readable."""
    text = json.dumps(manifest.model_dump(mode="json"), ensure_ascii=False, indent=2, allow_nan=False)
    write_atomically(folder / MANIFEST_NAME, [text, "\n"])


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a packaged model.

    Raises:
        ModelError: If the manifest is missing or damaged; the message lists every error.

    """
    path = folder / MANIFEST_NAME
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelError(
            _(
                "{file} cannot be read ({error}): the folder has no packaged model; run: dvc repro package",
                file=path,
                error=error,
            )
        ) from error
    except ValidationError as error:
        errors = "; ".join(format_validation_errors(error))
        raise ModelError(
            _(
                "{file} cannot be used ({errors}); package the model again: dvc repro --force package",
                file=path,
                errors=errors,
            )
        ) from error


def check_renderer(manifest: Manifest, tokenizer: PreTrainedTokenizerBase | None) -> None:
    """Raise an error if a model was tuned on other prompts than this code renders.

    Args:
        manifest: Manifest of the model.
        tokenizer: Holds the chat template; other formats do not need it.

    Raises:
        ModelError: With both fingerprints.

    """
    current_fingerprint = compute_fingerprint(manifest.prompt.format, tokenizer)
    if current_fingerprint != manifest.fingerprint:
        if tokenizer is not None and reads_clock(Path(tokenizer.name_or_path)):
            raise ModelError(
                _(
                    "an older version of Seodang tuned this model with the date of that day in its prompts; the date is"
                    " frozen now, so the prompts differ. Tune and package it again: dvc repro --force base && make run"
                )
            )
        raise ModelError(
            _(
                "this code renders {format!r} prompts with the fingerprint {current}, but the model was tuned with"
                " {expected}: its answers would be unreliable. Serve the bento of this model, or tune and package it"
                " again: dvc repro",
                format=manifest.prompt.format,
                current=current_fingerprint,
                expected=manifest.fingerprint,
            )
        )


def compute_content_version(folder: Path, prompt_fingerprint: str) -> str:
    """Return a version of 12 hexadecimal digits for the content of a model folder.

    It is a hash of the weights, the tokenizer and the prompt fingerprint. So the same content has the same version on
    every machine and at every commit. The manifest does not count, because it describes the weights and does not change
    them.

    Args:
        folder: Folder of a merged model.
        prompt_fingerprint: Fingerprint of the prompt renderer.

    """
    files = [*folder.glob("*.safetensors"), *folder.glob("tokenizer*")]
    return combine_content_version({file.name: compute_known_sha256(file) for file in files}, prompt_fingerprint)


def combine_content_version(digests: Mapping[str, str], prompt_fingerprint: str) -> str:
    """Return the version of compute_content_version() from known checksums.

    Args:
        digests: The sha256 of each file of the folder, by name.
        prompt_fingerprint: Fingerprint of the prompt renderer.
    """
    names = sorted(name for name in digests if _CONTENT_NAME.fullmatch(name))
    text = json.dumps([prompt_fingerprint, [(name, digests[name]) for name in names]])
    return hashlib.sha256(text.encode()).hexdigest()[:_VERSION_DIGITS]


def load_inference_model(folder: Path, device: str) -> PreTrainedModel:
    """Return the model of a folder in fp32, as it is merged and served.

    Raises:
        ModelError: If the model cannot be read.

    """
    return load_model(folder, "fp32", device)
