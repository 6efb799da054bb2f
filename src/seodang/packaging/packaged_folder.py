"""Put the packaged model of a checkout, artifacts/package, into BentoML's store: after `dvc pull` only DVC has it."""

from __future__ import annotations

from pathlib import Path

from seodang.errors import ArtifactError, ModelError
from seodang.i18n import _
from seodang.io.jsonl import read_json
from seodang.packaging.bento import MODEL_CARD, NOTICE, delete_model, get_alias_tag, store_model
from seodang.packaging.checksums import CHECKSUMS_NAME
from seodang.paths import Paths


def store_packaged_model(paths: Paths) -> str:
    """Copy the packaged model into BentoML's store and return its tag.

    Raises:
        ArtifactError: If nothing was packaged, or `dvc pull` has not fetched it.
        ModelError: If the weights differ from the packaged ones.
    """
    from seodang.models.checkpoints import compute_weights_sha256
    from seodang.packaging.model_folder import MANIFEST_NAME  # transformers, which a built bento does not need here

    folder = paths.merged_model.relative_to(paths.root)
    if not paths.package_report.exists() or not paths.merged_model.is_dir():
        raise build_missing_error(paths)
    report = read_json(paths.package_report)
    expected, actual = str(report["weights_sha256"]), compute_weights_sha256(paths.merged_model)
    if actual != expected:
        raise ModelError(
            _(
                "the weights in {folder} changed: they have sha256 {actual}, but were packaged with {expected}; run:"
                " dvc checkout package",
                folder=folder,
                actual=actual[:12],
                expected=expected[:12],
            )
        )
    name, version = str(report["model_tag"]).partition(":")[::2]
    labels = {"project": "seodang", "prompt": str(report["lineage"]["params"]["prompt"]["format"])}
    return store_model(paths.merged_model, name, version, labels, MANIFEST_NAME, MODEL_CARD, NOTICE, CHECKSUMS_NAME)


def prepare_alias(alias: str, folder: Path) -> None:
    """Make the packaged model of a checkout the newest one in the store, where an alias means the newest one.

    That is so for `bentoml build` and `bentoml serve .`, which read bentofile.yaml. A built bento names exact tags, and
    nothing happens.

    Args:
        alias: Of the model in bentofile.yaml.
        folder: The checkout.

    Raises:
        ArtifactError: If neither the store nor the checkout has the model.
        ModelError: If the weights of the checkout differ from the packaged ones.
    """
    tag, newest = get_alias_tag(alias)
    if tag is None or not tag.endswith(":latest"):
        return
    paths = Paths(folder)
    if not paths.package_report.exists():
        if newest is None:
            raise build_missing_error(paths)
        return
    packaged = str(read_json(paths.package_report)["model_tag"])
    if packaged.partition(":")[0] == tag.partition(":")[0] and packaged != newest:
        delete_model(packaged)  # BentoML takes the time of storing for the age of a model
        store_packaged_model(paths)


def build_missing_error(paths: Paths) -> ArtifactError:
    """Return the error of a checkout without a packaged model."""
    folder = paths.merged_model.relative_to(paths.root)
    return ArtifactError(
        _("{folder} is not on this machine; fetch it: dvc pull package; or make it: make run", folder=folder)
    )
