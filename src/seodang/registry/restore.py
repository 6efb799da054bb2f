"""A champion fit to be served again: from BentoML's stores if they still have it, else from DVC and its own commit."""

from __future__ import annotations

import io
import logging
import subprocess
import tarfile
import tempfile
from pathlib import Path

from seodang.errors import ModelError
from seodang.packaging.bento import build_bento, has_bento, store_model, stored_model
from seodang.packaging.model_card import MODEL_CARD
from seodang.paths import Paths
from seodang.registry.champion import Champion, fetch_packaged

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
    return _rebuilt(champion, fetch_packaged(champion, paths), paths)


def _is_stored(champion: Champion) -> bool:
    from seodang.models.checkpoints import weights_sha256

    folder = stored_model(champion.model_tag)
    try:
        return (
            folder is not None and weights_sha256(folder) == champion.weights_sha256 and has_bento(champion.bento_tag)
        )
    except (ModelError, OSError):  # half a model, as a killed run leaves it
        return False


def _rebuilt(champion: Champion, folder: Path, paths: Paths) -> str:
    from seodang.packaging.model_folder import CARD, content_version, read_card

    card = read_card(folder)
    name, _, version = champion.model_tag.partition(":")
    found = content_version(folder, card.fingerprint)
    if card.fingerprint != champion.prompt_fingerprint or found != version:
        raise ModelError(
            f"{champion.version} was promoted as {champion.model_tag} with the prompt fingerprint {champion.prompt_fingerprint[:12]}, but DVC has {name}:{found} "
            f"with {card.fingerprint[:12]}; one of the two was changed by hand: git log registry dvc.lock / 등록된 모델과 다릅니다"
        )
    model_tag = store_model(
        folder, name, version, {"project": "seodang", "prompt": champion.prompt_format}, CARD, MODEL_CARD
    )
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary)
        _unpack(champion, paths.root, source)
        return build_bento(source, name, version, model_tag)


def _unpack(champion: Champion, root: Path, folder: Path) -> None:
    """Put the service's code of the champion's commit into `folder`: it is the code that renders the champion's prompts."""
    packed = subprocess.run(
        ["git", "archive", champion.revision, "bentofile.yaml", "src"], cwd=root, capture_output=True, check=False
    )
    if packed.returncode:
        raise ModelError(
            f"commit {champion.revision[:12]} of {champion.version} cannot be read ({packed.stderr.decode(errors='replace').strip()}); run: git fetch --tags --unshallow / 커밋이 없습니다"
        )
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
