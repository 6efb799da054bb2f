"""Put a base checkpoint into a folder. It comes from a folder, the hub or a package, and is checked first."""

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
from seodang.i18n import _
from seodang.io.atomic import compute_sha256, replace_folder
from seodang.io.disk_full import check_space
from seodang.io.names import find_path
from seodang.models.checkpoints import (
    WEIGHTS,
    list_weight_files,
    mark_code_as_trusted,
    select_checkpoint_files,
    verify_weights,
)
from seodang.models.hub import fetch_model

logger = logging.getLogger(__name__)

_DEQUANTIZATION_GROWTH = 4  # size of bf16 weights relative to 4-bit blocks

__all__ = ["WEIGHTS", "convert_gguf", "copy_checkpoint", "describe_origin", "download_checkpoint", "replace_folder"]


def describe_origin(model: ModelParams) -> dict[str, str | None]:
    """Return the fields that identify a base in its report; fields that its source does not read are None."""
    gguf = model.gguf if model.source == "gguf-package" else None
    return {
        "name": model.name,
        "source": model.source,
        # A hash, because the report is published and folder names of a private machine are not.
        "path_sha256": hashlib.sha256(str(model.path).encode()).hexdigest()
        if model.source in {"bundled", "path"}
        else None,
        "hub": model.hub if model.source == "hub" else None,
        "revision": model.revision if model.source == "hub" else None,
        "gguf_sha256": gguf.sha256 if gguf else None,
    }


def find_checkpoint_folder(model: ModelParams, root: Path) -> Path:
    """Return the folder of a local checkpoint (source bundled or path).

    Raises:
        ModelError: If there is no such folder.
    """
    folder = find_path(root / str(model.path))
    if folder.is_dir():
        return folder
    remedy = (
        _("restore it: git checkout {path}", path=model.path)
        if model.source == "bundled"
        else _("copy or mount the checkpoint there, or set model.path to its folder")
    )
    origin = f"model.path {model.path}"
    raise ModelError(_("{origin}: there is no folder {folder}; {remedy}", origin=origin, folder=folder, remedy=remedy))


def copy_checkpoint(model: ModelParams, root: Path, folder: Path) -> None:
    """Copy a local checkpoint (source bundled or path).

    Raises:
        ModelError: If the checkpoint is missing, cannot be used, or does not fit on the disk.
        ChecksumError: If its weights differ from the pinned ones.
    """
    source = find_checkpoint_folder(model, root)
    origin = f"model.path {model.path}"
    names = select_checkpoint_files(
        (path.name for path in source.iterdir() if path.is_file()),
        origin,
        include_code=model.trust_remote_code is not None,
    )
    list_weight_files(source)  # raises an error that names missing files
    _install_checkpoint(model, {name: source / name for name in names}, origin, folder)


def download_checkpoint(model: ModelParams, downloads: Path, folder: Path) -> None:
    """Download a pinned commit from the hub, once, and copy it.

    Args:
        model: Section model of params.yaml, with hub and revision.
        downloads: Folder of the downloaded files.
        folder: Target folder of the checkpoint.

    Raises:
        ModelError: If the model is missing, access is denied, or it cannot be used or does not fit on the disk.
        ChecksumError: If its weights differ from the pinned ones.
    """
    origin = _("model.hub {name} at {revision}", name=model.hub, revision=model.revision)
    files = fetch_model(
        str(model.hub), str(model.revision), origin, downloads, include_code=model.trust_remote_code is not None
    )
    _install_checkpoint(model, files, origin, folder)


def _install_checkpoint(model: ModelParams, files: Mapping[str, Path], origin: str, folder: Path) -> None:
    """Copy the files of a checkpoint into a staging folder, check them there, and move the folder to its target."""
    from seodang.models.compatibility import check_checkpoint

    size = sum(file.stat().st_size for file in files.values())
    check_space(folder, size, _("copying {name}", name=model.name))
    with replace_folder(folder) as staging:
        for name, file in files.items():
            shutil.copyfile(file, staging / name)
        verify_weights(staging, model.sha256, origin)
        if model.trust_remote_code is not None:
            logger.warning(
                _("{origin} has custom code, which will run: model.trust_remote_code names it", origin=origin)
            )
            mark_code_as_trusted(staging, model.trust_remote_code)
        check_checkpoint(staging, origin)


def convert_gguf(gguf: GgufParams, cache: Path, folder: Path) -> None:
    """Convert a packaged GGUF model to safetensors once; later calls copy it from the cache.

    Args:
        gguf: Package and file of the model.
        cache: Folder of converted checkpoints, each in a folder named by the sha256 of its GGUF file.
        folder: Target folder of the checkpoint.

    Raises:
        ModelError: If the package is not installed, or the model does not fit on the disk.
        ChecksumError: If the package's model differs from the pinned one.
    """
    cached_folder = cache / gguf.sha256
    if not cached_folder.exists():
        logger.info(_("converting {package}; its licence: {licence}", package=gguf.package, licence=gguf.licence))
        _write_safetensors(gguf, cached_folder)
    size = sum(file.stat().st_size for file in cached_folder.iterdir())
    check_space(folder.parent, size, _("copying {name}", name=gguf.package))
    with replace_folder(folder) as staging:
        shutil.copytree(cached_folder, staging, dirs_exist_ok=True, copy_function=shutil.copyfile)


def _write_safetensors(gguf: GgufParams, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    from seodang.models.compatibility import check_checkpoint

    with tempfile.TemporaryDirectory() as scratch:
        file = _assemble_gguf(gguf, Path(scratch))
        size = _DEQUANTIZATION_GROWTH * file.stat().st_size
        check_space(folder, size, _("converting {name}", name=gguf.package))
        tokenizer = AutoTokenizer.from_pretrained(scratch, gguf_file=file.name)
        # bf16 keeps the full precision of the file's quantized blocks at half the size of fp32.
        model = AutoModelForCausalLM.from_pretrained(
            scratch, gguf_file=file.name, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
        )
        with replace_folder(folder) as staging:
            model.save_pretrained(staging)
            tokenizer.save_pretrained(staging)
            check_checkpoint(staging, _("the model in {package}", package=gguf.package))


def _assemble_gguf(gguf: GgufParams, folder: Path) -> Path:
    """Assemble the GGUF file from the parts in its package, and check its sha256."""
    try:
        package = importlib.import_module(gguf.package)
    except ImportError as error:
        raise ModelError(
            _(
                "the package {package} {version} is not installed; run: make gemma",
                package=gguf.package,
                version=gguf.version,
            )
        ) from error
    file: Path = package.assemble(folder / gguf.file)
    digest = compute_sha256(file)
    if digest != gguf.sha256:
        raise ChecksumError(
            _(
                "the model in {package} has sha256 {digest}, but model.gguf.sha256 pins {expected}; install version"
                " {version}",
                package=gguf.package,
                digest=digest,
                expected=gguf.sha256,
                version=gguf.version,
            )
        )
    return file
