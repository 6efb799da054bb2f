"""Load a packaged model for the application."""

from __future__ import annotations

from pathlib import Path

from seodang.inference.engine.transformers_engine import TransformersEngine
from seodang.models.device import choose_device
from seodang.models.loading import get_context_length, load_tokenizer
from seodang.models.stop_tokens import get_stop_ids
from seodang.packaging.model_folder import MANIFEST_NAME, check_renderer, load_inference_model, read_manifest
from seodang.service.context import ServiceContext
from seodang.service.served_model import ServedModel


def load_context(folder: Path, tag: str, bento: str | None = None) -> ServiceContext:
    """Return the application's context for a packaged model, on the accelerator if there is one.

    Args:
        folder: Of the packaged model.
        tag: Exact tag of the weights, NAME:VERSION.
        bento: Tag of the bento; None if a folder is served.

    Raises:
        ModelError: If the folder is damaged, or this code renders other prompts.
    """
    manifest = read_manifest(folder)
    tokenizer = load_tokenizer(folder)
    check_renderer(manifest, tokenizer)  # before the weights are loaded, which takes longer
    weights = load_inference_model(folder, choose_device("auto"))
    model = ServedModel(
        tokenizer=tokenizer,
        manifest=manifest,
        context_length=get_context_length(weights.config),
        tag=tag,
        created=int((folder / MANIFEST_NAME).stat().st_mtime),
        bento=bento,
        names=(tag.partition(":")[0],),
    )
    return ServiceContext(model, TransformersEngine(weights, get_stop_ids(weights, manifest.end_id)))
