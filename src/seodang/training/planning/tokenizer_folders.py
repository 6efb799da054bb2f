"""Find the tokenizer of a model that is on this machine, without the weights."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoConfig

from seodang.config import ModelParams
from seodang.errors import ModelError
from seodang.i18n import _
from seodang.io.jsonl import read_json
from seodang.models.base import describe_origin
from seodang.models.checkpoints import is_code_trusted
from seodang.models.loading import LOAD_ERRORS, get_context_length, has_tokenizer
from seodang.paths import Paths
from seodang.training.planning.base import list_sources


def find_tokenizer_folder(model: ModelParams, paths: Paths) -> Path:
    """Return the folder of a model's tokenizer: of stage `base`, its source, or a download.

    Raises:
        ModelError: If the tokenizer is not on this machine; with what to do.
    """
    report = paths.base_report
    folders = [paths.base] if report.exists() and describe_origin(model).items() <= read_json(report).items() else []
    folders += [folder for folder, _origin in list_sources(model, paths.root, paths.model_cache, paths.downloads)]
    for folder in folders:
        if has_tokenizer(folder):
            return folder
    raise ModelError(
        _("the tokenizer of {model} is not on this machine; use its profile and run: dvc repro base", model=model.name)
    )


def read_context_length(folder: Path) -> int | None:
    """Return how many tokens the model of a folder reads at most; None without a limit or a readable config.json."""
    if not (folder / "config.json").exists():
        return None
    try:
        return get_context_length(AutoConfig.from_pretrained(folder, trust_remote_code=is_code_trusted(folder)))
    except LOAD_ERRORS:
        return None
