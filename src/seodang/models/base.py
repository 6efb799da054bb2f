"""Put a base checkpoint into a folder, from wherever it comes, checked before it stands there."""

from __future__ import annotations

import hashlib
import importlib
import logging
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from seodang.config import GgufParams, ModelParams
from seodang.errors import ChecksumError, ModelError
from seodang.io.atomic import replace_folder, sha256_of
from seodang.io.disk_full import check_space
from seodang.models.checkpoints import (
    WEIGHTS,
    list_weight_files,
    mark_code_as_trusted,
    select_checkpoint_files,
    verify_weights,
)
from seodang.models.hub import fetch_model

logger = logging.getLogger(__name__)

_DEQUANTIZATION_GROWTH = 4  # of 4-bit blocks that become bf16

__all__ = ["WEIGHTS", "convert_gguf", "copy_checkpoint", "describe_origin", "download_checkpoint", "replace_folder"]


def describe_origin(model: ModelParams) -> dict[str, str | None]:
    """Return what tells one base from another, for its report; of where it comes from, only what its source reads."""
    gguf = model.gguf if model.source == "gguf-package" else None
    return {
        "name": model.name,
        "source": model.source,
        "path_sha256": hashlib.sha256(str(model.path).encode()).hexdigest()
        if model.source in {"bundled", "path"}
        else None,  # a report is published; folders of a person's machine are not
        "hub": model.hub if model.source == "hub" else None,
        "revision": model.revision if model.source == "hub" else None,
        "gguf_sha256": gguf.sha256 if gguf else None,
    }


def copy_checkpoint(model: ModelParams, root: Path, folder: Path) -> None:
    """Copy a local checkpoint (bundled or path).

    Raises:
        ModelError: If it is not there, cannot be used, or does not fit on the disk.
        ChecksumError: If its weights are not the pinned ones.
    """
    source = root / str(model.path)
    origin = f"model.path {model.path}"
    if not source.is_dir():
        remedy = (
            f"restore it: git checkout {model.path}"
            if model.source == "bundled"
            else "copy or mount the checkpoint there, or set model.path to the folder where it lies"
        )
        raise ModelError(f"{origin} is no folder at {source}; {remedy}")
    names = select_checkpoint_files(
        (path.name for path in source.iterdir() if path.is_file()),
        origin,
        include_code=model.trust_remote_code is not None,
    )
    list_weight_files(source)  # names those that the index speaks of and that are missing
    _install_checkpoint(model, {name: source / name for name in names}, origin, folder)


def download_checkpoint(model: ModelParams, downloads: Path, folder: Path) -> None:
    """Fetch a pinned commit from the hub, once, and copy it.

    Args:
        downloads: Where what was fetched is kept.
        folder: Where the checkpoint will stand.

    Raises:
        ModelError: If it is not there, may not be read, cannot be used, or does not fit on the disk.
        ChecksumError: If its weights are not the pinned ones.
    """
    origin = f"model.hub {model.hub} at {model.revision}"
    files = fetch_model(
        str(model.hub), str(model.revision), origin, downloads, include_code=model.trust_remote_code is not None
    )
    _install_checkpoint(model, files, origin, folder)


def _install_checkpoint(model: ModelParams, files: Mapping[str, Path], origin: str, folder: Path) -> None:
    """Copy the files of a checkpoint beside where it will stand, check them, and let them take their place."""
    from seodang.models.loading import check_checkpoint

    check_space(folder, sum(file.stat().st_size for file in files.values()), f"copying {model.name}")
    with replace_folder(folder) as staging:
        for name, file in files.items():
            shutil.copyfile(file, staging / name)
        verify_weights(staging, model.sha256, origin)
        if model.trust_remote_code is not None:
            logger.warning("%s brings code of its own, which will run: model.trust_remote_code names it", origin)
            mark_code_as_trusted(staging, model.trust_remote_code)
        check_checkpoint(staging, origin)


def convert_gguf(gguf: GgufParams, cache: Path, folder: Path) -> None:
    """Convert a packaged GGUF model to safetensors once, and copy it from the cache after that.

    Args:
        cache: Converted checkpoints, each in a folder named by the sha256 of what it was made from.

    Raises:
        ModelError: If the package is not installed, or the model does not fit on the disk.
        ChecksumError: If the package holds another model than the pinned one.
    """
    cached_folder = cache / gguf.sha256
    if not cached_folder.exists():
        logger.info("unpacking %s, once; its licence: %s", gguf.package, gguf.licence)
        _write_safetensors(gguf, cached_folder)
    check_space(folder.parent, sum(file.stat().st_size for file in cached_folder.iterdir()), f"copying {gguf.package}")
    with replace_folder(folder) as staging:
        shutil.copytree(cached_folder, staging, dirs_exist_ok=True, copy_function=shutil.copyfile)


def _write_safetensors(gguf: GgufParams, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    from seodang.models.loading import check_checkpoint

    with tempfile.TemporaryDirectory() as scratch:
        file = _assemble_gguf(gguf, Path(scratch))
        check_space(folder, _DEQUANTIZATION_GROWTH * file.stat().st_size, f"converting {gguf.package}")
        tokenizer = AutoTokenizer.from_pretrained(scratch, gguf_file=file.name)
        # The file stores quantised blocks; bf16 keeps all of their precision at half the size of fp32.
        model = AutoModelForCausalLM.from_pretrained(
            scratch, gguf_file=file.name, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
        )
        with replace_folder(folder) as staging:
            model.save_pretrained(staging)
            tokenizer.save_pretrained(staging)
            check_checkpoint(staging, f"the model in {gguf.package}")


def _assemble_gguf(gguf: GgufParams, folder: Path) -> Path:
    """Write the model's file from its package's parts, and check it."""
    try:
        package = importlib.import_module(gguf.package)
    except ImportError as error:
        raise ModelError(f"the package {gguf.package} {gguf.version} is not installed; run: make gemma") from error
    file: Path = package.assemble(folder / gguf.file)
    digest = sha256_of(file)
    if digest != gguf.sha256:
        raise ChecksumError(
            f"{gguf.package} holds a model with sha256 {digest}, but model.gguf.sha256 pins {gguf.sha256}; install version {gguf.version}"
        )
    return file
