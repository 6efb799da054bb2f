"""Find the configuration of a base before stage base has written the base to disk."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transformers import AutoConfig, PreTrainedConfig

from seodang.config import ModelParams
from seodang.errors import ModelError
from seodang.i18n import _
from seodang.io.hub_errors import describe_hub_error
from seodang.io.jsonl import read_json
from seodang.models.architecture import check_causal_config
from seodang.models.base import describe_origin, find_checkpoint_folder
from seodang.models.checkpoints import is_code_trusted
from seodang.primer_base.model import build_config
from seodang.training.planning.shipped_configs import find_shipped_config

_HUB_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Base:
    """The properties of a base that a plan needs."""

    name: str
    config: PreTrainedConfig
    folder: Path | None  # the checkpoint; None if only its config.json is known
    origin: str  # where the configuration was found
    parameters: int | None = None  # as published; None if that is not known


def find_base(
    model: ModelParams, folder: Path, report: Path, root: Path, conversion_cache: Path, downloads: Path
) -> Base:
    """Return the base: the output of stage `base` if it is of this model, else the source of the model.

    Args:
        model: The configured model.
        folder: Output folder of stage `base`.
        report: Report of stage `base`.
        root: Root of the project.
        conversion_cache: Folder of converted checkpoints, by checksum.
        downloads: Folder of downloads from the hub.

    Raises:
        ModelError: If no config.json is found; with what to do.
    """
    # A report of an older version has fewer fields and counts as the report of another base.
    if (
        report.exists()
        and (folder / "config.json").exists()
        and describe_origin(model).items() <= read_json(report).items()
    ):
        return Base(model.name, _read_config(folder, model.name), folder, "artifacts/base")
    if model.source in {"bundled", "path"}:
        find_checkpoint_folder(model, root)
    for source_folder, origin in list_sources(model, root, conversion_cache, downloads):
        if (source_folder / "config.json").exists():
            has_weights = any(source_folder.glob("*.safetensors"))
            return Base(
                model.name, _read_config(source_folder, model.name), source_folder if has_weights else None, origin
            )
    return _find_remote_base(model)


def _find_remote_base(model: ModelParams) -> Base:
    """Return a base whose files are not here yet: by the sizes that are shipped or configured, else by the hub."""
    if (shipped := find_shipped_config(model)) is not None:
        return Base(model.name, shipped.config, None, _("shipped configuration"), shipped.parameters)
    if model.scratch is not None and model.source == "scratch":
        config = build_config(model.scratch, vocab_size=model.scratch.vocab_size)
        return Base(model.name, config, None, "model.scratch")
    if model.source == "hub":
        return Base(model.name, _download_config(model), None, "hub")
    raise ModelError(
        _(
            "no config.json of {model} was found in artifacts/base or at its source ({source}); run: dvc repro base",
            model=model.name,
            source=model.source,
        )
    )


def list_sources(model: ModelParams, root: Path, conversion_cache: Path, downloads: Path) -> list[tuple[Path, str]]:
    """Return the folders on this machine that may hold the model's files, each with its name for the plan."""
    match model.source:
        case "bundled" | "path":
            return [(root / str(model.path), str(model.path))]
        case "gguf-package" if model.gguf is not None:
            return [(conversion_cache / model.gguf.sha256, "cache")]
        case "hub":
            return [
                (downloads / "hub" / "models" / str(model.hub).replace("/", "--") / str(model.revision), "downloads")
            ]
    return []


def _read_config(folder: Path, name: str) -> PreTrainedConfig:
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(folder, trust_remote_code=is_code_trusted(folder))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise ModelError(
            _(
                "config.json of {model} cannot be read ({error}); run: dvc repro --force base",
                model=name,
                error=str(error).partition("\n")[0],
            )
        ) from error
    check_causal_config(config, name)
    return config


def _download_config(model: ModelParams) -> PreTrainedConfig:
    """Return the configuration from the hub, a few kilobytes, by one request.

    Raises:
        ModelError: If the hub does not answer or refuses it.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status  # type: ignore[attr-defined]

    url = hf_hub_url(str(model.hub), "config.json", revision=model.revision, endpoint=os.environ.get("HF_ENDPOINT"))
    headers = build_hf_headers(token=os.environ.get("HF_TOKEN"), library_name="seodang")
    try:  # without the retries of hf_hub_download, which take a minute and print 20 lines where there is no network
        response = get_session().get(url, headers=headers, timeout=_HUB_SECONDS, follow_redirects=True)
        hf_raise_for_status(response)
        text = response.text
    except Exception as error:  # the hub's library and its HTTP client have errors of their own
        description = describe_hub_error(error, "model", _("an existing commit as model.revision"))
        raise ModelError(
            _("config.json of {model} is not on this machine: {reason}", model=model.hub, reason=description)
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(text, "utf-8")
        return _read_config(Path(folder), model.name)
