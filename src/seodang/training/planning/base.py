"""Find the configuration of a base before stage base has written the base to disk."""

from __future__ import annotations

import os
from pathlib import Path

from transformers import AutoConfig, PreTrainedConfig

from seodang.config import ModelParams
from seodang.errors import ModelError
from seodang.i18n import _
from seodang.io.jsonl import read_json
from seodang.models.architecture import check_causal_config
from seodang.models.base import describe_origin
from seodang.models.checkpoints import is_code_trusted
from seodang.training.planning.plan import Base


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
        ModelError: If no config.json is found; with the command that fetches the base.
    """
    # A report of an older version has fewer fields and counts as the report of another base.
    if (
        report.exists()
        and (folder / "config.json").exists()
        and describe_origin(model).items() <= read_json(report).items()
    ):
        return Base(model.name, _read_config(folder, model.name), folder, "artifacts/base")
    for source_folder, origin in _list_sources(model, root, conversion_cache, downloads):
        if (source_folder / "config.json").exists():
            has_weights = any(source_folder.glob("*.safetensors"))
            return Base(
                model.name, _read_config(source_folder, model.name), source_folder if has_weights else None, origin
            )
    if model.source == "hub" and (config := _download_config(model)) is not None:
        return Base(model.name, config, None, "hub")
    raise ModelError(
        _(
            "no config.json of {model} was found in artifacts/base or at its source ({source}); run: dvc repro base",
            model=model.name,
            source=model.source,
        )
    )


def _list_sources(model: ModelParams, root: Path, conversion_cache: Path, downloads: Path) -> list[tuple[Path, str]]:
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


def _download_config(model: ModelParams) -> PreTrainedConfig | None:
    """Return the configuration from the hub, a few kilobytes; None if the hub does not answer or refuses it."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        file = hf_hub_download(
            str(model.hub),
            "config.json",
            revision=model.revision,
            endpoint=os.environ.get("HF_ENDPOINT"),
            token=os.environ.get("HF_TOKEN"),
            etag_timeout=5,
            library_name="seodang",
        )
    except (OSError, ValueError, HfHubHTTPError):
        return None
    except Exception as error:  # httpx and requests have their own errors
        if type(error).__module__.partition(".")[0] not in {"httpx", "requests", "urllib3"}:
            raise
        return None
    return _read_config(Path(file).parent, model.name)
