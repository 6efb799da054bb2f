"""A champion fit to be served again: from BentoML's stores if they still have it, else from DVC and its own commit."""

from __future__ import annotations

import io
import logging
import subprocess
import tarfile
import tempfile
from pathlib import Path

from seodang.errors import ModelError
from seodang.packaging.bento import build_bento, find_stored_model, has_bento, store_model
from seodang.packaging.model_card import MODEL_CARD
from seodang.paths import Paths
from seodang.registry.champion import Champion, fetch_packaged_model

logger = logging.getLogger(__name__)


def make_servable(champion: Champion, paths: Paths) -> str:
    """Return the tag of a bento in the store that serves exactly the champion's weights.

    Raises:
        ModelError: If the weights are in no cache and no remote, or weights, prompts or code are not those that were promoted.
    """
    if _is_stored(champion):
        logger.info(
            "%s: bento %s is in the store, with the weights that were promoted", champion.version, champion.bento_tag
        )
        return champion.bento_tag
    logger.info(
        "%s: taking the weights from DVC, and the service from commit %s", champion.version, champion.revision[:12]
    )
    return _rebuild_bento(champion, fetch_packaged_model(champion, paths), paths)


def _is_stored(champion: Champion) -> bool:
    from seodang.models.checkpoints import compute_weights_sha256

    folder = find_stored_model(champion.model_tag)
    try:
        return (
            folder is not None
            and compute_weights_sha256(folder) == champion.weights_sha256
            and has_bento(champion.bento_tag)
        )
    except (ModelError, OSError):  # half a model, as a killed run leaves it
        return False


def _rebuild_bento(champion: Champion, folder: Path, paths: Paths) -> str:
    from seodang.packaging.model_folder import MANIFEST_NAME, compute_content_version, read_manifest

    manifest = read_manifest(folder)
    name, _, version = champion.model_tag.partition(":")
    stored_version = compute_content_version(folder, manifest.fingerprint)
    if manifest.fingerprint != champion.prompt_fingerprint or stored_version != version:
        raise ModelError(
            f"{champion.version} was promoted as {champion.model_tag} with the prompt fingerprint {champion.prompt_fingerprint[:12]}, but DVC has {name}:{stored_version} "
            f"with {manifest.fingerprint[:12]}; one of the two was changed by hand: git log registry dvc.lock / 등록된 모델과 다릅니다"
        )
    model_tag = store_model(
        folder, name, version, {"project": "seodang", "prompt": champion.prompt_format}, MANIFEST_NAME, MODEL_CARD
    )
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary)
        _extract_source(champion, paths.root, source)
        return build_bento(source, name, version, model_tag)


def _extract_source(champion: Champion, root: Path, folder: Path) -> None:
    """Put the service's code of the champion's commit into `folder`: it is the code that renders the champion's prompts."""
    result = subprocess.run(
        ["git", "archive", champion.revision, "bentofile.yaml", "src"], cwd=root, capture_output=True, check=False
    )
    if result.returncode:
        raise ModelError(
            f"commit {champion.revision[:12]} of {champion.version} cannot be read ({result.stderr.decode(errors='replace').strip()}); run: git fetch --tags --unshallow / 커밋이 없습니다"
        )
    with tarfile.open(fileobj=io.BytesIO(result.stdout)) as archive:
        archive.extractall(folder, filter="data")
