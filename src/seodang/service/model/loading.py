"""Load a packaged model for the application."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from seodang.errors import ModelError
from seodang.i18n import _
from seodang.inference.engine.contract import GuideFailed
from seodang.models.loading import load_tokenizer
from seodang.packaging.checksums import verify_checksums
from seodang.packaging.model_folder import (
    MANIFEST_NAME,
    Manifest,
    check_renderer,
    combine_content_version,
    read_manifest,
)
from seodang.service.context import ServiceContext
from seodang.service.model.engine_choice import load_engine
from seodang.service.model.extra_models import check_models, load_models
from seodang.service.model.model_sources import ModelSources, read_model_sources
from seodang.service.model.served_model import ServedModel


def check_packaged_model(folder: Path, version: str | None = None) -> tuple[Manifest, PreTrainedTokenizerBase]:
    """Return manifest and tokenizer of a packaged model after all checks that need no weights in memory.

    Args:
        folder: Of the packaged model.
        version: Under which it is stored, if it must be that of the content.

    Raises:
        ModelError: If a file is not as it was packaged, or this code renders other prompts.
    """
    manifest = read_manifest(folder)
    digests = verify_checksums(folder)
    tokenizer = load_tokenizer(folder)
    check_renderer(manifest, tokenizer)
    content_version = combine_content_version(digests, manifest.fingerprint)
    if version is not None and version != content_version:
        raise ModelError(
            _(
                "{folder} is stored as version {version}, but its weights, tokenizer and prompts are version {actual};"
                " package it again: dvc repro --force package",
                folder=folder,
                version=version,
                actual=content_version,
            )
        )
    return manifest, tokenizer


def load_context(
    folder: Path, tag: str, bento: str | None = None, sources: ModelSources | None = None
) -> ServiceContext:
    """Return the application's context for a packaged model and others beside it, on the accelerator if there is one.

    Args:
        folder: Of the packaged model.
        tag: Exact tag of the weights, NAME:VERSION.
        bento: Tag of the bento; None if a folder is served.
        sources: Of the models beside it; None reads the environment (see model_sources).

    Raises:
        ModelError: If a file is not as it was packaged, or this code renders other prompts.
        SeodangError: If a model beside it cannot be served.
    """
    name = tag.partition(":")[0]
    checked = check_models(read_model_sources() if sources is None else sources, name)
    manifest, tokenizer = check_packaged_model(folder)
    engine = load_engine(folder, manifest, is_alone=checked is None)
    model = ServedModel(
        tokenizer=tokenizer,
        manifest=manifest,
        context_length=engine.context_length,
        tag=tag,
        created=int((folder / MANIFEST_NAME).stat().st_mtime),
        bento=bento,
        names=(name,),
    )
    others = () if checked is None else load_models(checked, manifest.max_new_tokens)
    context = ServiceContext(model, engine, other_models=others)
    _prepare_guides(context)
    return context


def _prepare_guides(context: ServiceContext) -> None:
    """Read the vocabularies for guided answers now: with a large one no other request would run for a second."""
    for item in context.list_models():
        with suppress(GuideFailed):  # a request that needs a guide gets this error
            item.guides.prepare()
