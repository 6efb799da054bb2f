"""Where the configuration of a base is found before the base stands on disk."""

from __future__ import annotations

import os
from pathlib import Path

from transformers import AutoConfig, PreTrainedConfig

from seodang.config import ModelParams
from seodang.errors import ModelError
from seodang.io.jsonl import read_json
from seodang.models.base import describe_origin
from seodang.models.checkpoints import is_code_trusted
from seodang.training.planning.plan import Base


def find_base(
    model: ModelParams, folder: Path, report: Path, root: Path, conversion_cache: Path, downloads: Path
) -> Base:
    """Return the base: what stage `base` has put there if it is this one, else where it will come from.

    Args:
        model: Which one.
        folder: Where stage `base` puts it.
        report: What that stage says about it.
        root: The project's.
        converted: Checkpoints that were converted, by checksum.
        downloads: What was fetched from the hub.

    Raises:
        ModelError: If no config.json of it is at hand; with what to do.
    """
    # A report from before all of this was written says less, and counts as another base's.
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
        f"no config.json of {model.name} is at hand, neither in artifacts/base nor where it comes from (source {model.source}); run: dvc repro base"
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
            f"config.json of {name} cannot be read ({str(error).partition(chr(10))[0]}); run: dvc repro --force base"
        ) from error
    return config


def _download_config(model: ModelParams) -> PreTrainedConfig | None:
    """Return the configuration alone from the hub, a few kilobytes; None when the hub does not answer or does not give it."""
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
    except Exception as error:  # httpx and requests each have errors of their own
        if type(error).__module__.partition(".")[0] not in {"httpx", "requests", "urllib3"}:
            raise
        return None
    return _read_config(Path(file).parent, model.name)
