"""Stage `base`: put the base checkpoint into artifacts/base from its pinned source."""

from __future__ import annotations

import logging

from seodang.config import ModelParams
from seodang.i18n import _
from seodang.io.atomic import compute_sha256
from seodang.io.disk_full import translate_disk_full
from seodang.io.jsonl import write_json
from seodang.models import base
from seodang.models.checkpoints import combine_sha256, list_weight_files
from seodang.paths import Paths
from seodang.stages import Report

logger = logging.getLogger(__name__)


def run(*, model: ModelParams, paths: Paths) -> Report:
    """Put the base model into artifacts/base/model and report its checksums.

    Raises:
        ModelError: If the model cannot be found, downloaded or used, or the disk is full.
        ChecksumError: If the weights differ from the pinned ones.
    """
    with translate_disk_full(_("{model} was downloaded or written to {folder}", model=model.name, folder=paths.base)):
        _create_base(model, paths)
    files = {file.name: compute_sha256(file) for file in sorted(paths.base.iterdir()) if file.is_file()}
    weights = combine_sha256({file.name: files[file.name] for file in list_weight_files(paths.base)})
    report = {
        **base.describe_origin(model),
        "trust_remote_code": model.trust_remote_code,
        "licence": model.licence,
        "weights_sha256": weights,
        "files": files,
    }
    write_json(paths.base_report, report)
    logger.info(_("base {name}: weights sha256 {sha256}…", name=model.name, sha256=weights[:12]))
    return report


def _create_base(model: ModelParams, paths: Paths) -> None:
    match model.source:
        case "bundled" | "path":
            base.copy_checkpoint(model, paths.root, paths.base)
        case "hub":
            base.download_checkpoint(model, paths.downloads, paths.base)
        case "gguf-package":
            assert model.gguf is not None  # ModelParams guarantees it
            base.convert_gguf(model.gguf, paths.model_cache, paths.base)
        case "scratch":
            from seodang.primer_base.pretrain import make_primer_base

            assert model.scratch is not None  # ModelParams guarantees it
            with base.replace_folder(paths.base) as folder:
                make_primer_base(model.scratch, folder)
