"""Restore the bento of a champion or of the packaged model: from BentoML's stores, else from DVC's artifacts."""

from __future__ import annotations

import io
import logging
import subprocess
import tarfile
import tempfile
from pathlib import Path

from seodang.errors import ModelError
from seodang.i18n import _
from seodang.io.jsonl import read_json
from seodang.packaging.bento import (
    MODEL_CARD,
    NOTICE,
    build_bento,
    find_stored_model,
    has_bento,
    has_present_code,
    store_model,
)
from seodang.packaging.checksums import CHECKSUMS_NAME, has_checksums, verify_checksums
from seodang.paths import Paths
from seodang.registry.champion import Champion
from seodang.registry.fetching import fetch_packaged_model

logger = logging.getLogger(__name__)


def make_servable(champion: Champion, paths: Paths) -> str:
    """Return the tag of a bento in the store that serves exactly the champion's weights.

    Raises:
        ModelError: If no cache or remote has the weights, or weights, prompts or code differ from the promoted ones.
    """
    if _is_stored(champion.model_tag, champion.weights_sha256, champion.bento_tag):
        logger.info(
            _(
                "{version}: bento {bento} is in the store, with the promoted weights",
                version=champion.version,
                bento=champion.bento_tag,
            )
        )
        return champion.bento_tag
    logger.info(
        _(
            "{version}: restoring the weights from DVC, and the service from commit {revision}",
            version=champion.version,
            revision=champion.revision[:12],
        )
    )
    return _rebuild_bento(champion, fetch_packaged_model(champion, paths), paths)


def make_packaged_servable(paths: Paths) -> str:
    """Return the tag of the bento that was packaged last; in a clone it is built from artifacts/package.

    It is built again if the service's code has changed since: the tag names weights alone.

    Raises:
        ArtifactError: If nothing was packaged, or `dvc pull` has not fetched it.
        ModelError: If the weights differ from the packaged ones.
    """
    from seodang.packaging.packaged_folder import build_missing_error, store_packaged_model

    if not paths.package_report.exists():
        raise build_missing_error(paths)
    report = read_json(paths.package_report)
    tag = str(report["bento_tag"])
    if _is_stored(str(report["model_tag"]), str(report["weights_sha256"]), tag):
        if has_present_code(tag, paths.root):
            return tag
        logger.info(_("the service's code has changed since {tag} was built: building it again", tag=tag))
    else:
        folder = paths.merged_model.relative_to(paths.root)
        logger.info(_("the BentoML store has no {tag}: building it from {folder}", tag=tag, folder=folder))
    model_tag = store_packaged_model(paths)
    name, version = model_tag.partition(":")[::2]
    return build_bento(paths.root, name, version, model_tag)


def _is_stored(model_tag: str, weights_sha256: str, bento_tag: str) -> bool:
    from seodang.models.checkpoints import compute_weights_sha256

    folder = find_stored_model(model_tag)
    try:
        if folder is None or compute_weights_sha256(folder) != weights_sha256 or not has_bento(bento_tag):
            return False
        if has_checksums(folder):  # the weights match; a damaged tokenizer or template is restored, too
            verify_checksums(folder)
    except (ModelError, OSError):  # a killed run left an incomplete model, or a file changed
        return False
    return True


def _rebuild_bento(champion: Champion, folder: Path, paths: Paths) -> str:
    from seodang.packaging.model_folder import MANIFEST_NAME, compute_content_version, read_manifest

    manifest = read_manifest(folder)
    name, version = champion.model_tag.partition(":")[::2]
    stored_version = compute_content_version(folder, manifest.fingerprint)
    if manifest.fingerprint != champion.prompt_fingerprint or stored_version != version:
        raise ModelError(
            _(
                "{version} was promoted as {expected} with the prompt fingerprint {expected_fingerprint}, but DVC has"
                " {actual} with {actual_fingerprint}; one of the two was edited by hand, see: git log registry dvc.lock",
                version=champion.version,
                expected=champion.model_tag,
                expected_fingerprint=champion.prompt_fingerprint[:12],
                actual=f"{name}:{stored_version}",
                actual_fingerprint=manifest.fingerprint[:12],
            )
        )
    labels = {"project": "seodang", "prompt": champion.prompt_format}
    model_tag = store_model(folder, name, version, labels, MANIFEST_NAME, MODEL_CARD, NOTICE, CHECKSUMS_NAME)
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary)
        _extract_source(champion, paths.root, source)
        return build_bento(source, name, version, model_tag)


def _extract_source(champion: Champion, root: Path, folder: Path) -> None:
    """Extract the service's code at the champion's commit into a folder; that code renders the champion's prompts."""
    result = subprocess.run(
        ["git", "archive", champion.revision, "bentofile.yaml", "src"], cwd=root, capture_output=True, check=False
    )
    if result.returncode:
        raise ModelError(
            _(
                "commit {revision} of {version} cannot be read ({error}); run: git fetch --tags --unshallow",
                revision=champion.revision[:12],
                version=champion.version,
                error=result.stderr.decode(errors="replace").strip(),
            )
        )
    with tarfile.open(fileobj=io.BytesIO(result.stdout)) as archive:
        archive.extractall(folder, filter="data")
