"""A model folder ready to be served: weights, tokenizer, and its card `seodang.json`.

The card says how to ask the model (prompt format, its fingerprint, the end token)
and where the weights come from. Packaging writes it, the service reads it, and
nothing else about the model is taken from anywhere else.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from seodang.config import PromptParams
from seodang.config.section import Sha256
from seodang.errors import ModelError
from seodang.io.atomic import sha256_of, write_atomically
from seodang.models.loading import load_model
from seodang.prompting import compute_fingerprint

MANIFEST_NAME = "seodang.json"
_VERSION_DIGITS = 12


class Manifest(BaseModel):
    """How a packaged model is asked, and where it comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Literal[1]
    """Version of this file's layout."""
    prompt: PromptParams
    fingerprint: Sha256
    """Of the renderer that the model was tuned with."""
    end_id: Annotated[int, Field(ge=0)]
    """Token that ends an answer."""
    max_new_tokens: PositiveInt
    """Upper bound that a request may ask for."""
    lineage: dict[str, Any]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the card of a model folder; Korean stays readable."""
    text = json.dumps(manifest.model_dump(mode="json"), ensure_ascii=False, indent=2, allow_nan=False)
    write_atomically(folder / MANIFEST_NAME, [text, "\n"])


def read_manifest(folder: Path) -> Manifest:
    """Return the card of a packaged model.

    Raises:
        ModelError: If it is missing or damaged, with every fault.

    """
    path = folder / MANIFEST_NAME
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read ({error}): the folder holds no packaged model; run: dvc repro package"
        ) from error
    except ValidationError as error:
        errors = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}"
            for fault in error.errors(include_url=False)
        )
        raise ModelError(
            f"{path} cannot be used ({errors}); package the model again: dvc repro --force package"
        ) from error


def check_renderer(manifest: Manifest, tokenizer: PreTrainedTokenizerBase | None) -> None:
    """Refuse a model that was tuned to prompts other than those of the running code.

    Args:
        card: Of the model that is about to be served.
        tokenizer: Needed for the chat format only, whose template it holds.

    Raises:
        ModelError: With both fingerprints.

    """
    current_fingerprint = compute_fingerprint(manifest.prompt.format, tokenizer)
    if current_fingerprint != manifest.fingerprint:
        raise ModelError(
            f"this code renders {manifest.prompt.format!r} prompts with the fingerprint {current_fingerprint}, but the model was tuned with {manifest.fingerprint}: "
            "its answers would be unreliable. Serve it from the bento that it was packaged into, or tune and package again: dvc repro"
        )


def compute_content_version(folder: Path, prompt_fingerprint: str) -> str:
    """Return 12 hex digits that name what a model folder answers with.

    Taken from the weights, the tokenizer and the prompt fingerprint: the same
    content has the same version on every machine and at every commit. The card is
    left out on purpose. It is the account of these weights, not a part of them.

    Args:
        folder: Of a merged model.
        renderer: The prompt fingerprint.

    """
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("tokenizer*")])
    text = json.dumps([prompt_fingerprint, [(file.name, sha256_of(file)) for file in files]])
    return hashlib.sha256(text.encode()).hexdigest()[:_VERSION_DIGITS]


def load_inference_model(folder: Path, device: str) -> PreTrainedModel:
    """Return the model of `folder` in fp32, without generation settings of its own.

    Published models bring some (top-p, repetition penalty). What was evaluated is
    plain decoding, so that is what is compared and served.

    Raises:
        ModelError: If there is no readable model.

    """
    model = load_model(folder, "fp32", device)
    model.generation_config = GenerationConfig()
    return model
